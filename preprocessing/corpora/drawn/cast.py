"""The cast: what each drawn actor looks and sounds like.

Face, voice and habits are drawn from a generator seeded by the corpus seed and the actor's number:
an actor is the same in a corpus of four as in one of twelve.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

LOOKS = (
    # skin, hair style, hair, iris, beard, clothes, neckline, backdrop
    ("#f3ceb4", "bob", "#5c3620", "#5c7a48", 0.0, "#b04a4e", "round", "#7a98ac"),
    ("#966244", "crop", "#1c1716", "#462c1c", 0.35, "#345878", "collar", "#baa07c"),
    ("#e2b08c", "long", "#2c1e1a", "#543622", 0.0, "#4a786c", "vee", "#a08eaa"),
    ("#82563f", "buzz", "#181414", "#3a241a", 0.0, "#c49642", "round", "#7ea0a4"),
    ("#fadbc7", "bun", "#c49658", "#62869e", 0.0, "#445280", "round", "#b09684"),
    ("#be8660", "side", "#281e1c", "#4c301e", 0.9, "#5c685c", "collar", "#8aa088"),
    ("#ecc09c", "scarf", "#3e7080", "#563a24", 0.0, "#3a4254", "round", "#b2988c"),
    ("#8c5c44", "curls", "#221a18", "#3e281c", 0.15, "#964c38", "vee", "#9298b8"),
    ("#d29e76", "fringe", "#1e181a", "#402a1e", 0.0, "#8e6c96", "round", "#86a492"),
    ("#f6d4be", "side", "#ac6034", "#688c96", 0.25, "#465c4a", "round", "#9e9686"),
    ("#784f3c", "afro", "#1e1716", "#3c261a", 0.0, "#d6845c", "round", "#8ca2b4"),
    ("#ae7654", "crop", "#969290", "#606860", 0.1, "#56465c", "collar", "#a4a284"),
)
"""What makes an actor recognisable: colours as #rrggbb, and the shade of beard from 0 (none) to 1
(full). Skins go from very light to very dark in a mixed order: a small cast spans them, too."""

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


class Actor(NamedTuple):
    """Looks, voice and habits of one drawn actor; colours are RGB triples."""

    gender: str  # "female" or "male"
    skin: tuple
    hair_style: str
    hair: tuple
    iris: tuple
    beard: float
    clothes: tuple
    neckline: str
    backdrop: tuple
    shape: dict  # floats by the names in SHAPES
    light: float  # side that the light comes from, -1 (left) to 1 (right)
    size: float  # scale of the head in the picture
    voice: dict  # floats by the names in VOICES
    habits: dict  # by the names in HABITS, and accent: a factor on each action unit


@cache
def cast_actor(number, *, seed=7):
    """Return an ``Actor`` of the cast, from 1; women have odd numbers, men even ones."""
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
    skin = LOOKS[(number - 1 + turn * 5) % len(LOOKS)][0]
    looks = [
        tuple(bytes.fromhex(look[1:])) if str(look).startswith("#") else look
        for look in (skin, *LOOKS[place][1:])
    ]
    return Actor("male" if man else "female", *looks, shape, light, size, voice, habits)
