"""What of a drawn actor does not move by itself: skin, hair, ears, neck, clothes and backdrop.

The layers are painted once per actor, with soft shading, on a canvas of more than twice the final
size. ``face.py`` draws eyes, brows, nose and mouth on a copy for each frame. The jaw is the one
part of the skin that moves: the layers are kept for a row of jaw positions.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from preprocessing.corpora.drawn import hair, painting
from preprocessing.corpora.drawn.cast import cast_actor
from preprocessing.corpora.drawn.painting import X, Y, blur, cover, fill, glow, mirror, shade

FRAME_WIDTH, FRAME_HEIGHT = 320, 240
SCALE = 0.82
"""Pixels of the doubled frame (640×480) per face unit, for an actor of size 1."""
CENTRE = (320.0, 208.0)
"""Where the middle of the face lies in the doubled frame."""
JAW_DROP = 46.0
"""How far the chin falls when the jaw is fully open, in face units."""
N_JAWS = 24


@dataclass(frozen=True)
class Portrait:
    """The painted layers of an actor.

    Attributes:
        heads: uint8 (jaw, HEIGHT, WIDTH, 4), premultiplied RGBA, from jaw closed to jaw open.
        skin: uint8 (HEIGHT, WIDTH), 255 where the face is not under hair.
        clothes: uint8 (240, 320, 4), premultiplied RGBA, over the head's neck.
        clothes_top: First row of the frame that has any clothes.
        backdrop: uint8 (240, 320, 3).
    """

    heads: np.ndarray
    skin: np.ndarray
    clothes: np.ndarray
    clothes_top: int
    backdrop: np.ndarray


@lru_cache(maxsize=2)
def paint_portrait(number, seed=7):
    """Return the layers of an actor; painted once in a process.

    Args:
        number: The actor's number, from 1.
        seed: Seed of the corpus.

    Returns:
        A ``Portrait``; its arrays are shared, so copy before drawing.
    """
    actor = cast_actor(number, seed=seed)
    rng = np.random.default_rng([seed, number, 1])
    behind = _paint_behind(actor, rng)
    skin = _paint_skin(actor, rng)
    before = hair.paint_front(actor, rng)
    heads = np.stack(
        [_stack([behind, _drop_jaw(skin, level / (N_JAWS - 1)), before]) for level in range(N_JAWS)]
    )
    bare = (skin[..., 3] * (1 - before[..., 3] / 255)).astype(np.uint8)
    clothes = np.clip(_paint_clothes(actor, rng) + 0.5, 0, 255).astype(np.uint8)
    first = int(np.flatnonzero(clothes.any(axis=(1, 2)))[0])
    return Portrait(heads, bare, clothes, first, _paint_backdrop(actor))


def outline_face(shape, *, grow=0.0):
    """Return the outline of a face with the jaw closed.

    Args:
        shape: Geometry of an actor.
        grow: Face units to widen it by.

    Returns:
        float64 (n, 2) in face units.
    """
    cheek, jaw, chin, length = (shape[name] for name in ("cheek", "jaw", "chin", "length"))
    half = [
        (0, -146),
        (56, -136),
        (89, -96),
        (99 * cheek, -35),
        (97 * cheek, 20),
        (95 * jaw, 62 * length),
        (70 * jaw, 98 * length),
        (34 * chin, 123 * length),
        (0, 128 * length),
    ]
    curve = painting.bend_curve(mirror(half), closed=True, n=160)
    return curve * (1 + grow / 100)


def _paint_behind(actor, rng):
    """Return back hair, neck and ears."""
    layer = np.zeros((painting.HEIGHT, painting.WIDTH, 4), np.float32)
    hair.paint_back(actor, rng, layer)
    wide = 50 if actor.gender == "female" else 62
    neck = fill(mirror([(wide, 60), (wide - 2, 140), (wide + 12, 185), (150, 235), (150, 310)]))
    face = fill(outline_face(actor.shape))
    under_chin = blur(np.roll(face, 26, axis=0), 11)
    sides = np.clip(np.abs(X) / (wide + 6), 0, 1) ** 3
    light = 0.93 - 0.28 * under_chin - 0.18 * sides + 0.06 * actor.light * X / 60
    light += 0.08 * glow(-14, 190, 9, 14) + 0.08 * glow(14, 190, 9, 14) - 0.1 * glow(0, 200, 9, 12)
    cover(layer, shade(actor.skin, light), neck)
    if actor.hair_style == "scarf":
        hair.paint_scarf_below(actor, layer)
    for side in (-1, 1):
        angles = np.linspace(0, 2 * np.pi, 40)
        rim = np.stack([np.cos(angles) * 15, np.sin(angles) * 30], axis=1)
        rim += (side * 99 * actor.shape["cheek"], -4)
        ear = fill(rim) if not hair.hides_ears(actor.hair_style) else 0 * face
        light = 0.88 - 0.22 * glow(side * 103 * actor.shape["cheek"], -4, 6, 15)
        cover(layer, shade(actor.skin, light + 0.08 * actor.light * side), ear)
    return layer


def _paint_skin(actor, rng):
    """Return the face with its fixed shading: no eyes, brows, mouth or nostrils yet."""
    shape, side = actor.shape, actor.light
    face = fill(outline_face(shape))
    deep = np.clip((180 - max(actor.skin)) / 70, 0, 1)  # dark skin shines more, and shades more
    inside = cv2.distanceTransform((face > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    light = 1.03 - 0.30 * np.exp(-inside / 13) - 0.10 * np.exp(-inside / 40)
    light += 0.075 * side * X / 80 - 0.07 * np.clip((Y - 60) / 80, 0, 1)
    light += 0.10 * glow(side * 14, -98, 46, 26)
    light += 0.12 * deep * glow(0, -24, 9, 30)
    nose = 46 * shape["nose_length"]
    eye_x = 42 * shape["eye_apart"]
    for half in (-1, 1):
        lit = 1 if half * side > 0 else 0.45
        light += 0.10 * lit * glow(half * 56, 28, 22, 17)
        light -= (0.10 + 0.12 * deep) * glow(half * eye_x, -28, 27, 14)
        light += 0.20 * deep * glow(half * 46, 20, 30, 16)
        light -= 0.07 * glow(half * 20, -32, 8, 16)
        light -= (0.05 if lit == 1 else 0.13) * glow(half * 14 * shape["nose_width"], 14, 6, 22)
        light -= 0.10 * glow(half * 17 * shape["nose_width"], nose - 1, 7, 6)
        light -= 0.05 * glow(half * 52, 66, 12, 22)
    light += 0.12 * glow(side * 2, 2, 4.5, 26) + 0.13 * glow(side * 3, nose - 10, 7, 6)
    light -= 0.13 * glow(0, nose + 8, 17, 4.5)
    light -= 0.06 * glow(0, nose + 18, 4, 6)
    light -= 0.09 * glow(0, 100 + shape["mouth_low"], 22, 5)
    light += 0.06 * glow(side * 5, 112, 14, 8)
    light -= 0.24 * blur(np.roll(hair.mask_front(actor), 9, axis=0), 8)
    colour = shade(actor.skin, light)
    blush = (
        sum(glow(half * 58, 32, 24, 18) for half in (-1, 1)) * 0.16 + glow(0, nose, 12, 10) * 0.1
    )
    red = np.asarray(actor.skin, np.float32) * (0.94, 0.62, 0.60)
    colour += (red - colour) * blush[..., None]
    hair.paint_beard(actor, rng, colour, inside)
    layer = np.zeros((painting.HEIGHT, painting.WIDTH, 4), np.float32)
    cover(layer, colour, face)
    return layer


def _drop_jaw(layer, amount):
    """Return the skin with its lower part stretched downwards, the chin by ``JAW_DROP``."""
    drop = amount * JAW_DROP
    rows = np.arange(painting.HEIGHT, dtype=np.float32) - painting.ORIGIN[1]
    moved = rows + drop * smooth_step(rows, 30, 125)
    sources = np.interp(rows, moved, rows) + painting.ORIGIN[1]
    map_y = np.repeat(sources.astype(np.float32)[:, None], painting.WIDTH, axis=1)
    return cv2.remap(layer, X + painting.ORIGIN[0], map_y, cv2.INTER_LINEAR)


def smooth_step(x, low, high):
    """Return 0 below ``low``, 1 above ``high``, and a smooth passage between."""
    t = np.clip((np.asarray(x) - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _stack(layers):
    """Return premultiplied layers laid over one another: uint8 RGBA."""
    result = layers[0].copy()
    for layer in layers[1:]:
        result *= 1 - layer[..., 3:] / 255
        result += layer
    return np.clip(result + 0.5, 0, 255).astype(np.uint8)


def _paint_clothes(actor, rng):
    """Return shoulders in a shirt, over the neck, in the frame's size."""
    female = actor.gender == "female"
    broad = 168 if female else 196
    depth = {"round": 206, "vee": 240, "collar": 216}[actor.neckline]
    wide = {"round": 66, "vee": 64, "collar": 58}[actor.neckline]
    half = [(wide, 178), (wide + 46, 196), (broad - 12, 224), (broad + 26, 272), (broad + 44, 430)]
    if actor.neckline == "vee":
        collar = [(-wide, 178), (-wide * 0.45, 215), (0, depth), (wide * 0.45, 215), (wide, 178)]
    else:
        t = np.linspace(-1, 1, 25)
        collar = np.stack([t * wide, 178 + (depth - 178) * (1 - np.abs(t) ** 2.4)], axis=1)
    right = painting.bend_curve(half, n=40)
    body = np.vstack([right, (right * (-1, 1))[::-1], collar])
    x, y = np.meshgrid(
        np.arange(FRAME_WIDTH * 2, dtype=np.float32), np.arange(FRAME_HEIGHT * 2, dtype=np.float32)
    )
    scale = SCALE * actor.size
    x, y = (x - CENTRE[0]) / scale, (y - CENTRE[1]) / scale
    mask = _fill_frame(body, scale)
    light = 1.0 + 0.10 * actor.light * x / 150 - 0.30 * np.clip((np.abs(x) - 90) / 130, 0, 1) ** 2
    light -= 0.16 * np.exp(-0.5 * (((y - depth - 6) / 16) ** 2 + (x / 70) ** 2))
    for _ in range(5):
        fold, lean = rng.uniform(-120, 120), rng.uniform(-0.5, 0.5)
        light -= 0.07 * np.exp(-0.5 * ((x - fold - lean * (y - 260)) / rng.uniform(5, 12)) ** 2)
    layer = np.zeros((FRAME_HEIGHT * 2, FRAME_WIDTH * 2, 4), np.float32)
    cover(layer, shade(actor.clothes, light), mask)
    trim = np.asarray(collar, np.float64)
    if actor.neckline == "collar":
        for side in (-1, 1):
            flap = [(side * wide * 1.02, 170), (side * 8, depth + 2), (side * 42, depth + 26)]
            flap += [(side * (wide + 22), 192)]
            edge = _fill_frame(np.asarray(flap, float), scale)
            under = blur(np.roll(edge, 6, axis=0), 4) * mask * 0.3
            cover(layer, np.asarray(actor.clothes) * 0.35, under)
            cover(layer, shade(actor.clothes, 1.1 + 0.08 * actor.light * side + 0 * x), edge)
    else:
        band = np.vstack([trim, (trim * (1.12, 1) + (0, 9))[::-1]])
        cover(layer, shade(actor.clothes, 0.86 + 0 * x), _fill_frame(band, scale) * mask)
    return cv2.resize(layer, (FRAME_WIDTH, FRAME_HEIGHT), interpolation=cv2.INTER_AREA)


def _fill_frame(points, scale):
    """Return the mask of a polygon, in face units, in the doubled frame."""
    mask = np.zeros((FRAME_HEIGHT * 2, FRAME_WIDTH * 2), np.uint8)
    corners = np.round((np.asarray(points) * scale + CENTRE) * 16).astype(np.int32)
    cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, 4)
    return blur(mask.astype(np.float32) / 255, 1.0)


def _paint_backdrop(actor):
    """Return a softly lit wall."""
    x, y = np.meshgrid(
        np.linspace(-1, 1, FRAME_WIDTH, dtype=np.float32),
        np.linspace(-1, 1, FRAME_HEIGHT, dtype=np.float32),
    )
    light = 1.14 - 0.26 * ((x - 0.5 * actor.light) ** 2 * 0.7 + (y + 0.3) ** 2 * 0.5)
    colour = np.asarray(actor.backdrop, np.float32) * light[..., None]
    return np.clip(colour + 0.5, 0, 255).astype(np.uint8)
