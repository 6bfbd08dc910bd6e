"""What each modality contributed to a fused answer, in log-odds that add up exactly.

Log-odds of an emotion k against the rest are ln p_k - ln (sum of all other p_j). A product of
experts adds up what each says, s_k = sum over experts m of ln p_m,k / T_m, and p is the softmax of
s; the sum over the rest stands inside a logarithm, so what one expert is worth depends on the
others. Told one after the other, each expert is worth its Bayes factor given those told before:

    log-odds after it - log-odds before it,    and before anybody is told: the prior's log-odds.

For every order these sum to the fused log-odds. The mean over all orders is fair to all (Shapley
1953, "A value for n-person games"), and sums to the same. It asks nothing of a fusion but that
experts may be missing, so it holds for late fusions too that average within a modality.

Against one rival alone, ln p_k / p_j, no order is needed: s_k - s_j is a sum over experts.
"""

from itertools import combinations
from math import comb

import numpy as np

LEAST = 1e-30
"""Smallest probability whose logarithm is taken."""


def measure_log_odds(posteriors, emotion):
    """Return log-odds of an emotion against all others together, in nats, float64 (...,).

    Args:
        posteriors: float (..., emotion).
        emotion: Position of the emotion, or int (...,).
    """
    posteriors = np.maximum(np.asarray(posteriors, np.float64), LEAST)
    emotion = np.broadcast_to(emotion, posteriors.shape[:-1])[..., None]
    own = np.take_along_axis(posteriors, emotion, axis=-1)
    rest = np.where(np.arange(posteriors.shape[-1]) == emotion, 0, posteriors).sum(axis=-1)
    return np.log(own[..., 0]) - np.log(rest)


def share_evidence(fuse, names, emotion, n_emotions):
    """Return what the prior and each expert contributed to fused answers.

    Args:
        fuse: Function of a list of names, at least one, that gives posteriors fused from these
            experts alone, float (clip, emotion); rows of NaN where none of them judged the clip.
        names: Of all experts. The fusion is asked once for each choice among them, 2^n - 1 times.
        emotion: Position of the emotion, or int (clip,).
        n_emotions: How many there are; as frequent one as the other, where nothing is known.

    Returns:
        float64 (clip,) by name, in nats; "prior" first. They add up to the log-odds of
        ``fuse(names)``; an expert that did not judge a clip has 0.
    """
    names = list(names)
    prior, values = -np.log(n_emotions - 1), {}
    for size in range(1, len(names) + 1):
        for chosen in combinations(names, size):
            odds = np.atleast_1d(measure_log_odds(fuse(list(chosen)), emotion))
            values[frozenset(chosen)] = np.where(np.isfinite(odds), odds, prior)
    values[frozenset()] = np.full_like(values[frozenset(names)], prior)
    shares = {"prior": values[frozenset()]}
    for name in names:
        shares[name] = np.zeros_like(shares["prior"])
        for told in (own for own in values if name not in own):
            weight = 1 / (len(names) * comb(len(names) - 1, len(told)))
            shares[name] += weight * (values[told | {name}] - values[told])
    return shares


def compare_rival(posteriors, emotion, rival):
    """Return what each expert of a product says for an emotion against one other, in nats, by name.

    Args:
        posteriors: By name, float (..., emotion): what the product gives of each expert alone.
        emotion, rival: Positions.

    Returns:
        float64 (...,) by name; they add up to the log of the ratio of the two fused posteriors.
    """
    logs = {name: np.log(np.maximum(own, LEAST)) for name, own in posteriors.items()}
    return {name: own[..., emotion] - own[..., rival] for name, own in logs.items()}
