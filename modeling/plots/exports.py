"""Pictures of exported networks: how large, how quick."""

import matplotlib.pyplot as plt
import numpy as np

from preprocessing.plots.style import ACCENT, ALARM, INK, strip_spines

FORMS = {
    "Keras": (INK, "o"),
    "ONNX": (ACCENT, "s"),
    "LiteRT": (ALARM, "D"),
    "ONNX int8": (ACCENT, "s"),
    "LiteRT int8": (ALARM, "D"),
}
"""Colour and marker of each form; of 8 bits the markers are hollow."""


def plot_exports(table, *, figure=None):
    """Draw megabytes and milliseconds a clip of each network, a marker a form, on log scales.

    Args:
        table: DataFrame with ``network``, ``form``, ``MB`` and ``ms``.
        figure: To draw in; a new one without.
    """
    names = list(dict.fromkeys(table["network"]))
    height = 1.6 + 0.34 * len(names)
    figure = figure or plt.figure(figsize=(11, height), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    words = {"MB": ("size (MB)", "Files"), "ms": ("time of a clip (ms)", "One core")}
    for ax, (column, (label, title)) in zip(axes, words.items(), strict=True):
        for form, (colour, marker) in FORMS.items():
            own = table[(table["form"] == form) & (table[column] > 0)]
            places = [names.index(name) for name in own["network"]]
            face = "none" if form.endswith("int8") else colour
            style = {"color": face, "edgecolors": colour, "marker": marker, "s": 36}
            ax.scatter(own[column], places, label=form, zorder=3, **style)
        ax.set(xscale="log", xlabel=label, title=title)
        ax.set_yticks(np.arange(len(names)), names)
        ax.grid(axis="y", color="#DDDDDD", linewidth=0.8)
        ax.grid(axis="x", color="#EEEEEE", linewidth=0.8)
        strip_spines(ax)
    axes[0].invert_yaxis()
    axes[1].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure
