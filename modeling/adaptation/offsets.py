"""What is a person's own, and what is the emotion: a model of features with an offset a person.

    features = mean of the emotion + offset of the person + rest

in the principal components of a branch's embeddings, each direction by itself, in the manner of
MAP adaptation and joint factor analysis (Gauvain & Lee 1994; Kenny et al. 2007). From people whose
emotions are known follow the means, and how much offsets and the rest vary; for a new person, whose
are not, the offset is estimated together with the emotions.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax, softmax

ROUNDS = 6
"""Offset and emotions are estimated in turn so many times; later rounds change next to nothing."""

LEAST_VARIANCE = 1e-6


@dataclass(frozen=True)
class OffsetModel:
    """How features depend on emotion and person.

    Attributes:
        means: float64 (class, feature), of each emotion; zeros for one that nobody showed.
        offset_variance, rest_variance: float64 (feature,), between people, and within a person's
            clips of one emotion.
        kernel, bias: float64 (feature, class) and (class,), of a regression from features without
            their person's offset to the emotion.
    """

    means: np.ndarray
    offset_variance: np.ndarray
    rest_variance: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray

    def read(self, features, offset):
        """Return log-posteriors, float64 (clip, class), of features once an offset is taken off."""
        return log_softmax((features - offset) @ self.kernel + self.bias, axis=1)

    def estimate_offset(self, features, logs):
        """Return a person's offset, float64 (feature,), from clips whose emotions are not known.

        It is what the clips' mean has over that of the emotions which they are believed to show,
        the less trusted the fewer they are.

        Args:
            features: float (clip, feature), one clip at least.
            logs: Log-posteriors of these clips, as they are read of anybody.
        """
        trust = self.offset_variance / (
            self.offset_variance + self.rest_variance / max(len(features), 1)
        )
        for _ in range(ROUNDS):
            offset = trust * (features - softmax(logs, axis=1) @ self.means).mean(axis=0)
            logs = self.read(features, offset)
        return offset

    def centre(self, features):
        """Return the offset of a person who shows all emotions alike: the mean of the clips.

        It is pulled towards zero as if two clips had been heard that say nothing.
        """
        return features.sum(axis=0) / (len(features) + 2)


def fit_offsets(features, labels, persons, n_classes, strength):
    """Return the ``OffsetModel`` of people whose emotions are known.

    Args:
        features: float (clip, feature).
        labels: int (clip,).
        persons: Names (clip,), of who speaks.
        n_classes: How many emotions there are.
        strength: Of the head, see ``nested.fit_linear``.
    """
    from modeling.training import nested  # scikit-learn: not needed by those who only read

    features, persons = np.asarray(features, np.float64), np.asarray(persons)
    names, who = np.unique(persons, return_inverse=True)
    cells = np.full((len(names), n_classes, features.shape[1]), np.nan)
    for person, label in {*zip(who, labels, strict=True)}:
        cells[person, label] = features[(who == person) & (labels == label)].mean(axis=0)
    shown = ~np.isnan(cells[:, :, 0])
    filled = np.where(shown[:, :, None], cells, 0.0)
    offsets, means = np.zeros((len(names), features.shape[1])), None
    for _ in range(ROUNDS):  # means and offsets in turn: not everybody shows every emotion
        rest = filled - shown[:, :, None] * offsets[:, None]
        means = rest.sum(axis=0) / np.maximum(shown.sum(axis=0), 1)[:, None]
        rest = filled - shown[:, :, None] * means
        offsets = rest.sum(axis=1) / shown.sum(axis=1)[:, None]
        offsets -= offsets.mean(axis=0)
    own = features - offsets[who]
    return OffsetModel(
        means,
        offsets.var(axis=0) + LEAST_VARIANCE,
        (own - means[labels]).var(axis=0) + LEAST_VARIANCE,
        *nested.list_weights(nested.fit_linear(own, labels, strength), n_classes),
    )


def estimate_prior(logs, *, pull=1.0, rounds=10):
    """Return how frequent the emotions seem among clips, float64 (class,), and sum to 1.

    By expectation and maximization from the clips' log-posteriors (Saerens et al. 2002, "Adjusting
    the outputs of a classifier to new a priori probabilities"), pulled towards all alike as if
    ``pull`` clips of each had been seen.
    """
    n_clips, n_classes = logs.shape
    prior = np.full(n_classes, 1 / n_classes)
    for _ in range(rounds):
        believed = softmax(logs + np.log(prior), axis=1)
        prior = (believed.sum(axis=0) + pull) / (n_clips + pull * n_classes)
    return prior


def apply_prior(logs, prior):
    """Return log-posteriors once emotions are as frequent as a prior says."""
    return log_softmax(logs + np.log(prior), axis=1)
