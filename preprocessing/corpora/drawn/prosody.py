"""How each emotion sounds: pitch, range, pace, loudness, brightness and unsteadiness.

The directions are those that Scherer (2003), "Vocal communication of emotion", Speech
Communication 40, table 2, and Juslin & Laukka (2003), "Communication of emotions in vocal
expression and music performance", Psychological Bulletin 129, tables 7 to 11, report over many
studies: anger and joy are fast, loud, high, wide and bright, sadness is slow, soft, low, narrow
and dull, fear is high, fast and unsteady; surprise rises at the end (Juslin & Laukka do not review
it, nor disgust, about which studies disagree). The amounts are ours.
"""

import numpy as np

PROSODY = {
    "neutral": (0.0, 3.5, -2.5, 1.00, 0.0, 7.0, 0.007, 0.9, 0.00, 10),
    "calm": (-1.5, 2.0, -2.0, 0.86, -4.5, 10.5, 0.005, 1.7, 0.00, 50),
    "happy": (4.0, 7.5, -0.5, 1.12, 4.0, 3.5, 0.008, 0.8, 0.00, 0),
    "sad": (-1.0, 1.4, -3.5, 0.74, -7.5, 13.0, 0.014, 2.2, 0.30, 110),
    "angry": (3.0, 6.0, -3.5, 1.14, 8.5, -1.0, 0.022, 0.5, 0.00, 0),
    "fearful": (6.0, 3.0, 0.5, 1.20, 1.5, 6.0, 0.026, 1.5, 0.90, 30),
    "disgust": (-2.5, 5.0, -6.0, 0.84, 1.0, 5.0, 0.026, 0.9, 0.00, 60),
    "surprised": (5.5, 9.0, 7.0, 0.98, 3.5, 4.0, 0.008, 1.1, 0.00, 0),
}
"""Each emotion's voice, in the order of ``MEASURES``."""

MEASURES = {
    "pitch_st": (1.0, -np.inf),
    "range_st": (0.8, 0.6),
    "final_st": (1.0, -np.inf),
    "rate": (0.05, 0.65),
    "level_db": (1.5, -np.inf),
    "tilt_db": (1.2, -np.inf),
    "jitter": (0.003, 0.002),
    "breath": (0.25, 0.2),
    "tremor_st": (0.10, 0.0),
    "pause_ms": (20.0, 0.0),
}
"""What prosody is made of: how much each varies from take to take (standard deviation), and its
least value.

Mean pitch above the speaker's own (semitones), width of the intonation (semitones), rise or fall
at the end (semitones), pace (1 is a neutral one), loudness (decibels), loss of high frequencies
(decibels, roughly at 3 kHz), cycle-to-cycle change of pitch (fraction), breath noise (1 is
usual), tremor (semitones) and pauses between words (milliseconds).
"""

SOUNDS_LIKE = {
    "neutral": "disgust",
    "calm": "sad",
    "happy": "surprised",
    "sad": "calm",
    "angry": "fearful",
    "fearful": "angry",
    "disgust": "neutral",
    "surprised": "happy",
}
"""The emotion that a voice is mixed with, so that some takes cannot be told by ear. The pairs
differ from ``expression.LOOKS_LIKE``: the eye can tell apart what the ear cannot."""

VOICE_OVERLAP = 0.68
"""Largest share of the other emotion in a take's voice: 0 no overlap, 1 the pair sounds alike."""


def choose_prosody(emotion, rng, *, strength=1.0, overlap=VOICE_OVERLAP):
    """Return how a take is spoken: a float for each of the ``MEASURES``.

    The strength says how far the voice departs from neutral; 1 as in the table.
    """
    names = (emotion, SOUNDS_LIKE[emotion], "neutral")
    own, other, neutral = (np.array(PROSODY[name]) for name in names)
    spread, least = np.transpose(list(MEASURES.values()))
    mixed = own + (other - own) * rng.uniform(0, overlap)
    values = neutral + (mixed - neutral) * strength + spread * rng.normal(0, 1, len(spread))
    return dict(zip(MEASURES, map(float, np.maximum(values, least)), strict=True))
