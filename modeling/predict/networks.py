"""The shipped networks in onnxruntime: an answer after a second, without TensorFlow.

They lie in ``modeling/shipped`` as ONNX beside the same networks as Keras files; their cards there
say what they are.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from modeling.adaptation.adapter import build_adapter
from modeling.borrowed.readable import is_readable
from modeling.expressions.fer2013 import CLASSES, SIDE

FOLDER = Path(__file__).resolve().parents[1] / "shipped"
NAMES = ("voice", "face", "expression")
BATCH = 8
FLOOR = 1e-7
"""Smallest posterior: a modality may be almost sure, never forbid what the other one says."""


def load_networks(folder=FOLDER):
    """Return the shipped ``Networks``.

    Raises:
        FileNotFoundError: A file is absent from ``folder``.
    """
    folder = Path(folder)
    files = [folder / f"{name}.onnx" for name in NAMES] + [folder / "networks.json"]
    if missing := [file.name for file in files if not file.is_file()]:
        raise FileNotFoundError(
            f"{', '.join(missing)} not found in modeling/shipped; clone the repository again."
        )
    return Networks(folder)


class Networks:
    """What reads voices and faces, and puts them together.

    Attributes:
        emotions: Names of the eight emotions of posteriors.
        expressions: Names of the seven expressions of single faces.
        unsure_below: Confidence below which an answer is *unsure*.
        temperatures: At which the log-posteriors of voice and face are fused, by name.
        checksums: SHA-256 of each file by its name.
    """

    def __init__(self, folder):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1  # faces and voices are read side by side as it is
        read = {name: (folder / f"{name}.onnx").read_bytes() for name in NAMES}
        self._sessions = {
            name: onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            for name, data in read.items()
        }
        facts = json.loads((folder / "networks.json").read_text("utf-8"))
        self.emotions, self.expressions = tuple(facts["emotions"]), CLASSES
        self.unsure_below = facts["unsure"]["below"]
        self.temperatures = facts["temperatures"]
        self.checksums = {f"{n}.onnx": hashlib.sha256(data).hexdigest() for n, data in read.items()}
        self._folder, self._adapters = folder, {}

    def hear(self, waveforms):
        """Return posteriors of voices, float32 (clip, 8); see ``listen``."""
        return self.listen(waveforms)[0]

    def listen(self, waveforms):
        """Return what is heard in waveforms, each read whole.

        Args:
            waveforms: List of float32 (sample,), mono, 16 kHz, between -1 and 1, silence at both
                ends cut off. Of one that is not ``is_readable`` nothing is read.

        Returns:
            float32 posteriors (clip, 8) and embeddings (clip, feature); rows of NaN where nothing
            is read.
        """
        rows = sorted(
            np.flatnonzero([is_readable(own) for own in waveforms]),
            key=lambda row: len(waveforms[row]),
        )
        found = self._make_empty("voice", len(waveforms))
        for start in range(0, len(rows), BATCH):
            own = rows[start : start + BATCH]
            batch = np.zeros((len(own), len(waveforms[own[-1]])), np.float32)
            for place, row in enumerate(own):
                batch[place, : len(waveforms[row])] = waveforms[row]
            for whole, values in zip(found, self._run("voice", batch), strict=True):
                whole[own] = values
        return found

    def look(self, faces):
        """Return posteriors of expressions, float32 (face, 7); NaN for a face that is black.

        Args:
            faces: uint8 (face, 48, 48), grey: the detector's box made square, without margin.

        Raises:
            ValueError: They have another shape.
        """
        if faces.shape[1:] != (SIDE, SIDE):
            raise ValueError(f"faces have shape {faces.shape}; expected (face, {SIDE}, {SIDE}).")
        posteriors = np.full((len(faces), len(self.expressions)), np.nan, np.float32)
        seen = np.flatnonzero(faces.any(axis=(1, 2)))
        for start in range(0, len(seen), 64):
            own = seen[start : start + 64]
            posteriors[own] = self._run("expression", faces[own, :, :, None].astype(np.float32))[0]
        return posteriors

    def judge(self, expressions, times=None):
        """Return the posterior of a face over a window, float32 (8,); see ``watch``."""
        return self.watch(expressions)[0]

    def watch(self, expressions):
        """Return what a face shows over a window.

        Args:
            expressions: float32 (time, 7), what ``look`` gives of frames that show the face, as
                many a second as there are.

        Returns:
            float32 posterior (8,) and embedding (feature,); NaN of no frame.
        """
        expressions = np.asarray(expressions, np.float32)
        expressions = expressions[np.isfinite(expressions).all(axis=1)]
        if not len(expressions):
            return tuple(own[0] for own in self._make_empty("face", 1))
        return tuple(own[0] for own in self._run("face", expressions[None]))

    def fuse(self, voice, face):
        """Return voice and face put together, float32 (clip, 8), calibrated.

        The product of both at temperatures fitted on people whom neither had met (Hinton 2002;
        Guo et al. 2017). Where one is a row of NaN the other decides alone; NaN where both are.
        """
        given = {"voice": np.atleast_2d(voice), "face": np.atleast_2d(face)}
        logs = np.zeros((len(given["voice"]), len(self.emotions)))
        nothing = np.ones(len(logs), bool)
        for name, posteriors in given.items():
            there = np.isfinite(posteriors).all(axis=1)
            own = np.log(np.maximum(posteriors[there], FLOOR)) / self.temperatures[name]
            logs[there] += own
            nothing &= ~there
        fused = np.exp(logs - logs.max(axis=1, keepdims=True))
        fused /= fused.sum(axis=1, keepdims=True)
        fused[nothing] = np.nan
        return fused.astype(np.float32)

    def adapt(self, name, posteriors, embeddings, heard=slice(None)):
        """Return the posteriors of one person once that person has been heard, or seen, for long.

        Args:
            name: ``voice`` or ``face``.
            posteriors, embeddings: As ``listen`` gives them, (clip, 8) and (clip, feature), of one
                person; rows of NaN stay.
            heard: Which rows the person is known by, such as those of windows that do not overlap.

        Returns:
            float32 (clip, 8). Where the rows show one emotion alone, next to nothing changes: see
            modeling/adaptation.
        """
        if name not in self._adapters:
            with np.load(self._folder / f"{name}_adapter.npz", allow_pickle=False) as found:
                self._adapters[name] = build_adapter(found)
        posteriors, embeddings = np.array(posteriors, np.float64), np.asarray(embeddings, float)
        there = np.isfinite(posteriors).all(axis=1)
        known = np.zeros(len(posteriors), bool)
        known[heard] = True
        known &= there
        if known.any():
            logs = np.log(np.maximum(posteriors, FLOOR))
            own = embeddings[there], logs[there], (embeddings[known], logs[known])
            posteriors[there] = np.exp(self._adapters[name].read(*own))
        return posteriors.astype(np.float32)

    def _run(self, name, values):
        session = self._sessions[name]
        return session.run(None, {session.get_inputs()[0].name: values})

    def _make_empty(self, name, n_rows):
        """Return rows of NaN for each output of a network."""
        outputs = self._sessions[name].get_outputs()
        return [np.full((n_rows, own.shape[1]), np.nan, np.float32) for own in outputs]
