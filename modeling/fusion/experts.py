"""Late fusion: what each modality believes, calibrated and put together.

Posteriors are float (clip, emotion), rows that sum to one; a clip that a modality cannot judge has
a row of NaN, and a modality that is not there at all is ``None``. Whatever is fitted here is
fitted on validation clips only; ``calibrate_predictions`` sees to it itself.

Experts that err together are too sure together, so calibrate the product as well:

    fused = fuse_predictions([audio, video], emotions)
    fused, temperature = calibrate_predictions(fused, emotions)

On RAVDESS (LUNA5; logistic regressions on expression posteriors and on action units, 56.5% and
58.7%) the product reaches 65.9% and its own temperature lowers the calibration error from 0.099
to 0.055. The freely fitted logistic regression below reaches 57%: the 120 clips of two
validation actors are too few for it. It is for corpora with more.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from modeling.scores.metrics import encode_labels
from modeling.split.protocol import LeakError

FLOOR = 1e-7
"""Smallest posterior: a modality may be almost sure, never forbid what the others say."""

STRENGTHS = (0.03, 0.1, 0.3, 1.0)
"""How freely a logistic regression over the modalities may fit."""

LEAST_ACTORS = 5
"""With fewer validation actors there is no choosing among them."""

COLUMNS = ["clip_id", "actor", "fold", "part", "true"]


def take_log(posteriors):
    """Return log-posteriors, float64 (clip, emotion), of posteriors not below ``FLOOR``."""
    return np.log(np.maximum(np.asarray(posteriors, np.float64), FLOOR))


def fit_temperature(logp, labels):
    """Return the temperature that makes posteriors most honest on these clips.

    One number for all classes: it cannot change which class is largest. Guo et al. 2017, "On
    calibration of modern neural networks".

    Args:
        logp: float (clip, emotion), log-posteriors or logits of validation clips.
        labels: int (clip,).

    Returns:
        float in [0.05, 20] with the least cross-entropy: above 1 the model was too sure.

    Raises:
        ValueError: No clip, NaN, or lengths that differ.
    """
    logp, labels = np.asarray(logp, np.float64), np.asarray(labels)
    if logp.ndim != 2 or len(logp) != len(labels) or not len(labels):
        raise ValueError(
            f"logp has shape {logp.shape} for {len(labels)} labels; expected a row each."
        )
    if not np.isfinite(logp).all():
        raise ValueError("logp holds NaN or infinity; leave such clips out, take logs by take_log.")
    rows = np.arange(len(labels))

    def cross_entropy(log_temperature):
        return -log_softmax(logp / np.exp(log_temperature), axis=1)[rows, labels].mean()

    best = minimize_scalar(cross_entropy, bounds=np.log([0.05, 20]), method="bounded")
    return float(np.exp(best.x))


def apply_temperature(logp, temperature):
    """Return posteriors, float64 (clip, emotion), of log-posteriors at a temperature."""
    if not temperature > 0:
        raise ValueError(f"temperature = {temperature}; expected a positive number.")
    return softmax(np.asarray(logp, np.float64) / temperature, axis=1)


def average_posteriors(posteriors, *, weights=None):
    """Return the weighted mean of the posteriors that each clip has.

    Args:
        posteriors: List of float (clip, emotion), NaN rows or ``None`` where missing.
        weights: One positive number a modality; equal unless given.

    Returns:
        float64 (clip, emotion); a row of NaN for a clip that no modality judged.

    Raises:
        ValueError: Nothing to fuse, or shapes or weights that do not fit.
    """
    stack, there, weights = _stack(posteriors, weights)
    totals = np.einsum("m,mc,mce->ce", weights, there, stack)
    masses = (weights @ there)[:, None]
    return np.divide(totals, masses, out=np.full_like(totals, np.nan), where=masses > 0)


def multiply_experts(posteriors, *, weights=None, prior=None):
    """Return the product of the experts that judged each clip.

    If modalities err independently given the emotion, then
    p(emotion | all) ∝ prior · Π (p(emotion | one) / prior). Hinton 2002, "Training products of
    experts by minimizing contrastive divergence"; Bishop 2006, section 1.5.4.

    Args:
        posteriors: List of float (clip, emotion), NaN rows or ``None`` where missing.
        weights: Exponent of each modality, positive; 1 unless given.
        prior: float (emotion,), how frequent each emotion was in training; uniform unless given.

    Returns:
        float64 (clip, emotion); a clip with one modality keeps that one's posteriors (to the
        power of its weight), a clip with none gets a row of NaN.

    Raises:
        ValueError: Nothing to fuse, or shapes, weights or a prior that do not fit.
    """
    stack, there, weights = _stack(posteriors, weights)
    n_emotions = stack.shape[2]
    prior = np.full(n_emotions, 1 / n_emotions) if prior is None else np.asarray(prior, float)
    if prior.shape != (n_emotions,) or not (prior > 0).all():
        raise ValueError(f"prior = {prior}; expected {n_emotions} positive numbers.")
    log_prior = np.log(prior / prior.sum())
    evidence = np.einsum("m,mc,mce->ce", weights, there, take_log(stack) - log_prior)
    fused = softmax(log_prior + evidence, axis=1)
    fused[~there.any(axis=0)] = np.nan
    return fused


@dataclass(frozen=True)
class LateFusion:
    """A fitted late fusion.

    Attributes:
        model: The logistic regression over all modalities' log-posteriors.
        n_emotions: Number of classes, those without a training clip included.
    """

    model: LogisticRegression
    n_emotions: int

    def predict(self, posteriors):
        """Return fused posteriors, float64 (clip, emotion), of a list as it was fitted on.

        A missing modality counts as no evidence; a clip with none gets a row of NaN. An emotion
        that no validation clip had keeps the smallest posterior, ``FLOOR``.

        Raises:
            ValueError: Another number of modalities or emotions than it was fitted on.
        """
        features, there = _centre(posteriors)
        if features.shape[1] != self.model.n_features_in_:
            raise ValueError(
                f"{len(posteriors)} modalities give {features.shape[1]} log-posteriors; the fusion "
                f"was fitted on {self.model.n_features_in_}. Pass None for a missing one."
            )
        fused = predict_all(self.model, features, self.n_emotions)
        fused[~there.any(axis=0)] = np.nan
        return fused


def fit_late_fusion(posteriors, labels, *, inverse_l2=0.03):
    """Return a logistic regression from all modalities' log-posteriors to the emotion.

    Log-posteriors are centred in each clip, so a missing modality is a row of zeros, no evidence.

    Args:
        posteriors: List of float (clip, emotion) of validation clips, NaN rows where missing.
        labels: int (clip,).
        inverse_l2: Freedom of the weights; larger needs more validation clips.

    Returns:
        ``LateFusion``.

    Raises:
        ValueError: Fewer than two emotions among the labels, or shapes that do not fit.
    """
    features, there = _centre(posteriors)
    labels, judged = np.asarray(labels), there.any(axis=0)
    if len(labels) != len(features):
        raise ValueError(f"{len(features)} rows of posteriors for {len(labels)} labels.")
    if len(np.unique(labels[judged])) < 2:
        raise ValueError(
            f"{judged.sum()} validation clips of fewer than 2 emotions; fuse by multiply_experts."
        )
    model = LogisticRegression(C=inverse_l2, max_iter=2000).fit(features[judged], labels[judged])
    return LateFusion(model, _stack(posteriors, None)[0].shape[2])


def fit_on_validation(tables, emotions, *, strengths=STRENGTHS):
    """Return the fusing function of a logistic regression fitted on the validation clips.

    How freely it may fit is chosen among ``strengths`` by cross-validation over the validation
    actors; where these are fewer than ``LEAST_ACTORS``, it is the smallest.

    Args:
        tables: Tables of predictions of one fold, all parts, one a modality.
        emotions: Names of the classes in order.
        strengths: See ``inverse_l2`` of ``fit_late_fusion``.

    Returns:
        A function from a list of posteriors, in the order of the tables, to posteriors, for
        ``fuse_predictions``.
    """
    clips, posteriors = align_predictions(tables, emotions)
    val = (clips["part"] == "val").to_numpy()
    actors, posteriors = clips.loc[val, "actor"].to_numpy(), [p[val] for p in posteriors]
    labels = encode_labels(clips.loc[val, "true"], emotions)
    best = min(strengths)
    if len(set(actors)) >= LEAST_ACTORS:
        best = min(strengths, key=lambda c: _cross_validate(posteriors, labels, actors, c))
    return fit_late_fusion(posteriors, labels, inverse_l2=best).predict


def _cross_validate(posteriors, labels, actors, inverse_l2):
    """Return the cross-entropy of a late fusion on actors that it was not fitted on, in nats."""
    total = 0.0
    for train, held in GroupKFold(LEAST_ACTORS).split(labels, groups=actors):
        fitted = fit_late_fusion(
            [p[train] for p in posteriors], labels[train], inverse_l2=inverse_l2
        )
        fused = take_log(fitted.predict([p[held] for p in posteriors]))
        total -= np.nansum(fused[np.arange(len(held)), labels[held]])
    return total


def predict_all(model, features, n_emotions):
    """Return a scikit-learn model's posteriors of every emotion, also of those never trained.

    Args:
        model: A fitted classifier whose labels are positions.
        features: float (clip, feature).
        n_emotions: Number of emotions.

    Returns:
        float64 (clip, emotion), ``FLOOR`` for an emotion without a training clip.
    """
    posteriors = np.full((len(features), n_emotions), FLOOR)
    posteriors[:, model.classes_] = np.maximum(model.predict_proba(features), FLOOR)
    return posteriors / posteriors.sum(axis=1, keepdims=True)


def align_predictions(tables, emotions):
    """Return several runs' predictions of the same clips, row-aligned.

    Args:
        tables: Tables of predictions (``modeling.training.runs``) of one fold, one a modality.
        emotions: Names of the classes in order.

    Returns:
        DataFrame (clip_id, actor, fold, part, true) of all clips that any run judged, sorted by
        clip id, and a list of float64 (clip, emotion), NaN where a run did not judge the clip.

    Raises:
        LeakError: A clip is in one part for one run and in another part for the next.
        ValueError: A table holds a clip twice, or runs disagree about a clip's emotion.
    """
    facts = {}
    for table in tables:
        if table["clip_id"].duplicated().any():
            raise ValueError("A table predicts a clip twice; fuse runs fold by fold.")
        for row in table[COLUMNS].itertuples(index=False, name=None):
            known = facts.setdefault(row[0], row)
            if known[3] != row[3]:
                raise LeakError(
                    f"Clip {row[0]} is in part {known[3]!r} of one run and {row[3]!r} of another; "
                    "fuse runs of the same protocol and fold."
                )
            if known[4] != row[4]:
                raise ValueError(f"Clip {row[0]} is {known[4]} in one run, {row[4]} in another.")
    clips = pd.DataFrame(sorted(facts.values()), columns=COLUMNS)
    columns = [f"p_{emotion}" for emotion in emotions]
    return clips, [
        t.set_index("clip_id")[columns].reindex(clips["clip_id"]).to_numpy(float) for t in tables
    ]


def fuse_predictions(tables, emotions, *, fuse=multiply_experts):
    """Return one table of predictions made of several runs'.

    Args:
        tables: Tables of predictions of one fold, one a modality; none needs to hold all clips.
        emotions: Names of the classes in order.
        fuse: Function from a list of posteriors to posteriors: ``multiply_experts``,
            ``average_posteriors``, or ``predict`` of a ``LateFusion``.

    Returns:
        A table like those given, of all clips that any run judged.

    Raises:
        LeakError, ValueError: See ``align_predictions``.
    """
    clips, posteriors = align_predictions(tables, emotions)
    fused = fuse(posteriors)
    return clips.assign(**{f"p_{e}": fused[:, i] for i, e in enumerate(emotions)})


def calibrate_predictions(predictions, emotions):
    """Return predictions at the temperature fitted on their own validation clips, and it.

    Args:
        predictions: Table of predictions of one fold, all parts.
        emotions: Names of the classes in order.

    Returns:
        A table like ``predictions``, and the temperature.

    Raises:
        ValueError: No validation clip.
    """
    val = (predictions["part"] == "val").to_numpy()
    if not val.any():
        raise ValueError(
            f"No clip of part 'val' among {len(predictions)} predictions; a temperature is fitted "
            "on validation clips, never on test clips. Save the predictions of all parts."
        )
    logp = take_log(predictions[[f"p_{emotion}" for emotion in emotions]])
    labels = encode_labels(predictions["true"], emotions)
    temperature = fit_temperature(logp[val], labels[val])
    return heat_predictions(predictions, emotions, temperature), temperature


def heat_predictions(predictions, emotions, temperature):
    """Return predictions at a temperature.

    Args:
        predictions: Table of predictions.
        emotions: Names of the classes in order.
        temperature: Above 1 makes them less sure.
    """
    columns = [f"p_{emotion}" for emotion in emotions]
    heated = predictions.copy()
    heated[columns] = apply_temperature(take_log(predictions[columns]), temperature)
    return heated


def _stack(posteriors, weights):
    """Return posteriors (modality, clip, emotion), which of them are there, and the weights."""
    shapes = {np.shape(p) for p in posteriors if p is not None}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2:
        raise ValueError(
            f"Posteriors have shapes {sorted(shapes)}; expected one (clip, emotion) for all "
            "modalities, aligned by align_predictions."
        )
    weights = np.ones(len(posteriors)) if weights is None else np.asarray(weights, np.float64)
    if weights.shape != (len(posteriors),) or not (weights > 0).all():
        raise ValueError(f"weights = {weights}; expected {len(posteriors)} positive numbers.")
    gap = np.full(next(iter(shapes)), np.nan)
    stack = np.stack([np.asarray(gap if p is None else p, np.float64) for p in posteriors])
    there = ~np.isnan(stack).any(axis=2)
    return np.where(there[:, :, None], stack, 0.0), there, weights


def _centre(posteriors):
    """Return centred log-posteriors (clip, modality x emotion), zero where missing, and which."""
    stack, there, _ = _stack(posteriors, None)
    logs = take_log(stack)
    logs = (logs - logs.mean(axis=2, keepdims=True)) * there[:, :, None]
    return np.concatenate(list(logs), axis=1), there
