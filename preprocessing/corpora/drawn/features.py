"""The moving parts of a drawn face: brows, eyes, nose, mouth and the creases between them.

Each function draws on the painted face in place: uint8 RGBA, the part ``painting.FACE`` of the
canvas. How far a part moves for an action unit follows the Facial Action Coding System (Ekman &
Friesen 1978; Ekman, Friesen & Hager 2002) in direction; the amounts were chosen by eye, somewhat
larger than life. Lips, brows and creases differ from the skin by the same steps of lightness on
every skin.
"""

import cv2
import numpy as np

from preprocessing.corpora.drawn.painting import (
    CORNER,
    SMOOTH,
    bend_quickly,
    blur,
    circle,
    draw,
    enclose,
    get_lightness,
    lay,
    set_off,
)

EYE_X, EYE_Y = 43.0, -24.0
MOUTH_Y = 74.0
JAW_DROP = 46.0
"""How far the chin falls when the jaw is fully open, in face units."""
T = np.linspace(-1, 1, 33)
"""Position along a lid or lip, from corner to corner."""
BLACK = (0, 0, 0, 255)

BROW_STEPS = -44
LIP_STEPS = {"upper": -30, "lower": -22, "shine": -10, "slit": -42}
LID_STEPS = (-24, -33)
"""How much darker than the skin things are drawn, in steps of CIE L*."""


def draw_creases(face, bare, actor, units):
    """Darken the folds that the action units press into the skin, and the nostrils.

    Args:
        face: uint8 (height, width, 4), changed in place.
        bare: uint8 (height, width), 255 where the face is not under hair.
        actor: An ``Actor``.
        units: Action units.
    """
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

    mask = np.zeros_like(bare)
    for points, depth, thick in folds:
        if depth > 0.02:
            curve, shadow = bend_quickly(points), int(min(depth, 1) * 255)
            draw(mask, curve, shadow, thick=thick)
            draw(mask, curve * (-1, 1), shadow, thick=thick)
    mask = blur(cv2.multiply(mask, bare, scale=1 / 255), 2.0)
    deeper = 104 / (16 + get_lightness(actor.skin))  # a fold of the same steps on darker skin
    kept = 1 - np.minimum(np.array([0.48, 0.60, 0.62]) * deeper, 1)
    lay(face, cv2.multiply(face, (*kept, 1.0)), mask)


def draw_brows(face, actor, units):
    """Draw both eyebrows as tapered strokes."""
    shape = actor.shape
    au1, au2, au4, au9 = (units[f"AU{n}"] for n in (1, 2, 4, 9))
    base = -66 + shape["brow_lift"] + 5 * au9
    frown = au4 * (1 - 0.5 * au1)
    line = bend_quickly(
        [
            (17 - 5 * au4, base + 4 - 19 * au1 + 18 * frown),
            (29 - 3 * au4, base - 13 * au1 - 9 * au2 + 12 * frown),
            (49, base - 4 * shape["brow_arch"] - 3 * au1 - 19 * au2 + 3 * frown),
            (70, base + 5 + 7 * au1 * (1 - au2) - 13 * au2 - 3 * frown),
        ]
    )
    thick = bend_quickly([2.2, 4.8, 4.2, 0.8]) * shape["brow_thick"]
    outline = enclose(line[:, 0], line[:, 1] - thick, line[:, 1] + thick)
    mask = np.zeros(face.shape[:2], np.uint8)
    draw(mask, outline, 240)
    draw(mask, outline * (-1, 1), 240)
    hair = (48, 34, 28) if actor.hair_style == "scarf" else actor.hair
    lay(face, set_off(hair, actor.skin, BROW_STEPS), blur(mask, 1.3))


def draw_eyes(face, actor, units):
    """Draw both eyes: balls, irises, lids, lashes and the creases of the lids."""
    shape, closed = actor.shape, units["AU45"]
    au1, au2, au4, au5, au6, au7, au9 = (units[f"AU{n}"] for n in (1, 2, 4, 5, 6, 7, 9))
    wider = 1 + 0.44 * au5 - 0.32 * au7 - 0.16 * au6 - 0.12 * au9
    low = 8.4 * shape["eye_open"] * (1 + 0.18 * au5 - 0.60 * au7 - 0.60 * au6) * (1 - 0.3 * closed)
    high = 14.5 * shape["eye_open"] * max(wider, 0.35)
    high += (-0.85 * low - high) * closed
    slope = EYE_Y - T * (shape["eye_tilt"] - 3.5 * au1 * (1 - au2) + 1.5 * au4)
    arch = (1 - np.abs(T) ** 2.3) ** 0.8
    upper = slope - high * arch * (1 - 0.10 * T) + 1.2 * au4 * (1 - T) * arch
    lower = slope + max(low, 1.2) * (1 - T**2) ** 0.85
    crease = slope - (high * 0.92 + 7 - 3 * closed) * arch * (1 - 0.08 * T) - 1
    middle = EYE_X * shape["eye_apart"]
    xs = middle + T * 28.5 * shape["eye_width"]

    white = 0.36 + 0.64 * min(1.0, max(actor.skin) / 205)
    balls = np.full_like(face, (*(white * np.array([242, 237, 232])), 255))
    mask = np.zeros(face.shape[:2], np.uint8)
    shadow = mask.copy()
    for side in (-1, 1):
        gaze = (side * middle + units["gaze_x"] * 6, EYE_Y - 1.5 + units["gaze_y"] * 4)
        _draw_iris(balls, gaze, 15.2 * (0.6 + 0.4 * shape["eye_width"]), actor)
        draw(mask, enclose(side * xs, upper, lower), 255)
        draw(shadow, enclose(side * xs, upper - 12, upper + 4.5), 90)
    lay(balls, BLACK, blur(shadow, 2.0))
    lay(face, balls, mask)

    lashes, rim = (34, 24, 22, 255), np.column_stack([xs, upper])
    crease_colour, rim_colour = (set_off(actor.skin, actor.skin, steps) for steps in LID_STEPS)
    lines = [
        (np.column_stack([xs, crease])[5:-3], crease_colour, 1),
        (np.column_stack([xs, lower + 1])[3:], rim_colour, 1),
    ]
    if actor.gender == "female":
        lines.append((rim[-6:] - (0, 1), lashes, 2))
        rim = np.vstack([rim, rim[-1] + (3.5, -3.5)])
    lines.append((rim, lashes, 2))
    for points, colour, thick in lines:
        draw(face, points, colour, thick=thick)
        draw(face, points * (-1, 1), colour, thick=thick)


def _draw_iris(balls, centre, radius, actor):
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
        middle = np.array([dx, dy]) * radius + centre - CORNER
        x, y, reach = (int(value * 16) for value in (*middle, size * radius))
        cv2.circle(balls, (x, y), reach, (*map(float, colour), 255), -1, *SMOOTH)


def draw_mouth(face, actor, units):
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
    top = y - 1 - 12 * au10 - 2.5 * au25 - 5 * au17 + 3 * au12
    gap = 0.84 * drop + 9 * au25 + 4 * au10
    thick = shape["lip_full"] * (1 - 0.55 * au23) * (1 + 0.15 * purse)
    thick *= (1 - 0.30 * au12 - 0.2 * au20) * (1 - 0.2 * jaw)

    xs, rim = wide * T, 1 - T**2
    sneer = -6 * au10 * np.clip(T, 0, 1) * rim  # one side of the lip rises higher
    bow = 1 - 0.30 * np.exp(-((T / 0.13) ** 2)) - 0.12 * np.abs(T)
    upper = corner + (top - corner) * rim + sneer
    lower = upper - sneer + gap * rim**0.72
    if gap < 1:
        upper = upper + 1.0 * np.exp(-((T / 0.12) ** 2))
    lower = np.maximum(lower, upper)
    thick_lower = (12.5 * thick + 3 * au17) * rim**0.75

    red = (186, 62, 76) if actor.gender == "female" else (176, 104, 94)
    tints = {part: set_off(red, actor.skin, steps) for part, steps in LIP_STEPS.items()}
    draw(face, enclose(xs, upper - 9.0 * thick * rim**0.62 * bow, upper + 0.5), tints["upper"])
    draw(face, enclose(xs, lower - 0.5, lower + thick_lower), tints["lower"])
    shine = np.column_stack([xs, lower + thick_lower.max() * 0.45])[11:-11]
    draw(face, shine, tints["shine"], thick=3)
    if gap <= 1.2:
        draw(face, np.column_stack([xs, upper]), tints["slit"], thick=2)
        return
    cave = np.full_like(face, (74, 24, 28, 255))
    if gap > 7:
        tongue = circle(0, lower.max() + 0.04 * gap, wide * 0.62, gap * 0.42)
        draw(cave, tongue, (182, 84, 88, 255))
    teeth = min(0.6 * gap, 4 + 7 * max(au12, au10, au20)) * (1 - 0.75 * purse)
    draw(cave, enclose(xs * 0.92, upper - 4, upper + teeth), (246, 242, 236, 255))
    if au20 > 0.3 and gap > 6:
        draw(cave, enclose(xs * 0.8, lower - 0.22 * gap, lower + 4), (232, 226, 220, 255))
    inside = np.zeros(face.shape[:2], np.uint8)
    draw(inside, enclose(xs, upper, lower), 255)
    lay(cave, BLACK, (255 - blur(inside, 2.0)) // 2)
    lay(face, cave, inside)
