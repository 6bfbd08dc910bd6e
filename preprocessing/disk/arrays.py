"""The contract on disk: what lies in ``data/<corpus>/``, and how it is written and read.

Every file is written under a temporary name and renamed when whole, so a file that exists is a
file that is complete. A *stage* is a set of arrays and tables made together; its facts lie beside
them in ``<stage>.json``, written last. A stage is *current* when its facts carry the digest of the
parameters asked for and of the stage that it was made from.
"""

import hashlib
import importlib.metadata
import json
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from preprocessing import corpora

AXES = {
    "faces": ("clip", "time", "height", "width", "channel"),
    "face_times": ("clip", "time"),
    "waveforms": ("clip", "sample"),
    "mels": ("clip", "time", "mel"),
    "mfcc": ("clip", "time", "coefficient"),
    "mels_augmented": ("clip", "copy", "time", "mel"),
    "waveforms_augmented": ("clip", "copy", "sample"),
    "expressions": ("clip", "time", "class"),
    "expression_times": ("clip", "time"),
    "expression_embeddings": ("clip", "time", "feature"),
    "expression_summary": ("clip", "feature"),
    "action_units": ("clip", "unit"),
}
"""Axis names of every array; ``faces`` has no channel axis when grey."""

STAGE_OF = {
    "faces": "faces",
    "face_times": "faces",
    "waveforms": "waveforms",
    "mels": "audio",
    "mfcc": "audio",
    "mels_augmented": "augmented",
    "waveforms_augmented": "augmented",
    "expressions": "expressions",
    "expression_times": "expressions",
    "expression_embeddings": "expressions",
    "expression_summary": "expressions",
    "action_units": "action_units",
}
"""The stage that owns each array: its facts are in ``<stage>.json``."""

MADE_FROM = {
    "faces": "clips",
    "waveforms": "clips",
    "audio": "waveforms",
    "augmented": "audio",
    "expressions": "clips",
    "action_units": "clips",
}
"""What each stage was made from. Expressions come from the faces, or, for a corpus whose faces are
not at hand, from a file of another network's; their parameters say which."""

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

EXAMPLE_ORDER = ("happy", "angry", "sad", "surprised", "fearful", "disgust", "neutral", "calm")
"""Emotions in the order in which the notebooks show an example of each."""

TEXT_COLUMNS = (*corpora.COLUMNS, "status", "reason")
IDENTITY_COLUMNS = (*corpora.COLUMNS, "video_bytes", "audio_bytes")


class NotEnoughClipsError(ValueError):
    """A stage finds no clip, or too few, with the modality that it works on."""


def find_home():
    """Return the folder that holds ``data/`` and ``results/``.

    It is the repository root, or the folder named by the variable ``EMOTION_HOME``.
    """
    return Path(os.environ.get("EMOTION_HOME") or Path(__file__).resolve().parents[2])


def corpus_folder(corpus):
    """Return ``data/<corpus>``, the folder of a corpus's clips and arrays."""
    return find_home() / "data" / corpus


def shorten_path(path):
    """Return a path relative to ``find_home()`` where it lies below it, for printing."""
    path = Path(path)
    return path.relative_to(find_home()) if path.is_relative_to(find_home()) else path


@contextmanager
def replace_file(path):
    """Yield a temporary path that replaces ``path`` when the block ends without an error.

    Args:
        path: The file to write. Its folder is made if absent.

    Yields:
        A path in the same folder, ending in ``.partial``. It is removed if the block fails.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder):
    """Wait until a folder's renames are on disk, where the system lets one wait for that."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # Windows opens no folders
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path, facts):
    """Write a dictionary as indented JSON, whole or not at all."""
    with replace_file(path) as temporary:
        temporary.write_text(json.dumps(facts, indent=2, default=_to_builtin) + "\n", "utf-8")


def write_table(path, table):
    """Write a DataFrame as CSV without its index, whole or not at all."""
    with replace_file(path) as temporary:
        table.to_csv(temporary, index=False)


def write_array(path, array):
    """Write a NumPy array as ``.npy``, whole or not at all."""
    with replace_file(path) as temporary, temporary.open("wb") as handle:
        np.save(handle, array, allow_pickle=False)


def compute_digest(facts):
    """Return the SHA-256 of a JSON-like value, whatever the order of its keys."""
    text = json.dumps(facts, sort_keys=True, default=_to_builtin)
    return hashlib.sha256(text.encode()).hexdigest()


def read_clips(folder):
    """Return the table of clips, one row a clip.

    Args:
        folder: A corpus folder.

    Returns:
        The DataFrame of ``clips.csv``: the columns of ``corpora.COLUMNS`` and ``status``,
        ``reason`` as text (empty where unknown), the others as pandas reads them.

    Raises:
        FileNotFoundError: The corpus has not been indexed.
    """
    path = Path(folder) / "clips.csv"
    if not path.is_file():
        raise FileNotFoundError(
            f"No {shorten_path(path)}. Run {MADE_BY['clips']} with "
            f"CORPUS = {path.parent.name!r} first."
        )
    text = dict.fromkeys(TEXT_COLUMNS, str)
    clips = pd.read_csv(path, dtype=text, keep_default_na=True)
    present = [column for column in TEXT_COLUMNS if column in clips]
    clips[present] = clips[present].fillna("")
    return clips


def write_clips(folder, clips):
    """Write the table of clips; clip ids must be unique.

    Raises:
        ValueError: Two rows bear the same clip id.
    """
    twice = clips["clip_id"][clips["clip_id"].duplicated()]
    if len(twice):
        raise ValueError(f"Clip ids must be unique; found twice: {', '.join(twice[:5])}.")
    write_table(Path(folder) / "clips.csv", clips)


def list_emotions(clips):
    """Return the emotions that a table of clips holds, in the project's order."""
    present = set(clips["emotion"])
    return tuple(emotion for emotion in corpora.EMOTIONS if emotion in present)


def choose_examples(clips, n_clips=4):
    """Return the ids of the few clips that every notebook shows.

    The first clip of each emotion, in ``EXAMPLE_ORDER``, that has both picture and voice (or,
    where no clip has both, the one it has), of the first such actor who shows that emotion, strong
    rather than normal. Only names, sizes of files and whether a file can be read at all decide, so
    that the choice is the same at every stage.

    Args:
        clips: DataFrame of ``clips.csv``.
        n_clips: How many at most; fewer where the corpus has fewer clips.

    Returns:
        List of clip ids, of as many different emotions as possible.
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
    turn["round"] = turn.groupby("rank").cumcount()
    turn = turn.sort_values(["round", "rank"])
    return turn["clip_id"].tolist()[:n_clips]


def identify_clips(clips):
    """Return the digest of which clips a table holds: names, labels, sizes of files."""
    present = [column for column in IDENTITY_COLUMNS if column in clips]
    return compute_digest(clips[present].to_csv(index=False))


def compute_stage_digest(folder, stage):
    """Return the digest of what a stage holds now, or ``""`` where it does not exist."""
    try:
        return json.loads((Path(folder) / f"{stage}.json").read_text("utf-8"))["digest"]
    except (FileNotFoundError, ValueError, KeyError):
        return ""  # not there, or cut short by a power cut


def sign_stage(folder, stage, parameters):
    """Return the digest that a stage made now, with these parameters, would carry.

    It covers all that the stage comes from, down to the clips: when those change, every stage
    above them is of another state, whether the stages between have been made anew or not.
    """
    source = MADE_FROM[stage]
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
    return _measure_files(folder, files := read_facts(folder, stage)["files"]) == files


def read_facts(folder, stage):
    """Return the facts of a stage: parameters, shapes, versions, digest.

    Raises:
        FileNotFoundError: The stage has not been made.
    """
    path = Path(folder) / f"{stage}.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"No {shorten_path(path)}. Run {MADE_BY[stage]} with "
            f"CORPUS = {Path(folder).name!r} first."
        )
    return json.loads(path.read_text("utf-8"))


def write_facts(folder, stage, *, parameters, files, shapes, **facts):
    """Write ``<stage>.json``, the last file of a stage.

    Args:
        folder: A corpus folder.
        stage: A key of ``MADE_FROM``.
        parameters: The choices that the stage was made with.
        files: Names of the stage's files; the facts keep their sizes.
        shapes: Shape of each array by name.
        **facts: Whatever else a reader of the arrays should know.
    """
    folder = Path(folder)
    clips = read_clips(folder)
    axes = {name: AXES[name][: len(shape)] for name, shape in shapes.items()}
    write_json(
        folder / f"{stage}.json",
        {
            "stage": stage,
            "digest": sign_stage(folder, stage, parameters),
            "parameters": parameters,
            **facts,
            "axes": axes,
            "shapes": shapes,
            "files": _measure_files(folder, sorted(files)),
            "clips_per_emotion": clips["emotion"].value_counts().sort_index().to_dict(),
            "versions": list_versions(),
        },
    )


def write_stage(folder, stage, *, parameters, arrays, tables=None, **facts):
    """Write a whole stage that fits in memory: arrays, tables, then its facts.

    Args:
        folder: A corpus folder.
        stage: A key of ``MADE_FROM``.
        parameters: The choices that the stage was made with.
        arrays: Array by name, each with one row a clip of ``clips.csv``.
        tables: DataFrame by name, written as ``<name>.csv``.
        **facts: Whatever else a reader of the arrays should know.

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
    files = [f"{name}.npy" for name in arrays] + [f"{name}.csv" for name in tables]
    shapes = {name: array.shape for name, array in arrays.items()}
    write_facts(folder, stage, parameters=parameters, files=files, shapes=shapes, **facts)


def read_array(folder, name):
    """Return an array of a corpus, memory-mapped and read-only.

    Args:
        folder: A corpus folder.
        name: A key of ``AXES``.

    Raises:
        FileNotFoundError: Its stage has not been made.
        ValueError: It was made from other clips or from an older stage, or is not what its facts
            say.
    """
    folder, stage = Path(folder), STAGE_OF[name]
    facts = read_facts(folder, stage)
    if facts["digest"] != sign_stage(folder, stage, facts["parameters"]):
        raise ValueError(
            f"{name}.npy was made from another state of the {MADE_FROM[stage]} in "
            f"{shorten_path(folder)}. Rerun {MADE_BY[stage]}."
        )
    if _measure_files(folder, [f"{name}.npy"])[f"{name}.npy"] != facts["files"][f"{name}.npy"]:
        raise ValueError(
            f"{name}.npy in {shorten_path(folder)} is not whole: its size is not what {stage}.json "
            f"says. Rerun {MADE_BY[stage]}."
        )
    array = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    if list(array.shape) != facts["shapes"][name]:
        raise ValueError(
            f"{name}.npy has shape {array.shape}; {stage}.json says {facts['shapes'][name]}. "
            f"Rerun {MADE_BY[stage]}."
        )
    return array


def read_table(folder, name):
    """Return a table that a stage wrote beside its arrays, such as ``features``."""
    return pd.read_csv(Path(folder) / f"{name}.csv", dtype={"clip_id": str})


def list_versions():
    """Return the installed version of each library that shapes the arrays or the models."""
    names = (
        "numpy",
        "av",
        "opencv-python-headless",
        "librosa",
        "scikit-learn",
        "tensorflow",
        "keras",
    )
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _measure_files(folder, names):
    """Return the size of each file in bytes, None where there is none."""
    paths = {name: Path(folder, name) for name in names}
    return {name: path.stat().st_size if path.is_file() else None for name, path in paths.items()}


def _to_builtin(value):
    """Turn NumPy scalars, arrays and paths into what JSON knows."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
