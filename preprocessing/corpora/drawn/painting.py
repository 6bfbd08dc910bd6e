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
CORNER = (-112, -132)
FACE = np.s_[ORIGIN[1] - 132 : ORIGIN[1] + 168, ORIGIN[0] - 112 : ORIGIN[0] + 112]
"""The part of the canvas, and its upper left corner, in which eyes, brows and mouth move."""
SMOOTH = (cv2.LINE_AA, 4)
"""Antialiased, with corners given in sixteenths of a pixel."""


def bend_curve(points, *, closed=False, n=96):
    """Return ``n`` points of a smooth curve through a few, all in face units: float64 (n, 2)."""
    points = np.asarray(points, dtype=np.float64)
    if closed:
        points = np.vstack([points, points[:1]])
    steps = np.sqrt(np.linalg.norm(np.diff(points, axis=0), axis=1))
    knots = np.concatenate([[0], np.cumsum(steps)])
    spline = CubicSpline(knots, points, bc_type="periodic" if closed else "natural")
    return spline(np.linspace(0, knots[-1], n, endpoint=not closed))


def bend_quickly(points):
    """Return six times as many points of a smooth curve through a few that lie evenly."""
    return _weigh_points(len(points)) @ np.asarray(points, np.float64)


@cache
def _weigh_points(n):
    """Return the share of each point in each place of a curve: float64 (6n - 5, n)."""
    return CubicSpline(range(n), np.eye(n), bc_type="natural")(np.linspace(0, n - 1, 6 * n - 5))


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
    angles = np.linspace(0, 2 * np.pi, 60)
    return np.stack([x + np.cos(angles) * width, y + np.sin(angles) * height], axis=1)


def fill(points, *, soft=1.2):
    """Return the mask of a polygon: float32 (HEIGHT, WIDTH) in [0, 1].

    Args:
        points: (k, 2) in face units.
        soft: Standard deviation of the edge, in pixels.
    """
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(mask, _to_grid(points, (-ORIGIN[0], -ORIGIN[1])), 255, *SMOOTH)
    return blur(mask.astype(np.float32) / 255, soft)


def draw(face, points, colour, *, thick=0):
    """Fill a polygon, or draw a line so many pixels thick, on an image of ``FACE``, in place."""
    if thick:
        cv2.polylines(face, _to_grid(points, CORNER), False, colour, thick, *SMOOTH)
    else:
        cv2.fillPoly(face, _to_grid(points, CORNER), colour, *SMOOTH)


def _to_grid(points, corner):
    return [np.rint((np.asarray(points) - corner) * 16).astype(np.int32)]


def blur(image, sigma):
    """Return the image blurred by a Gaussian."""
    return cv2.GaussianBlur(image, (0, 0), sigma)


def glow(x, y, width, height):
    """Return a Gaussian spot, 1 in its middle: float32 (HEIGHT, WIDTH)."""
    across, down = (X[:1] - x) / width, (Y[:, :1] - y) / height
    return np.exp(-0.5 * down**2) * np.exp(-0.5 * across**2)


def smooth_step(x, low, high):
    """Return 0 below ``low``, 1 above ``high``, and a smooth passage between."""
    t = np.clip((np.asarray(x) - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def shade(tone, light):
    """Return a colour under varying light; shadows turn warmer, highlights paler, as on skin.

    Args:
        tone: RGB of the surface at light 1.
        light: float32 (height, width); 1 leaves the tone, 0.5 is a deep shadow, 1.3 a shine.

    Returns:
        float32 (height, width, 3).
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
    rgb = np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)[0, 0], 0, 1) * 255
    return (*map(float, rgb), 255.0)


def cover(under, colour, mask):
    """Lay a colour over a premultiplied RGBA layer, float32 (height, width, 4), in place.

    Args:
        under: The layer, 0 to 255.
        colour: RGB, or float32 (height, width, 3).
        mask: float32 (height, width), its opacity.
    """
    mask = mask[..., None]
    under *= 1 - mask
    under[..., :3] += np.asarray(colour, np.float32) * mask
    under[..., 3:] += 255 * mask


def lay(under, over, mask):
    """Lay an image or a colour, RGBA, over a uint8 image where the uint8 mask is not 0, in place."""
    x, y, width, height = cv2.boundingRect(mask)
    part = np.s_[y : y + height, x : x + width]
    weight = mask[part] / np.float32(255)
    over = np.broadcast_to(np.uint8(over), under.shape)[part]
    under[part] = cv2.blendLinear(under[part], over, 1 - weight, weight)


def comb_strands(rng, *, across, along, angle=0.0):
    """Return the texture of hair: noise drawn out along the strands.

    Args:
        rng: numpy Generator.
        across, along: Thickness and length of a strand, in pixels.
        angle: Degrees by which the strands lean from the vertical.

    Returns:
        float32 (HEIGHT, WIDTH), mean 0, standard deviation 1.
    """
    noise = rng.standard_normal((HEIGHT, WIDTH), dtype=np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=across, sigmaY=along)
    turn = cv2.getRotationMatrix2D(ORIGIN, angle, 1)
    noise = cv2.warpAffine(noise, turn, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
    return (noise - noise.mean()) / noise.std()
