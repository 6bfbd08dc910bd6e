"""A person of whom many windows were read is read anew, as one who is known by now.

How somebody sounds and looks whatever they display is learned from their own windows, unlabelled
(modeling/adaptation). Windows that overlap say the same twice, so a person is known by some that
do not.
"""

import numpy as np

from preprocessing.corpora import EMOTIONS

SIDES = ("voice", "face")
LEAST_WINDOWS = 3  # that do not overlap; what learned to adapt was never given fewer
NOBODY = 0  # whose voice is off screen


def adapt_rows(rows, networks, *, is_seen):
    """Put into rows what voices and faces say once each person is known.

    Args:
        rows: Dictionaries with "person", "start_s", "end_s", ``SIDE_EMOTION`` and, where a side is
            read, ``SIDE_embedding``, which is taken out.
        networks: See `networks.load_networks`.
        is_seen: Whether anybody is seen in the file. Where nobody is, the voice is one person's;
            else voices off screen may be several, and stay as they are.
    """
    for side in SIDES:
        columns, people = [f"{side}_{emotion}" for emotion in EMOTIONS], {}
        for row in rows:
            embedding = row.pop(f"{side}_embedding", None)
            if embedding is not None and not (is_seen and row["person"] == NOBODY):
                people.setdefault(row["person"], []).append((row, embedding))
        for own in people.values():
            read, embeddings = zip(*own, strict=True)
            posteriors = np.array([[row[name] for name in columns] for row in read], np.float32)
            heard = find_apart([(row["start_s"], row["end_s"]) for row in read])
            if len(heard) < LEAST_WINDOWS:
                continue
            adapted = networks.adapt(side, posteriors, np.stack(embeddings), heard=heard)
            for row, posterior in zip(read, adapted, strict=True):
                row |= dict(zip(columns, posterior.tolist(), strict=True))


def find_apart(spans):
    """Return which of some spans, (start, end) in order, do not overlap, from the first on."""
    found, until_s = [], -np.inf
    for number, (start_s, end_s) in enumerate(spans):
        if start_s >= until_s - 1e-6:
            found.append(number)
            until_s = end_s
    return found
