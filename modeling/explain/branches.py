"""Runs at hand, opened to be explained: their networks, what these read, their maps.

Starts TensorFlow, as soon as a network is opened.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd

from modeling.explain import contributions, faithfulness, gradcam, occlusion
from modeling.fusion import experts, heads
from modeling.training import freshness, networks, runs
from preprocessing.disk import arrays

MAPPED = ("faces", "mels")
"""The arrays over which a network's evidence can be drawn as a map."""

PATCHES = 8
"""How many patches a face is cut into, across and down."""

MEL_CELL = (8, 4)
"""Steps of time and mel bands that are hidden as one."""

WAYS = {
    "Grad-CAM": {"pool": True},
    "by place": {"pool": False},
    "by place, earlier": {"pool": False, "before": 1},
}
"""Maps by gradients: as published, of the last convolution; each place weighed by its own slope;
and so of the convolution before the last."""


def find_runs(corpus, branches, *, protocol, fold):
    """Return the facts of each branch's newest run of today's arrays; print which have none.

    ``branches`` are names with spaces between them.
    """
    found = {}
    for name in branches.split():
        try:
            facts = runs.find_run(corpus, name, protocol=protocol, fold=fold)
        except FileNotFoundError:
            print(f"no run of {name} for {protocol}, fold {fold}: left out")
            continue
        if stale := [own for own in freshness.list_stale(facts) if own != heads.COPIES]:
            print(f"{name} was made from earlier {' and '.join(stale)}: left out")
            continue
        found[name] = facts
    return found


class Branch:
    """A run whose network reads faces or spectrograms.

    Attributes:
        name, facts: Of the run.
        model: Its network.
        emotions: Names of what it tells apart, in the order of its posteriors.
        is_face: Whether it reads faces, (time, height, width); else (time, mel).
    """

    def __init__(self, facts):
        self.name, self.facts = facts["branch"], facts
        self.model = heads.load_network(facts["folder"])
        self.predictions = runs.read_predictions(facts["folder"])
        self.emotions = runs.read_posteriors(self.predictions)[1]
        self.is_face = facts["array"] == "faces"

    def read(self, clip_ids):
        """Return what the network reads of clips, float32 (clip, ...)."""
        folder = arrays.corpus_folder(self.facts["corpus"])
        rows = pd.Index(arrays.read_clips(folder)["clip_id"]).get_indexer(clip_ids)
        return np.asarray(arrays.read_array(folder, self.facts["array"])[rows], np.float32)

    def judge(self, x):
        """Return posteriors, float32 (clip, emotion)."""
        return networks.run_network(self.model, x, batch_size=32)

    def map_evidence(self, x, emotion, names=tuple(WAYS)):
        """Return maps of x, float32 (clip, ...), by names of ``WAYS``; see ``gradcam``."""
        layers, maps = gradcam.list_convolutions(self.model), {}
        for name in names:
            layer = layers[max(-1 - WAYS[name].get("before", 0), -len(layers))]
            pool = WAYS[name]["pool"]
            maps[name] = gradcam.map_evidence(self.model, x, emotion, layer=layer, pool=pool)
        return maps

    def size_cells(self, *, each_frame=True):
        """Return the size of what is hidden as one, a number an axis; None for all of an axis."""
        if not self.is_face:
            return MEL_CELL
        sides = [max(side // PATCHES, 1) for side in self.model.input_shape[2:4]]
        return (1 if each_frame else None, *sides, *[None] * (len(self.model.input_shape) - 4))

    def occlude(self, x, emotion):
        """Return the drop of each patch, in all frames, or cell of one clip, of the shape of x."""
        fill, sizes = occlusion.choose_fill(x), self.size_cells(each_frame=False)
        return occlusion.map_cells(self.judge, x, sizes, emotion, fill=fill)


def open_branches(found):
    """Return a `Branch` by name of each run whose network reads one of ``MAPPED``."""
    return {
        name: Branch(facts)
        for name, facts in found.items()
        if facts["array"] in MAPPED and (facts["folder"] / "model.keras").is_file()
    }


def examine_maps(branch, clip_ids, *, rng, n_random, n_redraws=2):
    """Return whether a branch's maps mean anything on some clips, each for what is named there.

    Returns:
        ``summary`` of ``faithfulness.summarise``; ``likeness``, by map the mean rank correlation
        and SSIM with the maps of the network with weights drawn anew; ``verdicts``, lines of text.
    """
    x = branch.read(clip_ids)
    named = branch.judge(x).argmax(axis=1)
    maps, tables = branch.map_evidence(x, named), []
    for row, own in enumerate(x):
        asked = {name: values[row] for name, values in maps.items()}
        if own.ndim == 4:  # faces in colour: a map says the same of all channels
            asked = {name: np.broadcast_to(v[..., None], own.shape) for name, v in asked.items()}
        asked["occlusion"] = branch.occlude(own, named[row])
        asked["centre"] = faithfulness.prefer_centre(
            own.shape, (1, 2) if branch.is_face else (0, 1)
        )
        if not branch.is_face:
            asked["loudness"] = own
        hidden = {"fill": occlusion.choose_fill(own), "rng": rng, "n_random": n_random}
        tables.append(
            faithfulness.measure_faithfulness(
                branch.judge, own, asked, branch.size_cells(), named[row], **hidden
            )
        )
    summary = faithfulness.summarise(tables, against=("random", "centre", "loudness"))
    likeness = measure_likeness(branch, x, named, maps, range(n_redraws))
    verdicts = faithfulness.list_verdicts(summary, likeness["spearman"])
    return SimpleNamespace(summary=summary, likeness=likeness, verdicts=verdicts)


def measure_likeness(branch, x, named, maps, seeds):
    """Return how alike maps are to those of the same network with weights drawn anew.

    DataFrame by map: means of ``faithfulness.compare_maps`` over clips and draws.
    """
    found = []
    for seed in seeds:
        with gradcam.redraw_weights(branch.model, seed=seed):
            drawn = branch.map_evidence(x, named)
        found += [
            {"map": name} | faithfulness.compare_maps(one, other)
            for name, own in maps.items()
            for one, other in zip(own, drawn[name], strict=True)
        ]
    return pd.DataFrame(found).groupby("map", sort=False).mean()


def share_fusion(found):
    """Return what each modality contributed to a late fusion of runs, as notebook 50 makes it.

    Where the fusion names all validation clips rightly, its last temperature has nothing to be
    fitted on and would make it boundlessly sure: it prints so, and takes 1.

    Returns:
        DataFrame by clip id of the test part: ``true``, ``named``, ``log_odds`` of what is named,
        and what the prior and each modality add to these, in nats.
    """
    tables, groups = heads.read_tables(found), heads.group_branches(found)
    emotions = runs.read_posteriors(next(iter(tables.values())))[1]
    product = experts.fit_product(tables, emotions, groups)
    val = product.fuse(tables).query("part == 'val'")
    if (runs.name_predicted(val) == val["true"]).all():
        print(f"all {len(val)} validation clips are named rightly: the last temperature is left 1")
        product = replace(product, last_temperature=1.0)
    tests = {name: own[own["part"] == "test"] for name, own in tables.items()}
    whole = product.fuse(tests)
    posteriors = runs.read_posteriors(whole)[0]
    named = posteriors.argmax(axis=1)

    def fuse(modalities):
        chosen = {name: tests[name] for modality in modalities for name in groups[modality]}
        said = product.fuse(chosen).set_index("clip_id").reindex(whole["clip_id"])
        return runs.read_posteriors(said)[0]

    shares = contributions.share_evidence(fuse, groups, named, len(emotions))
    told = {"true": whole["true"].to_numpy(), "named": np.array(emotions)[named]}
    told |= {"log_odds": contributions.measure_log_odds(posteriors, named)} | shares
    return pd.DataFrame(told, index=whole["clip_id"])


def read_clip(corpus, clip_id):
    """Return a clip's arrays for a picture: what is not there is None.

    ``faces`` uint8 (time, height, width[, 3]) and their ``times`` in seconds, ``waveform`` float32
    (sample,) and ``rate_hz``, ``mel`` float32 (time, mel) and ``hop_ms``; without what lies behind
    the clip's end. Also its row of ``clips.csv``, ``row``.
    """
    folder = arrays.corpus_folder(corpus)
    clips = arrays.read_clips(folder)
    (place,) = np.flatnonzero(clips["clip_id"] == clip_id)
    row, facts = clips.iloc[place], arrays.read_facts(folder, "audio")["parameters"]
    found = SimpleNamespace(row=row, faces=None, times=None, rate_hz=facts["rate_hz"])
    found.hop_ms = facts["hop_ms"]
    if row["has_face"]:
        found.faces = np.array(arrays.read_array(folder, "faces")[place])
        found.times = np.array(arrays.read_array(folder, "face_times")[place], float)
    waveform = np.array(arrays.read_array(folder, "waveforms")[place])
    n_samples = len(waveform) - int((waveform[::-1] != 0).argmax())
    found.waveform = waveform[:n_samples]
    n_rows = -(-n_samples * 1000 // (found.rate_hz * found.hop_ms))
    found.mel = np.array(arrays.read_array(folder, "mels")[place])[: int(n_rows)]
    return found


def choose_clip(corpus, branches, chosen=""):
    """Return the id of the clip to explain: ``chosen``, or one that the branches were tested on.

    Of these it is the first of those that every notebook shows, with face and voice if there is
    one.

    Raises:
        ValueError: There is no such clip.
    """
    clips = arrays.read_clips(arrays.corpus_folder(corpus))
    if chosen:
        if chosen not in set(clips["clip_id"]):
            raise ValueError(f"CLIP = {chosen!r}: no such clip; clips.csv lists them by clip_id.")
        return chosen
    for branch in branches.values():
        test = branch.predictions[branch.predictions["part"] == "test"]
        clips = clips[clips["clip_id"].isin(test["clip_id"])]
    return arrays.choose_examples(clips)[0]
