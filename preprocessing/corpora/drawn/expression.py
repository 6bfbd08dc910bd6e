"""How each emotion looks: action units that come, stay and go, a moving head, blinks, speech.

The prototypes follow Ekman & Friesen's EMFACS as tabulated by Ekman, Friesen & Hager (2002),
"Facial Action Coding System: Investigator's Guide", and agree with the units that Du, Tao &
Martinez (2014), "Compound facial expressions of emotion", PNAS 111, found in most people; calm is
RAVDESS's: at rest, with a trace of a smile. The amounts are ours.
"""

import numpy as np

from preprocessing.corpora.drawn.face import UNITS
from preprocessing.corpora.drawn.painting import smooth_step

FACES = {
    "neutral": {},
    "calm": {"AU1": 0.12, "AU2": 0.12, "AU6": 0.20, "AU12": 0.45, "AU45": 0.40},
    "happy": {"AU6": 0.85, "AU12": 1.0, "AU25": 0.8},
    "sad": {"AU1": 0.95, "AU4": 0.45, "AU15": 0.9, "AU17": 0.5, "AU45": 0.22, "gaze_y": 0.5},
    "angry": {"AU4": 1.0, "AU5": 0.45, "AU7": 0.55, "AU17": 0.3, "AU23": 0.9},
    "fearful": {"AU1": 0.95, "AU2": 0.5, "AU4": 0.6, "AU5": 0.8, "AU20": 0.9, "AU25": 0.7},
    "disgust": {"AU6": 0.35, "AU7": 0.55, "AU9": 1.0, "AU10": 1.0, "AU15": 0.3, "AU25": 0.4},
    "surprised": {"AU1": 0.9, "AU2": 1.0, "AU5": 0.9, "AU25": 0.5, "jaw": 0.6},
}
"""Action units of each emotion at its height."""

LOOKS_LIKE = {
    "neutral": "calm",
    "calm": "neutral",
    "happy": "calm",
    "sad": "neutral",
    "angry": "disgust",
    "fearful": "surprised",
    "disgust": "angry",
    "surprised": "fearful",
}
"""The emotion that a face is mixed with, so that some takes cannot be told by eye. The pairs
differ from ``prosody.SOUNDS_LIKE``: the ear can tell apart what the eye cannot."""

FACE_OVERLAP = 0.68
"""Largest share of the other emotion in a take's face: 0 no overlap, 1 the pair looks alike."""
FACE_NOISE = 0.08
"""Standard deviation, from take to take, of each action unit at its height."""
STRENGTHS = {"normal": (0.85, 1.15), "strong": (1.1, 1.4)}
"""Range that the strength of a take is drawn from, by intensity."""

BEARING = {
    "happy": (-1.0, 2.0, 1.01),
    "sad": (3.0, 2.5, 0.99),
    "angry": (1.0, 0.0, 1.035),
    "fearful": (-1.0, -1.0, 0.97),
    "disgust": (0.5, 3.0, 0.985),
    "surprised": (-2.5, 0.0, 0.985),
}
"""How the head is held: down in pixels, tilt in degrees (to either side), size."""


def choose_expression(emotion, actor, rng, *, strength=1.0):
    """Return the action units of a take at its height: a float for each of ``face.UNITS``.

    The strength is a factor on the emotion's own face; the actor's habits colour it.
    """
    own, other = FACES[emotion], FACES[LOOKS_LIKE[emotion]]
    share = rng.uniform(0, FACE_OVERLAP)
    units = {}
    for name, accent in zip(UNITS, actor.habits["accent"], strict=False):
        amount = own.get(name, 0.0) * (1 - share) + other.get(name, 0.0) * share
        amount *= strength * actor.habits["expressive"] * accent
        used = name in own or name in other
        noise = FACE_NOISE * (1.0 if used else 0.35) * rng.normal()
        still = not used and name in ("round", "jaw", "AU45", "gaze_x", "gaze_y")
        units[name] = 0.0 if still else float(np.clip(amount + noise, -0.2, 1.4))
    return units


def act_face(units, actor, times, speech, rng, *, emotion):
    """Return what the face does in each frame of a clip.

    The expression rises from a third of its height within the first part of the clip, stays with
    slight tremor while the actor speaks, and falls again in part towards the end.

    Args:
        units: Action units at their height, from ``choose_expression``.
        actor: An ``Actor``.
        times: float64 (frames,) seconds.
        speech: A ``voice.Speech``, which the lips follow.
        rng: numpy Generator.
        emotion: Sets how the head is held.

    Returns:
        List of (action units, pose), one pair a frame, as ``face.draw_face`` takes them.
    """
    length = speech.duration_s
    onset, offset = rng.uniform(0.02, 0.12), rng.uniform(0.82, 0.95)
    rise = smooth_step(times / length, onset, onset + rng.uniform(0.10, 0.22))
    fall = smooth_step(times / length, offset, offset + 0.18)
    height = 0.35 + 0.65 * rise * (1 - 0.5 * fall)
    steps = (np.arange(len(speech.mouth_open)) + 0.5) * length / len(speech.mouth_open)
    opening = np.interp(times, steps, speech.mouth_open)
    rounding = np.interp(times, steps, speech.mouth_round)
    look = np.cumsum(rng.random(len(times)) < 0.06)

    now = {}
    for name, amount in units.items():
        now[name] = amount * height * (1 + 0.04 * _drift(times, rng, hz=1.6))
    now["jaw"] = now["jaw"] * (0.55 + 0.45 * opening) + 0.38 * opening
    now["AU25"] = np.maximum(now["AU25"] * np.minimum(1.0, 0.35 + 2 * opening), 0.6 * opening)
    now["round"] += 0.8 * rounding * (1 - 0.5 * np.maximum(now["AU12"], 0))
    now["AU45"] = np.maximum(now["AU45"], _blink(times, actor, rng))
    for name in ("gaze_x", "gaze_y"):
        now[name] += rng.normal(0, 0.14, look[-1] + 1)[look]
    frames = [dict(zip(now, row, strict=True)) for row in np.transpose(list(now.values()))]
    return list(zip(frames, _move_head(times, actor, emotion, height, rng), strict=True))


def _move_head(times, actor, emotion, height, rng):
    """Return a pose for each frame: the emotion's bearing and slow, small movement."""
    lively, side = actor.habits["lively"], rng.choice([-1, 1])
    down, tilt, size = BEARING.get(emotion, (0.0, 0.0, 1.0))
    x = rng.normal(0, 3) + 2.0 * lively * _drift(times, rng, hz=0.7)
    y = rng.normal(0, 2) + 1.6 * lively * _drift(times, rng, hz=1.0) + down * height
    angle = rng.normal(0, 1.0) + 1.3 * lively * _drift(times, rng, hz=0.8) + side * tilt * height
    scale = rng.normal(1, 0.012) + 0.007 * lively * _drift(times, rng, hz=0.5)
    scale += (size - 1) * height
    return np.column_stack([x, y, angle, scale])


def _drift(times, rng, *, hz):
    """Return a slow, smooth wandering around 0 with a standard deviation of about 1."""
    rates, phases = rng.uniform(0.4, 1.6, 3) * hz, rng.uniform(0, 2 * np.pi, 3)
    return np.sqrt(2 / 3) * np.sin(2 * np.pi * np.outer(times, rates) + phases).sum(axis=1)


def _blink(times, actor, rng):
    """Return how far the lids are closed by blinks."""
    moments = np.cumsum(0.6 + rng.exponential(1 / actor.habits["blinks"], size=8)) - 0.6
    away = np.abs(times[:, None] - moments).min(axis=1)
    return np.clip(1.4 - away / 0.075, 0, 1)
