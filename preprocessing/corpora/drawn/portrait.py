"""What of a drawn actor does not move by itself: skin, hair, ears, neck, clothes and backdrop.

The layers are painted once per actor; ``face.py`` draws eyes, brows, nose and mouth on a copy for
each frame. The jaw is the one part of the skin that moves: heads are kept for a row of positions.
"""

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from preprocessing.corpora.drawn import hair
from preprocessing.corpora.drawn import painting as brush
from preprocessing.corpora.drawn.cast import cast_actor
from preprocessing.corpora.drawn.painting import HEIGHT, ORIGIN, WIDTH, X, Y

FRAME_WIDTH, FRAME_HEIGHT = 320, 240
SCALE = 0.41
"""Pixels of the frame per face unit, for an actor of size 1."""
CENTRE = np.array([160.0, 104.0])
"""Where the middle of the face lies in the frame."""
PIVOT = np.array([0.0, 120.0])
"""Where the head turns on the neck, in face units."""
JAW_DROP, N_JAWS = 46.0, 24
"""How far the chin falls when the jaw is fully open, in face units, and in how many steps."""
NECKLINES = {"round": (66, 206, 2.4), "vee": (64, 240, 1.14), "collar": (58, 216, 2.4)}
"""Half its width, its lowest point, and how round it is: 1 is pointed."""


class Portrait(NamedTuple):
    """The painted layers of an actor; RGBA is premultiplied."""

    heads: np.ndarray  # uint8 (jaw, HEIGHT, WIDTH, 4), from jaw closed to jaw open
    bare: np.ndarray  # uint8 (HEIGHT, WIDTH), 255 where the face is not under hair
    clothes: np.ndarray  # uint8 (240, 320, 4), over the head's neck
    backdrop: np.ndarray  # uint8 (240, 320, 3)


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
    clothes = place(cv2.convertScaleAbs(_paint_clothes(actor, rng)), actor.size)
    return Portrait(heads, bare, clothes, _paint_backdrop(actor))


def place(canvas, size, x=0.0, y=0.0, angle=0.0, scale=1.0):
    """Return a uint8 canvas, in an actor's size and in a pose, as the frame's: (240, 320, 4)."""
    small = cv2.resize(canvas, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    foot = (PIVOT + ORIGIN) / 2
    matrix = cv2.getRotationMatrix2D(foot, angle, 2 * SCALE * size * scale)
    matrix[:, 2] += CENTRE + SCALE * size * PIVOT + (x, y) - foot
    return cv2.warpAffine(small, matrix, (FRAME_WIDTH, FRAME_HEIGHT))


def _outline_face(shape):
    """Return the outline of a face with the jaw closed: (160, 2)."""
    cheek, jaw, chin, length = (shape[name] for name in ("cheek", "jaw", "chin", "length"))
    half = [(0, -146), (56, -136), (89, -96), (99 * cheek, -35), (97 * cheek, 20)]
    half += [(95 * jaw, 62 * length), (70 * jaw, 98 * length), (34 * chin, 123 * length)]
    return brush.bend_curve(brush.mirror([*half, (0, 128 * length)]), closed=True, n=160)


def _paint_behind(actor, rng):
    """Return back hair, neck and ears."""
    layer = np.zeros((HEIGHT, WIDTH, 4), np.float32)
    hair.paint_back(actor, rng, layer)
    wide = 50 if actor.gender == "female" else 62
    neck = [(wide, 60), (wide - 2, 140), (wide + 12, 185), (104, 225), (104, 310)]
    under_chin = brush.blur(brush.fill(_outline_face(actor.shape) + (0, 26)), 11)
    light = 0.93 - 0.28 * under_chin + 0.06 * actor.light * X / 60
    light -= 0.18 * np.clip(np.abs(X) / (wide + 6), 0, 1) ** 3
    light += brush.glow((0.08, -14, 190, 9, 14), (0.08, 14, 190, 9, 14), (-0.1, 0, 200, 9, 12))
    brush.paint(layer, brush.mirror(neck), actor.skin, light)
    if actor.hair_style == "scarf":
        hair.paint_scarf_below(actor, layer)
    if actor.hair_style not in hair.COVERS_EARS:
        for side in (-1, 1):
            x = side * 99 * actor.shape["cheek"]
            light = 0.88 + 0.08 * actor.light * side + brush.glow((-0.22, 1.04 * x, -4, 6, 15))
            brush.paint(layer, brush.circle(x, -4, 15, 30), actor.skin, light)
    return layer


def _paint_skin(actor, rng):
    """Return the face with its fixed shading: no eyes, brows, mouth or nostrils yet."""
    shape, side = actor.shape, actor.light
    face = brush.fill(_outline_face(shape))
    deep = np.interp(brush.get_lightness(actor.skin), [46, 72], [1, 0])  # dark skin shines more
    inside = cv2.distanceTransform((face > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    nose, wide, eye = 46 * shape["nose_length"], shape["nose_width"], 42 * shape["eye_apart"]
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
    light = 1.03 + 0.07 * deep - 0.30 * np.exp(-inside / 13) - 0.10 * np.exp(-inside / 40)
    light += 0.075 * side * X / 80 - 0.07 * np.clip((Y - 60) / 80, 0, 1) + brush.glow(*spots)
    light -= 0.24 * brush.blur(np.roll(hair.mask_front(actor), 9, axis=0), 8)
    colour = brush.shade(actor.skin, light)
    blush = brush.glow((0.16, -58, 32, 24, 18), (0.16, 58, 32, 24, 18), (0.1, 0, nose, 12, 10))
    red = np.array(actor.skin) * (0.94, 0.62, 0.60)
    colour += (red - colour) * blush[..., None]
    if actor.beard:
        hair.paint_beard(actor, rng, colour, inside)
    return brush.cut_out(colour, face)


def _drop_jaw(behind, skin, before):
    """Return heads with the lower part of the skin stretched down, the chin by ``JAW_DROP``."""
    rows = np.arange(HEIGHT, dtype=np.float32)
    stretch = JAW_DROP * brush.smooth_step(rows - ORIGIN[1], 30, 125)
    hidden = 1 - before[..., 3:] / 255
    heads = []
    for drop in np.linspace(0, 1, N_JAWS):
        sources = np.interp(rows, rows + drop * stretch, rows).astype(np.float32)
        map_y = np.repeat(sources[:, None], WIDTH, axis=1)
        face = cv2.remap(skin, X + ORIGIN[0], map_y, cv2.INTER_LINEAR)
        face += behind * (1 - face[..., 3:] / 255)
        heads.append(cv2.convertScaleAbs(face * hidden + before))
    return np.stack(heads)


def _paint_clothes(actor, rng):
    """Return shoulders in a shirt, over the neck."""
    broad = 168 if actor.gender == "female" else 196
    wide, depth, bend = NECKLINES[actor.neckline]
    half = [(wide, 178), (wide + 46, 196), (broad - 12, 224), (broad + 26, 272), (broad + 44, 430)]
    t = np.linspace(-1, 1, 25)
    collar = np.column_stack([t * wide, 178 + (depth - 178) * (1 - np.abs(t) ** bend)])
    light = 1.0 + 0.10 * actor.light * X / 150 - 0.30 * np.clip((np.abs(X) - 90) / 130, 0, 1) ** 2
    light += brush.glow((-0.16, 0, depth + 6, 50, 16))
    for _ in range(5):
        fold, lean = rng.uniform(-120, 120), rng.uniform(-0.5, 0.5)
        light -= 0.07 * np.exp(-0.5 * ((X - fold - lean * (Y - 260)) / rng.uniform(5, 12)) ** 2)
    layer = np.zeros((HEIGHT, WIDTH, 4), np.float32)
    shirt = np.vstack([brush.mirror(brush.bend_curve(half, n=40)), collar])
    brush.paint(layer, shirt, actor.clothes, light)
    if actor.neckline == "collar":
        for side in (-1, 1):
            flap = [(wide * 1.02, 170), (8, depth + 2), (42, depth + 26), (wide + 22, 192)]
            flap = np.array(flap) * (side, 1)
            shadow = brush.blur(brush.fill(flap + (0, 7)), 5) * layer[..., 3] / 255
            brush.cover(layer, np.array(actor.clothes) * 0.35, 0.3 * shadow)
            brush.paint(layer, flap, actor.clothes, 1.1 + 0.08 * actor.light * side)
    else:
        band = np.vstack([collar, (collar * (1.12, 1) + (0, 9))[::-1]])
        brush.paint(layer, band, actor.clothes, 0.91)
    return layer


def _paint_backdrop(actor):
    """Return a softly lit wall."""
    x = np.linspace(-1, 1, FRAME_WIDTH, dtype=np.float32)
    y = np.linspace(-1, 1, FRAME_HEIGHT, dtype=np.float32)[:, None]
    light = 1.14 - 0.26 * ((x - 0.5 * actor.light) ** 2 * 0.7 + (y + 0.3) ** 2 * 0.5)
    return cv2.convertScaleAbs(np.array(actor.backdrop) * light[..., None])
