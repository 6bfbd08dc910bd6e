"""The sounds that the drawn actors can make, and the two statements that they speak.

Formants of vowels are the averages of men in Peterson & Barney (1952), "Control methods used in a
study of the vowels", JASA 24; those of consonants are rounded from Klatt (1980).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Phone:
    """A speech sound.

    Attributes:
        formants_hz: Five formants of a man's vocal tract.
        ms: Length at rate 1.
        voiced: Loudness of the voice, 1 for a full vowel.
        open, round: The mouth, 0 to 1.
        noise: A key of ``NOISES``, or empty.
        hiss: Loudness of the noise, relative to the RMS of a full vowel.
        is_vowel: Whether the sound carries a syllable.
    """

    formants_hz: tuple
    ms: float
    voiced: float
    open: float = 0.0
    round: float = 0.0
    noise: str = ""
    hiss: float = 0.0
    is_vowel: bool = False


@dataclass(frozen=True)
class Spoken:
    """A phone's place in a statement."""

    name: str
    stressed: bool
    ends_word: bool


NOISES = {"hiss": (5600, 1500), "puff": (3500, 2800), "tick": (4200, 1800)}
"""Bands of noise, as (centre, half width) in hertz: of s and z, of v and dh, of a burst."""


def _vowel(f1, f2, f3, open_, *, ms=105, round_=0.0, voiced=1.0):
    return Phone((f1, f2, f3, 3500, 4500), ms, voiced, open_, round_, is_vowel=True)


def _consonant(f1, f2, f3, ms, voiced, *, open_=0.15, round_=0.0, noise="", hiss=0.0):
    return Phone((f1, f2, f3, 3400, 4500), ms, voiced, open_, round_, noise, hiss)


PHONES = {
    "silence": _consonant(500, 1500, 2500, 100, 0.0, open_=0.0),
    "iy": _vowel(270, 2290, 3010, 0.50, voiced=0.9),
    "ih": _vowel(390, 1990, 2550, 0.60, ms=85, voiced=0.95),
    "aa": _vowel(730, 1090, 2440, 1.0, ms=95),
    "ah": _vowel(640, 1190, 2390, 0.85, ms=95),
    "uh": _vowel(440, 1020, 2240, 0.60, ms=90, round_=0.5),
    "uw": _vowel(300, 870, 2240, 0.50, ms=120, round_=1.0, voiced=0.9),
    "er": _vowel(490, 1350, 1690, 0.60, ms=95, round_=0.3, voiced=0.95),
    "m": _consonant(250, 1000, 2200, 65, 0.34, open_=0.0),
    "n": _consonant(250, 1600, 2500, 60, 0.34),
    "ng": _consonant(250, 2000, 2700, 65, 0.34),
    "l": _consonant(340, 1100, 2600, 60, 0.55, open_=0.25),
    "w": _consonant(290, 650, 2200, 65, 0.50, open_=0.12, round_=1.0),
    "h": _consonant(500, 1800, 2500, 50, 0.10, open_=0.4, noise="puff", hiss=0.18),
    "v": _consonant(280, 1100, 2300, 55, 0.34, open_=0.05, noise="puff", hiss=0.08),
    "dh": _consonant(280, 1300, 2500, 50, 0.36, noise="puff", hiss=0.06),
    "z": _consonant(280, 1600, 2600, 65, 0.26, noise="hiss", hiss=0.17),
    "s": _consonant(320, 1500, 2600, 90, 0.0, noise="hiss", hiss=0.25),
    "b": _consonant(220, 900, 2200, 50, 0.12, open_=0.0),
    "t": _consonant(400, 1700, 2600, 35, 0.0),
    "t!": _consonant(400, 1700, 2600, 25, 0.0, open_=0.25, noise="tick", hiss=0.36),
}

STATEMENTS = {
    "01": (
        "My sister is leaving now",
        "m aa ih | s ih' s t t! er | ih z | l iy' v ih ng | n aa' uh",
    ),
    "02": ("The bus will be here soon", "dh ah | b ah' s | w ih l | b iy | h ih' er | s uw' n"),
}
"""Text and phones of each statement; an apostrophe marks the accents."""


def spell(statement):
    """Return the phones of a statement.

    Args:
        statement: A key of ``STATEMENTS``.

    Returns:
        List of ``Spoken``.
    """
    spoken = []
    for word in STATEMENTS[statement][1].split("|"):
        names = word.split()
        for place, name in enumerate(names):
            spoken.append(Spoken(name.rstrip("'"), name.endswith("'"), place == len(names) - 1))
    return spoken
