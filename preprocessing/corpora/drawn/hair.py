"""Hair, beards and scarves of the drawn actors: a part behind the head, a part before it."""

import numpy as np

from preprocessing.corpora.drawn.painting import (
    X,
    Y,
    bend_curve,
    blur,
    circle,
    comb_strands,
    cover,
    fill,
    glow,
    mirror,
    shade,
)

BACKS = {
    "crop": [(0, -184), (46, -175), (82, -145), (102, -95), (106, -45), (93, -8)],
    "side": [(0, -188), (50, -180), (88, -148), (107, -96), (109, -40), (93, -6)],
    "buzz": [(0, -168), (46, -159), (80, -130), (98, -85), (102, -40), (90, -18)],
    "curls": [(0, -190), (52, -182), (92, -150), (112, -98), (113, -40), (95, -4)],
    "bob": [(0, -186), (50, -178), (90, -146), (114, -80), (124, 10), (120, 100), (70, 122)],
    "long": [(0, -186), (50, -178), (90, -146), (112, -80), (122, 10), (136, 130), (134, 280)],
    "fringe": [(0, -188), (52, -180), (92, -148), (114, -80), (122, 10), (128, 120), (116, 230)],
    "bun": [(0, -178), (46, -169), (82, -138), (101, -92), (105, -40), (92, -12)],
    "afro": [(0, -226), (70, -212), (124, -166), (150, -90), (144, -10), (104, 44)],
    "scarf": [(0, -184), (50, -176), (90, -146), (112, -80), (118, 10), (112, 110), (96, 190)],
}
"""Right half of the hair behind the head, from the crown down, in face units."""

FRINGES = {
    "crop": [(-104, -30), (-96, -78), (-72, -110), (-28, -120), (30, -120), (74, -108), (96, -78)],
    "side": [(-105, -25), (-96, -74), (-80, -102), (-40, -100), (8, -118), (58, -132), (93, -84)],
    "buzz": [(-101, -45), (-93, -88), (-66, -117), (-24, -124), (24, -124), (66, -117), (93, -88)],
    "curls": [(-106, -26), (-96, -74), (-72, -104), (-28, -110), (30, -108), (74, -102), (96, -74)],
    "bob": [(-114, 90), (-97, 10), (-90, -55), (-54, -106), (22, -136), (68, -98), (91, -45)],
    "long": [(-112, 120), (-98, 10), (-91, -60), (-58, -112), (0, -144), (58, -112), (91, -60)],
    "fringe": [(-110, 100), (-95, 5), (-90, -56), (-64, -90), (0, -96), (64, -90), (90, -56)],
    "bun": [(-104, -26), (-94, -72), (-70, -112), (-28, -132), (28, -132), (70, -112), (94, -72)],
    "afro": [(-108, -18), (-94, -74), (-66, -108), (-24, -118), (24, -118), (66, -108), (94, -74)],
    "scarf": [(-70, 104), (-88, 40), (-90, -40), (-70, -98), (0, -122), (70, -98), (90, -40)],
}
"""The hairline from left to right; one more point, the first one's mirror image, closes it."""

CURLY = ("curls", "afro")
COVERS_EARS = ("bob", "long", "fringe", "scarf")


def paint_back(actor, rng, layer):
    """Lay the hair behind the head over a layer, float32 (HEIGHT, WIDTH, 4), in place."""
    mask = _ruffle(_mask_back(actor), actor, rng)
    colour = _colour_hair(actor, rng)
    if actor.hair_style == "bun":
        cover(layer, colour * 0.92, fill(circle(0, -188, 46, 40), soft=1.5))
    below = 0.3 * np.clip((Y + 40) / 120, 0, 1)
    cover(layer, colour * (0.86 - below)[..., None], mask)


def mask_front(actor):
    """Return the mask of the hair before the forehead: float32 (HEIGHT, WIDTH)."""
    scarf = actor.hair_style == "scarf"
    line = FRINGES[actor.hair_style]
    line = bend_curve([*line, *([(88, 40)] * scarf), (-line[0][0], line[0][1])], n=80)
    far = 70 if scarf else 300
    below = np.vstack([line, [(far, line[-1, 1]), (far, 400), (-far, 400), (-far, line[0, 1])]])
    above = 1.0 if scarf else np.clip((line[0, 1] + 6 - Y) / 12, 0, 1)
    return _mask_back(actor) * (1 - fill(below, soft=1.5)) * above


def paint_front(actor, rng):
    """Return the hair before the forehead as a layer: float32 (HEIGHT, WIDTH, 4)."""
    layer = np.zeros((*X.shape, 4), np.float32)
    colour = _colour_hair(actor, rng)
    mask = mask_front(actor)
    if actor.hair_style == "buzz":
        mask = blur(mask, 3) * 0.88
    elif actor.hair_style in CURLY:
        mask = _ruffle(mask, actor, rng)
    elif actor.hair_style != "scarf":
        strands = comb_strands(rng, across=2.0, along=9)
        mask = np.clip((blur(mask, 2.2) - 0.5 + 0.07 * strands) * 3.2 + 0.5, 0, 1)
    edge = blur(mask, 5) - blur(mask, 1)
    cover(layer, colour * (1 - 0.5 * np.clip(edge, 0, 1))[..., None], mask)
    return layer


def paint_scarf_below(actor, layer):
    """Lay the part of a scarf that goes round the neck over a layer, in place."""
    below = fill(mirror([(96, 40), (100, 110), (98, 160), (120, 215), (128, 260), (0, 275)]))
    light = 1.0 - 0.30 * glow(0, 138, 60, 26) * np.clip(1 - (X / 70) ** 4, 0, 1)
    for x, y, lean in ((-30, 178, 0.5), (24, 196, -0.4), (0, 220, 0.15)):
        fold = np.exp(-0.5 * ((Y - y - lean * (X - x)) / 6) ** 2)
        light -= 0.09 * fold * np.clip(1 - np.abs(X) / 75, 0, 1)
    cover(layer, _colour_hair(actor, None) * light[..., None], below)


def paint_beard(actor, rng, colour, inside):
    """Darken the lower face by a beard, in place.

    Args:
        actor: An ``Actor``; ``beard`` from 0 (none) to 1 (full).
        rng: numpy Generator of the hairs.
        colour: float32 (HEIGHT, WIDTH, 3) skin.
        inside: float32 (HEIGHT, WIDTH), pixels to the face's edge.
    """
    low = 78 + actor.shape["mouth_low"]
    cheek_line = 62 - 0.42 * np.abs(X) + 30 * np.exp(-((X / 30) ** 2))
    jaw = np.clip((Y - cheek_line - 10 * (np.abs(X) < 70)) / 22, 0, 1)
    jaw = np.maximum(jaw, np.clip((np.abs(X) - 76) / 10, 0, 1) * np.clip((Y - 5) / 40, 0, 1))
    moustache = np.exp(-0.5 * (((Y - low + 16 - np.abs(X) * 0.12) / 5.5) ** 4 + (X / 34) ** 6))
    bare = np.exp(-0.5 * (((Y - low - 2) / 13) ** 4 + (X / 32) ** 4))
    bare = np.maximum(bare, np.exp(-0.5 * ((X / 90) ** 4 + ((Y - 50) / 12) ** 4)) * 0.5)
    mask = np.maximum(jaw * (1 - bare), moustache) * np.clip(inside / 5, 0.5, 1) * actor.beard
    strands = comb_strands(rng, across=1.3, along=4)
    mask = np.clip(blur(mask, 4) * (0.86 + 0.10 * strands), 0, 0.95)
    tint = np.asarray(actor.hair, np.float32) * (1.05 + 0.12 * strands)[..., None]
    colour += (tint - colour) * mask[..., None]


def _mask_back(actor):
    return fill(bend_curve(mirror(BACKS[actor.hair_style]), closed=True, n=200))


def _colour_hair(actor, rng):
    """Return the shaded colour of the hair or scarf: float32 (HEIGHT, WIDTH, 3)."""
    if actor.hair_style == "scarf":
        light = 1.0 + 0.12 * glow(actor.light * 40, -140, 40, 26) + 0.06 * actor.light * X / 100
        light -= 0.16 * np.clip((Y - 20) / 160, 0, 1)
        return shade(actor.hair, light + 0.03 * np.sin(np.hypot(X * 0.9, (Y + 20) * 0.7) / 7))
    if actor.hair_style in CURLY:
        strands = comb_strands(rng, across=3.0, along=3.0)
    else:
        strands = comb_strands(rng, across=2.0, along=30, angle=-8 * actor.light)
    dome = glow(actor.light * 34, -148, 58, 22)
    light = 0.98 + 0.30 * dome + strands * (0.06 + 0.05 * dome) - 0.12 * np.abs(X) / 110
    tone = np.asarray(actor.hair, np.float32)
    return tone * light[..., None] + 52 * np.clip(light - 1, 0, 1)[..., None]


def _ruffle(mask, actor, rng):
    """Return the mask with the uneven edge of curls, where the style has them."""
    if actor.hair_style not in CURLY:
        return mask
    bumps = np.clip(comb_strands(rng, across=4.5, along=4.5), -1.8, 1.8)
    return np.clip((blur(mask, 5) - 0.5 + 0.15 * bumps) * 4 + 0.5, 0, 1)
