"""The moving parts of a drawn face: brows, eyes, nose, mouth and the creases between them.

Each function draws on a copy of the painted head (uint8 RGBA canvas, in place). How far a part
moves for an action unit follows the Facial Action Coding System (Ekman & Friesen 1978; Ekman,
Friesen & Hager 2002) in direction; the amounts were chosen by eye, somewhat larger than life.
"""

from functools import cache

import cv2
import numpy as np

from preprocessing.corpora.drawn.painting import ORIGIN
from preprocessing.corpora.drawn.portrait import JAW_DROP

EYE_X, EYE_Y = 43.0, -24.0
MOUTH_Y = 74.0
T = np.linspace(-1, 1, 33)
"""Position along a lid or lip, from corner to corner."""
SMOOTH = (cv2.LINE_AA, 4)
"""Antialiased, with corners given in sixteenths of a pixel."""


def draw_creases(head, skin, actor, units):
    """Darken the folds that the action units press into the skin, and the nostrils.

    Args:
        head: uint8 canvas, changed in place.
        skin: uint8 (HEIGHT, WIDTH), where the face is not under hair.
        actor: An ``Actor``.
        units: Action units.
    """
    shape = actor.shape
    left, top, right, bottom = -112, -132, 112, 152
    mask = np.zeros((bottom - top, right - left), np.uint8)
    nose = 46 * shape["nose_length"] - 5 * units["AU9"] - 2 * units["AU10"]
    flare = shape["nose_width"] * (1 + 0.12 * units["AU9"] + 0.08 * units["AU12"])

    def crease(points, depth, thick=4, sides=(-1, 1)):
        for side in sides if depth > 0.02 else ():
            ink = int(min(depth, 1) * 255)
            cv2.polylines(mask, [_grid(_bend(points, side), left, top)], False, ink, thick, *SMOOTH)

    smile = max(units["AU12"], 0.9 * units["AU10"], 0.8 * units["AU9"])
    crease([(25 * flare, nose - 5), (37, nose + 9), (48 + 8 * units["AU12"], 68)], 0.34 * smile, 5)
    crease([(45, 72), (51, 80), (49, 92)], 0.42 * units["AU15"], 5)
    crease([(22, -1), (40, 5), (60, -2)], 0.06 + 0.18 * units["AU6"])
    for rise in (-6, 2):
        crease([(76, -25 + rise * 0.5), (86, -26 + rise * 1.5)], 0.28 * units["AU6"], 3)
    crease([(8 - units["AU4"], -44), (7, -55), (10, -70 + 5 * units["AU4"])], 0.62 * units["AU4"])
    for rise in (-8, 2):
        crease([(4, rise - 10), (10, rise - 12), (17, rise - 6)], 0.36 * units["AU9"])
    crease([(13 * flare, nose - 10), (19 * flare, nose - 3), (15 * flare, nose + 5)], 0.36)
    crease([(6 * flare, nose + 3), (10 * flare, nose + 0.5), (14 * flare, nose + 3)], 0.92, 5)
    for row in range(3):
        wide, y = 26 + 30 * units["AU2"], -92 - 13 * row - 5 * units["AU1"]
        line = [(-wide, y + 4 * units["AU2"]), (0, y - 2), (wide, y + 4 * units["AU2"])]
        crease(line, 0.26 * max(units["AU1"], units["AU2"]), 4, sides=(1,))
    chin = 108 + JAW_DROP * units["jaw"] - 4 * units["AU17"]
    crease([(-14, chin + 3), (0, chin - 3), (14, chin + 3)], 0.4 * units["AU17"], 6, sides=(1,))

    mask = cv2.multiply(mask, _view(skin, left, top, right, bottom), scale=1 / 255)
    mask = cv2.GaussianBlur(mask, (0, 0), 2.0).astype(np.uint16)
    keep = cv2.merge([(255 - mask * part // 100).astype(np.uint8) for part in (48, 60, 62, 0)])
    patch = _view(head, left, top, right, bottom)
    patch[:] = cv2.multiply(patch, keep, scale=1 / 255)


def draw_brows(head, actor, units):
    """Draw both eyebrows as tapered strokes."""
    shape = actor.shape
    base = -66 + shape["brow_lift"]
    frown = units["AU4"] * (1 - 0.5 * units["AU1"])
    line = [
        (17 - 5 * units["AU4"], base + 4 - 19 * units["AU1"] + 18 * frown + 4 * units["AU9"]),
        (29 - 3 * units["AU4"], base - 13 * units["AU1"] - 9 * units["AU2"] + 12 * frown),
        (49, base - 4 * shape["brow_arch"] - 3 * units["AU1"] - 19 * units["AU2"] + 3 * frown),
        (70, base + 5 + 7 * units["AU1"] * (1 - units["AU2"]) - 13 * units["AU2"] - 3 * frown),
    ]
    thick = np.array([2.2, 4.8, 4.2, 0.8]) * shape["brow_thick"]
    left, top, right, bottom = -100, -112, 100, -32
    mask = np.zeros((bottom - top, right - left), np.uint8)
    for side in (-1, 1):
        upper = _bend([(x, y - d) for (x, y), d in zip(line, thick, strict=True)], side)
        lower = _bend([(x, y + d) for (x, y), d in zip(line, thick, strict=True)], side)
        cv2.fillPoly(mask, [_grid(np.vstack([upper, lower[::-1]]), left, top)], 225, *SMOOTH)
    colour = np.empty((*mask.shape, 4), np.uint8)
    colour[:] = _dim(_tint_brows(actor), 1)
    _blend(_view(head, left, top, right, bottom), colour, cv2.GaussianBlur(mask, (0, 0), 1.3))


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
    patch = _view(head, left, top, int(x + wide + 12), int(y + 26))
    mask, under_lid = np.zeros((2, *patch.shape[:2]), np.uint8)
    around = np.r_[xs, xs[::-1]]
    almond = np.stack([around, np.r_[upper, lower[::-1]]], axis=1)
    cv2.fillPoly(mask, [_grid(almond, left, top)], 255, *SMOOTH)
    ball = np.empty((*mask.shape, 4), np.uint8)
    ball[:] = _dim((242, 237, 232), 0.36 + 0.64 * min(1.0, max(actor.skin) / 205))
    gaze = (x + units["gaze_x"] * 6 - left, y - 1.5 + units["gaze_y"] * 4 - top)
    _draw_iris(ball, gaze, 15.2 * (0.6 + 0.4 * shape["eye_width"]), actor)
    shadow = np.stack([around, np.r_[upper - 12, upper[::-1] + 4.5]], axis=1)
    cv2.fillPoly(under_lid, [_grid(shadow, left, top)], 90, *SMOOTH)
    under_lid = 255 - cv2.GaussianBlur(under_lid, (0, 0), 2.0)
    ball = cv2.multiply(ball, cv2.merge([under_lid] * 3 + [mask * 0 + 255]), scale=1 / 255)
    _blend(patch, ball, mask)

    def line(px, py, colour, thick):
        corners = _grid(np.stack([px, py], axis=1), left, top)
        cv2.polylines(patch, [corners], False, colour, thick, *SMOOTH)

    fold = slope - (high * 0.92 + 7 - 3 * closed) * arch * (1 - 0.08 * T) - 1
    line(xs[5:-3], fold[5:-3], _dim(actor.skin, 0.70), 1)
    line(xs[3:], lower[3:] + 1, _dim(actor.skin, 0.58), 1)
    lashes = (34, 24, 22, 255)
    if actor.gender == "female":
        line(xs[-6:], upper[-6:] - 1, lashes, 2)
        xs, upper = np.r_[xs, xs[-1] + side * 3.5], np.r_[upper, upper[-1] - 3.5]
    line(xs, upper, lashes, 2)


def draw_mouth(head, actor, units):
    """Draw lips, teeth and tongue; ``jaw`` opens, ``round`` purses, the rest are action units."""
    shape = actor.shape
    drop = JAW_DROP * units["jaw"]
    y = MOUTH_Y + shape["mouth_low"]
    wide = 40.0 * shape["mouth_width"] + 14 * units["AU12"] + 11 * units["AU20"]
    wide -= 9 * units["AU23"] + 11 * units["round"] + 11 * units["jaw"] + 4 * units["AU17"]
    corner = y - 2 - 21 * units["AU12"] + 17 * units["AU15"] + 4 * units["AU20"] + 0.48 * drop
    upper = y - 1 - 12 * units["AU10"] - 2.5 * units["AU25"] - 5 * units["AU17"] + 3 * units["AU12"]
    gap = 0.84 * drop + 9 * units["AU25"] + 4 * units["AU10"]
    full = shape["lip_full"] * (1 - 0.55 * units["AU23"]) * (1 + 0.15 * units["round"])
    thin = 1 - 0.30 * units["AU12"] - 0.2 * units["AU20"]
    thick_upper = 9.0 * full * thin * (1 - 0.2 * units["jaw"])
    thick_lower = 12.5 * full * thin * (1 - 0.2 * units["jaw"]) + 3 * units["AU17"]

    body = 1 - np.abs(T) ** 2.0
    rim = np.clip(1 - T**2, 0, 1) ** 0.62
    bow = 1 - 0.30 * np.exp(-((T / 0.13) ** 2)) - 0.12 * np.abs(T)
    xs = wide * T
    inner_upper = corner + (upper - corner) * body
    inner_lower = inner_upper + gap * np.clip(1 - T**2, 0, 1) ** 0.72
    if gap < 1:
        inner_upper = inner_upper + 1.0 * np.exp(-((T / 0.12) ** 2))
        inner_lower = np.maximum(inner_lower, inner_upper)
    outer_upper = inner_upper - thick_upper * rim * bow
    outer_lower = inner_lower + thick_lower * np.clip(1 - T**2, 0, 1) ** 0.75

    left, top = -80, int(y - 52)
    patch = _view(head, left, top, 80, int(y + 88))

    def fill(ys_top, ys_low, colour, *, squeeze=1.0, on=patch):
        across = np.r_[xs, xs[::-1]] * squeeze
        points = np.stack([across, np.r_[ys_top, ys_low[::-1]]], axis=1)
        cv2.fillPoly(on, [_grid(points, left, top)], colour, *SMOOTH)

    def line(ys, colour, thick, part=slice(None)):
        corners = _grid(np.stack([xs, ys], axis=1)[part], left, top)
        cv2.polylines(patch, [corners], False, colour, thick, *SMOOTH)

    lip = _tint_lips(actor)
    fill(outer_upper, inner_upper + 0.5, _dim(lip, 0.86))
    fill(inner_lower - 0.5, outer_lower, _dim(lip, 1.0))
    line(inner_lower + thick_lower * 0.45, _dim(lip + (255 - lip) * 0.16, 1), 3, slice(11, -11))
    if gap <= 1.2:
        line(inner_upper, _dim(lip, 0.50), 2)
        return
    inside = np.zeros(patch.shape[:2], np.uint8)
    fill(inner_upper, inner_lower, 255, on=inside)
    cave = np.empty_like(patch)
    cave[:] = (74, 24, 28, 255)
    if gap > 7:
        middle = (int(-left * 16), int((inner_lower.max() + 0.04 * gap - top) * 16))
        axes = (int(wide * 0.62 * 16), int(gap * 0.42 * 16))
        cv2.ellipse(cave, middle, axes, 0, 0, 360, (182, 84, 88, 255), -1, *SMOOTH)
    bare = max(units["AU12"], units["AU10"], units["AU20"])
    teeth = min(0.6 * gap, 4 + 7 * bare) * (1 - 0.75 * units["round"])
    fill(inner_upper - 4, inner_upper + teeth, (246, 242, 236, 255), squeeze=0.92, on=cave)
    if units["AU20"] > 0.3 and gap > 6:
        fill(inner_lower - 0.22 * gap, inner_lower + 4, (232, 226, 220, 255), squeeze=0.8, on=cave)
    edge = cv2.GaussianBlur(inside, (0, 0), 2.0) // 2 + 127
    cave = cv2.multiply(cave, cv2.merge([edge] * 3 + [inside * 0 + 255]), scale=1 / 255)
    _blend(patch, cave, inside)


def _draw_iris(ball, centre, radius, actor):
    """Draw iris, pupil and highlights on an eyeball."""
    iris = np.asarray(actor.iris, np.float64)

    def disc(dx, dy, size, colour):
        point = (int((centre[0] + dx) * 16), int((centre[1] + dy) * 16))
        cv2.circle(ball, point, int(size * 16), (*map(float, colour), 255), -1, cv2.LINE_AA, 4)

    disc(0, 0, radius, iris * 0.42)
    disc(0, 0, radius * 0.86, iris)
    disc(0, radius * 0.22, radius * 0.58, np.minimum(iris * 1.35 + 14, 255))
    disc(0, 0, radius * 0.46, (14, 11, 12))
    disc(radius * 0.34 * actor.light, -radius * 0.36, radius * 0.25, (255, 255, 255))
    disc(-radius * 0.3 * actor.light, radius * 0.36, radius * 0.12, (235, 235, 240))


def _view(head, left, top, right, bottom):
    """Return the part of a canvas between face units, as a view."""
    x, y = int(ORIGIN[0]), int(ORIGIN[1])
    return head[top + y : bottom + y, left + x : right + x]


def _bend(points, side):
    """Return a quick curve through points of the right half, mirrored by ``side``."""
    return _weigh_points(len(points)) @ (np.asarray(points, np.float64) * (side, 1))


@cache
def _weigh_points(n):
    """Return the weights that make a Catmull-Rom curve of ``n`` points: float64 (6n - 5, n)."""
    ends = np.vstack(
        [2 * np.eye(n)[0] - np.eye(n)[1], np.eye(n), 2 * np.eye(n)[-1] - np.eye(n)[-2]]
    )
    t = np.linspace(0, n - 1, 6 * n - 5)
    i = np.minimum(t.astype(int), n - 2)
    u = (t - i)[:, None]
    a, b, c, d = (ends[i + k] for k in range(4))
    return 0.5 * (
        2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u**2 + (3 * b - a - 3 * c + d) * u**3
    )


def _grid(points, left, top):
    """Return points in face units as sixteenths of a pixel of a patch: int32 (n, 2)."""
    return np.round((points - np.array([left, top])) * 16).astype(np.int32)


def _blend(patch, over, alpha):
    """Lay one patch over another, in place; ``alpha`` is uint8 (height, width)."""
    weight = alpha.astype(np.float32) / 255
    patch[:] = cv2.blendLinear(np.ascontiguousarray(patch), over, 1 - weight, weight)


def _dim(colour, factor):
    return (*(min(float(c) * factor, 255.0) for c in colour), 255)


def _tint_lips(actor):
    """Return the colour of the lips, redder than the skin; women wear a little lipstick."""
    red = 0.34 if actor.gender == "female" else 0.12
    base = np.asarray(actor.skin, np.float64) * (0.70, 0.52, 0.52) + (46, 22, 26)
    return base + (np.array([178, 48, 66]) - base) * red


def _tint_brows(actor):
    """Return the colour of the eyebrows: the hair's, darker; under a scarf dark brown."""
    hair = (48, 34, 28) if actor.hair_style == "scarf" else actor.hair
    return np.asarray(hair, np.float64) * 0.7
