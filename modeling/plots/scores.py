"""Pictures of a training, of what a run gets right, and of how runs compare.

``true``, ``predicted`` and ``labels`` are labels (clip,), names of emotions or their positions;
``emotions`` are the names of the classes in order.
"""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.ticker import MaxNLocator, PercentFormatter

from modeling.scores import metrics
from preprocessing.plots import EMOTION_COLOURS, PART_COLOURS
from preprocessing.plots.style import ACCENT, ALARM, INK, label_groups, open_axes, strip_spines

BASELINES = {"chance": ":", "majority": "--"}
MARKERS = "osD^vPXd"
"""One for each emotion in the project's order, so that no point depends on colour alone."""

MOST_NAMED = 12
"""With more groups than these a legend would hide the points."""


def plot_history(history, *, chance, figure=None):
    """Draw loss and accuracy of training and validation clips by epoch, the kept epoch marked.

    ``history`` is that of ``loop.train_model``; ``chance``, the accuracy of guessing, is a line.
    """
    figure = figure or plt.figure(figsize=(9, 3.4), layout="constrained")
    axes, epochs = figure.subplots(1, 2), history["epoch"]
    points = {"marker": "o" if len(epochs) <= 25 else "", "markersize": 3}
    kept = epochs[history["best"]].iloc[0]
    for ax, score in zip(axes, ("loss", "accuracy"), strict=True):
        ax.plot(epochs, history[score], color=INK, label="training", **points)
        style = {"color": PART_COLOURS["val"], "label": "validation"} | points
        ax.plot(epochs, history[f"val_{score}"], **style)
        ax.axvline(kept, color=ALARM, linewidth=1, label=f"kept: epoch {kept}")
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        strip_spines(ax)
    axes[0].set(title="Cross-entropy", ylabel="loss (nats)")
    axes[0].set_ylim(0, 1.05 * history.filter(regex="loss$").max(axis=None))
    axes[1].set(title="Accuracy", ylabel="share", ylim=(0, 1.03))
    axes[1].yaxis.set_major_formatter(PercentFormatter(1))
    draw_chance(axes[1], chance)
    beside = {"loc": "upper left", "bbox_to_anchor": (1, 1)}  # where it hides no curve
    axes[1].legend(frameon=False, fontsize=8, **beside)
    return figure


def plot_test(predictions, emotions, *, figure=None):
    """Draw what predictions of one part get right: confusions, each actor, how sure they may be."""
    true, posteriors = metrics.read_scored(predictions, emotions)
    predicted = posteriors.argmax(axis=1)
    figure = figure or plt.figure(figsize=(15, 5), layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=[1.2, 1, 1])
    plot_confusion(true, predicted, emotions, ax=axes[0])
    plot_by_actor(predictions["actor"], true, predicted, ax=axes[1])
    plot_reliability(true, {"as trained": posteriors}, ax=axes[2])
    return figure


def plot_confusion(true, predicted, emotions, *, ax=None):
    """Draw the confusion matrix: share of each true emotion's clips, and their number."""
    true, predicted = (metrics.encode_labels(labels, emotions) for labels in (true, predicted))
    counts = metrics.count_confusions(true, predicted, len(emotions))
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    ax = open_axes(ax, max(4.2, 1.9 + 0.62 * len(emotions)), 1.6 + 0.6 * len(emotions))
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ax.set_facecolor("#EEEEEE")  # shows where an emotion has no clips
    for row, column in np.argwhere(counts):
        share = shares[row, column]
        text = f"{share:.0%}\n({counts[row, column]})"
        ink = "white" if share > 0.55 else INK
        ax.text(column, row, text, ha="center", va="center", fontsize=7.5, color=ink)
    ticks = range(len(emotions))
    ax.set_xticks(ticks, emotions, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(ticks, [f"{e} ({n})" for e, n in zip(emotions, totals[:, 0], strict=True)])
    ax.set(xlabel="predicted", ylabel="true (clips = 100%)")
    uar = metrics.unweighted_recall(true, predicted, len(emotions))
    ax.set_title(f"Accuracy {metrics.accuracy(true, predicted):.1%}, unweighted recall {uar:.1%}")
    ax.spines[:].set_visible(False)
    return ax


def plot_scores(table, *, score="accuracy", ax=None):
    """Draw one score of every run of ``bootstrap.tabulate_scores``, its interval, the baselines."""
    runs = table[~table.index.isin(BASELINES)]
    ax = open_axes(ax, 6.2 + 0.08 * max(map(len, runs.index)), 1.3 + 0.38 * len(runs))
    rows = np.arange(len(runs))
    values, low, high = (runs[score + end].to_numpy(float) for end in ("", "_low", "_high"))
    ax.hlines(rows, low, high, color=ACCENT, linewidth=2)
    ax.plot(values, rows, "o", color=ACCENT, markersize=7)
    for row, value, end in zip(rows, values, high, strict=True):
        ax.annotate(f"{value:.1%}", (end, row), (6, 0), textcoords="offset points", va="center")
    for name, style in BASELINES.items():
        value = table[score].get(name, np.nan)
        if not np.isnan(value):
            ax.axvline(value, color=INK, linestyle=style, linewidth=1, label=f"{name} {value:.1%}")
    ax.set_yticks(rows, runs.index)
    most = 1.15 if high.max() > 0.5 else 1.25 * high.max() + 0.01
    ax.set(xlim=(0, most), ylim=(len(runs) - 0.5, -0.5))
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], prune="upper"))
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    resampled = " or ".join(sorted(set(runs["resampled"])))
    words = score.replace("_", " ").replace("f1", "F1")
    ax.set_xlabel(f"{words} with 95% interval over {resampled}")
    ax.grid(axis="x", alpha=0.3)
    return _head_axes(ax, f"{words[0].upper()}{words[1:]} of each run")


def plot_recall_table(table, emotions, *, ax=None):
    """Draw every run's recall of every emotion, of ``bootstrap.tabulate_scores``, with numbers."""
    rows = table[~table.index.isin(BASELINES)]
    shares = rows[[f"recall_{emotion}" for emotion in emotions]].to_numpy(float)
    ax = open_axes(ax, 2.5 + 0.85 * len(emotions), 1.2 + 0.42 * len(rows))
    picture = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        if np.isfinite(share):
            colour = "white" if share > 0.5 else INK
            ax.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=colour)
    ax.set_xticks(range(len(emotions)), emotions, rotation=20)
    ax.set_yticks(range(len(rows)), rows.index)
    ax.set_xlabel("true emotion")
    ax.set_title("Recall of each emotion, per cent of its test clips")
    ax.figure.colorbar(picture, ax=ax, label="recall", format=PercentFormatter(1))
    return ax


def plot_reliability(true, posteriors, *, ax=None):
    """Draw accuracy against confidence; posteriors by name, such as before and after calibration.

    Points on the diagonal are honest, below it too sure. Larger points, more clips. The calibration
    error in the legend has bins of its own.
    """
    ax = open_axes(ax, 4.8, 4.6)
    ax.plot([0, 1], [0, 1], color=INK, linestyle=":", linewidth=1, label="honest")
    styles = zip((ALARM, ACCENT, INK), "osD", strict=True)
    for (name, values), (colour, marker) in zip(posteriors.items(), styles, strict=False):
        table = metrics.measure_reliability(true, values, n_bins=10)
        points = table["confidence"], table["accuracy"]
        ax.plot(*points, color=colour, linewidth=1, alpha=0.6)
        sizes = 12 + 200 * table["n_clips"] / len(values)
        label = f"{name}: ECE {metrics.expected_calibration_error(true, values):.3f}"
        ax.scatter(*points, sizes, color=colour, marker=marker, alpha=0.8, label=label)
    ax.set(xlim=(0, 1.03), ylim=(-0.03, 1.03), aspect="equal", title="Is the confidence deserved?")
    ax.set(xlabel="confidence (largest posterior)", ylabel="accuracy")
    legend = ax.legend(frameon=False, fontsize=8, loc="upper left")
    for handle in legend.legend_handles[1:]:
        handle.set_sizes([40])
    return strip_spines(ax)


def plot_coverage(true, posteriors, *, below=None, ax=None):
    """Draw accuracy among the surest answers against their share; posteriors by name.

    Args:
        true: Positions of the true emotions (clip,).
        posteriors: float (clip, emotion) by name, such as voice and face.
        below: Confidence below which the last of them is called *unsure*; marked on its curve.
    """
    ax = open_axes(ax, 5.6, 4.6)
    for (name, values), colour in zip(posteriors.items(), (ALARM, ACCENT, INK), strict=False):
        share, right = metrics.measure_coverage(true, values)
        ax.plot(share, right, color=colour, linewidth=1.4, label=f"{name}: {right[-1]:.0%} of all")
    if below is not None:
        n_said = int((values.max(axis=1) >= below).sum())
        if n_said:
            point = share[n_said - 1], right[n_said - 1]
            label = f"unsure left out: {point[0]:.0%} said, {point[1]:.0%} right"
            ax.plot(*point, "o", color=colour, label=label)
    ax.axhline(1 / values.shape[1], color=INK, linestyle=":", linewidth=1, label="chance")
    ax.set(xlim=(0, 1.01), ylim=(0, 1.02), title="What if only the surest answers are said?")
    ax.set(xlabel="share of clips that are answered, the surest first", ylabel="accuracy of these")
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 0.12))
    return strip_spines(ax)


def plot_sides(posteriors, emotions, *, title="", ax=None):
    """Draw posteriors (emotion,) by name, such as voice, face and both, as bars side by side.

    One of NaN, a side that says nothing, is named without bars.
    """
    ax = open_axes(ax, 9, 3)
    width, colours = 0.8 / len(posteriors), (ALARM, ACCENT, INK)
    for number, (name, values) in enumerate(posteriors.items()):
        places = np.arange(len(emotions)) + (number - (len(posteriors) - 1) / 2) * width
        label = name if np.isfinite(values).all() else f"{name}: nothing to read"
        colour = colours[number % len(colours)]
        ax.bar(places, np.nan_to_num(values), width, color=colour, label=label)
    ax.axhline(1 / len(emotions), color=INK, linestyle=":", linewidth=1)
    ax.set_xticks(range(len(emotions)), emotions)
    ax.set(ylim=(0, 1.02), xlabel="emotion", ylabel="posterior")
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    return _head_axes(ax, title)


def plot_by_actor(actors, true, predicted, *, people=None, ax=None):
    """Draw each actor's accuracy, worst first, their mean, and as dashed lines those of people."""
    right = pd.Series(np.asarray(true) == np.asarray(predicted))
    shares = right.groupby(np.asarray(actors)).mean().sort_values(kind="stable")
    ax = open_axes(ax, np.clip(2.5 + 0.3 * len(shares), 4.5, 12), 3.2)
    ax.bar(np.arange(len(shares)), shares, color=ACCENT)
    mean = shares.mean()
    ax.axhline(mean, color=INK, linewidth=1, label=f"mean {mean:.1%}")
    beside = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    for title, share in (people or {}).items():
        ax.axhline(share, color=INK, linewidth=0.8, linestyle="--")
        text = f"{title} {share:.0%}"
        ax.annotate(text, (1, share), (3, 0), va="center", fontsize=8, **beside)
    label_groups(ax, list(shares.index))
    ax.set(xlim=(-0.8, len(shares) - 0.2), ylim=(0, 1.05), ylabel="accuracy")
    ax.set_xlabel(f"actor ({len(shares)}; {shares.iloc[0]:.0%} to {shares.iloc[-1]:.0%})")
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    return _head_axes(ax, "Accuracy by actor")


def plot_embedding(points, labels, emotions, *, ax=None):
    """Draw clips as points in a plane, (clip, 2), such as principal components, by emotion."""
    labels = metrics.encode_labels(labels, emotions)
    ax = open_axes(ax, 6, 4.6)
    for position, (emotion, marker) in enumerate(zip(emotions, MARKERS, strict=False)):
        style = {"color": EMOTION_COLOURS[emotion], "marker": marker, "alpha": 0.75}
        ax.scatter(*points[labels == position].T, 18, linewidths=0, label=emotion, **style)
    ax.set(title=f"{len(points)} clips by embedding")
    ax.set(xlabel="first direction", ylabel="second direction")
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return strip_spines(ax)


def plot_groups(points, values, *, title, ax=None):
    """Draw clips as points in a plane, (clip, 2), by what else is known, such as who speaks.

    ``values`` are names (clip,); an empty one is called unknown, and of many none is named.
    """
    ax, values = open_axes(ax, 6, 4.6), np.asarray(values)
    for value in sorted(set(values)):
        style = {"alpha": 0.75, "linewidths": 0, "label": value or "unknown"}
        ax.scatter(*points[values == value].T, 18, **style)
    ax.set(title=title, xlabel="first direction", ylabel="second direction")
    if len(set(values)) <= MOST_NAMED:
        ax.legend(frameon=False, fontsize=8)
    return strip_spines(ax)


def draw_chance(ax, chance):
    """Draw what guessing gives as a line across."""
    style = {"color": INK, "linestyle": BASELINES["chance"], "linewidth": 1}
    ax.axhline(chance, label=f"chance {chance:.1%}", **style)


def _head_axes(ax, title):
    """Write the title at the left above the axes and the legend at the right."""
    ax.set_title(title, loc="left")
    if ax.get_legend_handles_labels()[0]:
        place = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderpad": 0}
        ax.legend(frameon=False, fontsize=8, ncols=2, **place)
    return strip_spines(ax)
