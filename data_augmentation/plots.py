"""Galleries of what augmentation does: before, and after each change.

Functions take arrays and return the axes of a new figure, one a panel, in reading order.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from preprocessing.plots import plot_contact_sheet, plot_mel, plot_waveform
from preprocessing.plots.style import ACCENT, strip_spines

UNITS = {
    "speed": "times",
    "tempo": "times",
    "pitch": "semitones",
    "shift": "s",
    "gain": "dB",
    "noise": "dB SNR",
    "room": "s",
    "pink": "dB SNR",
    "brown": "dB SNR",
    "babble": "dB SNR",
    "low_cut": "Hz",
    "high_cut": "Hz",
    "mulaw": "bits",
    "mp3": "kbit/s",
    "opus": "kbit/s",
}
"""Unit of each waveform change's amount, see ``waveforms.AUGMENTATIONS``."""


def plot_face_gallery(faces_by_name, *, every=1):
    """Draw face sequences below each other, one row per augmentation, one column per frame.

    They are (time, height, width[, channel]) in [0, 255], all of one shape, by the name that labels
    the row; ``every=2`` shows every second frame.
    """
    rows = np.stack([np.asarray(faces, np.float32) for faces in faces_by_name.values()])
    pictures = np.clip(np.round(rows), 0, 255).astype(np.uint8)
    ax = plot_contact_sheet(pictures, list(faces_by_name), every=every)
    ax.set_title("Face augmentation, one draw a clip")
    return ax


def plot_waveform_gallery(waveforms_by_name, rate_hz, *, n_columns=2):
    """Draw waveforms (samples,) on one scale, each in a panel with its name, so many a row."""
    axes = _open_panels(len(waveforms_by_name), n_columns, height=1.5)
    peak = max(float(np.abs(waveform).max()) for waveform in waveforms_by_name.values())
    for ax, (name, waveform) in zip(axes, waveforms_by_name.items(), strict=True):
        plot_waveform(waveform, rate_hz, ax=ax)
        ax.set(title=name, ylim=(-1.05 * peak, 1.05 * peak))
    _label_outer(axes, n_columns)
    return axes


def plot_spectrogram_gallery(mels_by_name, *, hop_ms, n_columns=2):
    """Draw log-mel spectrograms (time, mel), each in a panel with its name, so many a row."""
    axes = _open_panels(len(mels_by_name), n_columns, height=1.7)
    for ax, (name, mels) in zip(axes, mels_by_name.items(), strict=True):
        plot_mel(np.asarray(mels), hop_ms, bar=False, ax=ax).set_title(name)
    _label_outer(axes, n_columns)
    axes[0].figure.colorbar(axes[0].images[0], ax=list(axes), label="level (dB re full scale)")
    return axes


def plot_amounts(table, ranges):
    """Draw how often each waveform change was made, by a table and ranges of ``copy_corpus``."""
    axes = _open_panels(len(ranges), 3, height=1.9, shared=False)
    for ax, (name, (low, high)) in zip(axes, ranges.items(), strict=True):
        amounts = table[name].dropna()
        ax.hist(amounts, bins=12, range=(low, high), color=ACCENT)
        ax.set_title(f"{name}: {len(amounts)} of {len(table)} copies")
        ax.set(xlabel=UNITS[name], ylabel="copies")
        ax.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        strip_spines(ax)
    return axes


def _open_panels(n_panels, n_columns, *, height, shared=True):
    """Return the axes of a new figure with so many panels, as an array."""
    n_rows = -(-n_panels // n_columns)
    figure = plt.figure(figsize=(11, 0.5 + height * n_rows), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, sharex=shared, sharey=shared, squeeze=False)
    for unused in grid.ravel()[n_panels:]:
        unused.remove()
    return grid.ravel()[:n_panels]


def _label_outer(axes, n_columns):
    """Leave axis labels only at the left and below the last panel of each column."""
    for number, ax in enumerate(axes):
        last = number + n_columns >= len(axes)
        ax.tick_params(labelbottom=last, labelleft=number % n_columns == 0)
        ax.set_xlabel(ax.get_xlabel() if last else "")
        ax.set_ylabel("" if number % n_columns else ax.get_ylabel())
