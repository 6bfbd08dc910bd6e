"""A person of whom many windows were read is read anew, as one who is known by now.

How somebody sounds and looks whatever they display is learned from their own utterances and
windows, unlabelled (modeling/adaptation). Windows that overlap say the same twice, so a face is
known by some that do not.
"""

import numpy as np

from preprocessing.corpora import EMOTIONS

LEAST_READ = 3  # utterances or windows; what learned to adapt was never given fewer
NOBODY = 0  # whose voice is off screen


def mix_voices(rows, voices):
    """Put into rows what voices say: the mean of their utterances.

    Args:
        rows: Dictionaries with "utterances", the seconds of each by its key in ``voices``.
        voices: Posteriors, float32 (8,), by utterance.
    """
    for row in rows:
        if row["utterances"]:
            heard = [voices[utterance] for utterance in row["utterances"]]
            mean = np.average(heard, axis=0, weights=list(row["utterances"].values()))
            row |= name_columns("voice", mean)


def adapt_voices(rows, voices, networks, *, is_seen):
    """Put into rows what voices say once each person is known.

    Args:
        rows: As for `mix_voices`, with "person".
        voices: `sound.Voice` with embeddings, by utterance.
        networks: See `networks.load_networks`.
        is_seen: Whether anybody is seen in the file. Where nobody is, the voice is one person's;
            else voices off screen may be several, and stay as they are.
    """
    for own in group_people([row for row in rows if not (is_seen and row["person"] == NOBODY)]):
        spoken = sorted({utterance for row in own for utterance in row["utterances"]})
        if len(spoken) < LEAST_READ:
            continue
        posteriors = np.stack([voices[utterance].posterior for utterance in spoken])
        embeddings = np.stack([voices[utterance].embedding for utterance in spoken])
        adapted = networks.adapt("voice", posteriors, embeddings)
        mix_voices(own, dict(zip(spoken, adapted, strict=True)))


def adapt_faces(rows, networks):
    """Put into rows what faces show once each person is known.

    Args:
        rows: Dictionaries with "person", "start_s", "end_s", ``face_EMOTION`` and "embedding", None
            where no face is read.
        networks: See `networks.load_networks`.
    """
    for own in group_people([row for row in rows if row["embedding"] is not None]):
        posteriors = [[row[f"face_{emotion}"] for emotion in EMOTIONS] for row in own]
        embeddings = np.stack([row["embedding"] for row in own])
        heard = find_apart([(row["start_s"], row["end_s"]) for row in own])
        if len(heard) >= LEAST_READ:
            read = networks.adapt("face", np.array(posteriors, np.float32), embeddings, heard=heard)
            for row, posterior in zip(own, read, strict=True):
                row |= name_columns("face", posterior)


def name_columns(side, values):
    """Return values, one an emotion, by the table's columns of a side."""
    return dict(zip([f"{side}_{emotion}" for emotion in EMOTIONS], values, strict=True))


def group_people(rows):
    """Return rows as lists, one a person, in order of appearance."""
    people = {}
    for row in rows:
        people.setdefault(row["person"], []).append(row)
    return list(people.values())


def find_apart(spans):
    """Return which of some spans, (start, end) in order, do not overlap, from the first on."""
    found, until_s = [], -np.inf
    for number, (start_s, end_s) in enumerate(spans):
        if start_s >= until_s - 1e-6:
            found.append(number)
            until_s = end_s
    return found
