"""Whether to adapt, and how far: a guard that has learned it from episodes.

A person of whom ``heard`` clips are at hand, unlabelled, can be read in several ways (``WAYS``):
which is right depends on how many emotions these clips show, and nobody says so. So people whose
emotions are known are heard as if they were not, in episodes of many kinds; from what can be seen
without labels, the guard learns how much each way is to be believed.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax

from modeling.adaptation import offsets
from preprocessing.disk import arrays

WAYS = ("plain", "offset", "centred", "prior")
"""As anybody is read; with the person's offset taken off; with the mean of the person's clips taken
off; with the emotions as frequent as they seem to be."""

KINDS = ("all", "some", "two", "one")
"""How many emotions the clips of an episode show."""

SIZES = (3, 6, 12, 24, 60)
"""Clips of an episode."""

PULL = 0.03
"""How strongly the guard's weights are held back, per squared weight."""

LEAST = 1e-9


@dataclass(frozen=True)
class Episode:
    """Some clips of one person, read in every way.

    Attributes:
        ways: float64 (way, clip, class), log-posteriors in the order of ``WAYS``.
        signs: float64 (sign,), what can be seen without labels, see ``see_signs``.
        labels: int (clip,).
        kind, size: What was drawn, see ``draw_episodes``.
    """

    ways: np.ndarray
    signs: np.ndarray
    labels: np.ndarray
    kind: str = ""
    size: int = 0


@dataclass(frozen=True)
class Guard:
    """How much each way is to be believed, by the signs.

    Attributes:
        weights: float64 (way, sign).
        mean, deviation: float64 (sign,), of the episodes learned from.
    """

    weights: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    def weigh(self, signs):
        """Return how much each way is believed, float64 (way,), which sum to 1."""
        return softmax(self.weights @ ((signs - self.mean) / self.deviation))

    def mix(self, ways, signs):
        """Return log-posteriors (clip, class): the mean of the ways, each as it is believed."""
        return np.log(np.einsum("w,wkc->kc", self.weigh(signs), np.exp(ways)) + LEAST)


def read_ways(model, features, logs, heard=None):
    """Return what is said of a person's clips in every way, and the signs.

    Args:
        model: ``offsets.OffsetModel``.
        features: float (clip, feature), of the clips that are judged.
        logs: float (clip, class), their log-posteriors as of anybody.
        heard: The same two of the clips by which the person is known; None: those judged.

    Returns:
        float64 (way, clip, class) and float64 (sign,).
    """
    own, plain = (features, logs) if heard is None else heard
    offset, centre = model.estimate_offset(own, plain), model.centre(own)
    read = logs, model.read(features, offset), model.read(features, centre)
    seen = read if heard is None else (plain, model.read(own, offset), model.read(own, centre))
    adjusted = offsets.apply_prior(logs, offsets.estimate_prior(plain))
    return np.stack([*read, adjusted]), see_signs(*seen)


def see_signs(plain, offset, centred):
    """Return what log-posteriors of the heard clips show without labels, float64 (sign,).

    A constant; how many emotions there seem to be in each way (entropy of the mean posterior); how
    many clips were heard (logarithm), and that times the first entropy; how sure each way is; and
    how often offset and plain agree.
    """
    n_heard = np.log(len(plain))
    variety = [_measure_entropy(np.exp(logs).mean(axis=0)) for logs in (plain, offset, centred)]
    sure = [np.exp(logs).max(axis=1).mean() for logs in (plain, offset, centred)]
    agree = (plain.argmax(axis=1) == offset.argmax(axis=1)).mean()
    return np.array([1.0, *variety, n_heard, n_heard * variety[0], *sure, agree])


def learn_guard(episodes):
    """Return the ``Guard`` under which the episodes' emotions are most likely.

    Each episode counts alike, whatever its size.

    Raises:
        NotEnoughClipsError: There is no episode to learn from.
    """
    if not episodes:
        raise arrays.NotEnoughClipsError(
            f"No known actor has the {min(SIZES)} clips of an episode: nothing to learn adaptation "
            "from. Add clips of the same actors; the branches run without."
        )
    signs = np.stack([episode.signs for episode in episodes])
    mean, deviation = signs.mean(axis=0), signs.std(axis=0) + 1e-6
    mean[0], deviation[0] = 0.0, 1.0
    signs = (signs - mean) / deviation
    said = [_pick(episode) for episode in episodes]
    of = np.repeat(np.arange(len(episodes)), [own.shape[1] for own in said])
    share = np.concatenate([np.full(own.shape[1], 1 / own.shape[1]) for own in said])
    data = signs, np.concatenate(said, axis=1).T, of, share / len(episodes)
    shape = len(WAYS), signs.shape[1]
    found = minimize(measure_loss, np.zeros(np.prod(shape)), data, jac=True, method="L-BFGS-B")
    return Guard(found.x.reshape(shape), mean, deviation)


def measure_loss(flat, signs, said, of, share):
    """Return the cross-entropy of a guard, its weights held back, and its gradient.

    Args:
        flat: float64 (way x sign,), the weights.
        signs: float64 (episode, sign), scaled.
        said: float64 (clip, way), each way's posterior of the true emotion.
        of: int (clip,), the episode of each clip.
        share: float64 (clip,), how much each counts; they sum to 1.

    Returns:
        A number, in nats, and float64 (way x sign,).
    """
    believed = softmax(signs @ flat.reshape(-1, signs.shape[1]).T, axis=1)
    right = (believed[of] * said).sum(axis=1, keepdims=True)
    slope = np.zeros_like(believed)
    pulls = believed[of] * (said - right) / (right + LEAST)
    np.add.at(slope, of, pulls * share[:, None])
    loss = -(share * np.log(right[:, 0] + LEAST)).sum() + PULL / 2 * (flat**2).sum()
    return loss, PULL * flat - (slope.T @ signs).ravel()


def draw_episodes(model, features, logs, labels, persons, *, rng, n_each=2):
    """Return ``Episode``s of people whom the model has never met.

    For each person and size, ``n_each`` of each kind: ``all`` emotions that the person shows,
    ``some`` of them, ``two`` and ``one``; of *all* and *two* the emotions come as they come, of
    *some* with weights drawn anew. Kinds for which a person shows too few emotions, and sizes for
    which there are not enough clips, are left out.
    """
    episodes = []
    for person in np.unique(persons):
        own = np.flatnonzero(persons == person)
        for size in SIZES:
            for kind in KINDS * n_each:
                rows = _draw_rows(labels[own], kind, size, rng)
                if rows is not None:
                    rows = own[rows]
                    ways, signs = read_ways(model, features[rows], logs[rows])
                    episodes.append(Episode(ways, signs, labels[rows], kind, size))
    return episodes


def _draw_rows(labels, kind, size, rng):
    """Return rows of one person's clips, or None where there are not enough."""
    shown = np.unique(labels)
    if len(shown) < 2 and kind in ("some", "two"):
        return None
    n_some = rng.integers(min(2, len(shown)), len(shown) + 1)
    n_kinds = {"all": len(shown), "some": n_some, "two": 2, "one": 1}
    chosen = rng.permutation(shown)[: n_kinds[kind]]
    weights = np.zeros(labels.max() + 1)
    weights[chosen] = rng.dirichlet(np.ones(len(chosen))) if kind == "some" else 1.0
    weights = weights[labels]
    if (weights > 0).sum() < size:
        return None
    return rng.choice(len(labels), size, replace=False, p=weights / weights.sum())


def _pick(episode):
    """Return each way's posteriors of the true emotions, float64 (way, clip)."""
    return np.exp(episode.ways[:, np.arange(len(episode.labels)), episode.labels])


def _measure_entropy(shares):
    return float(-(shares * np.log(shares + LEAST)).sum())
