"""What notebook 72 shows: what there is to export, and an example for a bundle."""

import wave

import numpy as np
import pandas as pd

from modeling.export import clips
from modeling.export.sources import RATE_HZ
from preprocessing.disk import arrays


def describe_sources(found):
    """Return a table of sources by name: what each holds, what it reads, how many weights."""
    rows = {}
    for name, source in found.items():
        wants = [f"{own} {_name_shape(shape)}" for own, shape in source.inputs.items()]
        rows[name] = {
            "holds": source.contains,
            "reads": ", ".join(wants),
            "weights": f"{source.model.count_params():,}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _name_shape(shape):
    """Return the shape of one clip in words."""
    return " x ".join("any" if axis is None else str(axis) for axis in shape[1:])


def write_example(source, corpus, folder):
    """Write a clip of a corpus as the files that a source's bundle reads; return their paths.

    The clip is of a validation actor.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows, _, _ = clips.choose_clips(source, corpus, 1)
    paths, values = [], clips.read_inputs(source, corpus, rows)
    if {"waveforms", "mels"} & set(values):
        whole = arrays.read_array(arrays.corpus_folder(corpus), "waveforms")[rows[0]]
        paths.append(folder / "voice.wav")
        with wave.open(str(paths[-1]), "wb") as file:
            file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
            samples = np.trim_zeros(np.asarray(whole), "b")
            file.writeframes((samples * 32767).astype("<i2").tobytes())
    if "features" in values:
        paths.append(folder / "features.json")
        named = zip(source.names, values["features"][0].tolist(), strict=True)
        arrays.write_json(paths[-1], dict(named))
    for name in values.keys() - {"waveforms", "mels", "features", "present"}:
        paths.append(folder / f"{name}.npy")
        own = values[name][0]
        is_face = name == "faces" or own.ndim == 3
        np.save(paths[-1], own.squeeze().round().astype(np.uint8) if is_face else own)
    return paths
