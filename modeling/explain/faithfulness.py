"""Does a map mean anything? Three questions with numbers, of any map and any network.

*Deletion and insertion* (Petsiuk et al. 2018, "RISE"): where the parts that a map calls important
are hidden first, the emotion's posterior must fall sooner than in a random order; where they are
shown first, it must rise sooner. A map that does no better than "the middle of the picture" says
nothing about this clip: so that prior is asked as well.

*Weights drawn anew* (Adebayo et al. 2018): a map that stays the same when the network has forgotten
all that it learned shows the input, not the network.

A network is a function ``judge`` from inputs (n, ...) to posteriors (n, emotion).
"""

import numpy as np
import pandas as pd
from scipy.ndimage import uniform_filter
from scipy.stats import rankdata

from modeling.explain.occlusion import list_cells

STEPS = 12
"""Points of a curve beside its first."""

WAYS = {"deletion": -1, "insertion": 1}
"""Which sign of the area under the curve is good."""

LEAST_CHANGE = 0.5
"""Rank correlation above which a map has not changed."""


def follow_order(judge, x, cells, emotion, *, fill, way, n_steps=STEPS):
    """Return the emotion's posterior while cells are hidden, or shown, one after the other.

    Args:
        judge: Function of inputs (step, ...) to posteriors.
        x: The input.
        cells: List of tuples of slices in their order, the first to be hidden or shown first.
        emotion: Position of the emotion.
        fill: What stands in a hidden cell, broadcast to the input's shape.
        way: ``deletion`` or ``insertion``.
        n_steps: Points of the curve beside its first, evenly spaced over the cells.

    Returns:
        float64 (step + 1,), from nothing hidden (shown) to everything.
    """
    fill = np.broadcast_to(fill, x.shape)
    now, other = (x.copy(), fill) if way == "deletion" else (fill.copy(), x)
    edges = np.linspace(0, len(cells), min(n_steps, len(cells)) + 1).round().astype(int)
    versions = [now.copy()]
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        for cell in cells[start:stop]:
            now[cell] = other[cell]
        versions.append(now.copy())
    return np.asarray(judge(np.stack(versions)), np.float64)[:, emotion]


def measure_area(curve):
    """Return the mean height of a curve over the share of cells, from 0 to 1."""
    return float((curve[1:] + curve[:-1]).mean() / 2)


def rank_cells(values, sizes):
    """Return the cells of a map, the largest mean first; of equals the first in memory."""
    cells = list_cells(values.shape, sizes)
    means = np.array([values[cell].mean() for cell in cells])
    return [cells[place] for place in np.argsort(-means, kind="stable")]


def prefer_centre(shape, axes):
    """Return a map, float64 of a shape, that is largest in the middle of some axes."""
    squares = 0.0
    for axis in axes:
        along = np.linspace(-1, 1, shape[axis]).reshape(
            [-1 if n == axis else 1 for n in range(len(shape))]
        )
        squares = squares + along**2
    return np.broadcast_to(-squares, shape)


def measure_faithfulness(judge, x, maps, sizes, emotion, *, fill, rng, n_random=8):
    """Return how soon an answer falls and rises in the order of maps, and in random orders.

    Args:
        judge, x, emotion, fill: As for ``follow_order``.
        maps: Maps of the input's shape by name; priors, such as ``prefer_centre``, too.
        sizes: Of the cells that are hidden as one, see ``occlusion.list_cells``: as coarse as the
            maps are, so that a random order is as clustered as theirs.
        rng: ``np.random.Generator`` of the random orders.
        n_random: How many of them.

    Returns:
        DataFrame, one row each of ``maps`` and *random* (their mean): areas under ``deletion``,
        the smaller the better, and ``insertion``, the larger the better.
    """
    orders = {name: [rank_cells(np.asarray(own), sizes)] for name, own in maps.items()}
    cells = list_cells(x.shape, sizes)
    orders["random"] = [[cells[n] for n in rng.permutation(len(cells))] for _ in range(n_random)]
    rows = {
        name: {
            way: np.mean(
                [measure_area(follow_order(judge, x, o, emotion, fill=fill, way=way)) for o in own]
            )
            for way in WAYS
        }
        for name, own in orders.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("order")


def summarise(tables, against=("random", "centre")):
    """Return whether maps beat what they are held against, over several clips.

    Args:
        tables: DataFrames of ``measure_faithfulness``, one a clip.
        against: Names of what every other row is held against.

    Returns:
        DataFrame, one row a map, way and rival: ``area``, ``rival's area``, ``gain`` (above 0 the
        map is better), its 95% interval ``low`` to ``high`` over resampled clips, ``better in``
        (share of clips) and ``holds``: the interval lies above 0.
    """
    rng, rows = np.random.default_rng(0), []
    draws = rng.integers(0, len(tables), (2000, len(tables)))
    for name in [row for row in tables[0].index if row not in against]:
        for way, sign in WAYS.items():
            own = np.array([table.loc[name, way] for table in tables])
            for rival in [row for row in against if row in tables[0].index]:
                other = np.array([table.loc[rival, way] for table in tables])
                gains = sign * (own - other)
                low, high = np.percentile(gains[draws].mean(axis=1), [2.5, 97.5])
                row = {"map": name, "way": way, "rival": rival, "area": own.mean()}
                row |= {"rival's area": other.mean(), "gain": gains.mean(), "low": low}
                row |= {"high": high, "better in": (gains > 0).mean(), "holds": bool(low > 0)}
                rows.append(row)
    return pd.DataFrame(rows)


def compare_maps(one, other):
    """Return how alike two maps of a clip are: Spearman's rank correlation, and SSIM.

    Both are 1 for the same map, about 0 for maps that have nothing to do with each other. Without
    any variation in one of them both are 0.

    Args:
        one, other: float (...) of one shape; the last two axes are a picture's.
    """
    one, other = (np.asarray(own, np.float64) for own in (one, other))
    if not (np.ptp(one) and np.ptp(other)):
        return {"spearman": 0.0, "ssim": 0.0}
    spearman = np.corrcoef(rankdata(one), rankdata(other))[0, 1]
    return {"spearman": float(spearman), "ssim": measure_ssim(one, other)}


def measure_ssim(one, other, *, window=7):
    """Return the structural similarity of two maps, each scaled to [0, 1] (Wang et al. 2004)."""
    one, other = ((own - own.min()) / np.ptp(own) for own in (one, other))
    size = (1,) * (one.ndim - 2) + (window,) * 2
    means = [uniform_filter(own, size) for own in (one, other)]
    variances = [
        uniform_filter(own**2, size) - mean**2
        for own, mean in zip((one, other), means, strict=True)
    ]
    covariance = uniform_filter(one * other, size) - means[0] * means[1]
    light = (2 * means[0] * means[1] + 1e-4) / (means[0] ** 2 + means[1] ** 2 + 1e-4)
    return float((light * (2 * covariance + 9e-4) / (sum(variances) + 9e-4)).mean())


def list_verdicts(summary, likeness):
    """Return in words, a line a map, whether it passes; ``likeness`` is its mean rank correlation.

    Args:
        summary: Of ``summarise``.
        likeness: float by name of map, to the map of the same network with weights drawn anew; a
            map that is not among them was not asked.
    """
    lines = []
    for name, own in summary.groupby("map", sort=False):
        faults = [
            f"{row.way} {'worse' if row.high < 0 else 'not surely better'} than {row.rival} "
            f"({row.low:+.3f} to {row.high:+.3f})"
            for row in own.itertuples()
            if not row.holds
        ]
        if likeness.get(name, 0) > LEAST_CHANGE:
            faults.append(f"hardly changes when the weights are drawn anew ({likeness[name]:.2f})")
        lines.append(f"{name}: " + ("FAILS, " + "; ".join(faults) if faults else "passes"))
    return lines
