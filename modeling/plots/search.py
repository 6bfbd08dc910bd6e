"""Pictures of a search for hyper-parameters.

Tables of trials are those of ``search.study.Search.describe``; spaces hold Optuna's distributions.
"""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator, PercentFormatter

from preprocessing.plots.style import ACCENT, ALARM, INK, open_axes, strip_spines

FAINT = "#C9D3DF"
MAP = "viridis"  # dark is good
LOSS = "validation loss (nats)"


def plot_trials(table, curves, *, figure=None):
    """Draw the trials of a search in their order, and the course of each.

    Args:
        table: Of the trials.
        curves: Validation losses of each epoch, a sequence by the trial's number.
    """
    figure = figure or plt.figure(figsize=(10, 3.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    own = table.sort_index()
    whole, pruned = (own[own["state"] == state] for state in ("whole", "pruned"))
    axes[0].plot(whole.index, whole["loss"], "o", color=ACCENT, label="trained to the end")
    axes[0].plot(pruned.index, pruned["loss"], "o", color=INK, mfc="none", label="pruned")
    best = whole["loss"].reindex(own.index).cummin().ffill()
    axes[0].step(best.index, best, where="post", color=ALARM, label="best so far")
    axes[0].set(xlabel="trial (0: the notebook's own settings)", ylabel=LOSS)
    axes[0].set_title("Trials", loc="left")
    for number, losses in curves.items():
        colour = ACCENT if number in whole.index else FAINT
        style = {"color": colour, "linewidth": 1, "marker": "." if len(losses) == 1 else ""}
        axes[1].plot(range(1, len(losses) + 1), losses, **style)
    if len(whole):
        losses = curves[whole["loss"].idxmin()]
        style = {"color": ALARM, "linewidth": 2, "label": f"trial {whole['loss'].idxmin()}, best"}
        axes[1].plot(range(1, len(losses) + 1), losses, **style)
    axes[1].set(xlabel="epoch")
    axes[1].set_title("Their courses; pruned ones pale", loc="left")
    for ax in axes:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.legend(frameon=False, fontsize=8, loc="upper right")
        strip_spines(ax)
    reached = own["loss"].dropna()
    if len(reached):
        values = np.concatenate([list(losses) for losses in curves.values()])
        high = max(1.05 * np.nanquantile(values, 0.98), 1.1 * reached.max())  # not what diverged
        axes[0].set_ylim(0.8 * reached.min(), high)
    return figure


def plot_importance(shares, *, ax=None):
    """Draw how much of the spread of losses each parameter explains.

    ``shares`` is a Series by the parameter's name; an empty one says that there is too little.
    """
    ax = open_axes(ax, 6, 1.3 + 0.36 * max(len(shares), 1))
    rows = np.arange(len(shares))
    ax.barh(rows, shares, color=ACCENT, height=0.6)
    for row, share in zip(rows, shares, strict=True):
        ax.annotate(f"{share:.0%}", (share, row), (5, 0), textcoords="offset points", va="center")
    if not len(shares):
        ax.text(0.5, 0.5, "too few trials ran to their end", transform=ax.transAxes, ha="center")
    ax.set_yticks(rows, shares.index)
    ax.set(xlim=(0, 1.08), ylim=(max(len(shares), 1) - 0.5, -0.5))
    ax.set_xlabel("share of the spread of the validation loss")
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.set_title("What decides, in the space that was searched", loc="left")
    return strip_spines(ax)


def plot_parallel(table, space, units, *, ax=None):
    """Draw each trial as a line across its parameters, on the scale on which each is drawn.

    Args:
        table: Of the trials, the best first; failed ones are left out.
        space: Optuna's distribution of each parameter by name, an axis each.
        units: Words for what each counts, by name.
    """
    ax = open_axes(ax, 2.2 + 1.35 * len(space), 4.4)
    table, best = table.dropna(subset=["loss"]).sort_values("loss", ascending=False), table.index[0]
    colours = ScalarMappable(Normalize(table["loss"].min(), table["loss"].quantile(0.9)), MAP)
    places = np.arange(len(space))
    for number, row in table.iterrows():
        heights = [place_value(row[name], space[name]) for name in space]
        is_best = number == best
        style = {"linestyle": "-" if row["state"] == "whole" else ":", "marker": "o"}
        style |= {"linewidth": 3, "color": ALARM} if is_best else {"linewidth": 1.2}
        colour = {} if is_best else {"color": colours.to_rgba(row["loss"])}
        ax.plot(places, heights, markersize=3.5, **style, **colour)
    for place, values in enumerate(space.values()):
        ax.axvline(place, color=INK, linewidth=0.8, zorder=0)
        for value in list_ticks(values):
            text = str(value) if isinstance(value, bool | str) else f"{value:g}"
            where = {"xytext": (5, 0), "textcoords": "offset points", "va": "center"}
            label = ax.annotate(text, (place, place_value(value, values)), fontsize=8, **where)
            label.set_bbox({"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1})
    names = [f"{name}\n{units[name]}" + "\n(log)" * is_log(space[name]) for name in space]
    ax.set_xticks(places, names, fontsize=8)
    ax.set(ylim=(-0.06, 1.1), xlim=(-0.3, len(space) - 0.4), yticks=[])
    ax.set_title("Trials: best in red, pruned ones dotted", loc="left")
    ax.figure.colorbar(colours, ax=ax, label=LOSS, extend="max", pad=0.02)
    ax.spines[:].set_visible(False)
    return ax


def is_log(values):
    """Return whether a distribution is drawn on a logarithmic scale."""
    return getattr(values, "log", False)


def place_value(value, values):
    """Return where a value stands between the ends of its distribution, from 0 to 1."""
    if hasattr(values, "choices"):
        return values.choices.index(value) / max(len(values.choices) - 1, 1)
    ends = np.array([values.low, values.high, value], float)
    low, high, here = np.log(ends) if is_log(values) else ends
    return (here - low) / max(high - low, 1e-12)


def list_ticks(values):
    """Return the values at which an axis of a distribution is labelled."""
    if hasattr(values, "choices"):
        return list(values.choices)
    if is_log(values):
        decades = 10.0 ** np.arange(np.ceil(np.log10(values.low)), np.log10(values.high))
        inside = [d for d in decades if 1.5 * values.low < d < values.high / 1.5]
        return [values.low, *inside, values.high]
    if getattr(values, "step", None) and (values.high - values.low) / values.step <= 5:
        return list(np.arange(values.low, values.high + values.step / 2, values.step))
    return list(np.linspace(values.low, values.high, 3))
