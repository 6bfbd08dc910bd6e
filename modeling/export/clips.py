"""What exported networks read of a corpus's clips, to compare them on; never of test clips."""

import numpy as np

from modeling.export.joining import make_resizer
from modeling.expressions.fer2013 import SIDE
from modeling.split.protocol import choose_protocol, split_clips
from modeling.training import functionals
from preprocessing.disk import arrays


def choose_clips(source, corpus, n_clips):
    """Return rows of clips with face and voice that no fold tests: of validation actors first.

    Args:
        source: ``Source``; a run brings its protocol and fold, a shipped network takes the first.
        corpus: Its name.
        n_clips: So many at most.

    Returns:
        int (clip,), rows of ``clips.csv``; how many of them are of validation actors; and their
        emotions, text (clip,).
    """
    clips = arrays.read_clips(arrays.corpus_folder(corpus))
    protocol = source.facts.get("protocol") or choose_protocol(clips, corpus, "auto")
    part = split_clips(clips, protocol=protocol, fold=source.facts.get("fold", 1))
    usable = clips["has_voice"].to_numpy(bool)
    if any(name in source.inputs for name in ("faces", "face", "expressions")):
        usable = usable & clips["has_face"].to_numpy(bool)
    val, train = (np.flatnonzero(usable & (part == name)) for name in ("val", "train"))
    spread = np.linspace(0, len(train) - 1, max(min(n_clips - len(val), len(train)), 0))
    rows = np.concatenate([val[:n_clips], train[spread.astype(int)]])
    return rows, min(len(val), n_clips), clips["emotion"].to_numpy()[rows]


def read_inputs(source, corpus, rows):
    """Return what a network reads of some clips, float32 (clip, ...) by input."""
    return {name: _read_input(source, corpus, name, rows) for name in source.inputs}


def _read_input(source, corpus, name, rows):
    folder = arrays.corpus_folder(corpus)
    if name == "present":
        clips = arrays.read_clips(folder).iloc[rows]
        needs = ["has_face" if own == "faces" else "has_voice" for own in source.heard]
        return clips[needs].to_numpy(np.float32)
    if name == "features":
        table = functionals.describe_corpus(corpus)
        ids = arrays.read_clips(folder)["clip_id"].iloc[rows]
        return table.loc[ids].iloc[:, : len(source.names)].to_numpy(np.float32)
    if name in ("voice", "face") and len(source.inputs[name]) == 2:  # posteriors to be fused
        return _ask_shipped(folder, name, rows)
    if name == "face":
        faces = arrays.read_array(folder, "faces")
        middle = np.asarray(faces[rows, faces.shape[1] // 2], np.float32)
        smaller = make_resizer(middle.shape[1], SIDE)
        return (smaller @ middle @ smaller.T)[..., None]
    return np.asarray(arrays.read_array(folder, name)[rows], np.float32)


def _ask_shipped(folder, name, rows):
    """Return posteriors of the shipped voice or face for clips; zeros where nothing is read."""
    from modeling.predict import networks  # brings what prepares clips along

    shipped = networks.load_networks()
    array = arrays.read_array(folder, "waveforms" if name == "voice" else "expressions")
    clips = [np.asarray(array[row], np.float32) for row in rows]
    if name == "voice":
        return np.nan_to_num(shipped.hear([np.trim_zeros(own, "b") for own in clips]))
    return np.nan_to_num(np.stack([shipped.judge(own[own.any(axis=1)]) for own in clips]))
