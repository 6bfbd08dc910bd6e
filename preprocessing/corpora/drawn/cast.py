"""The cast: what each drawn actor looks and sounds like.

Looks come from palettes that are walked through in a fixed shuffled order, so that a small cast
already spans a wide range of skin and hair; the geometry of the face and the voice are drawn from
a generator seeded by the corpus seed and the actor's number. An actor is the same in a corpus of
four as in one of twelve.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

SKINS = (
    (243, 206, 180),
    (150, 98, 68),
    (226, 176, 140),
    (130, 86, 63),
    (250, 219, 199),
    (190, 134, 96),
    (236, 192, 156),
    (140, 92, 68),
    (210, 158, 118),
    (246, 212, 190),
    (120, 79, 60),
    (174, 118, 84),
)
"""Skin tones, RGB, from very light to very dark in a mixed order."""

LOOKS = (
    # hair style, hair RGB, iris RGB, beard, clothes RGB, neckline, backdrop RGB
    ("bob", (92, 54, 32), (92, 122, 72), 0.0, (176, 74, 78), "round", (122, 152, 172)),
    ("crop", (28, 23, 22), (70, 44, 28), 0.35, (52, 88, 120), "collar", (186, 160, 124)),
    ("long", (44, 30, 26), (84, 54, 34), 0.0, (74, 120, 108), "vee", (160, 142, 170)),
    ("buzz", (24, 20, 20), (58, 36, 26), 0.0, (196, 150, 66), "round", (126, 160, 164)),
    ("bun", (196, 150, 88), (98, 134, 158), 0.0, (68, 82, 128), "round", (176, 150, 132)),
    ("side", (40, 30, 28), (76, 48, 30), 0.9, (92, 104, 92), "collar", (138, 160, 136)),
    ("scarf", (62, 112, 128), (86, 58, 36), 0.0, (58, 66, 84), "round", (178, 152, 140)),
    ("curls", (34, 26, 24), (62, 40, 28), 0.15, (150, 76, 56), "vee", (146, 152, 184)),
    ("fringe", (30, 24, 26), (64, 42, 30), 0.0, (142, 108, 150), "round", (134, 164, 146)),
    ("side", (172, 96, 52), (104, 140, 150), 0.25, (70, 92, 74), "round", (158, 150, 134)),
    ("afro", (30, 23, 22), (60, 38, 26), 0.0, (214, 132, 92), "round", (140, 162, 180)),
    ("crop", (150, 146, 144), (96, 104, 96), 0.1, (86, 70, 92), "collar", (164, 162, 132)),
)
"""What makes an actor recognisable; the shade of beard goes from 0 (none) to 1 (full)."""


@dataclass(frozen=True)
class Actor:
    """Looks, voice and habits of one drawn actor.

    Attributes:
        number: From 1.
        gender: "female" or "male".
        skin, hair, iris, clothes, backdrop: RGB triples.
        hair_style, neckline, beard: See ``LOOKS``.
        shape: Geometry of the face by name: factors around 1, or offsets in face units (a
            hundredth of half the face's width).
        light: Side the light comes from, -1 (left) to 1 (right).
        size: Scale of the head in the picture.
        voice: ``f0_hz``, ``tract`` (formant scale), ``breath``, ``rate`` and ``range``.
        habits: How the actor acts: ``expressive`` scales all action units, ``lively`` the head,
            ``blinks`` per second, and ``accent`` is the actor's own factor on each action unit.
    """

    number: int
    gender: str
    skin: tuple
    hair_style: str
    hair: tuple
    iris: tuple
    beard: float
    clothes: tuple
    neckline: str
    backdrop: tuple
    shape: dict
    light: float
    size: float
    voice: dict
    habits: dict


@cache
def cast_actor(number, *, seed=7):
    """Return an ``Actor`` of the cast, from 1: women have odd numbers, men even ones.

    The same object is returned for the same number and seed of the corpus: do not change it.
    """
    rng = np.random.default_rng([seed, number])
    female = number % 2 == 1
    turn, place = divmod(number - 1, len(LOOKS))
    return Actor(
        number,
        "female" if female else "male",
        SKINS[(number - 1 + turn * 5) % len(SKINS)],
        *LOOKS[place],
        shape=_shape_face(female, rng),
        light=float(rng.choice([-1, 1]) * rng.uniform(0.5, 1)),
        size=float(rng.uniform(0.95, 1.08)),
        voice=_tune_voice(female, rng),
        habits=_choose_habits(rng),
    )


def _shape_face(female, rng):
    """Return the geometry of a face: factors around 1, and offsets in face units."""
    centres_spreads = {
        "cheek": (1.0, 0.03),
        "jaw": (0.86 if female else 0.95, 0.035),
        "chin": (0.95 if female else 1.12, 0.06),
        "length": (1.0 if female else 1.04, 0.025),
        "eye_width": (1.06 if female else 0.98, 0.03),
        "eye_open": (1.08 if female else 0.97, 0.04),
        "eye_apart": (1.0, 0.03),
        "eye_tilt": (1.5, 1.2),
        "brow_thick": (0.8 if female else 1.15, 0.1),
        "brow_lift": (0.0 if female else -2.0, 1.5),
        "brow_arch": (1.15 if female else 0.8, 0.2),
        "nose_width": (0.92 if female else 1.1, 0.07),
        "nose_length": (1.0, 0.05),
        "mouth_width": (1.0, 0.05),
        "lip_full": (1.15 if female else 0.85, 0.12),
        "mouth_low": (0.0, 2.0),
    }
    return {
        name: float(centre + spread * np.clip(rng.normal(), -1.8, 1.8))
        for name, (centre, spread) in centres_spreads.items()
    }


def _tune_voice(female, rng):
    """Return the voice: mean pitch and vocal-tract scale of women and men (Peterson & Barney)."""
    return {
        "f0_hz": float(rng.uniform(175, 235) if female else rng.uniform(95, 140)),
        "tract": float(rng.uniform(1.08, 1.2) if female else rng.uniform(0.92, 1.04)),
        "breath": float(rng.uniform(0.5, 1.5) if female else rng.uniform(0.3, 1.1)),
        "rate": float(rng.uniform(0.94, 1.06)),
        "range": float(rng.uniform(0.85, 1.15)),
        "gain_db": float(rng.uniform(-1.5, 1.5)),
    }


def _choose_habits(rng):
    """Return how an actor acts, whatever the emotion."""
    return {
        "expressive": float(rng.uniform(0.85, 1.1)),
        "lively": float(rng.uniform(0.6, 1.4)),
        "blinks": float(rng.uniform(0.3, 0.7)),
        "accent": rng.uniform(0.8, 1.2, size=24),
    }
