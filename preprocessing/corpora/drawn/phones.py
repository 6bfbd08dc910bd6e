"""The sounds that the drawn actors can make, and the two statements that they speak.

Formants of vowels are the averages of men in Peterson & Barney (1952), "Control methods used in a
study of the vowels", JASA 24; those of consonants are rounded from Klatt (1980).
"""

import pandas as pd

NOISES = {"hiss": (4100, 7100), "puff": (700, 6300), "tick": (2400, 6000)}
"""Bands of noise, in hertz: of s and z, of v and dh, of a burst."""

STATEMENTS = {
    "01": "m aa ih | s ih' s t t! er | ih z | l iy' v ih ng | n aa' uh",  # My sister is leaving now
    "02": "dh ah | b ah' s | w ih l | b iy | h ih' er | s uw' n",  # The bus will be here soon
}
"""The phones of each statement; an apostrophe marks the accents."""

VOWELS = ("iy", "ih", "aa", "ah", "uh", "uw", "er")
PHONES = pd.DataFrame.from_dict(
    {
        "|": (500, 1500, 2500, 0, 0.0, 0.0, 0.0, "", 0.0),
        "iy": (270, 2290, 3010, 105, 0.90, 0.50, 0.0, "", 0.0),
        "ih": (390, 1990, 2550, 85, 0.95, 0.60, 0.0, "", 0.0),
        "aa": (730, 1090, 2440, 95, 1.0, 1.0, 0.0, "", 0.0),
        "ah": (640, 1190, 2390, 95, 1.0, 0.85, 0.0, "", 0.0),
        "uh": (440, 1020, 2240, 90, 1.0, 0.60, 0.5, "", 0.0),
        "uw": (300, 870, 2240, 120, 0.90, 0.50, 1.0, "", 0.0),
        "er": (490, 1350, 1690, 95, 0.95, 0.60, 0.3, "", 0.0),
        "m": (250, 1000, 2200, 65, 0.34, 0.0, 0.0, "", 0.0),
        "n": (250, 1600, 2500, 60, 0.34, 0.15, 0.0, "", 0.0),
        "ng": (250, 2000, 2700, 65, 0.34, 0.15, 0.0, "", 0.0),
        "l": (340, 1100, 2600, 60, 0.55, 0.25, 0.0, "", 0.0),
        "w": (290, 650, 2200, 65, 0.50, 0.12, 1.0, "", 0.0),
        "h": (500, 1800, 2500, 50, 0.10, 0.4, 0.0, "puff", 0.18),
        "v": (280, 1100, 2300, 55, 0.34, 0.05, 0.0, "puff", 0.08),
        "dh": (280, 1300, 2500, 50, 0.36, 0.15, 0.0, "puff", 0.06),
        "z": (280, 1600, 2600, 65, 0.26, 0.15, 0.0, "hiss", 0.17),
        "s": (320, 1500, 2600, 90, 0.0, 0.15, 0.0, "hiss", 0.25),
        "b": (220, 900, 2200, 50, 0.12, 0.0, 0.0, "", 0.0),
        "t": (400, 1700, 2600, 35, 0.0, 0.15, 0.0, "", 0.0),
        "t!": (400, 1700, 2600, 25, 0.0, 0.25, 0.0, "tick", 0.36),
    },
    orient="index",
    columns=["f1_hz", "f2_hz", "f3_hz", "ms", "voiced", "open", "round", "noise", "hiss"],
)
"""Formants of a man's vocal tract, length at rate 1, loudness of the voice (1 for a full vowel),
how open and how round the mouth is (0 to 1), a key of ``NOISES``, and its loudness relative to the
RMS of a full vowel; "|" is the pause between words."""
