"""Scikit-learn's classifiers as networks: the same posteriors, also of classes never met."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from modeling.fusion import experts
from modeling.training import classifier_networks, classifiers


@pytest.mark.parametrize("classifier", [LogisticRegression(C=0.1), SVC(C=3, gamma=0.1)])
@pytest.mark.parametrize("met", [[0, 1, 3, 4], [1, 3]])
def test_network_says_what_the_classifier_says(classifier, met):
    rng = np.random.default_rng(3)
    labels = rng.choice(met, 60)
    features = rng.normal(5, 3, (60, 7)) + labels[:, None]
    model = make_pipeline(StandardScaler(), classifier).fit(features, labels)
    network = classifier_networks.build_network(model, 5, 1.7)
    found = network.predict(features.astype(np.float32), verbose=0)
    logs = classifiers.read_log_posteriors(model, features, 5)
    np.testing.assert_allclose(found, experts.apply_temperature(logs, 1.7), atol=2e-5)
