"""What scikit-learn's classifiers say, for all classes, also those that they never met.

Their own arrays hold the classes of their training clips only, and of two classes a single one.
``classes_`` are positions among all classes.
"""

import numpy as np
from scipy.special import log_softmax

UNMET = 1e-7
"""Posterior of a class without a training clip, before any temperature."""


def read_log_posteriors(model, features, n_classes):
    """Return the log-softmax of a fitted classifier's distances, float64 (clip, class)."""
    distances = _pair(model.decision_function(features).T).T
    logs = np.full((len(features), n_classes), np.log(UNMET))
    logs[:, model.classes_] = log_softmax(distances, axis=1)
    return logs


def read_weights(model, n_classes):
    """Return a fitted linear classifier's weights, float64 (class, feature), zeros where unmet."""
    weights = np.zeros((n_classes, model.coef_.shape[1]))
    weights[model.classes_] = _pair(model.coef_)
    return weights


def read_biases(model):
    """Return a fitted linear classifier's intercepts, float64 (class,) of the classes it met."""
    return _pair(model.intercept_[:, None]).ravel()


def _pair(values):
    """Return values, the class first, of two classes as a row for each: half against, half for."""
    if values.ndim == 1 or len(values) == 1:
        return np.stack([-values.ravel() / 2, values.ravel() / 2])
    return values
