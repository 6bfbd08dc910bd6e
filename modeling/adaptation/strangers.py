"""Scores on corpora that a network has never met, whose emotions may be others than its own.

Of a corpus without *calm*, calm counts as *neutral*; emotions that it does not have at all are no
answers there. So numbers of corpora with other emotions are not comparable with each other, but
those of networks on one corpus are.
"""

import numpy as np
import pandas as pd

from modeling.scores import metrics
from modeling.split.protocol import deal_groups
from modeling.training import nested, runs
from preprocessing.corpora import EMOTIONS

CALM, NEUTRAL = EMOTIONS.index("calm"), EMOTIONS.index("neutral")
LEAST = 1e-12


def limit_emotions(predictions):
    """Return posteriors of one corpus's clips over the emotions that it shows.

    Args:
        predictions: Table of predictions of the whole corpus, of any emotions.

    Returns:
        float64 (clip, 8), of ``EMOTIONS``: rows that sum to 1, zeros for what it does not show.
    """
    found, emotions = runs.read_posteriors(predictions)
    limited = np.full((len(found), len(EMOTIONS)), LEAST)
    limited[:, [EMOTIONS.index(emotion) for emotion in emotions]] += found
    shown = np.isin(EMOTIONS, np.unique(predictions["true"]))
    if not shown[CALM] and shown[NEUTRAL]:
        limited[:, NEUTRAL] += limited[:, CALM]
    limited *= shown
    return limited / limited.sum(axis=1, keepdims=True)


def score_strangers(predictions):
    """Return scores by corpus of a table of predictions with a column ``corpus``.

    Returns:
        DataFrame, a row a corpus: ``emotions``, ``people``, ``clips``, ``UAR``, ``chance``, ``most
        said``, the emotion said most beyond its share of the clips, and ``times`` that share.
    """
    rows = {}
    for corpus, own in predictions.groupby("corpus", sort=False):
        true = metrics.encode_labels(own["true"], EMOTIONS)
        said = limit_emotions(own).argmax(axis=1)
        times = measure_answers(own)
        rows[corpus] = {
            "emotions": len(times),
            "people": own["actor"].nunique(),
            "clips": own["clip_id"].nunique(),
            "UAR": metrics.unweighted_recall(true, said, len(EMOTIONS)),
            "chance": 1 / len(times),
            "most said": times.idxmax(),
            "times": times.max(),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def measure_answers(predictions):
    """Return how many times as often as it is shown each emotion of a corpus is said, a Series."""
    said = pd.Series(np.array(EMOTIONS)[limit_emotions(predictions).argmax(axis=1)])
    shown = predictions["true"].value_counts().reindex(EMOTIONS).dropna()
    return said.value_counts().reindex(shown.index).fillna(0) / shown


def guess_corpus(features, corpora, persons, *, n_shares=5, strength=0.001):
    """Return how well a linear probe tells from features of which corpus a voice is.

    Persons are dealt into shares, and those of each are judged by a probe that met the others.

    Args:
        features: float (clip, feature).
        corpora, persons: Names (clip,).

    Returns:
        The mean of the corpora's recalls; NaN where there is one corpus only, or one of which all
        persons would be in one share.
    """
    names, labels = np.unique(corpora, return_inverse=True)
    people = pd.DataFrame({"gender": corpora, "actor": persons})
    shares = deal_groups(people, persons, n_shares)
    met = {share: set(labels[shares != share]) for share in np.unique(shares)}
    if len(names) < 2 or any(len(own) < len(names) for own in met.values()):
        return np.nan
    rows = nested.find_components(features, 100).project(features)
    logs = nested.judge_out_of_fold(rows, labels, shares, strength, len(names))
    return metrics.unweighted_recall(labels, logs.argmax(axis=1), len(names))
