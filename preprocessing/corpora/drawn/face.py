"""Draw a face: an actor of the cast, with any mixture of action units, in any pose.

What moves is here: brows, eyes, nostrils, mouth and the creases between them. How far a part moves
for an action unit follows the Facial Action Coding System (Ekman & Friesen 1978; Ekman, Friesen &
Hager 2002) in direction; the amounts were chosen by eye, somewhat larger than life. Lips, brows
and creases differ from the skin by the same steps of lightness on every skin.
"""

import cv2
import numpy as np

from preprocessing.corpora.drawn import painting as brush
from preprocessing.corpora.drawn.cast import cast_actor
from preprocessing.corpora.drawn.portrait import JAW_DROP, N_JAWS, paint_portrait, place

UNITS = {
    "AU1": "inner brow raiser",
    "AU2": "outer brow raiser",
    "AU4": "brow lowerer",
    "AU5": "upper lid raiser",
    "AU6": "cheek raiser",
    "AU7": "lid tightener",
    "AU9": "nose wrinkler",
    "AU10": "upper lip raiser",
    "AU12": "lip corner puller",
    "AU15": "lip corner depressor",
    "AU17": "chin raiser",
    "AU20": "lip stretcher",
    "AU23": "lip tightener",
    "AU25": "lips part",
    "jaw": "jaw drop (AU26/27), 0 closed to 1 wide open",
    "round": "lips pursed as for an o (AU18/22)",
    "AU45": "eyes closed, as in a blink",
    "gaze_x": "look to the picture's left (-1) or right (1)",
    "gaze_y": "look up (-1) or down (1)",
}
"""What can move in a face: action units (Ekman, Friesen & Hager 2002), 0 rest to 1 full."""

EYE_X, EYE_Y, MOUTH_Y = 43.0, -24.0, 74.0
T = np.linspace(-1, 1, 33)
"""Position along a lid or lip, from corner to corner."""
BEND = np.vander(np.linspace(0, 1, 19), 4) @ np.linalg.inv(np.vander(np.linspace(0, 1, 4)))
"""Shares of four points in 19 points of the cubic through them: the curve of a brow."""
BOTH, BLACK = (-1, 1), (0, 0, 0, 255)

BROW_STEPS = -44
LIP_STEPS = {"upper": -30, "lower": -22, "shine": -10, "slit": -42}
LID_STEPS = (-24, -33)
"""How much darker than the skin things are drawn, in steps of CIE L*."""


def draw_face(number, units=None, *, pose=(), seed=7):
    """Draw one frame.

    Args:
        number: The actor's number, from 1.
        units: Action units by name (see ``UNITS``); what is left out is at rest.
        pose: Where the head is, relative to looking straight ahead in the middle: pixels right
            and down, degrees counter-clockwise, and a factor on its size.
        seed: Seed of the corpus.

    Returns:
        uint8 (240, 320, 3) RGB.

    Raises:
        ValueError: An unknown action unit.
    """
    units = units or {}
    if unknown := sorted(set(units) - set(UNITS)):
        raise ValueError(f"Unknown action units {unknown}; expected some of {', '.join(UNITS)}.")
    least = {"gaze_x": -1.0, "gaze_y": -1.0}
    units = {n: min(max(float(units.get(n, 0)), least.get(n, 0.0)), 1.0) for n in UNITS}
    actor, portrait = cast_actor(number, seed=seed), paint_portrait(number, seed)
    head = portrait.heads[round(units["jaw"] * (N_JAWS - 1))].copy()
    face = head[brush.FACE]
    _draw_creases(face, portrait.bare[brush.FACE], actor, units)
    _draw_eyes(face[:150], actor, units)
    _draw_brows(face[:150], actor, units)
    _draw_mouth(face, actor, units)
    frame = portrait.backdrop.copy()
    for layer in (place(head, actor.size, *pose), portrait.clothes):
        red, green, blue, alpha = cv2.split(layer)
        behind = cv2.multiply(frame, cv2.merge([255 - alpha] * 3), scale=1 / 255)
        frame = cv2.add(behind, cv2.merge([red, green, blue]))
    return frame


def _draw_creases(face, bare, actor, units):
    """Darken nostrils, and folds that the units press into the skin, where it is not under hair."""
    au1, au2, au4, au6, au9, au12 = (units[f"AU{n}"] for n in (1, 2, 4, 6, 9, 12))
    nose = 46 * actor.shape["nose_length"] - 6 * au9 - 2 * units["AU10"]
    flare = actor.shape["nose_width"] * (1 + 0.14 * au9 + 0.08 * au12)
    smile = max(au12, 0.9 * units["AU10"], 0.8 * au9)
    chin = 108 + JAW_DROP * units["jaw"] - 4 * units["AU17"]
    folds = [  # points of the right half, depth, thickness
        ([(25 * flare, nose - 5), (37, nose + 9), (48 + 8 * au12, 68)], 0.34 * smile, 5),
        ([(45, 72), (51, 80), (49, 92)], 0.42 * units["AU15"], 5),
        ([(22, -1), (30, 3), (40, 5), (52, 2), (60, -2)], 0.06 + 0.18 * au6, 4),
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
            brush.draw(mask, points, int(min(depth, 1) * 255), thick=thick, sides=BOTH)
    mask = brush.blur(cv2.multiply(mask, bare, scale=1 / 255), 2.0)
    deeper = 104 / (16 + brush.get_lightness(actor.skin))  # a fold of the same steps on darker skin
    kept = 1 - np.minimum(np.array([0.48, 0.60, 0.62]) * deeper, 1)
    brush.lay(face, cv2.multiply(face, (*kept, 1.0)), mask)


def _draw_brows(face, actor, units):
    """Draw both eyebrows as tapered strokes."""
    shape = actor.shape
    au1, au2, au4, au9 = (units[f"AU{n}"] for n in (1, 2, 4, 9))
    y = -66 + shape["brow_lift"] + 5 * au9
    frown = au4 * (1 - 0.5 * au1)
    stroke = [  # x, y, half of the thickness
        (17 - 5 * au4, y + 4 - 19 * au1 + 18 * frown, 2.2),
        (29 - 3 * au4, y - 13 * au1 - 9 * au2 + 12 * frown, 4.8),
        (49, y - 4 * shape["brow_arch"] - 3 * au1 - 19 * au2 + 3 * frown, 4.2),
        (70, y + 5 + 7 * au1 * (1 - au2) - 13 * au2 - 3 * frown, 0.8),
    ]
    xs, ys, thick = (BEND @ stroke).T
    thick = thick * shape["brow_thick"]
    mask = np.zeros(face.shape[:2], np.uint8)
    brush.draw(mask, brush.enclose(xs, ys - thick, ys + thick), 240, sides=BOTH)
    hair = (48, 34, 28) if actor.hair_style == "scarf" else actor.hair
    brush.lay(face, brush.set_off(hair, actor.skin, BROW_STEPS), brush.blur(mask, 1.3))


def _draw_eyes(face, actor, units):
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

    white = (0.36 + 0.64 * min(1.0, max(actor.skin) / 205)) * np.array([242, 237, 232])
    balls = np.tile(np.uint8([*white, 255]), (*face.shape[:2], 1))
    for side in (-1, 1):
        gaze = (side * middle + units["gaze_x"] * 6, EYE_Y - 1.5 + units["gaze_y"] * 4)
        _draw_iris(balls, gaze, 15.2 * (0.6 + 0.4 * shape["eye_width"]), actor)
    mask = np.zeros(face.shape[:2], np.uint8)
    shadow = mask.copy()
    brush.draw(mask, brush.enclose(xs, upper, lower), 255, sides=BOTH)
    brush.draw(shadow, brush.enclose(xs, upper - 12, upper + 4.5), 90, sides=BOTH)
    brush.lay(balls, BLACK, brush.blur(shadow, 2.0))
    brush.lay(face, balls, mask)

    lashes, rim = (34, 24, 22, 255), np.column_stack([xs, upper])
    crease_colour, rim_colour = (
        brush.set_off(actor.skin, actor.skin, steps) for steps in LID_STEPS
    )
    lines = [
        (np.column_stack([xs, crease])[5:-3], crease_colour, 1),
        (np.column_stack([xs, lower + 1])[3:], rim_colour, 1),
    ]
    if actor.gender == "female":
        lines.append((rim[-6:] - (0, 1), lashes, 2))
        rim = np.vstack([rim, rim[-1] + (3.5, -3.5)])
    for points, colour, thick in [*lines, (rim, lashes, 2)]:
        brush.draw(face, points, colour, thick=thick, sides=BOTH)


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
        outline = brush.circle(dx, dy, size, size) * radius + centre
        brush.draw(balls, outline, (*map(float, colour), 255))


def _draw_mouth(face, actor, units):
    """Draw lips, teeth and tongue; ``jaw`` opens, ``round`` purses, the rest are action units."""
    shape, jaw, purse = actor.shape, units["jaw"], units["round"]
    au10, au12, au15 = (units[f"AU{n}"] for n in (10, 12, 15))
    au17, au20, au23, au25 = (units[f"AU{n}"] for n in (17, 20, 23, 25))
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
    tints = {part: brush.set_off(red, actor.skin, steps) for part, steps in LIP_STEPS.items()}
    above = upper - 9.0 * thick * rim**0.62 * bow
    brush.draw(face, brush.enclose(xs, above, upper + 0.5), tints["upper"])
    brush.draw(face, brush.enclose(xs, lower - 0.5, lower + thick_lower), tints["lower"])
    shine = np.column_stack([xs, lower + thick_lower.max() * 0.45])[11:-11]
    brush.draw(face, shine, tints["shine"], thick=3)
    if gap <= 1.2:
        brush.draw(face, np.column_stack([xs, upper]), tints["slit"], thick=2)
        return
    cave = np.tile(np.uint8([74, 24, 28, 255]), (*face.shape[:2], 1))
    if gap > 7:
        tongue = brush.circle(0, lower.max() + 0.04 * gap, wide * 0.62, gap * 0.42)
        brush.draw(cave, tongue, (182, 84, 88, 255))
    teeth = min(0.6 * gap, 4 + 7 * max(au12, au10, au20)) * (1 - 0.75 * purse)
    brush.draw(cave, brush.enclose(xs * 0.92, upper - 4, upper + teeth), (246, 242, 236, 255))
    if au20 > 0.3 and gap > 6:
        row = brush.enclose(xs * 0.8, lower - 0.22 * gap, lower + 4)
        brush.draw(cave, row, (232, 226, 220, 255))
    inside = np.zeros(face.shape[:2], np.uint8)
    brush.draw(inside, brush.enclose(xs, upper, lower), 255)
    brush.lay(cave, BLACK, (255 - brush.blur(inside, 2.0)) // 2)
    brush.lay(face, cave, inside)
