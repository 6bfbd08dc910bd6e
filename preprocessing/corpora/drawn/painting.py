"""Brushes: smooth curves, soft masks, shaded colour. Colours are RGB."""

from functools import cache

import cv2
import numpy as np
from scipy.interpolate import CubicSpline

WIDTH, HEIGHT = 480, 600
"""Size of the canvas that an actor is painted on, in pixels: more than twice the final size."""
ORIGIN = (240, 250)
"""Where the middle of the face (between nose and eyes) lies on the canvas. A face unit is one
canvas pixel, a hundredth of half the face's width; x to the right, y down."""

X, Y = np.meshgrid(
    np.arange(WIDTH, dtype=np.float32) - ORIGIN[0], np.arange(HEIGHT, dtype=np.float32) - ORIGIN[1]
)
FACE, CORNER = np.s_[118:418, 128:352], (-112, -132)
"""The part of the canvas in which eyes, brows and mouth move, and its upper left corner."""
SMOOTH = (cv2.LINE_AA, 4)
"""Antialiased, with corners given in sixteenths of a pixel."""
ANGLES = np.linspace(0, 2 * np.pi, 60)
CIRCLE = np.column_stack([np.cos(ANGLES), np.sin(ANGLES)])


def bend_curve(points, *, closed=False, n=96):
    """Return ``n`` points of a smooth curve through a few, all in face units: float64 (n, 2)."""
    points = np.asarray(points, dtype=np.float64)
    if closed:
        points = np.vstack([points, points[:1]])
    steps = np.sqrt(np.linalg.norm(np.diff(points, axis=0), axis=1))
    knots = np.concatenate([[0], np.cumsum(steps)])
    spline = CubicSpline(knots, points, bc_type="periodic" if closed else "natural")
    return spline(np.linspace(0, knots[-1], n, endpoint=not closed))


def enclose(xs, upper, lower):
    """Return the outline of what lies between two curves over the same xs: (2n, 2)."""
    there, back = np.stack([xs, upper]), np.stack([xs, lower])[:, ::-1]
    return np.concatenate([there, back], axis=1).T


def mirror(points):
    """Return points of the right half, from top to bottom, closed by their mirror image."""
    points = np.asarray(points, dtype=np.float64)
    inner = points[::-1] * (-1, 1)
    return np.vstack([points, inner[np.abs(inner[:, 0]) > 1e-6]])


def circle(x, y, width, height):
    """Return the outline of an ellipse: float64 (60, 2)."""
    return CIRCLE * (width, height) + (x, y)


def fill(points):
    """Return the mask of a polygon with a soft edge: float32 (HEIGHT, WIDTH) in [0, 1]."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(mask, _to_grid(points, (-ORIGIN[0], -ORIGIN[1])), 255, *SMOOTH)
    return blur(mask.astype(np.float32) / 255, 1.2)


def draw(image, points, colour, *, thick=0, sides=(1,)):
    """Fill a polygon, or draw a line, on an image of ``FACE``; its mirror image on side -1."""
    for side in sides:
        grid = _to_grid(points * np.array([side, 1]), CORNER)
        if thick:
            cv2.polylines(image, grid, False, colour, thick, *SMOOTH)
        else:
            cv2.fillPoly(image, grid, colour, *SMOOTH)


def _to_grid(points, corner):
    return [np.rint((np.asarray(points) - corner) * 16).astype(np.int32)]


def blur(image, sigma):
    """Return the image blurred by a Gaussian."""
    return cv2.GaussianBlur(image, (0, 0), sigma)


def glow(*spots):
    """Return the sum of Gaussian spots, each (strength, x, y, width, height), on the canvas."""
    light = np.zeros((HEIGHT, WIDTH), np.float32)
    for strength, x, y, width, height in spots:
        across, down = (X[:1] - x) / width, (Y[:, :1] - y) / height
        light += strength * np.exp(-0.5 * down**2) * np.exp(-0.5 * across**2)
    return light


def smooth_step(x, low, high):
    """Return 0 below ``low``, 1 above ``high``, and a smooth passage between."""
    t = np.clip((np.asarray(x) - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def shade(tone, light):
    """Return an RGB tone under varying light, (height, width), as float32 (height, width, 3).

    At 1 it is the tone; shadows (0.5) turn warmer, highlights (1.3) paler, as on skin.
    """
    tone = np.asarray(tone, np.float32)
    dark = tone * (0.50, 0.40, 0.38)
    pale = tone + (255 - tone) * (0.62, 0.56, 0.50)
    down = np.clip(1 - light, 0, 0.6)[..., None] * 1.6
    up = np.clip(light - 1, 0, 0.6)[..., None] * 1.4
    return (tone + (dark - tone) * down + (pale - tone) * up).astype(np.float32)


def get_lightness(colour):
    """Return the CIE L* of an RGB tuple, 0 black to 100 white: equal steps look equal."""
    return float(cv2.cvtColor(np.float32([[colour]]) / 255, cv2.COLOR_RGB2LAB)[0, 0, 0])


@cache
def set_off(colour, skin, steps):
    """Return an RGBA tuple in the hue of one, at so many steps of CIE L* from the skin's."""
    lab = cv2.cvtColor(np.float32([[colour]]) / 255, cv2.COLOR_RGB2LAB)
    lightness = np.clip(get_lightness(skin) + steps, 3, 97)
    lab[..., 1:] *= np.sqrt(min(lightness / lab[0, 0, 0], 1.0))  # dark colours look less vivid
    lab[..., 0] = lightness
    red, green, blue = np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)[0, 0], 0, 1) * 255
    return float(red), float(green), float(blue), 255.0


def cut_out(colour, mask):
    """Return a layer with a colour where the mask is not 0: float32 (height, width, 4).

    Layers are premultiplied RGBA from 0 to 255; colours are RGB or (height, width, 3).
    """
    colour = np.broadcast_to(np.float32(colour), (*mask.shape, 3))
    return np.dstack([colour, np.full(mask.shape, np.float32(255))]) * np.float32(mask)[..., None]


def cover(layer, colour, mask):
    """Lay a colour over a layer where the mask is not 0, in place."""
    layer *= 1 - mask[..., None]
    layer += cut_out(colour, mask)


def paint(layer, outline, tone, light):
    """Lay a shape in a tone under varying light over a layer, in place."""
    cover(layer, shade(tone, light), fill(outline))


def lay(under, over, mask):
    """Lay an image or a colour over an image where the mask is not 0, in place; all are uint8."""
    x, y, width, height = cv2.boundingRect(mask)
    part = np.s_[y : y + height, x : x + width]
    weight = mask[part] / np.float32(255)
    over = np.broadcast_to(np.uint8(over), under.shape)[part]
    under[part] = cv2.blendLinear(under[part], over, 1 - weight, weight)


def comb_strands(rng, across, along):
    """Return the texture of hair, mean 0 and deviation 1: noise drawn out along the strands."""
    noise = rng.standard_normal((HEIGHT, WIDTH), dtype=np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=across, sigmaY=along)
    return noise / noise.std()
