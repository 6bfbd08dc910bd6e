"""How good a run is, how sure we are of it, and what guessing would give.

``true`` and ``predicted`` are labels, int (clip,), positions in ``emotions``, the names of the
classes in order; ``posteriors`` are float (clip, emotion). A table of predictions is what
``modeling.training.runs`` writes: ``clip_id, actor, fold, part, true, p_<emotion>…``. Unweighted
recall and macro-F1 are means over the classes that are present in ``true``; a prediction of an
absent class is an error all the same.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

SCORES = ("accuracy", "unweighted_recall", "macro_f1", "expected_calibration_error")
N_BINS = 15
PEOPLE = {"ravdess": {"people, voice": 0.62, "people, face": 0.75, "people, both": 0.80}}
"""About how often people name a corpus's emotion (RAVDESS: Livingstone & Russo 2018)."""


def encode_labels(labels, emotions):
    """Return labels (clip,), names or positions, as positions in ``emotions``, int64 (clip,).

    Raises:
        ValueError: A label is not in ``emotions``.
    """
    labels = np.asarray(labels).tolist()
    positions = {name: position for position, name in enumerate(emotions)}
    positions |= {position: position for position in range(len(emotions))}
    unknown = sorted({str(label) for label in labels if label not in positions})
    if unknown:
        raise ValueError(f"Labels {', '.join(unknown)} are not among {', '.join(emotions)}.")
    return np.array([positions[label] for label in labels], dtype=np.int64)


def validate_posteriors(posteriors, *, tolerance=0.01):
    """Raise ValueError unless posteriors (clip, emotion) are complete and sum to one."""
    if not len(posteriors):
        raise ValueError(f"Posteriors have shape {posteriors.shape}; expected (clip, emotion).")
    n_bad = int(np.isnan(posteriors).any(axis=1).sum())
    if n_bad:
        raise ValueError(
            f"{n_bad} of {len(posteriors)} clips have no posteriors (NaN); score the others, or "
            "fuse with a modality that has them."
        )
    sums = posteriors.sum(axis=1)
    if posteriors.min() < 0 or np.abs(sums - 1).max() > tolerance:
        raise ValueError(
            f"Posteriors lie in [{posteriors.min():.3g}, {posteriors.max():.3g}] and sum to "
            f"{sums.min():.3g} to {sums.max():.3g}; expected probabilities. Is there a softmax?"
        )


def read_scored(predictions, emotions):
    """Return int64 (clip,) true labels and float64 (clip, emotion) posteriors of one part.

    Raises:
        ValueError: The table mixes parts, holds a clip twice, lacks a column, or its posteriors
            are no probabilities.
    """
    missing = [c for c in ("true", *(f"p_{e}" for e in emotions)) if c not in predictions]
    if missing:
        raise ValueError(f"Predictions have no column {', '.join(missing)}; score a run's own.")
    if "part" in predictions and predictions["part"].nunique() > 1:
        raise ValueError(
            f"Predictions mix the parts {', '.join(sorted(predictions['part'].unique()))}; score "
            "one: predictions[predictions['part'] == 'test']."
        )
    if "clip_id" in predictions and predictions["clip_id"].duplicated().any():
        twice = predictions.loc[predictions["clip_id"].duplicated(), "clip_id"].iloc[0]
        raise ValueError(f"Clip {twice} is predicted twice; score one run and one fold's part.")
    posteriors = predictions[[f"p_{e}" for e in emotions]].to_numpy(np.float64)
    validate_posteriors(posteriors)
    return encode_labels(predictions["true"], emotions), posteriors


def accuracy(true, predicted):
    """Return the share of clips predicted right (also called WAR)."""
    return float(accuracy_score(true, predicted))


def per_class_recall(true, predicted, n_classes):
    """Return each class's share of clips predicted right, float64, NaN without a clip."""
    classes = np.arange(n_classes)
    return recall_score(true, predicted, labels=classes, average=None, zero_division=np.nan)


def unweighted_recall(true, predicted, n_classes):
    """Return the mean recall of the classes present in ``true`` (UAR, balanced accuracy)."""
    return float(np.nanmean(per_class_recall(true, predicted, n_classes)))


def macro_f1(true, predicted):
    """Return the mean F1 of the classes present in ``true``."""
    return float(f1_score(true, predicted, labels=np.unique(true), average="macro"))


def count_confusions(true, predicted, n_classes):
    """Return how many clips of each true class (rows) were predicted as each class (columns)."""
    return confusion_matrix(true, predicted, labels=np.arange(n_classes))


def measure_reliability(true, posteriors, *, n_bins=N_BINS):
    """Return mean ``confidence``, ``accuracy`` and ``n_clips`` of each bin that holds clips.

    The confidence of a clip is its largest posterior. The bins are of equal width over (0, 1], as
    in Guo et al. 2017, "On calibration of modern neural networks".
    """
    confidences, bins = assign_bins(posteriors, n_bins)
    right = np.argmax(posteriors, axis=1) == true
    clips = pd.DataFrame({"confidence": confidences, "accuracy": right, "n_clips": bins})
    return clips.groupby(bins).agg({"confidence": "mean", "accuracy": "mean", "n_clips": "size"})


def assign_bins(posteriors, n_bins=N_BINS):
    """Return each clip's confidence, float (clip,), and its bin, int (clip,)."""
    confidences = np.max(posteriors, axis=1)
    return confidences, np.clip(np.ceil(confidences * n_bins).astype(int) - 1, 0, n_bins - 1)


def expected_calibration_error(true, posteriors):
    """Return the mean distance between confidence and accuracy, weighted by clips (ECE).

    0 is perfect. The value depends on the bins and is biased upwards for few clips.
    """
    table = measure_reliability(true, posteriors)
    gaps = (table["confidence"] - table["accuracy"]).abs()
    return float(np.average(gaps, weights=table["n_clips"]))


def measure_coverage(true, posteriors):
    """Return what is right where only the surest answers are said.

    Args:
        true: int (clip,), positions of the true classes.
        posteriors: float (clip, class).

    Returns:
        float64 (clip,) twice: the share of clips that are answered, ascending, the surest first,
        and the accuracy among these.
    """
    surest = np.argsort(-posteriors.max(axis=1), kind="stable")
    right = (posteriors.argmax(axis=1) == np.asarray(true))[surest]
    counts = np.arange(1, len(right) + 1)
    return counts / len(right), np.cumsum(right) / counts


def score_predictions(predictions, emotions):
    """Return the scores of one part's predictions, see ``read_scored``.

    Returns:
        dict of plain numbers, in order: ``SCORES``, ``recall_<emotion>`` (NaN for an emotion
        without clips), ``n_clips``, ``n_actors``.
    """
    true, posteriors = read_scored(predictions, emotions)
    predicted = posteriors.argmax(axis=1)
    recalls = per_class_recall(true, predicted, len(emotions))
    return {
        "accuracy": accuracy(true, predicted),
        "unweighted_recall": unweighted_recall(true, predicted, len(emotions)),
        "macro_f1": macro_f1(true, predicted),
        "expected_calibration_error": expected_calibration_error(true, posteriors),
        **{f"recall_{e}": float(recall) for e, recall in zip(emotions, recalls, strict=True)},
        "n_clips": len(true),
        "n_actors": int(predictions["actor"].nunique()),
    }


def score_by(predictions, emotions, column, *, clips=None):
    """Return the scores of each value of a column, of one part's predictions or of ``clips``.

    Returns:
        DataFrame indexed by the column's values, worst accuracy first: ``SCORES``, ``n_clips``.

    Raises:
        ValueError: Neither table has the column, or a predicted clip is not in ``clips``.
    """
    if column not in predictions:
        if clips is None or column not in clips:
            raise ValueError(f"No column {column!r} in predictions; pass clips that have it.")
        known = clips.set_index("clip_id")[column]
        unknown = predictions.loc[~predictions["clip_id"].isin(known.index), "clip_id"]
        if len(unknown):
            raise ValueError(
                f"{len(unknown)} predicted clips, {unknown.iloc[0]} first, are not in clips."
            )
        predictions = predictions.assign(**{column: predictions["clip_id"].map(known)})
    rows = {
        value: score_predictions(group, emotions) for value, group in predictions.groupby(column)
    }
    table = pd.DataFrame(rows).T[[*SCORES, "n_clips"]].rename_axis(column)
    return table.astype({"n_clips": int}).sort_values("accuracy", kind="stable")


def describe_gaps(tables, emotions):
    """Return in words what scores leave out: emotions that are not tested, or never trained on.

    Of several runs also who judged some of the tested clips only. Where all that a fold knows
    validates, as ``fusion.heads.read_tables`` may have it, that is what was trained on.

    Args:
        tables: Tables of predictions, all parts, by the run's name.

    Returns:
        str, a line each, ``""`` where there is nothing to say.
    """
    said = {}
    tested = set().union(*(_list_tested(table)["clip_id"] for table in tables.values()))
    for name, table in tables.items():
        for line in _list_gaps(table, emotions, len(tested)):
            said.setdefault(line, []).append(name)
    return "\n".join(
        line if len(names) == len(tables) else f"{', '.join(names)}: {line}"
        for line, names in said.items()
    )


def _list_tested(table):
    return table[table["part"] == "test"]


def _list_gaps(table, emotions, n_tested):
    """Return what the scores of one run's test clips leave out, in lines."""
    test, lines = _list_tested(table), []
    if untested := [e for e in emotions if e not in set(test["true"])]:
        lines.append(f"no test clip of {', '.join(untested)}: left out of UAR and macro-F1")
    for fold, own in table.groupby("fold"):
        trained = "train" if "train" in set(own["part"]) else "val"
        unmet = set(_list_tested(own)["true"]) - set(own.loc[own["part"] == trained, "true"])
        if unmet:
            names = ", ".join(e for e in emotions if e in unmet)
            lines.append(f"tested in fold {fold} and never trained on: {names}")
    if len(test) < n_tested:
        lines.append(f"judged {len(test)} of the {n_tested} test clips, scored on these")
    return lines


def find_extremes(predictions, emotions):
    """Return the worst and the best actor of one part and their accuracies, as a dict."""
    true, posteriors = read_scored(predictions, emotions)
    right = pd.Series(posteriors.argmax(axis=1) == true)
    actors = right.groupby(predictions["actor"].to_numpy()).mean().sort_values(kind="stable")
    return {
        "worst_actor": actors.index[0],
        "worst_actor_accuracy": float(actors.iloc[0]),
        "best_actor": actors.index[-1],
        "best_actor_accuracy": float(actors.iloc[-1]),
    }


def score_baselines(true, emotions, *, true_train=()):
    """Return what guessing and what always saying the most frequent emotion would score.

    Args:
        true: Labels of the scored clips.
        true_train: Labels of the training clips, whose most frequent emotion is the honest
            majority; without them that of ``true`` is taken, which flatters this baseline.

    Returns:
        dict by baseline, ``"chance"`` and ``"majority"``, of accuracy, unweighted_recall and
        macro_f1. Chance is the expectation of uniform guessing (for F1, of its counts).
    """
    true, chance = encode_labels(true, emotions), 1 / len(emotions)
    shares = np.unique(true, return_counts=True)[1] / len(true)
    source = encode_labels(true_train, emotions) if len(true_train) else true
    predicted = np.full(len(true), np.bincount(source).argmax())
    guessed = chance, chance, float(np.mean(2 * shares * chance / (shares + chance)))
    recall = unweighted_recall(true, predicted, len(emotions))
    constant = accuracy(true, predicted), recall, macro_f1(true, predicted)
    return {
        "chance": dict(zip(SCORES, guessed, strict=False)),
        "majority": dict(zip(SCORES, constant, strict=False)),
    }
