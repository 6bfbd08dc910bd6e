"""Linear heads on frozen networks, whose every choice is made inside the actors a fold knows.

A head that trains in seconds can be trained many times. So what a fold does not test is dealt into
``N_INNER`` shares, gender by gender, and each share is judged by a head that never met its actors:
on these answers, *out of fold*, everything is chosen, and later the fusion fitted (Stone 1974,
"Cross-validatory choice and assessment of statistical predictions"). The actors that the fold tests
have no part in it.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import log_softmax
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from modeling.scores import metrics
from modeling.split.folds import get_protocol
from modeling.split.protocol import deal_groups, name_takes
from modeling.training import classifiers
from modeling.training.inputs import Parts

N_INNER = 5
LEAST_DEVIATION = 1e-3
"""What hardly varies is not blown up to the size of what does."""


@dataclass(frozen=True)
class Components:
    """Features scaled and turned to their principal components.

    Attributes:
        mean, deviation: float32 (feature,), over the clips that a fold knows.
        axes: float32 (feature, component), orthonormal.
    """

    mean: np.ndarray
    deviation: np.ndarray
    axes: np.ndarray

    def project(self, features):
        """Return the components of features (clip, ...), float32 (clip, component)."""
        flat = np.asarray(features, np.float32).reshape(len(features), -1)
        return ((flat - self.mean) / self.deviation) @ self.axes


def find_components(features, n_components, *, seed=0):
    """Return the ``Components`` of features (clip, ...); no label is looked at."""
    flat = np.asarray(features, np.float32).reshape(len(features), -1)
    mean, deviation = flat.mean(axis=0), flat.std(axis=0) + LEAST_DEVIATION
    n_components = min(n_components, *flat.shape)
    pca = PCA(n_components, svd_solver="randomized", random_state=seed)
    return Components(mean, deviation, pca.fit((flat - mean) / deviation).components_.T)


def pool_known(parts):
    """Return the parts of a fold as two: ``train``, all clips that are not tested, and ``test``.

    First come the protocol's training clips, then its validation clips, see ``part_known``.
    """
    pooled = {"train": join_parts(parts, "train", "val"), "test": parts["test"]}
    return Parts(pooled, origin=parts.origin, array=parts.array)


def join_parts(parts, *names):
    """Return some parts of a fold as one ``Part``, which bears the name of the first."""
    own = [parts[name] for name in names]
    return replace(
        own[0],
        x=np.concatenate([part.x for part in own]),
        labels=np.concatenate([part.labels for part in own]),
        clips=pd.concat([part.clips for part in own], ignore_index=True),
    )


def part_known(values, parts):
    """Return values (clip, ...) of the pooled clips by the part that each has in its protocol."""
    n_train = len(parts["train"])
    return {"train": values[:n_train], "val": values[n_train:]}


def deal_inner(clips, protocol):
    """Return the inner share of every clip, int (clip,) from 1 to ``N_INNER`` or fewer.

    Clips that the protocol keeps together where it validates (of an actor, of a statement, of a
    take) are in one share.
    """
    column = get_protocol(protocol).val_group
    groups = clips[column] if column else pd.Series(name_takes(clips), index=clips.index)
    if groups.nunique() < 2:
        groups = pd.Series(name_takes(clips), index=clips.index)
    return deal_groups(clips, groups, N_INNER)


def fit_linear(features, labels, strength, corpora=None):
    """Return a logistic regression in which rare emotions count as much as frequent ones.

    Args:
        features: float (row, component): clips, then any copies of them all in the same order.
        labels: int (clip,).
        strength: scikit-learn's C: larger fits closer.
        corpora: Names (clip,), of which each corpus is to count as much as the others; or None.
    """
    n_times, model = len(features) // len(labels), LogisticRegression(C=strength, max_iter=1000)
    labels = np.tile(labels, n_times)
    corpora = None if corpora is None else np.tile(corpora, n_times)
    with threadpool_limits(1):  # on problems as small as these, threads wait for each other
        return model.fit(features, labels, sample_weight=weigh_rows(labels, corpora))


def weigh_rows(labels, corpora=None):
    """Return how much each row counts, float64 (row,), 1 in the mean; see ``fit_linear``."""
    names = np.zeros(len(labels)) if corpora is None else corpora
    cells = pd.DataFrame({"corpus": names, "label": labels})
    sizes = cells.groupby(["corpus", "label"])["label"].transform("size")
    n_shown = cells.groupby("corpus")["label"].transform("nunique")
    weights = 1 / (sizes * n_shown).to_numpy(float)
    return weights / weights.mean()


def judge_out_of_fold(features, labels, inner, strength, n_classes, corpora=None):
    """Return what heads say of clips whose share they never met, log-posteriors.

    Args:
        features: float (row, component): all clips, then any copies of all of them in the same
            order, which train and are not judged.
        labels, inner: int (clip,), and the share of each.
        strength, corpora: See ``fit_linear``; the latter (clip,).
        n_classes: How many emotions there are.

    Returns:
        float64 (clip, class).
    """
    n_clips, n_times = len(labels), len(features) // len(labels)
    logs = np.empty((n_clips, n_classes))
    for share in np.unique(inner):
        met = inner != share
        if len(set(labels[met])) < 2:  # a corpus of few clips: nothing to tell apart
            logs[inner == share] = -np.log(n_classes)
            continue
        names = None if corpora is None else corpora[met]
        model = fit_linear(features[np.tile(met, n_times)], labels[met], strength, names)
        held = features[:n_clips][inner == share]
        logs[inner == share] = classifiers.read_log_posteriors(model, held, n_classes)
    return logs


def measure_loss(logs, labels):
    """Return the mean over emotions of the cross-entropy in nats; a blind guess of 8 has 2.08."""
    own = -log_softmax(logs, axis=1)[np.arange(len(labels)), labels]
    return float(np.mean([own[labels == label].mean() for label in np.unique(labels)]))


def score_out_of_fold(logs, labels):
    """Return the ``loss`` (``measure_loss``) and the ``UAR`` of log-posteriors, by name."""
    recall = metrics.unweighted_recall(labels, logs.argmax(axis=1), logs.shape[1])
    return {"loss": measure_loss(logs, labels), "UAR": recall}


def list_weights(model, n_classes, temperature=1.0):
    """Return a fitted regression as a Keras softmax layer takes it: float32 kernel and bias.

    A class that no clip showed has the probability ``classifiers.UNMET``, about.
    """
    weights = classifiers.read_weights(model, n_classes).T / temperature
    bias = np.full(n_classes, np.log(classifiers.UNMET))
    bias[model.classes_] = classifiers.read_biases(model) / temperature
    return [weights.astype(np.float32), bias.astype(np.float32)]
