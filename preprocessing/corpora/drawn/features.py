"""The moving parts of a drawn face: brows, eyes, nose, mouth and the creases between them.

Each function draws on a copy of the painted head (uint8 RGBA canvas, in place). How far a part
moves for an action unit follows the Facial Action Coding System (Ekman & Friesen 1978; Ekman,
Friesen & Hager 2002) in direction; the amounts were chosen by eye, somewhat larger than life.
Lips, brows and creases differ from the skin by the same steps of lightness on every skin.
"""

import cv2
import numpy as np

from preprocessing.corpora.drawn.painting import (
    Patch,
    bend_side,
    blur,
    get_lightness,
    set_off,
)

EYE_X, EYE_Y = 43.0, -24.0
MOUTH_Y = 74.0
JAW_DROP = 46.0
"""How far the chin falls when the jaw is fully open, in face units."""
T = np.linspace(-1, 1, 33)
"""Position along a lid or lip, from corner to corner."""


def draw_creases(head, skin, actor, units):
    """Darken the folds that the action units press into the skin, and the nostrils.

    Args:
        head: uint8 canvas, changed in place.
        skin: uint8 (HEIGHT, WIDTH), where the face is not under hair.
        actor: An ``Actor``.
        units: Action units.
    """
    edges = (-112, -132, 112, 152)
    patch, bare = Patch(head, *edges), Patch(skin, *edges).pixels
    mask = patch.get_blank()
    au1, au2, au4, au6, au9, au12 = (units[f"AU{n}"] for n in (1, 2, 4, 6, 9, 12))
    nose = 46 * actor.shape["nose_length"] - 6 * au9 - 2 * units["AU10"]
    flare = actor.shape["nose_width"] * (1 + 0.14 * au9 + 0.08 * au12)
    smile = max(au12, 0.9 * units["AU10"], 0.8 * au9)
    chin = 108 + JAW_DROP * units["jaw"] - 4 * units["AU17"]

    folds = [  # points of the right half, depth, thickness
        ([(25 * flare, nose - 5), (37, nose + 9), (48 + 8 * au12, 68)], 0.34 * smile, 5),
        ([(45, 72), (51, 80), (49, 92)], 0.42 * units["AU15"], 5),
        ([(22, -1), (40, 5), (60, -2)], 0.06 + 0.18 * au6, 4),
        ([(8 - au4, -44), (7, -55), (10, -70 + 5 * au4)], 0.62 * au4 * (1 - 0.6 * au9), 4),
        ([(13 * flare, nose - 10), (19 * flare, nose - 3), (15 * flare, nose + 5)], 0.36, 4),
        ([(6 * flare, nose + 3), (10 * flare, nose + 0.5), (14 * flare, nose + 3)], 0.92, 5),
        ([(0, chin - 3), (14, chin + 3)], 0.4 * units["AU17"], 6),
    ]
    for rise in (-6, 2):
        folds.append(([(76, -25 + rise * 0.5), (86, -26 + rise * 1.5)], 0.28 * au6, 3))
    for rise in (-16, -6, 4):
        folds.append(([(0, rise - 13), (9, rise - 12), (19, rise - 5)], 0.44 * au9, 4))
    for row in range(3):
        wide, y = 26 + 30 * au2, -92 - 13 * row - 5 * au1
        folds.append(([(0, y - 2), (wide, y + 4 * au2)], 0.26 * max(au1, au2), 4))
    for points, depth, thick in folds:
        for side in (-1, 1) if depth > 0.02 else ():
            patch.line(bend_side(points, side), int(min(depth, 1) * 255), thick, on=mask)

    mask = blur(cv2.multiply(mask, bare, scale=1 / 255), 2.0)
    deeper = 104 / (16 + get_lightness(actor.skin))  # a fold of the same steps on darker skin
    patch.darken(mask, np.minimum(np.array([48, 60, 62]) * deeper, 100))


def draw_brows(head, actor, units):
    """Draw both eyebrows as tapered strokes."""
    shape = actor.shape
    au1, au2, au4, au9 = (units[f"AU{n}"] for n in (1, 2, 4, 9))
    base = -66 + shape["brow_lift"] + 5 * au9
    frown = au4 * (1 - 0.5 * au1)
    line = [
        (17 - 5 * au4, base + 4 - 19 * au1 + 18 * frown),
        (29 - 3 * au4, base - 13 * au1 - 9 * au2 + 12 * frown),
        (49, base - 4 * shape["brow_arch"] - 3 * au1 - 19 * au2 + 3 * frown),
        (70, base + 5 + 7 * au1 * (1 - au2) - 13 * au2 - 3 * frown),
    ]
    thick = np.array([2.2, 4.8, 4.2, 0.8]) * shape["brow_thick"]
    patch = Patch(head, -100, -112, 100, -32)
    mask = patch.get_blank()
    for side in (-1, 1):
        upper = bend_side([(x, y - d) for (x, y), d in zip(line, thick, strict=True)], side)
        lower = bend_side([(x, y + d) for (x, y), d in zip(line, thick, strict=True)], side)
        patch.fill(np.vstack([upper, lower[::-1]]), 240, on=mask)
    hair = (48, 34, 28) if actor.hair_style == "scarf" else actor.hair
    colour = (*set_off(hair, actor.skin, BROW_STEPS), 255)
    patch.lay(patch.get_blank(colour), blur(mask, 1.3))


def draw_eye(head, actor, units, side):
    """Draw one eye: ball, iris, lids, lashes and the lid's crease.

    Args:
        head: uint8 canvas, changed in place.
        actor: An ``Actor``.
        units: Action units, ``gaze_x`` and ``gaze_y`` among them.
        side: -1 for the eye on the picture's left, 1 for the right one.
    """
    shape = actor.shape
    x, y = side * EYE_X * shape["eye_apart"], EYE_Y
    wide = 28.5 * shape["eye_width"]
    closed = units["AU45"]
    wider = 1 + 0.44 * units["AU5"] - 0.32 * units["AU7"]
    wider -= 0.16 * units["AU6"] + 0.12 * units["AU9"]
    low = 8.4 * (1 + 0.18 * units["AU5"] - 0.60 * units["AU7"] - 0.60 * units["AU6"])
    low *= shape["eye_open"] * (1 - 0.3 * closed)
    high = 14.5 * shape["eye_open"] * max(wider, 0.35)
    high += (-0.85 * low - high) * closed
    tilt = shape["eye_tilt"] - 3.5 * units["AU1"] * (1 - units["AU2"]) + 1.5 * units["AU4"]
    slope = y - T * tilt
    arch = (1 - np.abs(T) ** 2.3) ** 0.8
    upper = slope - high * arch * (1 - 0.10 * T) + 1.2 * units["AU4"] * (1 - T) * arch
    lower = slope + max(low, 1.2) * (1 - T**2) ** 0.85
    xs = x + side * T * wide

    left, top = int(x - wide - 12), int(y - 40)
    patch = Patch(head, left, top, int(x + wide + 12), int(y + 26))
    mask, under_lid = patch.get_blank(), patch.get_blank()
    around = np.r_[xs, xs[::-1]]
    patch.fill(np.column_stack([around, np.r_[upper, lower[::-1]]]), 255, on=mask)
    white = 0.36 + 0.64 * min(1.0, max(actor.skin) / 205)
    ball = patch.get_blank((*(white * np.array([242, 237, 232])), 255))
    gaze = (x + units["gaze_x"] * 6 - left, y - 1.5 + units["gaze_y"] * 4 - top)
    _draw_iris(ball, gaze, 15.2 * (0.6 + 0.4 * shape["eye_width"]), actor)
    patch.fill(np.column_stack([around, np.r_[upper - 12, upper[::-1] + 4.5]]), 90, on=under_lid)
    under_lid = 255 - blur(under_lid, 2.0)
    ball = cv2.multiply(ball, cv2.merge([under_lid] * 3 + [mask * 0 + 255]), scale=1 / 255)
    patch.lay(ball, mask)

    def line(ys, part, steps, thick):
        colour = (*set_off(actor.skin, actor.skin, steps), 255)
        patch.line(np.column_stack([xs, ys])[part], colour, thick)

    line(slope - (high * 0.92 + 7 - 3 * closed) * arch * (1 - 0.08 * T) - 1, np.s_[5:-3], -24, 1)
    line(lower + 1, np.s_[3:], -33, 1)
    lashes = (34, 24, 22, 255)
    rim = np.column_stack([xs, upper])
    if actor.gender == "female":
        patch.line(rim[-6:] - (0, 1), lashes, 2)
        rim = np.vstack([rim, rim[-1] + (side * 3.5, -3.5)])
    patch.line(rim, lashes, 2)


def _draw_iris(ball, centre, radius, actor):
    """Draw iris, pupil and highlights on an eyeball; places and sizes are shares of the radius."""
    iris, side = np.array(actor.iris), actor.light
    discs = [
        (0, 0, 1, iris * 0.42),
        (0, 0, 0.86, iris),
        (0, 0.22, 0.58, np.minimum(iris * 1.35 + 14, 255)),
        (0, 0, 0.46, (14, 11, 12)),
        (0.34 * side, -0.36, 0.25, (255, 255, 255)),
        (-0.3 * side, 0.36, 0.12, (235, 235, 240)),
    ]
    for dx, dy, size, colour in discs:
        point = (int((centre[0] + dx * radius) * 16), int((centre[1] + dy * radius) * 16))
        colour = (*map(float, colour), 255)
        cv2.circle(ball, point, int(size * radius * 16), colour, -1, cv2.LINE_AA, 4)


def draw_mouth(head, actor, units):
    """Draw lips, teeth and tongue; ``jaw`` opens, ``round`` purses, the rest are action units."""
    shape = actor.shape
    au10, au12, au15, au17, au20, au23, au25 = (
        units[f"AU{n}"] for n in (10, 12, 15, 17, 20, 23, 25)
    )
    jaw, purse = units["jaw"], units["round"]
    drop = JAW_DROP * jaw
    y = MOUTH_Y + shape["mouth_low"]
    wide = 40.0 * shape["mouth_width"] + 14 * au12 + 11 * au20
    wide -= 9 * au23 + 11 * purse + 11 * jaw + 4 * au17
    corner = y - 2 - 21 * au12 + 17 * au15 + 4 * au20 + 0.48 * drop
    upper = y - 1 - 12 * au10 - 2.5 * au25 - 5 * au17 + 3 * au12
    gap = 0.84 * drop + 9 * au25 + 4 * au10
    thick = shape["lip_full"] * (1 - 0.55 * au23) * (1 + 0.15 * purse)
    thick *= (1 - 0.30 * au12 - 0.2 * au20) * (1 - 0.2 * jaw)

    rim = 1 - T**2
    sneer = -6 * au10 * np.clip(T, 0, 1) * rim  # one side of the lip rises higher
    bow = 1 - 0.30 * np.exp(-((T / 0.13) ** 2)) - 0.12 * np.abs(T)
    xs = wide * T
    inner_upper = corner + (upper - corner) * rim + sneer
    inner_lower = inner_upper - sneer + gap * rim**0.72
    if gap < 1:
        inner_upper = inner_upper + 1.0 * np.exp(-((T / 0.12) ** 2))
    inner_lower = np.maximum(inner_lower, inner_upper)
    outer_upper = inner_upper - 9.0 * thick * rim**0.62 * bow
    thick_lower = 12.5 * thick + 3 * au17
    outer_lower = inner_lower + thick_lower * rim**0.75

    patch = Patch(head, -80, int(y - 52), 80, int(y + 88))

    def fill(ys_top, ys_low, colour, *, squeeze=1.0, on=None):
        across = np.r_[xs, xs[::-1]] * squeeze
        patch.fill(np.column_stack([across, np.r_[ys_top, ys_low[::-1]]]), colour, on=on)

    upper_lip, lower_lip, shine, slit = _tint_lips(actor)
    fill(outer_upper, inner_upper + 0.5, upper_lip)
    fill(inner_lower - 0.5, outer_lower, lower_lip)
    patch.line(np.column_stack([xs, inner_lower + thick_lower * 0.45])[11:-11], shine, 3)
    if gap <= 1.2:
        patch.line(np.column_stack([xs, inner_upper]), slit, 2)
        return
    inside = patch.get_blank()
    fill(inner_upper, inner_lower, 255, on=inside)
    cave = patch.get_blank((74, 24, 28, 255))
    if gap > 7:
        middle = (80, inner_lower.max() + 0.04 * gap - patch.corner[1])
        box = (middle, (wide * 1.24, gap * 0.84), 0)
        cv2.ellipse(cave, box, (182, 84, 88, 255), -1, cv2.LINE_AA)
    teeth = min(0.6 * gap, 4 + 7 * max(au12, au10, au20)) * (1 - 0.75 * purse)
    fill(inner_upper - 4, inner_upper + teeth, (246, 242, 236, 255), squeeze=0.92, on=cave)
    if au20 > 0.3 and gap > 6:
        fill(inner_lower - 0.22 * gap, inner_lower + 4, (232, 226, 220, 255), squeeze=0.8, on=cave)
    edge = blur(inside, 2.0) // 2 + 127
    cave = cv2.multiply(cave, cv2.merge([edge] * 3 + [inside * 0 + 255]), scale=1 / 255)
    patch.lay(cave, inside)


BROW_STEPS = -44
LIP_STEPS = (-30, -22, -10, -42)


def _tint_lips(actor):
    """Return the colours of upper lip, lower lip, its shine, and the line between closed lips."""
    red = (186, 62, 76) if actor.gender == "female" else (176, 104, 94)
    return [(*set_off(red, actor.skin, steps), 255) for steps in LIP_STEPS]
