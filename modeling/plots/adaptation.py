"""Pictures of what is a person's own, and of what hearing a person is worth."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.ticker import PercentFormatter

from preprocessing.plots import EMOTION_COLOURS
from preprocessing.plots.style import ACCENT, ALARM, INK, open_axes, strip_spines

KINDS = {
    "all": "all emotions",
    "some": "some of them",
    "two": "two of them",
    "one": "one of them",
}
WAYS = {
    "plain": {"color": INK, "marker": "s", "linestyle": "--"},
    "centred": {"color": ALARM, "marker": "v", "linestyle": ":"},
    "offset": {"color": "#C56A08", "marker": "^", "linestyle": "-."},
    "guarded": {"color": ACCENT, "marker": "o", "linestyle": "-"},
}


def plot_variances(variances, *, ax=None):
    """Draw the shares of variances, numbers by name, as pieces of one bar."""
    ax = open_axes(ax, 7, 1.9)
    whole, left = sum(variances.values()), 0.0
    for name, variance in variances.items():
        share = variance / whole
        ax.barh(0, share, left=left, label=f"{name} {share:.0%}")
        left += share
    ax.set(yticks=[], xlim=(0, 1), xlabel="share of the variance between clips")
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.set_title("What clips differ by", loc="left")
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, borderpad=0)
    ax.spines["left"].set_visible(False)
    return strip_spines(ax)


def plot_heard(table, *, clip_s, chance, figure=None):
    """Draw accuracy against the seconds heard of a person, a panel a kind of episode.

    ``table`` is one of ``people.tabulate_episodes``, ``clip_s`` the seconds of a clip.
    """
    figure = figure or plt.figure(figsize=(13, 3.4), layout="constrained")
    axes = figure.subplots(1, len(KINDS), sharex=True, sharey=True)
    kinds, sizes = (table.index.get_level_values(name) for name in table.index.names)
    seconds = np.array(sorted(set(sizes)), float) * clip_s
    for ax, (kind, title) in zip(axes, KINDS.items(), strict=True):
        own = table[kinds == kind]
        for way, style in WAYS.items():
            ax.plot(sizes[kinds == kind] * clip_s, own[way], label=way, markersize=4, **style)
        ax.axhline(chance, color=INK, linestyle=":", linewidth=1)
        ax.set(title=f"the clips show {title}", xlabel="seconds heard", ylim=(0, 1))
        ax.set_xscale("log")
        ax.set_xticks(seconds, [f"{each:.0f}" for each in seconds])
        ax.minorticks_off()
        strip_spines(ax)
    axes[0].yaxis.set_major_formatter(PercentFormatter(1))
    axes[0].set_ylabel("accuracy")
    axes[0].legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 0.12))
    return figure


def plot_answers(times, *, figure=None):
    """Draw how many times as often as it is shown each emotion is said, a panel a corpus.

    ``times`` are Series by emotion, by the corpus's name.
    """
    figure = figure or plt.figure(figsize=(1.2 + 3.9 * len(times), 2.9), layout="constrained")
    axes = figure.subplots(1, len(times), sharex=True, squeeze=False)[0]
    for ax, (corpus, own) in zip(axes, times.items(), strict=True):
        own = own[::-1]
        ax.barh(own.index, own, color=[EMOTION_COLOURS[emotion] for emotion in own.index])
        ax.axvline(1, color=INK, linewidth=1)
        ax.axvline(2, color=ALARM, linewidth=1, linestyle=":")
        ax.set_title(corpus, loc="left")
        ax.set_xlabel("times said for each time shown")
        strip_spines(ax)
    return figure
