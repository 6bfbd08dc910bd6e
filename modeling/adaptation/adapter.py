"""What reads a person once unlabelled clips of that person are at hand; saved with the networks."""

from dataclasses import dataclass, fields

import numpy as np
from scipy.special import log_softmax

from modeling.adaptation import guard, offsets


@dataclass(frozen=True)
class Adapter:
    """What reads a person once unlabelled clips of that person are at hand.

    Attributes:
        model: ``offsets.OffsetModel``.
        guard: ``guard.Guard``.
        temperature: Of what is read so, 1 where it has not been calibrated.
    """

    model: offsets.OffsetModel
    guard: guard.Guard
    temperature: float = 1.0

    def read(self, features, logs, heard=None):
        """Return log-posteriors (clip, class) of one person's clips, see ``guard.read_ways``."""
        mixed = self.guard.mix(*guard.read_ways(self.model, features, logs, heard))
        return log_softmax(mixed / self.temperature, axis=1)

    def read_people(self, features, logs, persons, *, n_heard=None, rng=None):
        """Return log-posteriors, float64 (clip, class), of clips of several people.

        Args:
            features, logs: As for ``read``.
            persons: Names (clip,), of who speaks.
            n_heard: How many *other* clips of the person are heard, drawn at random, where there
                are so many; None: all clips of the person, those that are judged too.
            rng: ``numpy.random.Generator``, for the draw.
        """
        read = np.empty(logs.shape)
        for person in np.unique(persons):
            own = np.flatnonzero(persons == person)
            if n_heard is None:
                read[own] = self.read(features[own], logs[own])
                continue
            for row in own:
                rows = rng.permutation(own[own != row])[:n_heard]
                if len(rows):
                    heard = features[rows], logs[rows]
                    read[row] = self.read(features[[row]], logs[[row]], heard)[0]
                else:
                    read[row] = logs[row]
        return read


def list_arrays(adapter):
    """Return an adapter's numbers as float64 arrays by name, as ``build_adapter`` reads them."""
    found = {"temperature": np.float64(adapter.temperature)}
    for part in (adapter.model, adapter.guard):
        found |= {
            f"{type(part).__name__}.{own.name}": getattr(part, own.name) for own in fields(part)
        }
    return found


def build_adapter(found):
    """Return the ``Adapter`` of arrays by name."""
    parts = [
        kind(*(found[f"{kind.__name__}.{own.name}"] for own in fields(kind)))
        for kind in (offsets.OffsetModel, guard.Guard)
    ]
    return Adapter(*parts, float(found["temperature"]))
