"""Made timelines, as `modeling.predict.predict_clip` gives them: no network is asked."""

import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from preprocessing.clips.containers import probe
from preprocessing.corpora import EMOTIONS

SIDES = ("both", "voice", "face")
STATEMENT = "A machine's guess at how faces look and voices sound; not what anybody feels."


def make_timeline(
    duration_s=10.0, people=(1, 2), size=(1280, 720), *, window_s=3.0, step_s=0.5, seed=3
):
    """Return a stand-in timeline: answers that change every few seconds, boxes that move.

    Person 0 has a voice alone; one window in nine is unsure, one in thirteen holds nothing.
    """
    rng = np.random.default_rng(seed)
    n_windows = max(int((duration_s - window_s) / step_s) + 1, 1)
    rows = []
    for person in people:
        emotion = 0
        for k in range(n_windows):
            if k % 8 == 0:
                emotion = int(rng.integers(8))
            start_s = k * step_s
            row = {"start_s": start_s, "end_s": min(start_s + window_s, duration_s)}
            rows.append(row | _answer(person, emotion, k + person, rng))
    width, height = size
    return SimpleNamespace(
        table=pd.DataFrame(rows),
        faces=_move_faces([p for p in people if p], duration_s, width, height),
        summary=pd.DataFrame({"person": people}),
        facts={
            "file": "holiday.mp4",
            "duration_s": duration_s,
            "width": width,
            "height": height,
            "fps": 30.0,
            "problems": [],
            "networks": {},
            "versions": {},
            "statement": STATEMENT,
        },
    )


def _answer(person, emotion, k, rng):
    both = rng.dirichlet(np.full(8, 0.5) + 6 * (np.arange(8) == emotion))
    says = {"both": both, "voice": rng.dirichlet(both * 8 + 0.1), "face": None}
    says["face"] = rng.dirichlet(both * 8 + 0.1) if person else np.full(8, np.nan)
    state, confidence = "face and voice" if person else "voice", float(both.max())
    name = EMOTIONS[int(both.argmax())] if k % 9 else "unsure"
    if k % 13 == 12:
        state, name, confidence = "nothing to read", "", np.nan
        says = {side: np.full(8, np.nan) for side in SIDES}
    posteriors = {f"{side}_{e}": says[side][i] for side in SIDES for i, e in enumerate(EMOTIONS)}
    facts = {"person": person, "state": state, "emotion": name, "confidence": confidence}
    return facts | posteriors | {"speech_s": 1.5, "face_share": 1.0, "remarks": ""}


def _move_faces(people, duration_s, width, height):
    """Return a face a person that drifts, looked at eight times a second."""
    rows = []
    side = 0.3 * min(width, height)
    for time_s in np.arange(0, duration_s, 0.125):
        for k, person in enumerate(people):
            x = width * (k + 0.5) / len(people) - side / 2 + 0.03 * width * np.sin(time_s)
            y = 0.3 * height + 0.02 * height * np.cos(1.3 * time_s)
            box = {"x": x, "y": y, "width": side, "height": 1.2 * side, "confidence": 0.9}
            rows.append({"time_s": time_s, "person": person} | box)
    columns = ["time_s", "person", "x", "y", "width", "height", "confidence"]
    return pd.DataFrame(rows, columns=columns)


def predict_stand_in(path, progress):
    """Return a made timeline as long as the clip, as ``predict_clip`` would its own."""
    lengths = [length for length in probe(Path(path)).durations_s.values() if length]
    duration_s = max(lengths, default=3.0)
    for now_s in np.arange(0, duration_s, 0.5):
        progress(float(now_s), duration_s)
    return make_timeline(duration_s, people=(1, 0), size=(640, 480))


def predict_slowly(path, progress):
    """Do the same in two seconds."""
    time.sleep(2)
    return predict_stand_in(path, progress)


class StandInReader:
    """Reads a camera as `live.LiveReader` does, and always sees joy."""

    def show(self, picture, time_s):
        self.shape = picture.shape

    def hear(self, samples, rate_hz, end_s):
        assert np.abs(samples).max(initial=0) <= 1

    def answer(self):
        told = {"person": 1, "state": "face", "emotion": "happy", "confidence": 0.8}
        return {"people": [told | {"box": [0.3, 0.2, 0.3, 0.5]}]}
