"""What noise, other channels, lost frames and blur do to trained branches and to their fusion.

Each branch's saved network judges the test clips again, worse, at its old temperature. A branch
whose network does not read an array by itself is left out of the fused curve of its modality.
"""

from functools import cache

import numpy as np
import pandas as pd

from data_augmentation import damage
from modeling.borrowed import moonshine
from modeling.expressions import expression_network
from modeling.fusion import heads
from modeling.training import networks
from preprocessing.disk import arrays

RATIOS_DB = (20, 10, 5, 0)
CHANNELS = {
    "Opus": {"opus": 16},  # kbit/s
    "MP3": {"mp3": 16},
    "telephone": {"low_cut": 300, "high_cut": 3400, "mulaw": 8},  # Hz, bits
    "room": {"room": (0.6, 0.5)},  # seconds, share of the walls: as loud as the mouth
}
CONDITIONS = {
    "Noise over the voice": {"clean": None} | {f"{db} dB": {"noise": db} for db in RATIOS_DB},
    "Other channels over the voice": {"clean": None} | CHANNELS,
    "Frames of the face lost": {"none": None, "25%": 0.25, "50%": 0.5, "75%": 0.75, "90%": 0.9},
    "Faces blurred": {"sharp": None, "1 px": 1, "2 px": 2, "4 px": 4, "8 px": 8},
}
AXIS = {
    "Noise over the voice": "speech over noise",
    "Other channels over the voice": "codecs at 16 kbit/s, telephone line, room of 0.6 s",
    "Frames of the face lost": "share lost",
    "Faces blurred": "standard deviation of the blur",
}
VOICES = ("waveforms", "mels")
READS = {
    "Noise over the voice": VOICES,
    "Other channels over the voice": VOICES,
    "Frames of the face lost": ("faces", "expressions", "expression_embeddings"),
    "Faces blurred": ("faces", "expression_embeddings"),
}
"""The arrays that each kind of damage reaches; blur needs the faces themselves."""

SAME, REST, ALONE = "these fused", "with the rest", "the rest alone"


def measure_degradation(found, tables, product, *, seed=0):
    """Return accuracies on the test clips by kind of damage.

    Args:
        found: Facts of runs by branch, as ``heads.find_branches`` gives them.
        tables: Their tables of predictions by branch.
        product: The ``experts.ModalityProduct`` fitted on these.
        seed: Of the noise and of the choice of frames.

    Returns:
        DataFrame by the title of each kind that reaches a branch, a row a condition in order: a
        column for each branch that can be asked, ``these fused``, and, where the other modality,
        undamaged, has runs, ``with the rest`` and ``the rest alone``.
    """
    measured, emotions = {}, product.emotions
    tests = {name: table[table["part"] == "test"] for name, table in tables.items()}
    load_network = cache(heads.load_network)
    for title, conditions in CONDITIONS.items():
        asked = {name: f for name, f in found.items() if f.get("array") in READS[title]}
        if not asked:
            continue
        modality = next(iter(asked.values()))["modality"]
        rest = {name: tests[name] for name, f in found.items() if f["modality"] != modality}
        rows = {}
        for label, amount in conditions.items():
            own = {
                name: _judge(load_network(facts["folder"]), facts, tests[name], title, amount, seed)
                for name, facts in asked.items()
            }
            fused = {SAME: product.fuse(own)} if len(own) > 1 else {}
            fused |= {REST: product.fuse(own | rest)} if rest else {}
            rows[label] = {n: heads.score_test(t, emotions) for n, t in (own | fused).items()}
        measured[title] = pd.DataFrame(rows).T.rename_axis(AXIS[title])
        if rest:
            measured[title][ALONE] = heads.score_test(product.fuse(rest), emotions)
    return measured


def describe_curves(table):
    """Return in words where, in a table of ``measure_degradation``, a part beats the whole."""
    parts, lines = table.drop(columns=[SAME, REST], errors="ignore"), []
    for name, own in {SAME: parts.drop(columns=ALONE, errors="ignore"), REST: parts}.items():
        if name in table:
            below = ", ".join(table.index[table[name] < own.max(axis=1)])
            lines.append(f"{name}: " + (f"below a part at {below}" if below else "below no part"))
    return "; ".join(lines)


def _judge(model, facts, test, title, amount, seed):
    """Return the table of what a branch's network predicts of damaged test clips."""
    any_length = model.input_shape[1:] == (None,)  # of a waveform
    x = _read_damaged(facts, test["clip_id"], title, amount, seed)
    posteriors = networks.run_network(model, x, shortest=moonshine.FRAME if any_length else None)
    columns = [name for name in test if name.startswith("p_")]
    return test.assign(**dict(zip(columns, posteriors.T, strict=True)))


def _read_damaged(facts, clip_ids, title, amount, seed):
    """Return the array that a branch's network reads, damaged."""
    folder, name = arrays.corpus_folder(facts["corpus"]), facts["array"]
    rows = pd.Index(arrays.read_clips(folder)["clip_id"]).get_indexer(clip_ids)
    x = np.array(arrays.read_array(folder, name)[rows])
    if amount is None:
        return x
    if name in VOICES:
        return damage.change_voices(facts["corpus"], rows, name, amount, seed=seed)
    if title == "Frames of the face lost":
        return damage.lose_frames(x, amount, rng=np.random.default_rng(seed))
    blurred = damage.blur_faces(np.array(arrays.read_array(folder, "faces")[rows]), amount)
    if name == "faces":
        return blurred
    network = expression_network.load_network(expression_network.SHIPPED)
    return expression_network.describe_faces(network, blurred)[1]
