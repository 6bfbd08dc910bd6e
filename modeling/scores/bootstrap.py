"""How sure a score is, and whether one run beats another: bootstrap over actors.

Clips of one actor resemble each other, so actors are drawn with replacement, each with all its
clips (cluster bootstrap; Davison & Hinkley 1997, chapter 3). With one actor clips are drawn
instead; with a handful the interval is coarse and on the narrow side. Tables and ``emotions`` are
those of ``scores.metrics``; ``rng`` is a ``numpy.random.Generator``, ``n`` counts resamples.
"""

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from modeling.scores import metrics


def bootstrap_scores(predictions, emotions, *, rng, n=2000):
    """Return percentile intervals of the scores of one part's predictions.

    Returns:
        dict: ``<score>_low`` and ``<score>_high`` for each of ``SCORES``, and ``resampled``:
        what was drawn, such as ``"24 actors"`` or ``"60 clips of 1 actor"``. The calibration
        error grows with fewer different clips, so its interval lies somewhat high.
    """
    true, posteriors = metrics.read_scored(predictions, emotions)
    weights, groups, resampled = draw_weights(predictions["actor"], rng=rng, n=n)
    scores = score_resamples(true, posteriors, groups, weights)
    intervals = {"resampled": resampled}
    for name in metrics.SCORES:
        intervals |= _span(name, scores[name])
    return intervals


def _span(name, values):
    """Return by name the ends of the interval that holds 95% of the resamples."""
    low, high = np.quantile(values, (0.025, 0.975))
    return {f"{name}_low": float(low), f"{name}_high": float(high)}


def draw_weights(actors, *, rng, n):
    """Return how often each group is drawn in each resample.

    Returns:
        int64 (resample, group) counts, int64 (clip,) the group of each clip (its actor, or itself
        where there is one actor), and the words for it.
    """
    names, groups = np.unique(np.asarray(actors, dtype=str), return_inverse=True)
    resampled = f"{len(names)} actors"
    if len(names) < 2:
        groups, resampled = np.arange(len(groups)), f"{len(groups)} clips of 1 actor"
    n_groups = groups.max() + 1
    return rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n), groups, resampled


def score_resamples(true, posteriors, groups, weights):
    """Return the scores of every resample, all at once.

    Every score is a function of sums over clips (confusion counts; confidence minus correctness by
    bin), so a resample is a weighted sum over groups: one matrix product for all of them.

    Args:
        groups, weights: As ``draw_weights`` gives them.

    Returns:
        dict of float64 (resample,) by the names of ``SCORES``, as ``scores.metrics`` defines
        them; a class that a resample lacks is left out of its means.
    """
    n_groups, n_classes = weights.shape[1], posteriors.shape[1]
    predicted = posteriors.argmax(axis=1)
    confusions = np.zeros((n_groups, n_classes, n_classes))
    np.add.at(confusions, (groups, true, predicted), 1)
    confidences, bins = metrics.assign_bins(posteriors)
    gaps = np.zeros((n_groups, metrics.N_BINS))
    np.add.at(gaps, (groups, bins), confidences - (predicted == true))
    confusions = (weights @ confusions.reshape(n_groups, -1)).reshape(-1, n_classes, n_classes)
    gaps = weights @ gaps
    right = np.diagonal(confusions, axis1=1, axis2=2)
    n_true, n_predicted = confusions.sum(axis=2), confusions.sum(axis=1)
    n_clips = n_true.sum(axis=1)
    present = n_true > 0
    recall = np.divide(right, n_true, out=np.zeros_like(n_true), where=present)
    f1 = np.divide(2 * right, n_true + n_predicted, out=np.zeros_like(n_true), where=present)
    n_present = present.sum(axis=1)
    values = (
        right.sum(axis=1) / n_clips,
        recall.sum(axis=1) / n_present,
        f1.sum(axis=1) / n_present,
        np.abs(gaps).sum(axis=1) / n_clips,
    )
    return dict(zip(metrics.SCORES, values, strict=True))


def compare_predictions(first, second, emotions, *, rng, n=2000):
    """Return by how much the second run is better than the first on the clips that both scored.

    The bootstrap draws the same actors for both runs. McNemar's exact test asks whether the clips
    that only one run gets right are evenly split; it takes clips for independent, so where the
    two disagree believe the interval over actors.

    Args:
        first, second: Tables of predictions of the same part of two runs.

    Returns:
        dict: for each of ``SCORES`` ``<score>_difference`` (second minus first), its ``_low`` and
        ``_high``; ``only_first`` and ``only_second``, clips that one alone gets right;
        ``mcnemar_p``; ``n_clips``; ``n_unshared``, clips left out because one run lacks them.

    Raises:
        ValueError: The runs share no clip, or disagree about a clip's true emotion.
    """
    shared = sorted(set(first["clip_id"]) & set(second["clip_id"]))
    if not shared:
        raise ValueError("The two runs share no clip; compare runs of one corpus, fold and part.")
    n_unshared = len(set(first["clip_id"]) ^ set(second["clip_id"]))
    tables = [run.set_index("clip_id", drop=False).loc[shared] for run in (first, second)]
    pair = [metrics.read_scored(table, emotions) for table in tables]
    true = pair[0][0]
    if not np.array_equal(true, pair[1][0]):
        raise ValueError("The two runs disagree about what is true; were the clips relabelled?")
    weights, groups, _ = draw_weights(tables[0]["actor"], rng=rng, n=n)
    weights = np.vstack([np.ones(weights.shape[1], dtype=weights.dtype), weights])
    scores = [score_resamples(true, posteriors, groups, weights) for _, posteriors in pair]
    result = {}
    for name in metrics.SCORES:
        observed, *resamples = scores[1][name] - scores[0][name]
        result |= {f"{name}_difference": float(observed)} | _span(f"{name}_difference", resamples)
    right = [posteriors.argmax(axis=1) == true for _, posteriors in pair]
    one, other = int(np.sum(right[0] & ~right[1])), int(np.sum(right[1] & ~right[0]))
    return result | {
        "only_first": one,
        "only_second": other,
        "mcnemar_p": float(binomtest(one, one + other).pvalue) if one + other else 1.0,
        "n_clips": len(true),
        "n_unshared": n_unshared,
    }


def tabulate_scores(runs, emotions, *, rng, n=2000):
    """Return the comparison table: chance, majority and every run's test part with its intervals.

    Args:
        runs: Tables of predictions (all parts) by the run's name.

    Returns:
        DataFrame indexed by name, in the given order after ``chance`` and ``majority``:
        ``SCORES`` each with ``_low`` and ``_high`` (NaN for the baselines), ``n_clips``,
        ``n_actors``, worst and best actor, ``resampled``. The majority is that of the training
        clips where the tables hold any.

    Raises:
        ValueError: A run has no predictions of part ``test``.
    """
    rows = {}
    for name, predictions in runs.items():
        scored = predictions[predictions["part"] == "test"]
        if scored.empty:
            raise ValueError(
                f"Run {name!r} has no predictions of part 'test'; it holds "
                f"{', '.join(sorted(predictions['part'].unique()))}."
            )
        rows[name] = metrics.score_predictions(scored, emotions)
        rows[name] |= bootstrap_scores(scored, emotions, rng=rng, n=n)
        rows[name] |= metrics.find_extremes(scored, emotions)
    everything = pd.concat(runs.values()).drop_duplicates(["clip_id", "part"])
    true, true_train = (everything.loc[everything["part"] == p, "true"] for p in ("test", "train"))
    baselines = metrics.score_baselines(true, emotions, true_train=true_train)
    return pd.DataFrame.from_dict(baselines | rows, orient="index").rename_axis("run")


def format_scores(table):
    """Return a table of scores for reading: per cent, with 95% intervals where it has any, as text.

    Such as ``61.1 (54.2–68.0)``; the calibration error is a number between 0 and 1, empty for the
    baselines. The table is one of ``tabulate_scores`` or ``metrics.score_by``.
    """
    names = {"accuracy": "accuracy %", "unweighted_recall": "UAR %", "macro_f1": "macro-F1 %"}
    shown, none = pd.DataFrame(index=table.index), pd.Series(np.nan, table.index)
    for score, title in names.items():
        low, high = (100 * table.get(f"{score}_{end}", none) for end in ("low", "high"))
        values = [f"{100 * value:.1f}" for value in table[score]]
        shown[title] = [
            value if np.isnan(a) else f"{value} ({a:.1f}–{b:.1f})"
            for value, a, b in zip(values, low, high, strict=True)
        ]
    errors = table["expected_calibration_error"]
    shown["ECE"] = ["" if np.isnan(error) else f"{error:.3f}" for error in errors]
    shown["clips"] = ["" if np.isnan(n) else f"{n:.0f}" for n in table["n_clips"]]
    shown["interval over"] = table["resampled"].fillna("") if "resampled" in table else ""
    return shown
