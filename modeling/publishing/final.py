"""The shipped heads: fitted to all persons, by what the folds of their experiment have chosen.

A fold tests people whom its head never met, and these scores are published. What is shipped has
met everybody: the same frozen network, the same head, layers and strength as most folds chose.
"""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from data_augmentation.quiet_keras import keras
from modeling.adaptation import people
from modeling.adaptation.adapter import Adapter
from modeling.borrowed import moonshine
from modeling.fusion import experts, heads
from modeling.training import inputs, nested, networks
from modeling.training.inputs import PARTS, Parts

layers = keras.layers

N_COMPONENTS = 400
ADAPTED_STRENGTH = 0.01
"""Of the head that reads a person without the offset, as in notebook 51."""

SEED = 7


@dataclass(frozen=True)
class Final:
    """A branch fitted to all persons.

    Attributes:
        model: Keras model from the branch's array to posteriors, with a layer ``embedding``.
        adapter: ``Adapter`` of its embeddings.
        predictions: Table of predictions of all clips, each by a head that never met its person;
            their part is ``val``.
    """

    model: keras.Model
    adapter: Adapter
    predictions: pd.DataFrame


def fit_final(found):
    """Return the ``Final`` of a branch from the runs of its folds.

    Args:
        found: Facts of the runs, one a fold, of notebook 44, or of 32 with ``INPUT`` "statistics".
    """
    first, chosen = found[0], choose_most(found)
    whole = heads.load_network(first["folder"])
    encoder = next(layer for layer in whole.layers if layer.name in ("frozen", "pooling"))
    origin = {key: first[key] for key in ("corpus", "protocol", "fold")}
    corpus, protocol, fold = origin.values()
    parts = inputs.read_parts(corpus, first["array"], protocol=protocol, fold=fold)
    everybody = {"train": nested.join_parts(parts, *PARTS)}
    parts = Parts(everybody, origin=parts.origin, array=parts.array)
    n_copies = first["parameters"].get("N_COPIES", 0)
    hearing = moonshine.HEARING if first["array"] == "waveforms" else {}
    known = inputs.add_copies(parts, n_copies=n_copies)
    heard = networks.run_network(encoder, known.x, **hearing)
    corpora = inputs.name_corpora(corpus, parts["train"].clips["actor"])
    return fit_head(encoder, heard, parts["train"], protocol, corpora, **chosen)


def choose_most(found):
    """Return what most folds have chosen: ``layers``, None where there are none, ``strength``."""
    said = [(facts["parameters"].get("layers"), facts["parameters"]["strength"]) for facts in found]
    span, strength = Counter((tuple(own or ()), c) for own, c in said).most_common(1)[0][0]
    return {"span": span or None, "strength": strength}


def fit_head(encoder, heard, part, protocol, corpora, *, span, strength):
    """Return the ``Final`` of what an encoder makes of clips, then of any copies of them all.

    Args:
        encoder: Keras model, frozen.
        heard: float32 (row, ...), what it makes of them.
        part: ``Part`` of all clips.
        protocol: Its name: who stays together when shares are dealt.
        corpora: Names (clip,): each corpus counts as much as the others.
        span: First and last layer that the head reads, from 1; None where there are no layers.
        strength: Of the regression.
    """
    start = keras.Input(encoder.output_shape[1:], name="heard")
    first, last = span or (1, None)
    kept = heard[:, first - 1 : last] if span else heard
    components = nested.find_components(kept, N_COMPONENTS)
    rows, labels = components.project(kept), part.labels
    n_clips, n_classes = len(labels), len(part.emotions)
    inner = nested.deal_inner(part.clips, protocol)
    logs = nested.judge_out_of_fold(rows, labels, inner, strength, n_classes, corpora)
    temperature = experts.fit_temperature(logs, labels)
    fitted = nested.fit_linear(rows, labels, strength, corpora)

    x = layers.Flatten()(start[:, first - 1 : last] if span else start)
    x = layers.Normalization(mean=components.mean, variance=components.deviation**2)(x)
    x = layers.Dense(rows.shape[1], use_bias=False, name="embedding")(x)
    posterior = layers.Dense(n_classes, "softmax", name="posterior")
    head = keras.Model(start, posterior(x))
    head.get_layer("embedding").set_weights([components.axes])
    posterior.set_weights(nested.list_weights(fitted, n_classes, temperature))
    posteriors = experts.apply_temperature(logs, temperature)
    adapter = fit_adapter(rows[:n_clips], posteriors, part, inner)
    table = part.clips[["clip_id", "actor"]].assign(fold=0, part="val", true=part.clips["emotion"])
    table[[f"p_{emotion}" for emotion in part.emotions]] = posteriors
    return Final(networks.join_models(encoder, head, name="final"), adapter, table)


def fit_adapter(embeddings, posteriors, part, inner):
    """Return the ``Adapter`` of all persons, calibrated where all clips of each are heard."""
    persons, rng = part.clips["actor"].to_numpy(), np.random.default_rng(SEED)
    features, logs = embeddings.astype(np.float64), experts.take_log(posteriors)
    options = {"n_classes": len(part.emotions), "strength": ADAPTED_STRENGTH, "rng": rng}
    known = features, logs, part.labels, persons, inner
    adapter, by_share, _ = people.learn_adapters(*known, **options)
    read = people.read_out_of_fold(by_share, features, logs, persons, inner)
    return replace(adapter, temperature=experts.fit_temperature(read, part.labels))
