"""What noise, lost frames and blur do to trained branches and to their fusion.

Each branch's saved network judges the test clips again, worse; its temperature stays what it was.
A branch whose network does not read an array by itself cannot be asked, and is left out of the
fused curve of its modality; the other modality joins in as it was.
"""

from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from data_augmentation import damage
from data_augmentation.quiet_keras import keras
from modeling.borrowed import moonshine
from modeling.expressions import expression_network
from modeling.fusion import experts, heads
from modeling.scores import metrics
from modeling.training import layers, loop, runs
from preprocessing.disk import arrays

__all__ = ["CONDITIONS", "measure_degradation"]

CONDITIONS = {
    "Noise over the voice": {"clean": None, "20 dB": 20, "10 dB": 10, "5 dB": 5, "0 dB": 0},
    "Frames of the face lost": {"none": None, "25%": 0.25, "50%": 0.5, "75%": 0.75, "90%": 0.9},
    "Faces blurred": {"sharp": None, "1 px": 1, "2 px": 2, "4 px": 4, "8 px": 8},
}
AXIS = {
    "Noise over the voice": "speech over noise",
    "Frames of the face lost": "share lost",
    "Faces blurred": "standard deviation of the blur",
}
READS = {
    "Noise over the voice": ("waveforms", "mels"),
    "Frames of the face lost": ("faces", "expressions", "expression_embeddings"),
    "Faces blurred": ("faces", "expression_embeddings"),
}
"""The arrays that each kind of damage reaches; blur needs the faces themselves."""


def measure_degradation(found, calibrated, product, *, seed=0):
    """Return accuracies on the test clips by kind of damage.

    Args:
        found: Facts of runs of one fold by branch, as ``joint.find_branches`` gives them.
        calibrated: Their calibrated tables of predictions by branch.
        product: The ``modalities.ModalityProduct`` fitted on these.
        seed: Of the noise and of the choice of frames.

    Returns:
        DataFrame by the kind's title, a row a condition in order: a column for each branch that
        can be asked, ``these fused``, and ``with the rest`` where the other modality has runs. A
        kind that reaches no branch is left out.
    """
    assert layers  # registers the layers that the saved networks hold
    measured, emotions = {}, product.emotions
    for title, conditions in CONDITIONS.items():
        asked = {name: f for name, f in found.items() if f.get("array") in READS[title]}
        if not asked:
            continue
        kinds = heads.group_branches(found)
        same = next(names for names in kinds.values() if next(iter(asked)) in names)
        rest = {n: calibrated[n][calibrated[n]["part"] == "test"] for n in found if n not in same}
        judges = {name: _Judge(facts, emotions, seed) for name, facts in asked.items()}
        rows = {}
        for label, amount in conditions.items():
            tables = {name: judge.predict(title, amount) for name, judge in judges.items()}
            if len(tables) > 1:
                tables["these fused"] = product.fuse(tables)
            if rest:
                own = {name: tables[name] for name in judges}
                tables["with the rest"] = product.fuse(own | rest)
            rows[label] = {
                name: metrics.score_predictions(table, emotions)["accuracy"]
                for name, table in tables.items()
            }
        measured[title] = pd.DataFrame(rows).T.rename_axis(AXIS[title])
    return measured


class _Judge:
    """One branch's network, ready to judge its test clips under any damage."""

    def __init__(self, facts, emotions, seed):
        self.facts, self.emotions, self.seed = facts, emotions, seed
        self.model = keras.models.load_model(Path(facts["folder"]) / "model.keras")
        table = runs.read_predictions(facts["folder"])
        _, self.temperature = experts.calibrate_predictions(table, emotions)
        self.test = table[table["part"] == "test"].reset_index(drop=True)
        self.folder = arrays.corpus_folder(facts["corpus"])
        position = {c: row for row, c in enumerate(arrays.read_clips(self.folder)["clip_id"])}
        self.rows = np.array([position[clip] for clip in self.test["clip_id"]])

    def predict(self, title, amount):
        """Return the table of calibrated predictions of the test clips."""
        x = self._read(title, amount)
        any_length = self.model.input_shape[1:] == (None,)  # of a waveform
        shortest = moonshine.FRAME if any_length else None
        posteriors = loop.run_network(self.model, x, shortest=shortest)
        logp = experts.take_log(posteriors)
        posteriors = experts.apply_temperature(logp, self.temperature)
        columns = {f"p_{e}": posteriors[:, i] for i, e in enumerate(self.emotions)}
        return self.test[experts.COLUMNS].assign(**columns)

    def _read(self, title, amount):
        """Return the array that the network reads, damaged."""
        name = self.facts["array"]
        x = np.array(arrays.read_array(self.folder, name)[self.rows])
        if amount is None:
            return x
        if title == "Noise over the voice":
            return damage.add_noise(self.facts["corpus"], self.rows, name, amount, seed=self.seed)
        if title == "Frames of the face lost":
            rng = np.random.default_rng(self.seed)
            return damage.lose_frames(x, amount, rng=rng, freeze=name == "faces")
        faces = np.array(arrays.read_array(self.folder, "faces")[self.rows])
        blurred = damage.blur_faces(faces, amount)
        if name == "faces":
            return blurred
        return expression_network.describe_faces(self.network, blurred)[1]

    @cached_property
    def network(self):
        """The expression network, where blurred faces must be seen anew."""
        return expression_network.load_network(expression_network.SHIPPED)
