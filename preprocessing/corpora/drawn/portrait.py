"""What of a drawn actor does not move by itself: skin, hair, ears, neck, clothes and backdrop.

The layers are painted once per actor, with soft shading, on a canvas of more than twice the final
size. ``face.py`` draws eyes, brows, nose and mouth on a copy for each frame. The jaw is the one
part of the skin that moves: the layers are kept for a row of jaw positions.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from preprocessing.corpora.drawn import hair
from preprocessing.corpora.drawn.cast import cast_actor
from preprocessing.corpora.drawn.features import JAW_DROP
from preprocessing.corpora.drawn.painting import (
    HEIGHT,
    ORIGIN,
    WIDTH,
    X,
    Y,
    bend_curve,
    blur,
    circle,
    cover,
    fill,
    get_lightness,
    glow,
    mirror,
    shade,
    smooth_step,
)

FRAME_WIDTH, FRAME_HEIGHT = 320, 240
SCALE = 0.41
"""Pixels of the frame per face unit, for an actor of size 1."""
CENTRE = np.array([160.0, 104.0])
"""Where the middle of the face lies in the frame."""
PIVOT = np.array([0.0, 120.0])
"""Where the head turns on the neck, in face units."""
N_JAWS = 24


class Pose(NamedTuple):
    """Where the head is, relative to looking straight ahead in the middle.

    Attributes:
        x, y: Shift in pixels of the frame.
        angle: Tilt in degrees, counter-clockwise.
        scale: Size; 1.02 is a little nearer.
    """

    x: float = 0.0
    y: float = 0.0
    angle: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class Portrait:
    """The painted layers of an actor.

    Attributes:
        heads: uint8 (jaw, HEIGHT, WIDTH, 4), premultiplied RGBA, from jaw closed to jaw open.
        bare: uint8 (HEIGHT, WIDTH), 255 where the face is not under hair.
        clothes: uint8 (240, 320, 4), premultiplied RGBA, over the head's neck.
        backdrop: uint8 (240, 320, 3).
    """

    heads: np.ndarray
    bare: np.ndarray
    clothes: np.ndarray
    backdrop: np.ndarray


@lru_cache(maxsize=2)
def paint_portrait(number, seed=7):
    """Return the ``Portrait`` of an actor; its arrays are shared, so copy before drawing."""
    actor = cast_actor(number, seed=seed)
    rng = np.random.default_rng([seed, number, 1])
    behind = _paint_behind(actor, rng)
    skin = _paint_skin(actor, rng)
    before = hair.paint_front(actor, rng)
    bare = (skin[..., 3] * (1 - before[..., 3] / 255)).astype(np.uint8)
    heads = _drop_jaw(behind, skin, before)
    clothes = place(_round(_paint_clothes(actor, rng)), actor.size)
    return Portrait(heads, bare, clothes, _paint_backdrop(actor))


def place(canvas, size, pose=Pose()):
    """Return what is on a canvas, in the size and place that it has in the frame.

    Args:
        canvas: uint8 (HEIGHT, WIDTH, 4).
        size: The actor's.
        pose: A ``Pose``.

    Returns:
        uint8 (240, 320, 4).
    """
    small = cv2.resize(canvas, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    foot = (PIVOT + ORIGIN) / 2
    matrix = cv2.getRotationMatrix2D(foot, pose.angle, 2 * SCALE * size * pose.scale)
    matrix[:, 2] += CENTRE + SCALE * size * PIVOT + (pose.x, pose.y) - foot
    return cv2.warpAffine(small, matrix, (FRAME_WIDTH, FRAME_HEIGHT))


def _round(image):
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)


def _fill_face(shape):
    """Return the mask of a face with the jaw closed."""
    cheek, jaw, chin, length = (shape[name] for name in ("cheek", "jaw", "chin", "length"))
    half = [(0, -146), (56, -136), (89, -96), (99 * cheek, -35), (97 * cheek, 20)]
    half += [(95 * jaw, 62 * length), (70 * jaw, 98 * length), (34 * chin, 123 * length)]
    return fill(bend_curve(mirror([*half, (0, 128 * length)]), closed=True, n=160))


def _paint_behind(actor, rng):
    """Return back hair, neck and ears."""
    layer = np.zeros((HEIGHT, WIDTH, 4), np.float32)
    hair.paint_back(actor, rng, layer)
    wide = 50 if actor.gender == "female" else 62
    neck = fill(mirror([(wide, 60), (wide - 2, 140), (wide + 12, 185), (104, 225), (104, 310)]))
    under_chin = blur(np.roll(_fill_face(actor.shape), 26, axis=0), 11)
    sides = np.clip(np.abs(X) / (wide + 6), 0, 1) ** 3
    light = 0.93 - 0.28 * under_chin - 0.18 * sides + 0.06 * actor.light * X / 60
    light += 0.08 * glow(-14, 190, 9, 14) + 0.08 * glow(14, 190, 9, 14) - 0.1 * glow(0, 200, 9, 12)
    cover(layer, shade(actor.skin, light), neck)
    if actor.hair_style == "scarf":
        hair.paint_scarf_below(actor, layer)
    if actor.hair_style not in hair.COVERS_EARS:
        for side in (-1, 1):
            x = side * 99 * actor.shape["cheek"]
            light = 0.88 - 0.22 * glow(1.04 * x, -4, 6, 15) + 0.08 * actor.light * side
            cover(layer, shade(actor.skin, light), fill(circle(x, -4, 15, 30)))
    return layer


def _paint_skin(actor, rng):
    """Return the face with its fixed shading: no eyes, brows, mouth or nostrils yet."""
    shape, side = actor.shape, actor.light
    face = _fill_face(shape)
    deep = np.clip((72 - get_lightness(actor.skin)) / 26, 0, 1)  # dark skin shines and shades more
    inside = cv2.distanceTransform((face > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    nose, wide, eye = 46 * shape["nose_length"], shape["nose_width"], 42 * shape["eye_apart"]
    light = 1.03 + 0.07 * deep - 0.30 * np.exp(-inside / 13) - 0.10 * np.exp(-inside / 40)
    light += 0.075 * side * X / 80 - 0.07 * np.clip((Y - 60) / 80, 0, 1)
    spots = [  # strength, x, y, width, height
        (0.10, side * 14, -98, 46, 26),
        (0.12 * deep, 0, -24, 9, 30),
        (0.12, side * 2, 2, 4.5, 26),
        (0.13, side * 3, nose - 10, 7, 6),
        (-0.13, 0, nose + 8, 17, 4.5),
        (-0.06, 0, nose + 18, 4, 6),
        (-0.09, 0, 100 + shape["mouth_low"], 22, 5),
        (0.06, side * 5, 112, 14, 8),
    ]
    for half in (-1, 1):
        lit = half * side > 0
        spots += [
            (0.10 if lit else 0.045, half * 56, 28, 22, 17),
            (-0.10 - 0.12 * deep, half * eye, -28, 27, 14),
            (0.12 * deep, half * 46, -66, 34, 14),
            (0.20 * deep, half * 46, 20, 30, 16),
            (-0.07, half * 20, -32, 8, 16),
            (-0.05 if lit else -0.13, half * 14 * wide, 14, 6, 22),
            (-0.10, half * 17 * wide, nose - 1, 7, 6),
            (-0.05, half * 52, 66, 12, 22),
        ]
    for strength, *spot in spots:
        light += strength * glow(*spot)
    light -= 0.24 * blur(np.roll(hair.mask_front(actor), 9, axis=0), 8)
    colour = shade(actor.skin, light)
    blush = 0.16 * (glow(-58, 32, 24, 18) + glow(58, 32, 24, 18)) + 0.1 * glow(0, nose, 12, 10)
    red = np.asarray(actor.skin, np.float32) * (0.94, 0.62, 0.60)
    colour += (red - colour) * blush[..., None]
    if actor.beard:
        hair.paint_beard(actor, rng, colour, inside)
    layer = np.zeros((HEIGHT, WIDTH, 4), np.float32)
    cover(layer, colour, face)
    return layer


def _drop_jaw(behind, skin, before):
    """Return heads with the lower part of the skin stretched down, the chin by ``JAW_DROP``."""
    rows = np.arange(HEIGHT, dtype=np.float32)
    stretch = JAW_DROP * smooth_step(rows - ORIGIN[1], 30, 125)
    hidden = 1 - before[..., 3:] / 255
    heads = []
    for drop in np.linspace(0, 1, N_JAWS):
        sources = np.interp(rows, rows + drop * stretch, rows).astype(np.float32)
        map_y = np.repeat(sources[:, None], WIDTH, axis=1)
        face = cv2.remap(skin, X + ORIGIN[0], map_y, cv2.INTER_LINEAR)
        face += behind * (1 - face[..., 3:] / 255)
        heads.append(_round(face * hidden + before))
    return np.stack(heads)


def _paint_clothes(actor, rng):
    """Return shoulders in a shirt, over the neck."""
    broad = 168 if actor.gender == "female" else 196
    wide, depth = {"round": (66, 206), "vee": (64, 240), "collar": (58, 216)}[actor.neckline]
    half = [(wide, 178), (wide + 46, 196), (broad - 12, 224), (broad + 26, 272), (broad + 44, 430)]
    if actor.neckline == "vee":
        collar = np.array([(-2, 178), (-0.9, 215), (0, depth), (0.9, 215), (2, 178)]) * (wide / 2, 1)
    else:
        t = np.linspace(-1, 1, 25)
        collar = np.stack([t * wide, 178 + (depth - 178) * (1 - np.abs(t) ** 2.4)], axis=1)
    right = bend_curve(half, n=40)
    mask = fill(np.vstack([right, (right * (-1, 1))[::-1], collar]))
    light = 1.0 + 0.10 * actor.light * X / 150 - 0.30 * np.clip((np.abs(X) - 90) / 130, 0, 1) ** 2
    light -= 0.16 * glow(0, depth + 6, 70 / np.sqrt(2), 16)
    for _ in range(5):
        fold, lean = rng.uniform(-120, 120), rng.uniform(-0.5, 0.5)
        light -= 0.07 * np.exp(-0.5 * ((X - fold - lean * (Y - 260)) / rng.uniform(5, 12)) ** 2)
    layer = np.zeros((HEIGHT, WIDTH, 4), np.float32)
    cover(layer, shade(actor.clothes, light), mask)
    if actor.neckline == "collar":
        for side in (-1, 1):
            flap = [(wide * 1.02, 170), (8, depth + 2), (42, depth + 26), (wide + 22, 192)]
            edge = fill(np.array(flap) * (side, 1))
            under = blur(np.roll(edge, 7, axis=0), 5) * mask * 0.3
            cover(layer, np.array(actor.clothes) * 0.35, under)
            cover(layer, shade(actor.clothes, np.full_like(mask, 1.1 + 0.08 * actor.light * side)), edge)
    else:
        band = np.vstack([collar, (collar * (1.12, 1) + (0, 9))[::-1]])
        cover(layer, np.array(actor.clothes) * 0.86, fill(band) * mask)
    return layer


def _paint_backdrop(actor):
    """Return a softly lit wall."""
    x = np.linspace(-1, 1, FRAME_WIDTH, dtype=np.float32)
    y = np.linspace(-1, 1, FRAME_HEIGHT, dtype=np.float32)[:, None]
    light = 1.14 - 0.26 * ((x - 0.5 * actor.light) ** 2 * 0.7 + (y + 0.3) ** 2 * 0.5)
    return _round(np.asarray(actor.backdrop, np.float32) * light[..., None])
