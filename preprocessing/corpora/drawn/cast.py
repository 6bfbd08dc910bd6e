"""The cast: what each drawn actor looks and sounds like.

Looks come from palettes that are walked through in a fixed shuffled order, so that a small cast
already spans a wide range of skin and hair; face, voice and habits are drawn from a generator
seeded by the corpus seed and the actor's number. An actor is the same in a corpus of four as in
one of twelve.
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


SHAPES = {
    "cheek": (1.0, 1.0, 0.03),
    "jaw": (0.86, 0.95, 0.035),
    "chin": (0.95, 1.12, 0.06),
    "length": (1.0, 1.04, 0.025),
    "eye_width": (1.06, 0.98, 0.03),
    "eye_open": (1.08, 0.97, 0.04),
    "eye_apart": (1.0, 1.0, 0.03),
    "eye_tilt": (1.5, 1.5, 1.2),
    "brow_thick": (0.8, 1.15, 0.1),
    "brow_lift": (0.0, -2.0, 1.5),
    "brow_arch": (1.15, 0.8, 0.2),
    "nose_width": (0.92, 1.1, 0.07),
    "nose_length": (1.0, 1.0, 0.05),
    "mouth_width": (1.0, 1.0, 0.05),
    "lip_full": (1.15, 0.85, 0.12),
    "mouth_low": (0.0, 0.0, 2.0),
}
"""Geometry of the face: mean of women, of men, standard deviation. Most are factors; ``eye_tilt``,
``brow_lift`` and ``mouth_low`` are offsets in face units (a hundredth of half the face's width)."""

VOICES = {
    "f0_hz": ((175, 235), (95, 140)),
    "tract": ((1.08, 1.2), (0.92, 1.04)),
    "breath": ((0.5, 1.5), (0.3, 1.1)),
    "rate": ((0.94, 1.06), (0.94, 1.06)),
    "range": ((0.85, 1.15), (0.85, 1.15)),
    "gain_db": ((-1.5, 1.5), (-1.5, 1.5)),
}
"""Range of women's voices, of men's: mean pitch and scale of the formants (after Peterson &
Barney 1952), breath noise, pace, width of the intonation, loudness."""

HABITS = {"expressive": (0.85, 1.1), "lively": (0.6, 1.4), "blinks": (0.3, 0.7)}
"""Ranges of how an actor acts: factor on all action units, on head movement, blinks a second."""


@dataclass(frozen=True)
class Actor:
    """Looks, voice and habits of one drawn actor.

    Attributes:
        gender: "female" or "male".
        skin, hair, iris, clothes, backdrop: RGB triples.
        hair_style, neckline, beard: See ``LOOKS``.
        shape, voice, habits: Floats by the names in ``SHAPES``, ``VOICES`` and ``HABITS``; the
            habit ``accent`` is an array, the actor's own factor on each action unit.
        light: Side the light comes from, -1 (left) to 1 (right).
        size: Scale of the head in the picture.
    """

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


def get_gender(number):
    """Return the gender of an actor: women have odd numbers, men even ones."""
    return "female" if number % 2 else "male"


@cache
def cast_actor(number, *, seed=7):
    """Return an ``Actor`` of the cast, from 1.

    The same object is returned for the same number and seed of the corpus: do not change it.
    """
    rng = np.random.default_rng([seed, number])
    man = number % 2 == 0
    turn, place = divmod(number - 1, len(LOOKS))
    shape = {}
    for name, (*means, spread) in SHAPES.items():
        shape[name] = float(means[man] + spread * np.clip(rng.normal(), -1.8, 1.8))
    light = float(rng.choice([-1, 1]) * rng.uniform(0.5, 1))
    size = float(rng.uniform(0.95, 1.08))
    voice = {name: float(rng.uniform(*ranges[man])) for name, ranges in VOICES.items()}
    habits = {name: float(rng.uniform(*limits)) for name, limits in HABITS.items()}
    habits["accent"] = rng.uniform(0.8, 1.2, size=24)
    skin = SKINS[(number - 1 + turn * 5) % len(SKINS)]
    return Actor(get_gender(number), skin, *LOOKS[place], shape, light, size, voice, habits)
