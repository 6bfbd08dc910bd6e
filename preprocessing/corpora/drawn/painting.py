"""Brushes: smooth curves, soft masks, shaded colour, a patch to draw on. Colours are RGB."""

from functools import cache

import cv2
import numpy as np
from scipy.interpolate import CubicSpline

WIDTH, HEIGHT = 460, 600
"""Size of the canvas that a head is painted on, in pixels: more than twice its final size."""
ORIGIN = (230, 250)
"""Where the middle of the face (between nose and eyes) lies on the canvas. A face unit is one
canvas pixel, a hundredth of half the face's width; x to the right, y down."""

X, Y = np.meshgrid(
    np.arange(WIDTH, dtype=np.float32) - ORIGIN[0], np.arange(HEIGHT, dtype=np.float32) - ORIGIN[1]
)
SMOOTH = (cv2.LINE_AA, 4)
"""Antialiased, with corners given in sixteenths of a pixel."""


class Patch:
    """A part of a head's canvas, uint8 RGBA, that is drawn on in face units, in place."""

    def __init__(self, head, left, top, right, bottom):
        x, y = ORIGIN
        self.corner = np.array([left, top])
        self.pixels = head[top + y : bottom + y, left + x : right + x]

    def get_blank(self, colour=0):
        """Return an image of this size in one colour; by default an empty mask."""
        return np.full((*self.pixels.shape[:2], *np.shape(colour)), colour, np.uint8)

    def fill(self, points, colour, *, on=None):
        """Fill a polygon, (k, 2) in face units; on an image of this size, if one is given."""
        cv2.fillPoly(self.pixels if on is None else on, self._to_grid(points), colour, *SMOOTH)

    def line(self, points, colour, thick, *, on=None):
        """Draw a line, likewise, so many pixels thick."""
        image = self.pixels if on is None else on
        cv2.polylines(image, self._to_grid(points), False, colour, thick, *SMOOTH)

    def lay(self, image, mask):
        """Lay an image of this size over the patch where the mask, uint8, is not 0."""
        weight = mask.astype(np.float32) / 255
        self.pixels[:] = cv2.blendLinear(
            np.ascontiguousarray(self.pixels), image, 1 - weight, weight
        )

    def darken(self, mask, parts):
        """Take these parts, in hundredths, of red, green and blue away where the mask is 255."""
        mask = mask.astype(np.uint16)
        keep = [(255 - mask * int(part) // 100).astype(np.uint8) for part in (*parts, 0)]
        self.pixels[:] = cv2.multiply(self.pixels, cv2.merge(keep), scale=1 / 255)

    def _to_grid(self, points):
        return [np.rint((points - self.corner) * 16).astype(np.int32)]


def bend_curve(points, *, closed=False, n=96):
    """Return ``n`` points of a smooth curve through a few, all in face units: float64 (n, 2)."""
    points = np.asarray(points, dtype=np.float64)
    if closed:
        points = np.vstack([points, points[:1]])
    steps = np.sqrt(np.linalg.norm(np.diff(points, axis=0), axis=1))
    knots = np.concatenate([[0], np.cumsum(steps)])
    spline = CubicSpline(knots, points, bc_type="periodic" if closed else "natural")
    return spline(np.linspace(0, knots[-1], n, endpoint=not closed))


def bend_side(points, side):
    """Return a quick curve through points of the face's right half; side -1 mirrors it."""
    return _weigh_points(len(points)) @ (np.asarray(points, np.float64) * (side, 1))


@cache
def _weigh_points(n):
    """Return the share of each point in each place of a curve: float64 (6n - 5, n)."""
    return CubicSpline(range(n), np.eye(n), bc_type="natural")(np.linspace(0, n - 1, 6 * n - 5))


def mirror(points):
    """Return points of the right half, from top to bottom, closed by their mirror image."""
    points = np.asarray(points, dtype=np.float64)
    inner = points[::-1] * (-1, 1)
    return np.vstack([points, inner[np.abs(inner[:, 0]) > 1e-6]])


def circle(x, y, width, height):
    """Return the outline of an ellipse: float64 (60, 2)."""
    angles = np.linspace(0, 2 * np.pi, 60)
    return np.stack([x + np.cos(angles) * width, y + np.sin(angles) * height], axis=1)


def fill(points, *, soft=1.2, middle=ORIGIN, scale=1.0, size=(WIDTH, HEIGHT)):
    """Return the mask of a polygon.

    Args:
        points: (k, 2) in face units.
        soft: Standard deviation of the edge, in pixels.
        middle: Pixel of the middle of the face.
        scale: Pixels per face unit.
        size: Width and height of the mask.

    Returns:
        float32 (height, width) in [0, 1].
    """
    mask = np.zeros(size[::-1], np.uint8)
    corners = np.rint((np.asarray(points) * scale + middle) * 16).astype(np.int32)
    cv2.fillPoly(mask, [corners], 255, *SMOOTH)
    return blur(mask.astype(np.float32) / 255, soft)


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


@cache
def get_lightness(colour):
    """Return the CIE L* of an RGB tuple, 0 black to 100 white: equal steps look equal."""
    return float(cv2.cvtColor(np.float32([[colour]]) / 255, cv2.COLOR_RGB2LAB)[0, 0, 0])


@cache
def set_off(colour, skin, steps):
    """Return an RGB tuple in the hue of one, at so many steps of CIE L* from the skin's."""
    lab = cv2.cvtColor(np.float32([[colour]]) / 255, cv2.COLOR_RGB2LAB)
    lightness = np.clip(get_lightness(skin) + steps, 3, 97)
    lab[..., 1:] *= np.sqrt(min(lightness / lab[0, 0, 0], 1.0))  # dark colours look less vivid
    lab[..., 0] = lightness
    rgb = np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)[0, 0], 0, 1) * 255
    return tuple(map(float, rgb))


def cover(under, colour, mask):
    """Lay a colour, RGB or float32 (height, width, 3), over a premultiplied RGBA layer, in place.

    Args:
        under: float32 (height, width, 4), premultiplied, 0 to 255.
        colour: What is laid over.
        mask: float32 (height, width), its opacity.
    """
    mask = mask[..., None]
    under *= 1 - mask
    under[..., :3] += np.asarray(colour, np.float32) * mask
    under[..., 3:] += 255 * mask


def comb_strands(rng, *, across, along, angle=0.0):
    """Return the texture of hair: noise drawn out along the strands.

    Args:
        rng: numpy Generator.
        across: Thickness of a strand, in pixels.
        along: Its length, in pixels.
        angle: Degrees by which the strands lean from the vertical.

    Returns:
        float32 (HEIGHT, WIDTH), mean 0, standard deviation 1.
    """
    size = 800
    noise = rng.standard_normal((size, size), dtype=np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=across, sigmaY=along)
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), angle, 1)
    noise = cv2.warpAffine(noise, turn, (size, size), borderMode=cv2.BORDER_REFLECT)
    noise = noise[(size - HEIGHT) // 2 :, (size - WIDTH) // 2 :][:HEIGHT, :WIDTH]
    return (noise - noise.mean()) / noise.std()
