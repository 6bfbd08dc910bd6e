"""A run of one's own in place of the shipped voice. Starts TensorFlow, which takes seconds."""

from pathlib import Path

import numpy as np

from modeling.borrowed.readable import SHORTEST, is_readable
from modeling.fusion import heads
from modeling.training import networks as running
from modeling.training import runs
from preprocessing.corpora import EMOTIONS
from preprocessing.disk.folders import find_home


class OwnVoice:
    """Networks whose voice is that of a run of notebook 44; face and fusion are the shipped ones.

    Voice and face are put together at the shipped voice's temperature.

    Args:
        networks: `networks.Networks`.
        folder: Of the run, below ``results/`` or anywhere.

    Raises:
        ValueError: The run's network does not read waveforms.
        FileNotFoundError: There is no run.
    """

    def __init__(self, networks, folder):
        folder = Path(find_home(), folder)
        if not (folder / "model.keras").is_file():
            raise FileNotFoundError(f"No model.keras in {folder}; RUN is a folder of results/.")
        self.facts = runs.read_facts(folder)
        if self.facts["array"] != "waveforms":
            branch, array = self.facts["branch"], self.facts["array"]
            raise ValueError(f"RUN: {branch} reads {array}; a voice of notebook 44 is expected.")
        self._networks, self._model = networks, heads.load_network(folder)
        said = runs.read_posteriors(runs.read_predictions(folder))[1]
        self._places = [EMOTIONS.index(emotion) for emotion in said]
        self.checksums = networks.checksums | {"voice.onnx": f"{folder.name}/model.keras"}

    def __getattr__(self, name):
        """Return what the networks inside have of this name."""
        return getattr(self._networks, name)

    def hear(self, waveforms):
        """Return posteriors of waveforms, float32 (clip, 8); see `networks.Networks.hear`."""
        found = np.full((len(waveforms), len(EMOTIONS)), np.nan, np.float32)
        for row, own in enumerate(waveforms):
            if is_readable(own):
                said = running.run_network(self._model, own[None], shortest=SHORTEST)
                found[row] = 0
                found[row, self._places] = said[0]
        return found
