"""Brushes for the portrait: smooth curves, soft masks, shaded colour. Arrays are float32, RGB."""

import cv2
import numpy as np
from scipy.interpolate import CubicSpline

WIDTH, HEIGHT = 460, 600
"""Size of the canvas that a head is painted on, in pixels: more than twice its final size."""
ORIGIN = (230.0, 250.0)
"""Where the middle of the face (between nose and eyes) lies on the canvas. A face unit is one
canvas pixel, a hundredth of half the face's width; x to the right, y down."""

X, Y = np.meshgrid(
    np.arange(WIDTH, dtype=np.float32) - ORIGIN[0], np.arange(HEIGHT, dtype=np.float32) - ORIGIN[1]
)


def bend_curve(points, *, closed=False, n=96):
    """Return a smooth curve through points.

    Args:
        points: (k, 2) in face units.
        closed: Join the last point to the first.
        n: Points of the result.

    Returns:
        float64 (n, 2).
    """
    points = np.asarray(points, dtype=np.float64)
    if closed:
        points = np.vstack([points, points[:1]])
    steps = np.sqrt(np.linalg.norm(np.diff(points, axis=0), axis=1))
    knots = np.concatenate([[0], np.cumsum(steps)])
    spline = CubicSpline(knots, points, bc_type="periodic" if closed else "natural")
    return spline(np.linspace(0, knots[-1], n, endpoint=not closed))


def mirror(points):
    """Return points of the right half, from top to bottom, closed by their mirror image."""
    points = np.asarray(points, dtype=np.float64)
    inner = points[::-1] * (-1, 1)
    return np.vstack([points, inner[np.abs(inner[:, 0]) > 1e-6]])


def fill(points, *, soft=1.2):
    """Return the mask of a polygon.

    Args:
        points: (k, 2) in face units.
        soft: Standard deviation of the edge, in pixels; 0 leaves it antialiased only.

    Returns:
        float32 (HEIGHT, WIDTH) in [0, 1].
    """
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    corners = np.round((np.asarray(points) + ORIGIN) * 16).astype(np.int32)
    cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, 4)
    return blur(mask.astype(np.float32) / 255, soft)


def blur(image, sigma):
    """Return the image blurred by a Gaussian; a wide one is worked out at a quarter size."""
    if sigma <= 0:
        return image
    if sigma < 8:
        return cv2.GaussianBlur(image, (0, 0), sigma)
    small = cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / 4)
    return cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def glow(x, y, width, height):
    """Return a Gaussian spot, 1 in its middle: float32 (HEIGHT, WIDTH)."""
    return np.exp(-0.5 * (((X - x) / width) ** 2 + ((Y - y) / height) ** 2))


def shade(tone, light):
    """Return a colour under varying light.

    Shadows turn warmer and more saturated, highlights paler, as on skin.

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


def cover(under, colour, mask):
    """Lay a colour over a premultiplied RGBA layer, in place.

    Args:
        under: float32 (height, width, 4), premultiplied, 0 to 255.
        colour: RGB, or float32 (height, width, 3).
        mask: float32 (height, width), the colour's opacity.
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
