"""Clips of several people, each read as a person of whom so much has been heard."""

import numpy as np
import pandas as pd

from modeling.adaptation import guard, offsets
from modeling.adaptation.adapter import Adapter
from modeling.fusion import heads
from modeling.training import judging, loop, runs
from preprocessing.corpora.limits import MIN_ACTORS
from preprocessing.disk import arrays


def learn_adapters(features, logs, labels, persons, inner, *, n_classes, strength, rng, n_each=2):
    """Return the ``Adapter`` of all people, and that of each inner share, which never met it.

    Each share's people are heard in episodes by a model of the others, and from all episodes one
    guard is learned: what it weighs, a few numbers, has seen all of them.

    Args:
        features: float (clip, feature).
        logs: float (clip, class), log-posteriors judged out of fold.
        labels, persons: int and names (clip,).
        inner: int (clip,), the share of each, no person in two.
        n_classes, strength: As for ``offsets.fit_offsets``.
        rng, n_each: As for ``guard.draw_episodes``.

    Returns:
        ``Adapter``; ``Adapter`` by share; and the list of ``guard.Episode``.

    Raises:
        NotEnoughClipsError: There are too few people, a person is in two shares, or the others
            show one emotion.
    """
    people = np.unique(persons)
    if len(people) < MIN_ACTORS or len({*zip(persons, inner, strict=True)}) > len(people):
        raise arrays.NotEnoughClipsError(
            f"Adaptation is learned from {MIN_ACTORS} known actors or more, each unknown to a part "
            f"of the others; here are {len(people)}. The branches run without."
        )
    models, episodes = {}, []
    for share in np.unique(inner):
        met = inner != share
        if len(set(labels[met])) < 2:
            raise arrays.NotEnoughClipsError(
                f"Without actors {', '.join(np.unique(persons[~met]))} the known clips show one "
                "emotion: adaptation cannot be learned. The branches run without."
            )
        known = features[met], labels[met], persons[met]
        models[share] = offsets.fit_offsets(*known, n_classes, strength)
        own = features[~met], logs[~met], labels[~met], persons[~met]
        episodes += guard.draw_episodes(models[share], *own, rng=rng, n_each=n_each)
    learned = guard.learn_guard(episodes)
    whole = offsets.fit_offsets(features, labels, persons, n_classes, strength)
    by_share = {share: Adapter(model, learned) for share, model in models.items()}
    return Adapter(whole, learned), by_share, episodes


def read_out_of_fold(adapters, features, logs, persons, inner, **options):
    """Return log-posteriors of known clips, each share's by the adapter that never met it."""
    read = np.empty(logs.shape)
    for share, adapter in adapters.items():
        own = inner == share
        read[own] = adapter.read_people(features[own], logs[own], persons[own], **options)
    return read


def tabulate_episodes(episodes, learned):
    """Return how often each way and the guard are right, by kind of episode and clips heard.

    Returns:
        DataFrame, a row a kind and size: ``episodes``, then accuracies of ``guard.WAYS`` and
        ``guarded``, means over the episodes; without a row where there are no episodes.
    """
    keys, rows = ["emotions", "clips"], []
    for episode in episodes:
        mixed = learned.mix(episode.ways, episode.signs)
        right = [(own.argmax(axis=1) == episode.labels).mean() for own in (*episode.ways, mixed)]
        named = dict(zip((*guard.WAYS, "guarded"), right, strict=True))
        rows.append({"emotions": episode.kind, "clips": episode.size} | named)
    table = pd.DataFrame(rows, columns=[*keys, *guard.WAYS, "guarded"])
    grouped = table.groupby(keys, sort=False)
    table = grouped.mean()
    table.insert(0, "episodes", grouped.size())
    return table.loc[[kind for kind in guard.KINDS if kind in table.index]]


def read_run(facts):
    """Return a run's table of predictions and its embeddings, float64 (clip, feature).

    Raises:
        ValueError: The run has no embeddings, or judged its training clips knowing them.
    """
    folder = facts["folder"]
    if "train" not in facts.get("out_of_fold", ()) or not (folder / "embeddings.npy").is_file():
        raise ValueError(
            f"The run of {facts['branch']} in {arrays.shorten_path(folder)} cannot be adapted: "
            "expected embeddings, and known clips judged out of fold, as notebook 44 leaves them."
        )
    return runs.read_predictions(folder), runs.read_embeddings(folder).astype(np.float64)


def judge_adapted(predictions, facts):
    """Return adapted predictions as ``judging.Judged``, of the same origin as the run's facts."""
    emotions = runs.read_posteriors(predictions)[1]
    origin = {key: facts[key] for key in ("corpus", "protocol", "fold")}
    origin["inputs"] = heads.join_inputs({facts["branch"]: facts})
    scores = loop.score_parts(predictions, emotions)
    return judging.Judged(predictions, scores, emotions, origin)
