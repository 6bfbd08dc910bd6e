"""FER2013 as a network meets it: batches with labels and votes as targets, scores, tables."""

import numpy as np
import pandas as pd

from modeling.expressions.fer2013 import CLASSES
from modeling.scores import metrics
from modeling.training.inputs import draw_batches

COLUMNS = {"fer2013": slice(0, len(CLASSES)), "ferplus": slice(len(CLASSES), None)}
"""The network's outputs, and where their targets stand when both lie side by side."""


def make_batches(part, *, votes=0.5, batch_size=128, augment=None, mix=None, seed=None):
    """Return batches of FER2013's faces with both targets, as a ``tf.data.Dataset``.

    Args:
        part: ``fer2013.Faces``.
        votes: Weight of the crowd's votes in the targets of ``fer2013``; the labels have the rest.
        augment: Layer or model for face sequences (clip, time, height, width); training part only.
        batch_size, mix, seed: As for ``inputs.make_batches``.

    Returns:
        Batches of float32 faces (face, 48, 48, 1), 0 to 255, targets by output and weights by
        output. A face without votes weighs nothing for ``ferplus``; targets of zeros alone would
        not do, since TensorFlow takes for granted that they sum to one: their loss is zero, its
        gradient is not, and pushes the outputs away without end.
    """
    import tensorflow as tf

    labels = np.eye(len(CLASSES), dtype=np.float32)[part.labels]
    own = part.votes[:, : len(CLASSES)]
    sums = own.sum(axis=1, keepdims=True)
    shares = np.divide(own, sums, out=labels.copy(), where=sums > 0.2)
    targets = np.concatenate([(1 - votes) * labels + votes * shares, part.votes], axis=1)

    def weigh(faces, targets):
        own, weights = {}, {}
        for name, columns in COLUMNS.items():
            values = targets[:, columns]
            sums = tf.reduce_sum(values, axis=1, keepdims=True)
            own[name] = tf.where(sums > 0, values / sums, 1 / values.shape[1])
            weights[name] = sums[:, 0]
        return faces[:, 0, :, :, None], own, weights

    rows, sequences = np.arange(len(part)), part.x[:, None]
    settings = {"batch_size": batch_size, "seed": seed, "augment": augment, "mix": mix}
    return draw_batches((sequences, targets), rows, **settings).map(weigh).prefetch(2)


def score_faces(part, seven, eight):
    """Return the scores of a part of FER2013, ``fer2013.Faces``.

    Posteriors (face, 7) are judged by labels, (face, 8) by the crowd's majority where there is one.
    """
    found, clear = seven.argmax(axis=1), part.majority >= 0
    return {
        "FER2013, 7 classes": metrics.accuracy(part.labels, found),
        "FER2013, mean recall": metrics.unweighted_recall(part.labels, found, len(CLASSES)),
        "FER+, 8 classes": metrics.accuracy(part.majority[clear], eight[clear].argmax(axis=1)),
        "faces": len(part),
        "faces with a majority": int(clear.sum()),
    }


def tabulate_faces(labels, posteriors, classes, *, fold):
    """Return the table of predictions of FER2013's test faces; who they are is not known.

    Labels are int (face,), posteriors float (face, class); a face with a label below 0 is left out.
    """
    rows = np.flatnonzero(labels >= 0)
    facts = {"clip_id": [f"{row:05d}" for row in rows], "actor": "", "fold": fold, "part": "test"}
    facts["true"] = np.array(classes)[labels[rows]]
    columns = {f"p_{name}": posteriors[rows, i].round(6) for i, name in enumerate(classes)}
    return pd.DataFrame(facts | columns)
