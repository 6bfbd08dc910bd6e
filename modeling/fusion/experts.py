"""Late fusion: what each branch believes, put together. ``fit_product`` is the whole way.

    tables of the branches, aligned by clip      align_predictions
    each at its own temperature                  calibrate_predictions
    averaged within a modality, at another       average_posteriors
    multiplied across modalities, at a last one  multiply_experts

Branches that hear the same voice err together, and a product of them would be far too sure; voice
and face err apart, and their product lets the surer one decide (Hinton 2002). All temperatures are
fitted on validation clips, each on posteriors as calibrated as they will be used.

``tables`` are tables of predictions (``modeling.training.runs``) of one fold, all parts; ``groups``
the names of the branches by modality; ``emotions`` the names of the classes in order. Posteriors
are float (clip, emotion); a clip that a modality cannot judge has a row of NaN.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from modeling.scores.metrics import encode_labels
from modeling.split.protocol import LeakError

FLOOR = 1e-7
"""Smallest posterior: a modality may be almost sure, never forbid what the others say."""

COLUMNS = ["clip_id", "actor", "fold", "part", "true"]


@dataclass(frozen=True)
class ModalityProduct:
    """A fitted late fusion: its temperatures by branch, by modality, and the last one."""

    emotions: tuple
    groups: dict
    branch_temperatures: dict
    modality_temperatures: dict
    last_temperature: float

    def fuse(self, tables):
        """Return one table of predictions made of branches' own, some of which may be missing.

        Raises:
            LeakError, ValueError: See ``align_predictions``.
        """
        averages = average_modalities(self.calibrate(tables), self.groups, self.emotions)
        heated = [
            heat_predictions(average, self.emotions, self.modality_temperatures[modality])
            for modality, average in averages.items()
        ]
        fused = fuse_predictions(heated, self.emotions)
        return heat_predictions(fused, self.emotions, self.last_temperature)

    def calibrate(self, tables):
        """Return branches' tables of predictions, each at its own temperature."""
        return {
            name: heat_predictions(table, self.emotions, self.branch_temperatures[name])
            for name, table in tables.items()
        }


def fit_product(tables, emotions, groups):
    """Return the ``ModalityProduct`` of branches' tables, fitted on the validation clips.

    Raises:
        ValueError: No validation clip.
    """
    calibrated, of_branches = _calibrate_each(tables, emotions)
    averages = average_modalities(calibrated, groups, emotions)
    averages, of_modalities = _calibrate_each(averages, emotions)
    _, last = calibrate_predictions(fuse_predictions(averages.values(), emotions), emotions)
    return ModalityProduct(tuple(emotions), groups, of_branches, of_modalities, last)


def average_modalities(tables, groups, emotions):
    """Return the mean of each modality's branches as a table of predictions by modality."""
    modality_of = {name: modality for modality, names in groups.items() for name in names}
    present = {}
    for name, table in tables.items():
        present.setdefault(modality_of[name], []).append(table)
    return {
        modality: fuse_predictions(own, emotions, fuse=average_posteriors)
        for modality, own in present.items()
    }


def _calibrate_each(tables, emotions):
    """Return tables by name at the temperatures fitted on them, and these."""
    fitted = {name: calibrate_predictions(table, emotions) for name, table in tables.items()}
    return {n: table for n, (table, _) in fitted.items()}, {n: t for n, (_, t) in fitted.items()}


def align_predictions(tables, emotions):
    """Return several runs' predictions of the same clips, row-aligned.

    Returns:
        DataFrame (``COLUMNS``) of all clips that any run judged, sorted by clip id, and a list of
        float64 (clip, emotion), NaN where a run did not judge the clip.

    Raises:
        LeakError: A clip is in one part for one run and in another part for the next.
        ValueError: A table holds a clip twice, or runs disagree about a clip's emotion.
    """
    tables = list(tables)
    if any(table["clip_id"].duplicated().any() for table in tables):
        raise ValueError("A table predicts a clip twice; fuse runs fold by fold.")
    clips = pd.concat([table[COLUMNS] for table in tables])
    clips = clips.drop_duplicates(["clip_id", "part", "true"])
    for other in clips[clips["clip_id"].duplicated()].itertuples():
        one = next(clips[clips["clip_id"] == other.clip_id].itertuples())
        if one.part != other.part:
            raise LeakError(
                f"Clip {one.clip_id} is in part {one.part!r} of one run and {other.part!r} of "
                "another; fuse runs of the same protocol and fold."
            )
        raise ValueError(f"Clip {one.clip_id} is {one.true} in one run, {other.true} in another.")
    clips = clips.sort_values("clip_id", ignore_index=True)
    posteriors = [table.set_index("clip_id")[_name_columns(emotions)] for table in tables]
    return clips, [own.reindex(clips["clip_id"]).to_numpy(float) for own in posteriors]


def calibrate_predictions(predictions, emotions):
    """Return predictions at the temperature fitted on their own validation clips, and it.

    Raises:
        ValueError: No validation clip.
    """
    val = predictions[predictions["part"] == "val"]
    if val.empty:
        raise ValueError(
            f"No clip of part 'val' among {len(predictions)} predictions; a temperature is fitted "
            "on validation clips, never on test clips. Save the predictions of all parts."
        )
    logp = take_log(val[_name_columns(emotions)])
    temperature = fit_temperature(logp, encode_labels(val["true"], emotions))
    return heat_predictions(predictions, emotions, temperature), temperature


def heat_predictions(predictions, emotions, temperature):
    """Return a table of predictions at a temperature; above 1 makes them less sure."""
    columns = _name_columns(emotions)
    heated = predictions.copy()
    heated[columns] = apply_temperature(take_log(predictions[columns]), temperature)
    return heated


def average_posteriors(posteriors):
    """Return the mean of the posteriors that each clip has in a list of them."""
    stack, there = stack_posteriors(posteriors)
    totals, counts = stack.sum(axis=0), there.sum(axis=0)[:, None]
    return np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0)


def multiply_experts(posteriors):
    """Return the product of the experts that judged each clip.

    If modalities err independently given the emotion, and all emotions are as frequent, then
    p(emotion | all) ∝ Π p(emotion | one). Hinton 2002, "Training products of experts by minimizing
    contrastive divergence"; Bishop 2006, section 1.5.4. A clip with one modality keeps that one's.
    """
    stack, there = stack_posteriors(posteriors)
    fused = softmax((take_log(stack) * there[:, :, None]).sum(axis=0), axis=1)
    fused[~there.any(axis=0)] = np.nan
    return fused


def fuse_predictions(tables, emotions, *, fuse=multiply_experts):
    """Return one table of predictions made of several runs', see ``align_predictions``.

    ``fuse`` is a function from a list of posteriors to posteriors.
    """
    clips, posteriors = align_predictions(tables, emotions)
    return clips.assign(**dict(zip(_name_columns(emotions), fuse(posteriors).T, strict=True)))


def stack_posteriors(posteriors):
    """Return posteriors (modality, clip, emotion), zeros for NaN, and which of them are there."""
    stack = np.stack(posteriors).astype(np.float64)
    there = ~np.isnan(stack).any(axis=2)
    return np.where(there[:, :, None], stack, 0.0), there


def take_log(posteriors):
    """Return log-posteriors, float64 (clip, emotion), of posteriors not below ``FLOOR``."""
    return np.log(np.maximum(np.asarray(posteriors, np.float64), FLOOR))


def fit_temperature(logp, labels):
    """Return the temperature that makes posteriors most honest on these clips.

    One number for all classes: it cannot change which class is largest. Guo et al. 2017, "On
    calibration of modern neural networks".

    Args:
        logp: Log-posteriors or logits of validation clips.
        labels: int (clip,).

    Returns:
        float in [0.05, 20] with the least cross-entropy: above 1 the model was too sure.

    Raises:
        ValueError: A log-posterior is NaN or infinite.
    """
    logp = np.asarray(logp, np.float64)
    if not np.isfinite(logp).all():
        raise ValueError("logp holds NaN or infinity; leave such clips out, take logs by take_log.")
    rows = np.arange(len(labels))

    def cross_entropy(log_temperature):
        return -log_softmax(logp / np.exp(log_temperature), axis=1)[rows, labels].mean()

    best = minimize_scalar(cross_entropy, bounds=np.log([0.05, 20]), method="bounded")
    return float(np.exp(best.x))


def apply_temperature(logp, temperature):
    """Return posteriors, float64 (clip, emotion), of log-posteriors at a temperature."""
    return softmax(np.asarray(logp, np.float64) / temperature, axis=1)


def _name_columns(emotions):
    """Return the columns of a table of predictions that hold the posteriors."""
    return [f"p_{emotion}" for emotion in emotions]
