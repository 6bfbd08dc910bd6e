"""Pictures of what decides, of leaks, layers, expressions over time, and of what noise does."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.ticker import PercentFormatter

from modeling.plots.scores import MARKERS, draw_chance
from preprocessing.plots import EMOTION_COLOURS
from preprocessing.plots.style import ACCENT, ALARM, INK, open_axes, strip_spines

EXPRESSION_COLOURS = EMOTION_COLOURS | {"contempt": "#7A5C3E"}


def plot_mels(mels, titles, *, hop_ms, figure=None):
    """Draw log-mel spectrograms side by side on one colour scale of 80 dB: louder is brighter.

    ``mels`` are float (clip, time, mel) in dB; ``hop_ms`` is the step between rows.
    """
    figure = figure or plt.figure(figsize=(1.5 + 3.2 * len(mels), 2.8), layout="constrained")
    axes = figure.subplots(1, len(mels), sharey=True, squeeze=False)[0]
    top, extent = np.max(mels), (0, mels.shape[1] * hop_ms / 1000, -0.5, mels.shape[2] - 0.5)
    style = {"origin": "lower", "aspect": "auto", "cmap": "magma", "vmin": top - 80}
    for ax, mel, title in zip(axes, mels, titles, strict=True):
        picture = ax.imshow(mel.T, extent=extent, vmax=top, **style)
        ax.set_title(title, fontsize=9)
        ax.set_xlabel("time (s)")
    axes[0].set_ylabel("mel band")
    figure.colorbar(picture, ax=axes, label="level (dB re full scale)", pad=0.01)
    return figure


def plot_weights(weights, emotions, names, *, ax=None):
    """Draw how much each feature speaks for or against each emotion.

    ``weights`` are (emotion, feature), of a linear model on scaled features, ``names`` of these.
    """
    ax = open_axes(ax, 3.2 + 0.45 * len(names), 2.4 + 0.34 * len(emotions))
    limit = np.abs(weights).max()
    picture = ax.imshow(weights, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    ax.set_xticks(range(len(names)), names, rotation=50, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(emotions)), emotions)
    ax.set(xlabel="feature", ylabel="emotion")
    ax.set_title("What speaks for (red) and against (blue) an emotion", loc="left")
    ax.figure.colorbar(picture, ax=ax, label="weight (of one standard deviation)")
    ax.spines[:].set_visible(False)
    return ax


def plot_alikeness(frames, *, step_s, title, ax=None):
    """Draw how alike each two frames of a clip are: the cosine of what each has over their mean.

    ``frames`` are float (time, feature); rows of zeros, padding, are left out. ``step_s`` is the
    time between two of them, in seconds.
    """
    ax = open_axes(ax, 4.4, 3.6)
    frames = frames[np.any(frames != 0, axis=1)]
    frames = frames - frames.mean(axis=0)
    frames /= np.maximum(np.linalg.norm(frames, axis=1, keepdims=True), 1e-9)
    seconds = len(frames) * step_s
    style = {"cmap": "magma", "vmin": 0, "vmax": 1, "extent": (0, seconds, seconds, 0)}
    picture = ax.imshow(frames @ frames.T, **style)
    ax.set(title=title, xlabel="seconds", ylabel="seconds")
    ax.figure.colorbar(picture, ax=ax, label="cosine similarity")
    return ax


def plot_layers(recalls, *, chance, name, ax=None):
    """Draw what each layer of a network is worth by itself.

    ``recalls`` is a Series, out-of-fold UAR by the layer's number; ``name`` is the network's.
    """
    ax = open_axes(ax, 6, 3.2)
    ax.plot(recalls.index, recalls, "o-", color=ACCENT)
    draw_chance(ax, chance)
    ax.set(xlabel=f"{name}'s layer", ylabel="out-of-fold UAR", ylim=(0, 1), xticks=recalls.index)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set_title("Each layer by itself", loc="left")
    ax.legend(frameon=False, fontsize=8)
    return strip_spines(ax)


def plot_leak(leak, *, ax=None):
    """Draw what ``leak_meter.measure_leak`` says of a model tested on speakers that it knows."""
    ax = open_axes(ax, 6, 1.2 + 0.5 * len(leak))
    rows = np.arange(len(leak))
    colours = [ALARM if known else ACCENT for known in leak["known_speakers"]]
    ax.barh(rows, leak["accuracy"], color=colours, height=0.55)
    for row, value in zip(rows, leak["accuracy"], strict=True):
        ax.annotate(f"{value:.1%}", (value, row), (5, 0), textcoords="offset points", va="center")
    ax.set_yticks(rows, leak.index)
    ax.set(xlim=(0, 1), ylim=(len(leak) - 0.5, -0.5), xlabel="accuracy, mean of the folds")
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.set_title("People the model knows (red), and strangers", loc="left")
    return strip_spines(ax)


def plot_mean_faces(faces, labels, names, *, figure=None):
    """Draw the mean face of each expression: nobody's face, what all of them share.

    ``faces`` are uint8 (face, height, width), ``labels`` positions in ``names``.
    """
    figure = figure or plt.figure(figsize=(1.5 * len(names), 2.0), layout="constrained")
    for ax, position in zip(figure.subplots(1, len(names)), range(len(names)), strict=True):
        own = faces[labels == position]
        if len(own):
            ax.imshow(own.mean(axis=0), cmap="gray")
        ax.set_title(f"{names[position]}\n{len(own)}", fontsize=9)
        ax.set_axis_off()
    return figure


def plot_expressions(posteriors, times, names, *, faces=None, title="", figure=None):
    """Draw what a face shows over time, under the faces themselves.

    Args:
        posteriors: float (time, class) of ``names``.
        times: float (time,), seconds.
        faces: uint8 (time, height, width[, 3]), drawn above if given.
    """
    height, ratios = (2.6, [1]) if faces is None else (3.4, [0.45, 1])
    figure = figure or plt.figure(figsize=(8, height), layout="constrained")
    axes = figure.subplots(len(ratios), 1, height_ratios=ratios, squeeze=False)[:, 0]
    step = np.median(np.diff(times)) if len(times) > 1 else 1.0
    limits = times[0] - step / 2, times[-1] + step / 2
    if faces is not None:
        half = 0.46 * np.diff(times).min(initial=step)
        for face, instant in zip(faces, times, strict=True):
            extent = (instant - half, instant + half, 0, 1)
            axes[0].imshow(face, cmap="gray", extent=extent, aspect="auto", vmin=0, vmax=255)
        axes[0].set(xlim=limits, ylim=(0, 1))
        axes[0].set_axis_off()
    shares = np.asarray(posteriors, float).T
    colours = [EXPRESSION_COLOURS[name] for name in names]
    axes[-1].stackplot(times, shares, colors=colours, labels=names, alpha=0.9)
    axes[-1].set(xlim=limits, ylim=(0, 1), xlabel="time in the clip (s)", ylabel="posterior")
    axes[-1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    axes[0].set_title(title, loc="left", fontsize=10)
    return figure


def plot_mean_course(sequences, names, *, step_s, title, ax=None):
    """Draw the mean of what faces show over time, as shares stacked upon each other.

    ``sequences`` are float (clip, time, class) of ``names``, zeros behind a clip's last frame,
    ``step_s`` the seconds between frames. Frames that fewer than one clip in four has are left out.
    """
    ax = open_axes(ax, 5, 2.6)
    if not len(sequences):
        ax.text(0.5, 0.5, "no clip", transform=ax.transAxes, ha="center")
    there = sequences.any(axis=2)
    n = int((there.sum(axis=0) >= max(len(there) / 4, 1)).sum())
    means = sequences[:, :n].sum(axis=0) / np.maximum(there[:, :n].sum(axis=0), 1)[:, None]
    colours = [EXPRESSION_COLOURS[name] for name in names]
    ax.stackplot(step_s * np.arange(n), means.T, colors=colours, labels=names, alpha=0.9)
    ax.set(xmargin=0, ylim=(0, 1), xlabel="time (s)")  # as long as the longest of shared axes
    ax.set_title(title, fontsize=9)
    return strip_spines(ax)


def plot_degradation(table, *, title, chance, ax=None):
    """Draw how accuracy falls as the input gets worse, and that of guessing, ``chance``.

    The table has a row a condition in order and a column a system.
    """
    ax = open_axes(ax, 2.2 + 0.9 * len(table), 3.4)
    colours = (INK, ACCENT, ALARM, "#00655B", "#9D4AD4", "#C56A08", "#7A5C3E")
    places = np.arange(len(table))
    for name, colour, marker in zip(table, colours, MARKERS, strict=False):
        ax.plot(places, table[name], marker=marker, color=colour, label=name)
    draw_chance(ax, chance)
    ax.set_xticks(places, table.index)
    ax.set(ylim=(0, 1.03), ylabel="accuracy", xlabel=table.index.name)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.grid(axis="y", alpha=0.3)
    ax.set_title(title, loc="left")
    ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return strip_spines(ax)
