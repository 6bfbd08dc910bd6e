"""The contract on disk: what lies in ``data/<corpus>/``, and how it is written and read.

A *stage* is a set of arrays and tables made together; its facts lie beside them in
``<stage>.json``, written last. A stage is *current* when its facts carry the digest of the
parameters asked for and of the stage that it was made from.
"""

import importlib.metadata
import json
import os
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from preprocessing import corpora
from preprocessing.disk.files import compute_digest, measure_files, write_array, write_json
from preprocessing.disk.files import replace_file as replace_file
from preprocessing.disk.files import write_table as write_table

STARTED_S = time.monotonic()

MADE_BY = {
    "clips": "preprocessing/10_corpus.ipynb",
    "faces": "preprocessing/11_faces.ipynb",
    "waveforms": "preprocessing/11_faces.ipynb",
    "audio": "preprocessing/12_audio.ipynb",
    "augmented": "data_augmentation/21_augment_audio.ipynb",
    "expressions": "modeling/31_expression_network.ipynb",
    "action_units": "modeling/31_expression_network.ipynb",
}
"""The notebook that writes each stage."""

MADE_FROM = {"audio": "waveforms", "augmented": "audio"}
"""The stage that a stage comes from, where that is not the clips."""

ARRAYS = {
    "faces": ("faces", "clip time height width channel"),  # no channel where grey
    "face_times": ("faces", "clip time"),
    "waveforms": ("waveforms", "clip sample"),
    "mels": ("audio", "clip time mel"),
    "mfcc": ("audio", "clip time coefficient"),
    "mels_augmented": ("augmented", "clip copy time mel"),
    "waveforms_augmented": ("augmented", "clip copy sample"),
    "expressions": ("expressions", "clip time class"),
    "expression_times": ("expressions", "clip time"),
    "expression_embeddings": ("expressions", "clip time feature"),
    "expression_summary": ("expressions", "clip feature"),
    "action_units": ("action_units", "clip unit"),
}
"""The stage and the axes of each array."""

TABLES = {"features": "audio", "face_quality": "faces", "augmented": "augmented"}
"""The stage of each table beside the arrays."""

STAGE_OF = {name: stage for name, (stage, _) in ARRAYS.items()}
AXES = {name: axes.split() for name, (_, axes) in ARRAYS.items()}

EXAMPLE_ORDER = ("happy", "angry", "sad", "surprised", "fearful", "disgust", "neutral", "calm")
"""Emotions in the order in which the notebooks show an example of each."""

LIBRARIES = ("numpy", "av", "opencv-python-headless", "librosa", "scikit-learn")
LIBRARIES += ("tensorflow", "keras")
TEXT_COLUMNS = (*corpora.COLUMNS, "status", "reason")
IDENTITY_COLUMNS = (*corpora.COLUMNS, "video_bytes", "audio_bytes")


class NotEnoughClipsError(ValueError):
    """A stage finds no clip, or too few, with the modality that it works on."""


def find_home():
    """Return the folder of ``data/`` and ``results/``: ``$EMOTION_HOME`` or the repository root."""
    return Path(os.environ.get("EMOTION_HOME") or Path(__file__).resolve().parents[2])


def corpus_folder(corpus):
    """Return ``data/<corpus>``, the folder of a corpus's clips and arrays."""
    return find_home() / "data" / corpus


def shorten_path(path):
    """Return a path relative to ``find_home()`` where it lies below it, for printing."""
    path = Path(path)
    return path.relative_to(find_home()) if path.is_relative_to(find_home()) else path


def find_made(folder, name, stage):
    """Return the path of a file that a stage has written; FileNotFoundError says what to run."""
    path = Path(folder) / name
    if not path.is_file():
        hint = f"Run {MADE_BY[stage]} with CORPUS = {path.parent.name!r} first."
        raise FileNotFoundError(f"No {shorten_path(path)}. {hint}")
    return path


def read_clips(folder):
    """Return the table of ``clips.csv`` in a corpus folder, one row a clip.

    The columns of ``TEXT_COLUMNS`` are text, empty where unknown.

    Raises:
        FileNotFoundError: The corpus has not been indexed.
    """
    path = find_made(folder, "clips.csv", "clips")
    clips = pd.read_csv(path, dtype=dict.fromkeys(TEXT_COLUMNS, str))
    return clips.fillna(dict.fromkeys(TEXT_COLUMNS, ""))


def write_clips(folder, clips):
    """Write the table of clips; ValueError where two rows bear the same clip id."""
    twice = clips["clip_id"][clips["clip_id"].duplicated()]
    if len(twice):
        raise ValueError(f"Clip ids must be unique; found twice: {', '.join(twice[:5])}.")
    write_table(Path(folder) / "clips.csv", clips)


def list_emotions(clips):
    """Return the emotions that a table of clips holds, in the project's order."""
    present = set(clips["emotion"])
    return tuple(emotion for emotion in corpora.EMOTIONS if emotion in present)


def choose_examples(clips, n_clips=4):
    """Return the ids of the few clips that every notebook shows, of as many emotions as possible.

    The first clip of each emotion, in ``EXAMPLE_ORDER``, that has both picture and voice (or,
    where no clip has both, the one it has), of the first such actor who shows that emotion, strong
    rather than normal. The choice is the same at every stage. There are ``n_clips`` at most.
    """
    readable = clips[clips["status"] != "failed"]
    clips = clips if readable.empty else readable
    n_files = (clips["video_bytes"] > 0).astype(int) + (clips["audio_bytes"] > 0)
    best = clips[n_files == n_files.max()]
    first = best["actor"].min()
    rank = best["emotion"].map({name: i for i, name in enumerate(EXAMPLE_ORDER)})
    turn = best.assign(
        rank=rank, other=best["actor"] != first, weak=best["intensity"] != "strong"
    ).sort_values(["rank", "other", "weak", "clip_id"])
    turn = turn.assign(round=turn.groupby("rank").cumcount()).sort_values(["round", "rank"])
    return turn["clip_id"].tolist()[:n_clips]


def identify_clips(clips):
    """Return the digest of which clips a table holds: names, labels, sizes of files."""
    return compute_digest(clips.filter(IDENTITY_COLUMNS).to_csv(index=False))


def compute_stage_digest(folder, stage):
    """Return the digest of what a stage holds now, or ``""`` where it does not exist."""
    try:
        return json.loads((Path(folder) / f"{stage}.json").read_text("utf-8"))["digest"]
    except (FileNotFoundError, ValueError, KeyError):
        return ""  # not there, or cut short by a power cut


def sign_stage(folder, stage, parameters):
    """Return the digest that a stage made now would carry: of all it comes from, down to clips."""
    source = MADE_FROM.get(stage, "clips")
    if source == "clips":
        upstream = identify_clips(read_clips(folder))
    elif (Path(folder) / f"{source}.json").is_file():
        upstream = sign_stage(folder, source, read_facts(folder, source)["parameters"])
    else:
        upstream = ""
    return compute_digest([stage, parameters, upstream])


def is_current(folder, stage, parameters):
    """Say whether a stage exists and was made with these parameters from today's input."""
    folder = Path(folder)
    if compute_stage_digest(folder, stage) != sign_stage(folder, stage, parameters):
        return False
    return measure_files(folder, files := read_facts(folder, stage)["files"]) == files


def read_facts(folder, stage):
    """Return the facts of a stage: parameters, shapes, versions, digest.

    Raises:
        FileNotFoundError: The stage has not been made.
    """
    return json.loads(find_made(folder, f"{stage}.json", stage).read_text("utf-8"))


def write_facts(folder, stage, *, parameters, shapes, tables=(), **facts):
    """Write ``<stage>.json`` in a corpus folder, the last file of a stage.

    Args:
        folder, stage: The corpus folder, a key of ``MADE_BY``.
        parameters: The choices that the stage was made with.
        shapes, tables: Shape of each of its arrays by name, names of its ``<name>.csv``.
        **facts: Whatever else a reader of the arrays should know.
    """
    folder = Path(folder)
    files = [f"{name}.npy" for name in shapes] + [f"{name}.csv" for name in tables]
    facts = {
        "stage": stage,
        "digest": sign_stage(folder, stage, parameters),
        "parameters": parameters,
        **facts,
        "axes": {name: AXES[name][: len(shape)] for name, shape in shapes.items()},
        "shapes": shapes,
        "files": measure_files(folder, sorted(files)),
        "clips_per_emotion": dict(sorted(Counter(read_clips(folder)["emotion"]).items())),
        "versions": list_versions(),
    }
    write_json(folder / f"{stage}.json", facts)


def write_stage(folder, stage, *, parameters, arrays, tables=None, **facts):
    """Write a whole stage that fits in memory: arrays, tables, then its facts.

    Args:
        folder, stage, parameters, **facts: As ``write_facts`` takes them.
        arrays: Array by name, each with one row a clip of ``clips.csv``.
        tables: DataFrame by name, written as ``<name>.csv``.

    Raises:
        ValueError: An array has another number of rows than ``clips.csv``.
    """
    folder, tables = Path(folder), tables or {}
    n_clips = len(read_clips(folder))
    for name, array in arrays.items():
        if len(array) != n_clips:
            raise ValueError(f"{name} has {len(array)} rows; clips.csv has {n_clips}.")
    (folder / f"{stage}.json").unlink(missing_ok=True)
    for name, array in arrays.items():
        write_array(folder / f"{name}.npy", array)
    for name, table in tables.items():
        write_table(folder / f"{name}.csv", table)
    shapes = {name: array.shape for name, array in arrays.items()}
    write_facts(folder, stage, parameters=parameters, shapes=shapes, tables=tables, **facts)


def read_array(folder, name):
    """Return an array of a corpus, a key of ``AXES``, memory-mapped and read-only.

    Raises:
        FileNotFoundError: Its stage has not been made.
        ValueError: It was made from another state of what it comes from, or is not whole.
    """
    folder, stage, file = Path(folder), STAGE_OF[name], f"{name}.npy"
    facts = read_facts(folder, stage)
    fault = ""
    if facts["digest"] != sign_stage(folder, stage, facts["parameters"]):
        fault = f"was made from another state of the {MADE_FROM.get(stage, 'clips')}"
    elif measure_files(folder, [file])[file] != facts["files"][file]:
        fault = f"is not whole: its size is not what {stage}.json says"
    else:
        array = np.load(folder / file, mmap_mode="r", allow_pickle=False)
        if list(array.shape) != (promised := facts["shapes"][name]):
            fault = f"has shape {array.shape}, {stage}.json says {promised}"
    if fault:
        raise ValueError(f"{file} in {shorten_path(folder)} {fault}. Rerun {MADE_BY[stage]}.")
    return array


def read_table(folder, name):
    """Return a table that a stage wrote beside its arrays, such as ``features``.

    Raises:
        FileNotFoundError: It is not there; the message says what to run.
    """
    return pd.read_csv(find_made(folder, f"{name}.csv", TABLES[name]), dtype={"clip_id": str})


def list_versions():
    """Return the installed version of each library that shapes the arrays or the models."""
    installed = {}
    for name in LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            installed[name] = importlib.metadata.version(name)
    return installed


def say_duration():
    """Return how long ago this module was imported, for people, such as "31 s on 2 cores"."""
    n_cores = joblib.cpu_count()
    cores = "1 core" if n_cores == 1 else f"{n_cores} cores"
    return f"{time.monotonic() - STARTED_S:.0f} s on {cores}"
