"""Scikit-learn's classifiers of scaled features as Keras models, so that a run can keep them."""

from itertools import combinations

import numpy as np

from data_augmentation.quiet_keras import keras
from modeling.training import classifiers

ops, layers = keras.ops, keras.layers


def build_network(pipeline, n_classes, temperature):
    """Return a fitted scaler and classifier as one network.

    Args:
        pipeline: StandardScaler, then LogisticRegression or an SVC of radial kernel; its labels are
            positions among all classes.
        n_classes: How many classes there are, with those that it never met.
        temperature: At which its log-softmax is honest.

    Returns:
        Keras model from ``features`` to posteriors; its layer ``embedding`` gives the scaled
        features.
    """
    scaler, classifier = pipeline[0], pipeline[-1]
    start = keras.Input((scaler.n_features_in_,), name="features")
    scale = {"mean": scaler.mean_, "variance": scaler.scale_**2}
    x = layers.Normalization(**scale, name="embedding")(start)
    x = _measure_linear(classifier, x) if hasattr(classifier, "coef_") else _compare(classifier, x)
    chosen = np.eye(n_classes, dtype=np.float32)[classifier.classes_]
    unmet = np.log(classifiers.UNMET) * (1 - chosen.sum(axis=0))
    x = ops.matmul(ops.log_softmax(x), chosen) + unmet.astype(np.float32)
    posterior = layers.Softmax(name="posterior")(x / float(temperature))
    return keras.Model(start, posterior, name="audio_features")


def _measure_linear(classifier, x):
    """Return the distances of a linear classifier, of the classes that it met."""
    n_classes = classifier.classes_.max() + 1
    weights = classifiers.read_weights(classifier, n_classes)[classifier.classes_]
    dense = layers.Dense(len(weights), name="distances")
    distances = dense(x)
    dense.set_weights([weights.T, classifiers.read_biases(classifier)])
    return distances


def _compare(classifier, x):
    """Return the distances of a support vector machine: votes of all pairs, and how clear they are.

    As scikit-learn's ``decision_function`` gives them, of the classes that it met.
    """
    vectors = layers.Dense(len(classifier.support_vectors_), name="vectors")
    products = vectors(x)
    squares = (classifier.support_vectors_**2).sum(axis=1)
    vectors.set_weights([2 * classifier.support_vectors_.T, -squares])
    alike = ops.exp(classifier._gamma * (products - ops.sum(x * x, axis=1, keepdims=True)))
    if len(classifier.classes_) == 2:
        dense = layers.Dense(1, name="pairs")
        distance = dense(alike)
        dense.set_weights([classifier.dual_coef_.T, classifier.intercept_])
        return ops.concatenate([-distance / 2, distance / 2], axis=1)
    pairs = list(combinations(range(len(classifier.classes_)), 2))
    owners = np.repeat(np.arange(len(classifier.classes_)), classifier.n_support_)
    weights = [
        np.where(owners == a, classifier.dual_coef_[b - 1], 0)
        + np.where(owners == b, classifier.dual_coef_[a], 0)
        for a, b in pairs
    ]
    dense = layers.Dense(len(pairs), name="pairs")
    decided = dense(alike)
    dense.set_weights([np.transpose(weights), classifier.intercept_])
    one = np.eye(len(classifier.classes_), dtype=np.float32)
    first, second = (one[[pair[n] for pair in pairs]] for n in (0, 1))
    sure = ops.matmul(decided, first - second)
    won = ops.cast(decided >= 0, "float32")
    votes = ops.matmul(won, first) + ops.matmul(1 - won, second)
    return votes + sure / (3 * (ops.abs(sure) + 1))
