"""High dynamic range becomes ordinary RGB, as a plain screen shows it.

Phones and television record it in BT.2020's wide gamut with one of two curves from signal to light:
PQ (SMPTE ST 2084) and HLG (ARIB STD-B67), both in ITU-R BT.2100. Read as ordinary RGB they are
pale and dark. Mapped as here a face looks as in an ordinary recording, so it is no problem of the
clip and nothing is said of it.
"""

import numpy as np
from av.video.reformatter import ColorTrc

WHITE_NITS = 203  # of a white wall in HDR (ITU-R BT.2408); the white of RGB
KNEE = 0.6  # share of white up to which light is kept; brighter light is compressed, never cut
BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    dtype=np.float32,
)
"""Of linear light (ITU-R BT.2087)."""

STEPS = 4096  # of a signal, and of the square root of light
MOST_LIGHT = 16  # times white: beyond, everything is white
ROWS = 64  # mapped at once, so that they stay in the processor's cache


def _linearise_pq(signal):
    """Return the light of a PQ signal, both in [0, 1]; 1 is 10000 nits."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    root = signal ** (1 / m2)
    return (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)


def _linearise_hlg(signal):
    """Return the light of an HLG signal on a screen of 1000 nits, both in [0, 1]."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return scene**1.2


def _compress(light):
    """Return sRGB, uint8, of light in shares of white."""
    shoulder = 1 - KNEE
    bright = KNEE + shoulder * -np.expm1(-(light - KNEE) / shoulder)
    light = np.where(light > KNEE, bright, light)
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(255 * srgb).astype(np.uint8)


_SIGNAL = np.linspace(0, 1, STEPS)
LIGHT_OF = {
    ColorTrc.SMPTE2084: (_linearise_pq(_SIGNAL) * (10000 / WHITE_NITS)).astype(np.float32),
    ColorTrc.ARIB_STD_B67: (_linearise_hlg(_SIGNAL) * (1000 / WHITE_NITS)).astype(np.float32),
}
"""Curves of high dynamic range: light in shares of white, by signal."""

SRGB_OF_ROOT = _compress(_SIGNAL**2 * MOST_LIGHT)


def map_tones(rgb, curve):
    """Return HDR pictures as sRGB.

    Args:
        rgb: uint16 (height, width, 3), the signal in BT.2020's primaries.
        curve: A key of `LIGHT_OF`.

    Returns:
        uint8 (height, width, 3).
    """
    mapped = np.empty(rgb.shape, dtype=np.uint8)
    for first in range(0, len(rgb), ROWS):
        light = LIGHT_OF[curve][rgb[first : first + ROWS] >> 4] @ BT2020_TO_BT709.T
        root = np.sqrt(light.clip(0, MOST_LIGHT) / MOST_LIGHT) * (STEPS - 1)
        mapped[first : first + ROWS] = SRGB_OF_ROOT[(root + 0.5).astype(np.uint16)]
    return mapped
