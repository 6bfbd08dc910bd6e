"""What the pictures share: one colour for each emotion, axes, scatter."""

import matplotlib.pyplot as plt
import numpy as np

EMOTION_COLOURS = {
    "neutral": "#929292",
    "calm": "#47C4FF",
    "happy": "#FFC506",
    "sad": "#00257A",
    "angry": "#960B05",
    "fearful": "#9D4AD4",
    "disgust": "#00655B",
    "surprised": "#C56A08",
}
"""Found by search so that every two differ by CIEDE2000 >= 18 for normal sight and for complete
protanopia, deuteranopia and tritanopia (simulated after Machado et al. 2009), and from white."""

INK, ACCENT, ALARM = "#33475B", "#1F5FA8", "#C0281C"
MISSING = np.uint8(225)  # grey of a frame without a face
MAX_TICKS = 40
LETTERS_AN_INCH = 10


def open_axes(ax, width, height):
    """Return ``ax``, or the axes of a new figure of so many inches."""
    if ax is not None:
        return ax
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def strip_spines(ax):
    """Return the axes without their upper and right line."""
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def blank_missing(faces):
    """Return faces, uint8 (time, ...) or (clip, time, ...), the frames of zeros in light grey.

    ``faces`` end with (height, width) or (height, width, 3); such frames hold no face.
    """
    pixels = (-3, -2, -1) if faces.shape[-1] == 3 else (-2, -1)
    return np.where(faces.any(axis=pixels, keepdims=True), faces, MISSING)


def spread_points(count, width):
    """Return offsets (count,) that look scattered and are the same every time (golden ratio)."""
    return (np.arange(count) * 0.6180339887 % 1 - 0.5) * width


def label_groups(ax, groups):
    """Name columns 0, 1, ... of the x-axis; of many, only some; upright where they are too wide."""
    step = -(-len(groups) // MAX_TICKS)
    shown = [str(group) for group in groups[::step]]
    n_inches = ax.get_window_extent().width / ax.figure.dpi
    crowded = sum(len(name) + 1 for name in shown) > LETTERS_AN_INCH * n_inches
    ax.set_xticks(range(0, len(groups), step), shown, rotation=90 if crowded else 0)
