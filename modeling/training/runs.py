"""Runs on disk: what a training leaves behind in ``results/<corpus>-<branch>/<timestamp>/``.

A run that exists is complete. ``predictions.csv`` (``clip_id, actor, fold, part, true,
p_<emotion>…``) is the interface for comparison, calibration and late fusion, ``embeddings.npy``
(row-aligned with it) and ``model.keras`` for the fusion head.
"""

import json
import re
import shutil
import time
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from modeling.training import freshness, provenance
from preprocessing.disk import arrays
from preprocessing.disk.files import read_table

MODALITIES = ("face", "voice", "face and voice")
NO_BRANCHES = ("compare", "strangers")
"""Runs that judge nobody anew, or people of other corpora."""


def results_folder():
    """Return the folder of all runs."""
    return arrays.find_home() / "results"


class Run:
    """A run being written under a temporary name; ``finish`` makes it one that exists.

    Args:
        branch: Name of the branch, such as ``video_convlstm``; it only names.
        modality: What the run judges by, one of ``MODALITIES``.
        corpus, protocol, fold: What it was trained and tested on.
        parameters: All of the notebook's, as ``take_parameters`` gives them, and what was chosen.
        notes: Words that must stand beside every score of this run, such as "random init".
        inputs: Facts of the stages that were read, by stage, as ``arrays.read_facts`` gives them.
        array: Name of the array that ``model.keras`` reads, where it reads one directly.
        out_of_fold: Parts beside the test part that were judged by networks which never met them.
        sources: Facts of the runs that were read, where these were read and not arrays.

    Raises:
        ValueError: The modality is none of ``MODALITIES``.
    """

    def __init__(
        self,
        branch,
        *,
        modality,
        corpus,
        protocol,
        fold,
        parameters,
        notes=(),
        inputs=(),
        array="",
        out_of_fold=("val",),
        sources=(),
    ):
        inputs = dict(inputs)
        if modality not in MODALITIES:
            raise ValueError(
                f"A run of {branch!r} says modality {modality!r}; expected one of "
                f"{', '.join(map(repr, MODALITIES))}: fusions multiply across modalities."
            )
        self.facts = {
            "branch": branch,
            "modality": modality,
            "corpus": corpus,
            "protocol": protocol,
            "fold": fold,
            "notes": [note for note in notes if note],
            "parameters": parameters,
            "clips": arrays.identify_corpus(corpus),
            "inputs": {stage: facts["digest"] for stage, facts in inputs.items()},
            "array": array,
            "out_of_fold": list(out_of_fold),
            "detector": inputs.get("faces", {}).get("detector", ""),
            "versions": arrays.list_versions(),
        }
        self.facts |= provenance.describe_origin(corpus, inputs, list(sources))
        parent = results_folder() / f"{corpus}-{branch}"
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        self.final = _find_free(parent / datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3])
        self.folder = self.final.with_name(f"{self.final.name}.partial")
        self.folder.mkdir()

    def save_model(self, model):
        """Save a Keras model as ``model.keras``."""
        model.save(self.folder / "model.keras")

    def save_history(self, history):
        """Save a table of losses and scores, one row an epoch, with the note that it bears."""
        self.facts["notes"] += history.attrs.get("notes", [])
        arrays.write_table(self.folder / "history.csv", history)

    def save_predictions(self, predictions, embeddings=None):
        """Save the table of predictions and, row-aligned, float32 (clip, feature) embeddings."""
        if embeddings is not None:
            if len(embeddings) != len(predictions):
                raise ValueError(f"{len(embeddings)} embeddings, {len(predictions)} predictions.")
            arrays.write_array(self.folder / "embeddings.npy", np.asarray(embeddings, np.float32))
        arrays.write_table(self.folder / "predictions.csv", predictions)

    def save_table(self, name, table):
        """Save any other table as ``<name>.csv``."""
        arrays.write_table(self.folder / f"{name}.csv", table)

    def save_text(self, name, text):
        """Save a text as ``<name>.txt``."""
        (self.folder / f"{name}.txt").write_text(text, "utf-8")

    def save_figure(self, name, axes):
        """Save the figure that axes belong to as ``<name>.png``; return the axes' figure."""
        figure = axes if hasattr(axes, "savefig") else axes.figure
        figure.savefig(self.folder / f"{name}.png", dpi=120, bbox_inches="tight")
        return figure

    def finish(self, scores):
        """Write ``parameters.json`` with scores by name; return the folder under its final name."""
        self.facts["scores"] = scores
        arrays.write_json(self.folder / "parameters.json", self.facts)
        self.folder.rename(self.final)
        self.folder = self.final
        return self.final


def save_run(branch, judged, namespace, *, modality, chosen=None, tables=None, **facts):
    """Save all that a notebook leaves behind as a run; print how long it took, return its folder.

    Args:
        branch, modality: As for ``Run``.
        judged: ``judging.Judged``: predictions, embeddings, scores, model, history, figures.
        namespace: The notebook's names, ``globals()``; its parameters are kept.
        chosen: What the notebook found out and is kept beside its parameters, by name.
        tables: Other tables by name.
        **facts: ``notes``, ``array``, ``out_of_fold`` and ``sources``, as for ``Run``.
    """
    parameters = take_parameters(namespace) | (chosen or {})
    run = Run(branch, modality=modality, parameters=parameters, **judged.origin, **facts)
    if judged.model is not None:
        run.save_model(judged.model)
    if judged.history is not None:
        run.save_history(judged.history)
    run.save_predictions(judged.predictions, judged.embeddings)
    for name, table in (tables or {}).items():
        run.save_table(name, table)
    for name, figure in judged.figures.items():
        run.save_figure(name, figure)
    folder = run.finish(judged.scores.loc["test"].to_dict())
    print(f"saved {arrays.shorten_path(folder)}; {arrays.say_duration()}")
    return folder


def take_parameters(namespace):
    """Return a notebook's parameters by name, so that a run keeps all of them.

    Of its names, ``globals()``, those in capitals whose value JSON can hold as it is.
    """
    return {
        name: value
        for name, value in namespace.items()
        if re.fullmatch("[A-Z][A-Z0-9_]*", name) and _is_plain(value)
    }


def _is_plain(value):
    """Return whether JSON can write a value as it is."""
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(_is_plain, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str)


def add_files(files):
    """Write files that were made elsewhere; a run appears when it is whole.

    Args:
        files: Bytes by path relative to ``results_folder()``, a ``Path`` each.
    """
    made = sorted({name.parent for name in files if name.name == "parameters.json"})
    for name, data in files.items():
        folder = results_folder() / name.parent
        if name.parent in made:
            folder = folder.with_name(f"{folder.name}.partial")
        with arrays.replace_file(folder / name.name) as temporary:
            temporary.write_bytes(data)
    for name in made:
        folder = results_folder() / name
        folder.with_name(f"{folder.name}.partial").rename(_find_free(folder))


def list_runs(corpus, *, branch=None, protocol=None, fold=None):
    """Return the facts of a corpus's runs, or those asked for, oldest first, with ``folder``."""
    wanted = {"corpus": corpus, "branch": branch, "protocol": protocol, "fold": fold}
    found = []
    for path in results_folder().glob(f"{corpus}-*/*/parameters.json"):
        if path.parent.suffix == ".partial":
            continue
        facts = read_facts(path.parent)
        if all(value is None or facts[name] == value for name, value in wanted.items()):
            found.append(facts)
    return sorted(found, key=lambda facts: facts["folder"].name)


def read_facts(folder):
    """Return the facts of a run, with its ``folder``."""
    return json.loads((folder / "parameters.json").read_text("utf-8")) | {"folder": folder}


def find_run(corpus, branch, *, protocol=None, fold=None):
    """Return the facts of the newest complete run of a branch on the corpus's clips of today.

    Raises:
        FileNotFoundError: There is none; the message says which notebook makes it.
    """
    found = list_runs(corpus, branch=branch, protocol=protocol, fold=fold)
    same, others = freshness.split_by_clips(corpus, found)
    if not same:
        left_out = f"; {freshness.name_runs(others)} left out: of other clips" if others else ""
        raise FileNotFoundError(
            f"No run of {branch!r} for CORPUS = {corpus!r}, protocol {protocol!r}, fold {fold} in "
            f"{arrays.shorten_path(results_folder())}{left_out}. Run the notebook of that branch "
            "first."
        )
    return same[-1]


def pool_runs(corpus, *, protocol):
    """Return the newest runs of every branch over the folds that were run, by the branch's name.

    A fold whose run read other arrays than the branch's newest run is left out, and named; so are
    runs of other clips than those of today.

    Returns:
        By name ``predictions``, their tables below each other, ``folds``, which they are, as text,
        and ``notes``, what must stand beside their scores, as text.

    Raises:
        FileNotFoundError: There is no run for this corpus and protocol.
    """
    every = [f for f in list_runs(corpus, protocol=protocol) if f["branch"] not in NO_BRANCHES]
    same, others = freshness.split_by_clips(corpus, every)
    other = f", only of other clips than today's: {freshness.name_runs(others)}" if others else ""
    if others and same:
        print(f"left out, of other clips than today's: {freshness.name_runs(others)}")
    newest = {}
    for facts in same:
        newest.setdefault(facts["branch"], {})[facts["fold"]] = facts
    if not newest:
        raise FileNotFoundError(
            f"No runs for CORPUS = {corpus!r} and protocol {protocol!r} in "
            f"{arrays.shorten_path(results_folder())}{other}. Run a branch's notebook first, "
            "30 to 44."
        )
    pooled = {}
    for branch, found in sorted(newest.items()):
        last = max(found.values(), key=lambda facts: facts["folder"].name)
        folds = {n: f for n, f in sorted(found.items()) if provenance.read_same_arrays(f, last)}
        notes = {note for facts in folds.values() for note in facts["notes"]}
        notes |= {f"fold {n} left out: made from other arrays" for n in found if n not in folds}
        notes |= {f"made from earlier {stage}" for stage in freshness.list_stale(last)}
        notes |= {"detector: Haar" for facts in folds.values() if facts["detector"] == "haar"}
        tables = [read_predictions(facts["folder"]) for facts in folds.values()]
        pooled[branch] = SimpleNamespace(
            predictions=pd.concat(tables, ignore_index=True),
            folds=", ".join(map(str, folds)),
            notes=", ".join(sorted(notes)),
        )
    return pooled


def read_predictions(folder, name="predictions"):
    """Return a run's table of predictions; ids and actors are text."""
    return read_table(Path(folder) / f"{name}.csv", text=arrays.TEXT_COLUMNS)


def read_embeddings(folder):
    """Return a run's embeddings, float32 (clip, feature), row-aligned with its predictions."""
    return np.load(Path(folder) / "embeddings.npy", allow_pickle=False)


def read_posteriors(predictions):
    """Return the posteriors of a table of predictions and their emotions' names."""
    columns = [name for name in predictions if name.startswith("p_")]
    return predictions[columns].to_numpy(), tuple(name[2:] for name in columns)


def name_predicted(predictions):
    """Return the emotion with the largest posterior of each row, as text (clip,)."""
    posteriors, emotions = read_posteriors(predictions)
    return np.array(emotions)[posteriors.argmax(axis=1)]


def _find_free(folder):
    """Return a folder that does not exist yet; two runs may be of the same millisecond."""
    while folder.exists():
        folder = folder.with_name(f"{folder.name}a")
    return folder


def _sweep(parent):
    """Remove what a run killed more than a day ago left under a temporary name."""
    for left in parent.glob("*.partial"):
        if time.time() - left.stat().st_mtime > 86400:
            shutil.rmtree(left, ignore_errors=True)
