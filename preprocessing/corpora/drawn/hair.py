"""Hair, beards and scarves of the drawn actors: a part behind the head, a part before it."""

import numpy as np

from preprocessing.corpora.drawn import painting as brush
from preprocessing.corpora.drawn.painting import X, Y

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
    "scarf": [(-70, 104), (-88, 40), (-85, -68), (0, -122), (85, -68), (88, 40)],
}
"""The hairline from left to right; one more point, the first one's mirror image, closes it."""

CURLY = ("curls", "afro")
COVERS_EARS = ("bob", "long", "fringe", "scarf")


def paint_back(actor, rng, layer):
    """Lay the hair behind the head over a layer, float32 (HEIGHT, WIDTH, 4), in place."""
    colour = _colour_hair(actor, rng)
    if actor.hair_style == "bun":
        brush.cover(layer, colour * 0.92, brush.fill(brush.circle(0, -188, 46, 40)))
    light = 0.86 - 0.3 * np.clip((Y + 40) / 120, 0, 1)
    brush.cover(layer, colour * light[..., None], _soften(_mask_back(actor), actor, rng))


def mask_front(actor):
    """Return the mask of the hair before the forehead: float32 (HEIGHT, WIDTH)."""
    line = FRINGES[actor.hair_style]
    line = brush.bend_curve([*line, (-line[0][0], line[0][1])], n=80)
    scarf = actor.hair_style == "scarf"
    far = 70 if scarf else 300
    below = np.vstack([line, [(far, line[-1, 1]), (far, 400), (-far, 400), (-far, line[0, 1])]])
    above = 1.0 if scarf else np.clip((line[0, 1] + 6 - Y) / 12, 0, 1)
    return _mask_back(actor) * (1 - brush.fill(below)) * above


def paint_front(actor, rng):
    """Return the hair before the forehead as a layer: float32 (HEIGHT, WIDTH, 4)."""
    mask = _soften(mask_front(actor), actor, rng)
    edge = np.clip(brush.blur(mask, 5) - brush.blur(mask, 1), 0, 1)
    colour = _colour_hair(actor, rng) * (1 - 0.5 * edge)[..., None]
    return brush.cut_out(colour, mask)


def paint_scarf_below(actor, layer):
    """Lay the part of a scarf that goes round the neck over a layer, in place."""
    outline = [(96, 40), (100, 110), (98, 160), (120, 215), (128, 260), (0, 275)]
    light = 1.0 + brush.glow((-0.30, 0, 138, 60, 26)) * np.clip(1 - (X / 70) ** 4, 0, 1)
    for x, y, lean in ((-30, 178, 0.5), (24, 196, -0.4), (0, 220, 0.15)):
        fold = np.exp(-0.5 * ((Y - y - lean * (X - x)) / 6) ** 2)
        light -= 0.09 * fold * np.clip(1 - np.abs(X) / 75, 0, 1)
    colour = _colour_hair(actor, None) * light[..., None]
    brush.cover(layer, colour, brush.fill(brush.mirror(outline)))


def paint_beard(actor, rng, colour, inside):
    """Darken the colour of a face by a beard, in place; inside is its distance from the edge."""
    x, lip = np.abs(X), Y - 78 - actor.shape["mouth_low"]
    cheek_line = 62 - 0.42 * x + 30 * np.exp(-((x / 30) ** 2)) + 10 * (x < 70)
    jaw = np.clip((Y - cheek_line) / 22, 0, 1)
    jaw = np.maximum(jaw, np.clip((x - 76) / 10, 0, 1) * np.clip((Y - 5) / 40, 0, 1))
    moustache = np.exp(-0.5 * (((lip + 16 - 0.12 * x) / 5.5) ** 4 + (x / 34) ** 6))
    lips = np.exp(-0.5 * (((lip - 2) / 13) ** 4 + (x / 32) ** 4))
    mask = np.maximum(jaw * (1 - lips), moustache) * np.clip(inside / 5, 0.5, 1) * actor.beard
    strands = brush.comb_strands(rng, 1.3, 4.0)
    mask = np.clip(brush.blur(mask, 4) * (0.86 + 0.10 * strands), 0, 0.95)
    tint = np.array(actor.hair) * (1.05 + 0.12 * strands)[..., None]
    colour += (tint - colour) * mask[..., None]


def _mask_back(actor):
    outline = brush.mirror(BACKS[actor.hair_style])
    return brush.fill(brush.bend_curve(outline, closed=True, n=200))


def _soften(mask, actor, rng):
    """Return a mask of hair with the edge that the style has."""
    if actor.hair_style == "scarf":
        return mask
    if actor.hair_style == "buzz":
        return brush.blur(mask, 3) * 0.88
    if actor.hair_style in CURLY:
        bumps = np.clip(brush.comb_strands(rng, 4.5, 4.5), -1.8, 1.8)
        return np.clip((brush.blur(mask, 5) - 0.5 + 0.15 * bumps) * 4 + 0.5, 0, 1)
    strands = brush.comb_strands(rng, 2.0, 9.0)
    return np.clip((brush.blur(mask, 2.2) - 0.5 + 0.07 * strands) * 3.2 + 0.5, 0, 1)


def _colour_hair(actor, rng):
    """Return the shaded colour of the hair or scarf: float32 (HEIGHT, WIDTH, 3)."""
    if actor.hair_style == "scarf":
        light = brush.glow((0.12, actor.light * 40, -140, 40, 26)) + 0.06 * actor.light * X / 100
        light += 1.0 - 0.16 * np.clip((Y - 20) / 160, 0, 1)
        light += 0.03 * np.sin(np.hypot(X * 0.9, (Y + 20) * 0.7) / 7)  # folds round the face
        return brush.shade(actor.hair, light)
    strands = brush.comb_strands(rng, *((3, 3) if actor.hair_style in CURLY else (2, 30)))
    dome = brush.glow((1.0, actor.light * 34, -148, 58, 22))
    light = 0.98 + 0.30 * dome + strands * (0.06 + 0.05 * dome) - 0.12 * np.abs(X) / 110
    shine = 52 * np.clip(light - 1, 0, 1)
    return np.array(actor.hair) * light[..., None] + shine[..., None]
