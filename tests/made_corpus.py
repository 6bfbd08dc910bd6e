"""A tiny made corpus and notebooks on disk, for tests of what comes after preprocessing."""

import matplotlib
import nbformat
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from modeling.pipeline import arguments
from preprocessing import corpora
from preprocessing.disk import arrays

matplotlib.use("Agg")

EMOTIONS = ("neutral", "happy", "sad")


def write_made_corpus(home, *, corpus="ravdess", actors=range(1, 25), missing_face=(), seed=0):
    """Write clips, faces, waveforms, mels and augmented mels of a corpus; return its folder.

    Each emotion has its own pattern in faces and mels, so that a network can learn it.
    """
    rows = [
        dict.fromkeys(corpora.COLUMNS, "")
        | {"clip_id": f"{actor:02d}-{emotion}", "actor": f"{actor:02d}", "emotion": emotion}
        for actor in actors
        for emotion in EMOTIONS
    ]
    clips = pd.DataFrame(rows)
    clips["status"], clips["reason"], clips["has_voice"] = "ok", "", True
    clips["video_bytes"] = clips["audio_bytes"] = 1
    clips["window_s"] = 0.1
    clips["has_face"] = ~clips["clip_id"].isin(missing_face)
    folder = home / "data" / corpus
    arrays.write_clips(folder, clips)
    rng = np.random.default_rng(seed)
    labels = clips["emotion"].map(EMOTIONS.index).to_numpy()
    faces = rng.integers(0, 60, (len(clips), 4, 16, 16), dtype=np.uint8)
    mels = rng.normal(-60, 3, (len(clips), 12, 8)).astype(np.float32)
    for row, label in enumerate(labels):
        faces[row, :, 5 * label : 5 * label + 5] += 150
        mels[row, :, 2 * label : 2 * label + 2] += 20
    faces[~clips["has_face"].to_numpy()] = 0
    waveforms = rng.normal(0, 0.1, (len(clips), 800)).astype(np.float32)
    times = np.tile(np.arange(4, dtype=np.float32) / 4, (len(clips), 1))
    made = {"faces": faces, "face_times": times}
    arrays.write_stage(folder, "faces", parameters={"n_frames": 4}, arrays=made, detector="made")
    made = {"waveforms": waveforms}
    arrays.write_stage(folder, "waveforms", parameters={"rate_hz": 8000}, arrays=made)
    arrays.write_stage(folder, "audio", parameters={"hop_ms": 16}, arrays={"mels": mels})
    copies = np.stack([mels + 1, mels + 2], axis=1)
    made = {"mels_augmented": copies}
    arrays.write_stage(folder, "augmented", parameters={"n_copies": 2}, arrays=made)
    return folder


def write_made_notebook(path, *cells):
    """Write a notebook of code cells; the first holds the parameters."""
    cells = [nbformat.v4.new_code_cell(text) for text in cells]
    cells[0].metadata["tags"] = ["parameters"]
    metadata = {"language_info": {"name": "python"}}
    path.parent.mkdir(exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)


def run_cells(number, **parameters):
    """Run a notebook's cells in this process with other parameters; return its names."""
    (path,) = arguments.find_notebooks(number)
    names = {"display": lambda *_: None, "__name__": path.stem}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, path.name, "exec"), names)
            if "parameters" in cell.metadata.get("tags", []):
                assert parameters.keys() <= names.keys()
                names |= parameters
    plt.close("all")
    return names
