"""The leak meter: how much a split that shares speakers flatters the same model."""

import numpy as np
import pandas as pd
from sklearn.base import clone

from modeling.scores import metrics
from modeling.split import protocol
from preprocessing.disk import arrays


def measure_leak(clips, features, model, *, split):
    """Return a model's scores with a random split, with the honest one and with known voices.

    All train on all that is not tested, so that none is helped by more training clips. The last
    row splits as the honest one does, but takes from each clip's features the mean of all clips of
    its actor: no label of a test actor is used, their other clips are (*transductive*). It says
    what a system gains that has heard a person before.

    A fold that these clips cannot fill, or whose training clips show one emotion, is left out.

    Args:
        clips: DataFrame with the columns of ``corpora.COLUMNS``.
        features: float (clip, feature), row-aligned.
        model: A scikit-learn classifier with all its choices made; copies of it are trained.
        split: Name of the honest protocol.

    Returns:
        DataFrame indexed by ``random split``, ``by <group>`` and ``by <group>, actors centred``:
        mean ``accuracy`` and ``unweighted_recall`` of the folds, ``train_clips`` of the first fold,
        ``known_speakers``: whether other clips of the tested actors are used.
    """
    emotions = arrays.list_emotions(clips)
    labels = metrics.encode_labels(clips["emotion"], emotions)
    rows, group = {}, protocol.get_protocol(split).group
    centred = features - pd.DataFrame(features).groupby(clips["actor"].to_numpy()).transform("mean")
    ways = (
        ("random split", "random", features, True),
        (f"by {group}", split, features, group != "actor"),
        (f"by {group}, actors centred", split, centred.to_numpy(), True),
    )
    for title, name, x, known in ways:
        scores, n_train = [], None
        for fold in range(1, protocol.count_folds(name, clips) + 1):
            try:
                parts = protocol.split_clips(clips, protocol=name, fold=fold, allow_leak=True)
            except protocol.EmptyPartError:
                continue
            train, test = np.isin(parts, ("train", "val")), parts == "test"
            if len(np.unique(labels[train])) < 2:
                continue
            n_train = n_train or int(train.sum())
            predicted = clone(model).fit(x[train], labels[train]).predict(x[test])
            recall = metrics.unweighted_recall(labels[test], predicted, len(emotions))
            scores.append((metrics.accuracy(labels[test], predicted), recall))
        rows[title] = (*np.mean(scores, axis=0), n_train, known)
    columns = ["accuracy", "unweighted_recall", "train_clips", "known_speakers"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("split")
