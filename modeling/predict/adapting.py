"""What a long recording of a person is worth: windows read again, once the person is known.

Nobody says what the windows show; see ``modeling/adaptation``.
"""

import numpy as np
import pandas as pd

from modeling.predict.judging import name_answer
from modeling.predict.timeline import Timeline
from preprocessing.corpora import EMOTIONS

READERS = {"voice": "listen", "face": "watch"}


class Remembering:
    """Networks that keep the embedding of everything that they read; see `networks.Networks`.

    A row of a table finds its own again by its posteriors, which are equal to the last bit.
    """

    def __init__(self, networks):
        self._networks, self._kept = networks, {}

    def __getattr__(self, name):
        """Return what the networks inside have of this name."""
        return getattr(self._networks, name)

    def hear(self, waveforms):
        """See `networks.Networks.hear`."""
        posteriors, embeddings = self._networks.listen(waveforms)
        for own, embedding in zip(posteriors, embeddings, strict=True):
            self._kept["voice", own.tobytes()] = embedding
        return posteriors

    def judge(self, expressions, times=None):
        """See `networks.Networks.judge`."""
        posterior, embedding = self._networks.watch(expressions)
        self._kept["face", posterior.tobytes()] = embedding
        return posterior

    def recall(self, side, posteriors):
        """Return the embeddings of float32 posteriors (row, 8); rows of NaN where nothing is read.

        Raises:
            KeyError: They were not read by these networks.
        """
        there = np.isfinite(posteriors).all(axis=1)
        found = [self._kept[side, own.tobytes()] for own in posteriors[there]]
        embeddings = np.full((len(posteriors), len(found[0]) if found else 1), np.nan, np.float32)
        embeddings[there] = found if found else 0
        return embeddings


def adapt_timeline(timeline, networks):
    """Return a `Timeline` as it would be had each person been known before.

    Args:
        timeline: What ``predict_clip(..., networks=networks)`` gave, or several joined.
        networks: `Remembering`.
    """
    table = timeline.table.copy()
    for person in sorted(set(table["person"]) - {0}):  # voices off screen may be several people's
        rows = np.flatnonzero(table["person"] == person)
        for side in READERS:
            columns = [f"{side}_{emotion}" for emotion in EMOTIONS]
            posteriors = table.loc[rows, columns].to_numpy(np.float32)
            there = np.isfinite(posteriors).all(axis=1)
            if there.any():
                heard = choose_apart(table.loc[rows, ["start_s", "end_s"]].to_numpy(float), there)
                embeddings = networks.recall(side, posteriors)
                table.loc[rows, columns] = networks.adapt(side, posteriors, embeddings, heard)
    sides = [table[[f"{side}_{e}" for e in EMOTIONS]].to_numpy(np.float32) for side in READERS]
    both = networks.fuse(*sides)
    table[[f"both_{emotion}" for emotion in EMOTIONS]] = both
    for row in np.flatnonzero(table["emotion"] != ""):
        table.loc[row, ["emotion", "confidence"]] = name_answer(both[row], networks)
    return Timeline(table, timeline.faces, timeline.facts)


def choose_apart(spans, there):
    """Return which windows, float (window, 2), that are ``there`` do not overlap, bool (window,).

    The first one is chosen, then each that starts where the last one ends, or later.
    """
    chosen, until_s = np.zeros(len(spans), bool), -np.inf
    for row in np.flatnonzero(there):
        if spans[row, 0] >= until_s - 1e-6:
            chosen[row], until_s = True, spans[row, 1]
    return chosen


def join_timelines(timelines, title):
    """Return the timelines of several clips of the same people as that of one recording.

    Its clips follow each other; faces keep their number.
    """
    tables, faces, now_s = [], [], 0.0
    for own in timelines:
        start_s, end_s = own.table["start_s"].min(), own.table["end_s"].max()
        shift_s = now_s - start_s
        tables.append(own.table.assign(start_s=own.table["start_s"] + shift_s))
        tables[-1]["end_s"] += shift_s
        faces.append(own.faces.assign(time_s=own.faces["time_s"] + shift_s))
        now_s += end_s - start_s
    table, faces = (pd.concat(parts, ignore_index=True) for parts in (tables, faces))
    facts = timelines[0].facts | {"file": title, "duration_s": now_s, "start_s": 0.0}
    return Timeline(table, faces, facts)
