"""Pictures of a corpus as a whole: balance, actors, folds, a feature by emotion."""

import numpy as np
import pandas as pd
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from preprocessing.disk import arrays
from preprocessing.plots import style

PART_COLOURS = {"train": "#C9D3DF", "val": "#E6A817", "test": "#1F5FA8", "mixed": "#960B05"}


def plot_class_balance(clips, *, ax=None):
    """Draw how many clips (a DataFrame) each emotion has, as bars with counts."""
    ax = style.open_axes(ax, 7, 3.2)
    emotions = arrays.list_emotions(clips)
    counts = [int((clips["emotion"] == emotion).sum()) for emotion in emotions]
    bars = ax.bar(emotions, counts, color=[style.EMOTION_COLOURS[emotion] for emotion in emotions])
    ax.bar_label(bars, padding=2)
    ax.margins(y=0.12)
    ax.set(xlabel="emotion", ylabel="clips")
    ax.set_title(f"{len(clips)} clips of {clips['actor'].nunique()} actors by emotion")
    return style.strip_spines(ax)


def plot_actor_table(clips, *, ax=None):
    """Draw how many clips each actor has of each emotion, as a map with numbers.

    Above ``MAX_TICKS`` actors it stands without numbers and gets a colour bar.
    """
    emotions, actors = list(arrays.list_emotions(clips)), sorted(clips["actor"].unique())
    table = pd.crosstab(clips["emotion"], clips["actor"]).loc[emotions, actors].to_numpy()
    ax = style.open_axes(ax, np.clip(2 + 0.36 * len(actors), 5, 14), 1 + 0.32 * len(emotions))
    numbered = len(actors) <= style.MAX_TICKS
    top = max(table.max(), 1) * (2 if numbered else 1)  # numbers want a light ground
    image = ax.imshow(table, cmap="Blues", vmin=0, vmax=top, aspect="auto")
    if numbered:
        for (row, column), count in np.ndenumerate(table):
            ax.text(column, row, count, ha="center", va="center", fontsize=9)
    else:
        ticks = MaxNLocator(integer=True)
        ax.figure.colorbar(image, ax=ax, label="clips", ticks=ticks, pad=0.01)
    style.label_groups(ax, actors)
    ax.set_yticks(range(len(emotions)), emotions)
    ax.set(xlabel="actor", ylabel="emotion", title="Clips by actor and emotion")
    return ax


def plot_folds(clips, parts, *, ax=None):
    """Draw which actors each fold trains on, stops by and is tested on.

    Args:
        clips: DataFrame with ``actor``. One with clips in two parts of a fold is red and named
            "mixed": a leak.
        parts: Dict from a fold's name to the part of each clip: text (clip,), "train", "val",
            "test", or "" for a clip that the fold leaves out.
    """
    actors = sorted(clips["actor"].unique())
    ax = style.open_axes(ax, np.clip(2.5 + 0.34 * len(actors), 5, 14), 1.3 + 0.34 * len(parts))
    used = set()
    for row, names in enumerate(parts.values()):
        for column, actor in enumerate(actors):
            found = sorted(set(np.asarray(names)[(clips["actor"] == actor).to_numpy()]) - {""})
            if not found:
                continue
            part = found[0] if len(found) == 1 else "mixed"
            used.add(part)
            box = Rectangle((column - 0.46, row - 0.42), 0.92, 0.84, color=PART_COLOURS[part])
            ax.add_patch(box)
    style.label_groups(ax, actors)
    ax.set_yticks(range(len(parts)), [str(name) for name in parts])
    ax.set(xlim=(-0.6, len(actors) - 0.4), ylim=(len(parts) - 0.5, -0.5))
    ax.set(xlabel="actor", ylabel="fold", title="Which actor is in which part")
    keys = [Patch(color=PART_COLOURS[part], label=part) for part in PART_COLOURS if part in used]
    ax.legend(handles=keys, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return style.strip_spines(ax)


def plot_feature_by_emotion(values, emotions, *, name, ax=None):
    """Draw a feature's distribution in each emotion: every clip a point, a box for the quartiles.

    ``values`` that are NaN are left out; ``name`` is the feature with its unit.
    """
    ax = style.open_axes(ax, 7, 3.2)
    values, emotions = np.asarray(values, dtype=float), np.asarray(emotions)
    present = arrays.list_emotions(pd.DataFrame({"emotion": emotions}))
    for column, emotion in enumerate(present):
        group = values[(emotions == emotion) & np.isfinite(values)]
        x = column + style.spread_points(len(group), 0.5)
        ax.scatter(x, group, s=9, color=style.EMOTION_COLOURS[emotion], alpha=0.6, linewidths=0)
        lines = {f"{part}props": {"color": style.INK} for part in ("box", "whisker", "cap")}
        lines["medianprops"] = {"color": style.INK, "lw": 2.2}
        ax.boxplot(group, positions=[column], widths=0.62, showfliers=False, **lines)
    ax.set_xticks(range(len(present)), present)
    ax.set(xlabel="emotion", ylabel=name, title=f"{name} by emotion")
    return style.strip_spines(ax)
