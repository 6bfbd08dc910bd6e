"""What a network says of the clips of a fold, how often it is right, and where it errs."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from modeling import plots
from modeling.scores import metrics
from modeling.split import folds
from modeling.training import loop


@dataclass(repr=False)
class Judged:
    """A model's answers for every clip of a fold; a notebook shows it as its table of scores.

    Attributes:
        predictions: Table of predictions.
        scores: DataFrame, as ``loop.score_parts`` gives it.
        emotions: Names of the classes in order.
        origin: Of the parts, see ``inputs.Parts``.
        embeddings: float32 (clip, feature), row-aligned with the predictions, if any.
        model: Keras model that is saved with the run, if any.
        history: DataFrame, one row an epoch, if any.
        figures: By name, those that are saved with the run.
    """

    predictions: pd.DataFrame
    scores: pd.DataFrame
    emotions: tuple
    origin: dict
    embeddings: np.ndarray = None
    model: object = None
    history: pd.DataFrame = None
    figures: dict = field(default_factory=dict)

    def __repr__(self):
        """Return the scores as text."""
        return tidy_scores(self.scores).to_string()

    def _repr_html_(self):
        return tidy_scores(self.scores).to_html()


def judge_parts(model, parts, history=None):
    """Return what a trained network says of a fold as ``Judged``; print and draw where it errs.

    The model is as for ``loop.predict_parts``; ``history`` is that of its training.
    """
    predictions, embeddings = loop.predict_parts(model, parts, fold=parts.origin["fold"])
    facts = {"embeddings": embeddings, "model": model, "history": history}
    return judge_predictions(predictions, parts, **facts)


def judge_predictions(predictions, parts, **facts):
    """Return predictions that were made otherwise as ``Judged``; print and draw where they err.

    ``facts`` are ``embeddings``, ``model`` and ``history`` of ``Judged``.
    """
    scores = loop.score_parts(predictions, parts.emotions)
    test = predictions[predictions["part"] == "test"]
    print(folds.describe_protocol(parts.origin["protocol"]))
    if gaps := metrics.describe_gaps({"": predictions}, parts.emotions):
        print(gaps)
    print(describe_errors(test, parts.emotions))
    figures = {"test": plots.plot_test(test, parts.emotions)}
    return Judged(predictions, scores, parts.emotions, parts.origin, figures=figures, **facts)


def tidy_scores(scores):
    """Return a table of scores as text: three digits, and nothing where nothing was measured."""
    scores = scores.astype({"n_clips": "Int64"}) if "n_clips" in scores else scores

    def write(value):
        if pd.isna(value):
            return ""
        return f"{value:.3f}" if isinstance(value, float) else str(value)

    return scores.map(write)


def describe_errors(predictions, emotions):
    """Return in words which three pairs are confused most, what is read below chance, for whom."""
    true, posteriors = metrics.read_scored(predictions, emotions)
    predicted, chance = posteriors.argmax(axis=1), 1 / len(emotions)
    counts = metrics.count_confusions(true, predicted, len(emotions))
    wrong = counts * (1 - np.eye(len(emotions), dtype=int))
    pairs = [divmod(int(place), len(emotions)) for place in np.argsort(-wrong, axis=None)[:3]]
    confused = [
        f"{emotions[row]} read as {emotions[column]} ({wrong[row, column]} of {counts[row].sum()})"
        for row, column in pairs
        if wrong[row, column]
    ]
    recalls = metrics.per_class_recall(true, predicted, len(emotions))
    low = [f"{e} {r:.0%}" for e, r in zip(emotions, recalls, strict=True) if r < chance]
    ends = metrics.find_extremes(predictions, emotions)
    if ends["worst_actor"] == ends["best_actor"]:
        people = "the one actor, {worst_actor}: {worst_actor_accuracy:.0%}"
    else:
        people = (
            "actors: from {worst_actor_accuracy:.0%} ({worst_actor}) "
            "to {best_actor_accuracy:.0%} ({best_actor})"
        )
    return (
        f"most confused: {', '.join(confused) or 'nothing'}\n"
        f"read below chance ({chance:.0%}): {', '.join(low) or 'none'}\n"
        f"{people.format(**ends)}"
    )
