"""Galleries of what augmentation does: before, and after each change.

Functions take arrays, draw on the axes given or on new ones, and return them.
"""

import matplotlib.pyplot as plt
import numpy as np

from preprocessing.plots import plot_contact_sheet


def plot_face_gallery(faces_by_name, *, ax=None):
    """Draw face sequences below each other, one row per augmentation, one column per frame.

    Args:
        faces_by_name: dict of faces (time, height, width[, channel]) in [0, 255] by the name that
            labels the row; all of one shape.
        ax: Axes to draw on; new ones of a fitting size if None.

    Returns:
        The axes.
    """
    rows = np.stack([np.asarray(faces, np.float32) for faces in faces_by_name.values()])
    pictures = np.clip(np.round(rows), 0, 255).astype(np.uint8)
    ax = plot_contact_sheet(pictures, list(faces_by_name), ax=ax)
    ax.set_title("Face augmentation: one draw per clip, the same for all its frames")
    return ax


def plot_spectrogram_gallery(mels_by_name, *, hop_ms, n_columns=2, axes=None):
    """Draw log-mel spectrograms on one colour scale, one panel per augmentation.

    Args:
        mels_by_name: dict of spectrograms (time, mel), in decibels, by the name that titles the
            panel. The first, the original, sets the colour scale.
        hop_ms: Step between frames, in milliseconds.
        n_columns: Panels beside each other, for new axes.
        axes: Sequence of axes, one per spectrogram; new ones if None.

    Returns:
        Array of the axes used, one per spectrogram.
    """
    if axes is None:
        n_rows = -(-len(mels_by_name) // n_columns)
        size = (1 + 4.5 * n_columns, 0.5 + 1.7 * n_rows)
        figure, grid = plt.subplots(
            n_rows, n_columns, figsize=size, sharex=True, sharey=True, squeeze=False
        )
        figure.set_layout_engine("constrained")
        axes = grid.ravel()
        for unused in axes[len(mels_by_name) :]:
            unused.remove()
    axes = np.asarray(axes, object)[: len(mels_by_name)]
    original = np.asarray(next(iter(mels_by_name.values())))
    low, high = np.percentile(original, (5, 99.8))
    hop_s = hop_ms / 1000
    for ax, (name, mels) in zip(axes, mels_by_name.items(), strict=True):
        picture = ax.imshow(
            np.asarray(mels).T,
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=low,
            vmax=high,
            extent=(-0.5 * hop_s, (len(mels) - 0.5) * hop_s, 0, np.shape(mels)[1]),
        )
        ax.set_title(name)
        ax.set_ylabel("mel band")
        ax.set_xlabel("time (s)")
        ax.label_outer()
    axes[0].figure.colorbar(picture, ax=list(axes), label="level (dB)")
    return axes
