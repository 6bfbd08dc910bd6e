"""Runs of a published row and of all that it reads, tiny and made as its recipe says."""

import pandas as pd

from data_augmentation.waveforms import RANGES
from modeling.pipeline.arguments import find_notebooks, list_parameters
from modeling.publishing.experiments import EXPERIMENTS
from modeling.training import runs
from preprocessing.corpora import EMOTIONS

SOUND = {
    "waveforms": {"window_s": 3.0, "trim": True, "rate_hz": 16000, "audio_lag_s": None},
    "audio": {"n_mels": 64, "window_ms": 32, "hop_ms": 16, "n_mfcc": 20, "deltas": True},
}
COPIES = {
    False: {
        "n_copies": 6,
        "ranges": {"speed": [0.88, 1.12], "tempo": [0.88, 1.12], "pitch": [-2.0, 2.0]},
        "probability": 0.6,
    },
    True: {
        "n_copies": 1,
        "ranges": {name: list(ends) for name, ends in RANGES.items()},
        "probability": 0.5,
    },
}
"""The copies of a studio's voices, and those that passed other channels too."""

FACES = {"expressions": {"network": "another", "FER_EPOCHS": 0, "POSTERIORS": "/home/me/x.npz"}}
"""What notebooks 11, 12, 21 and 31 write beside their arrays when they run as the recipes say."""


def make_row(name, change=None, *, tables=None):
    """Write the runs of a row, one a fold, and those that they read; return their facts.

    Args:
        name: Of the row.
        change: Function that changes the facts of each run in place before it is saved.
        tables: Function from a fold to other tables of its run, by name.
    """
    own, made = EXPERIMENTS[name], []
    parts = [make_row(need, change) for need in own.needs]
    for fold in range(1, 6) if own.protocol.startswith("luna5") else [1]:
        sources = [part[fold - 1] for part in parts]
        if name == "expression":
            sources = [make_run(own, fold, change, step=own.steps[-2])]
        own_tables = tables(fold) if tables else {}
        made.append(make_run(own, fold, change, sources=sources, tables=own_tables))
    return made


def make_run(own, fold, change=None, *, sources=(), tables=(), step=None):
    """Write one run and return its facts."""
    step = step or own.steps[-1]
    (notebook,) = find_notebooks(step.notebooks)
    parameters = list_parameters(notebook) | step.parameters
    facts = {"corpus": own.corpus, "protocol": own.protocol, "fold": fold, "modality": own.modality}
    run = runs.Run(own.branch, **facts, parameters=parameters | {"weights": 7}, sources=sources)
    run.facts |= {"commit": "c0ffee", "clean": True, "versions": {"keras": "3.15.1"}}
    if not sources and own.corpus.startswith("ravdess"):
        run.facts["prepared"] = FACES if own.modality == "face" else describe_sound(own)
        run.facts["files"] = {"array.npy": "d1"}
    run.facts["inputs"] = dict.fromkeys(run.facts["prepared"], "d2")
    if change:
        change(run.facts)
    rows = [
        {"clip_id": f"{fold}{part}{i}", "actor": f"{fold}{part}", "fold": fold, "part": part}
        | {"true": EMOTIONS[i], "p_neutral": 0.123456, "p_calm": 0.876544}
        for part in ("train", "val", "test")
        for i in (0, 1)
    ]
    run.save_predictions(pd.DataFrame(rows))
    for name, table in dict(tables).items():
        run.save_table(name, table)
    return runs.read_facts(run.finish({}))


def describe_sound(own):
    """Return what notebooks 11, 12 and 21 write beside the arrays of a voice's row."""
    (step,) = (step for step in own.steps if step.notebooks == "12,21")
    copies = COPIES[step.parameters["CHANNELS"]] | {"seed": 7, "keep_waveforms": True}
    return SOUND | {"augmented": copies}
