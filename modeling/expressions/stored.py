"""Expressions of a corpus on disk: notebook 31 writes them, 32 reads them.

The arrays are those of ``Seen``, classes as in ``fer2013.CLASSES``, seconds on the clock of the
voice; ``expression_summary`` (clip, feature), what they come to; and ``action_units`` (clip, unit),
means over a clip.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from modeling.expressions.fer2013 import CLASSES
from preprocessing.disk import arrays

FLOOR = 1e-3
"""Smallest posterior that is told from zero."""

INPUTS = {
    "expressions": "expressions",
    "statistics": "expressions",
    "embeddings": "expression_embeddings",
    "summary": "expression_summary",
    "action_units": "action_units",
}
"""The array that each ``INPUT`` of notebook 32 means."""

BRANCHES = {
    "expressions": "face_expression",
    "expression_embeddings": "video_expression",
    "expression_summary": "face_summary",
    "action_units": "face_action_units",
}
"""The branch that reads each array."""


@dataclass(frozen=True)
class Seen:
    """What was seen in a corpus's faces.

    Attributes:
        expressions: float32 (clip, time, class), zeros where no face is.
        times: float32 (clip, time), seconds in the window.
        source: Facts about what saw it, such as the network's name and digest.
        embeddings: float32 (clip, time, feature); None where another network saw it.
        silences: float32 (clip, 2, class), mean log-posteriors before and after the window; None
            where they are not known.
        detector: What found the faces, where that is known.
    """

    expressions: np.ndarray
    times: np.ndarray
    source: dict
    embeddings: np.ndarray | None = None
    silences: np.ndarray | None = None
    detector: str = ""


def write_expressions(corpus, seen, *, units=None, notebook=None):
    """Write a corpus's expressions, as ``Seen``, and their summary; return the summary.

    Of action units, a DataFrame with a row a clip, the summary has them too. The parameters of the
    ``notebook`` that made them are kept beside them.

    Raises:
        ValueError: The faces have been made anew while they were looked at.
    """
    folder = arrays.corpus_folder(corpus)
    if "faces" in seen.source:
        arrays.read_array(folder, "faces")  # refuses those of other clips
        if seen.source["faces"] != arrays.compute_stage_digest(folder, "faces"):
            raise ValueError("faces.npy was made anew while it was looked at. Run the cell again.")
    values = None if units is None else units.to_numpy()
    summary = summarize_expressions(seen.expressions, seen.silences, values)
    made = {"expressions": seen.expressions, "expression_times": seen.times}
    if seen.embeddings is not None:
        made["expression_embeddings"] = seen.embeddings
    made["expression_summary"] = summary
    source = seen.source if units is None else seen.source | {"units": sign_bytes(values.tobytes())}
    facts = {"classes": CLASSES, "detector": seen.detector, "notebook": notebook or {}}
    arrays.write_stage(folder, "expressions", parameters=source, arrays=made, **facts)
    return summary


def write_action_units(corpus, units, *, notebook=None):
    """Write a corpus's action units, with their names and what made them beside them."""
    values = units.to_numpy()
    source = {"program": "OpenFace", "values": sign_bytes(values.tobytes())}
    folder, made = arrays.corpus_folder(corpus), {"action_units": values}
    facts = {"units": list(units), "notebook": notebook or {}}
    arrays.write_stage(folder, "action_units", parameters=source, arrays=made, **facts)


def summarize_expressions(expressions, silences=None, units=None):
    """Return one row of numbers a clip: its expressions over time, in a few statistics.

    Args:
        expressions, silences: As in ``Seen``.
        units: float32 (clip, unit), action units, or None.

    Returns:
        float32 (clip, feature): mean and deviation of the log-posteriors and of the posteriors in
        the window, the silences, the action units and their square roots (most are near zero); a
        row of zeros for a clip without a face in the window.
    """
    there = expressions.any(axis=2)[..., None]
    n_frames = np.maximum(there.sum(axis=1), 1)
    pieces = []
    for values in (np.log(np.maximum(expressions, FLOOR)), expressions):
        mean = (values * there).sum(axis=1) / n_frames
        variance = (np.square(values - mean[:, None]) * there).sum(axis=1) / n_frames
        pieces += [mean, np.sqrt(variance)]
    if silences is not None:
        pieces.append(silences.reshape(len(silences), -1))
    if units is not None:
        pieces += [units, np.sqrt(np.maximum(units, 0))]
    summary = np.concatenate(pieces, axis=1).astype(np.float32)
    summary[~there.any(axis=(1, 2))] = 0
    return summary


def choose_input(folder, name="auto"):
    """Return the array that ``INPUT`` means: ``auto`` takes embeddings where there are any.

    Raises:
        FileNotFoundError: There are no expressions, or not this array.
        ValueError: The name is unknown, or the faces have changed since.
    """
    if name != "auto" and name not in INPUTS:
        raise ValueError(f"INPUT = {name!r}; expected auto, {', '.join(INPUTS)}.")
    if name == "action_units":
        arrays.read_facts(folder, "action_units")
        return name
    facts = arrays.read_facts(folder, "expressions")
    there = "expression_embeddings" in facts["shapes"]
    faces = arrays.compute_stage_digest(folder, "faces")
    if there and faces and faces != facts["parameters"]["faces"]:
        raise ValueError(
            "expressions.json was made from another state of the faces. Rerun "
            f"{arrays.MADE_BY['expressions']}."
        )
    if name == "embeddings" and not there:
        raise FileNotFoundError(
            "expressions.json has no embeddings: another network made these expressions. Set "
            "INPUT = 'expressions'."
        )
    return INPUTS[name if name != "auto" else "embeddings" if there else "expressions"]


def list_inputs(facts):
    """Return the facts of the stages behind expressions or action units, as a run keeps them."""
    inputs = {facts["stage"]: facts}
    if "faces" in facts["parameters"]:
        detector = facts.get("detector", "")
        inputs["faces"] = {"digest": facts["parameters"]["faces"], "detector": detector}
    return inputs


def measure_step(folder):
    """Return the usual time between two frames of a corpus's expressions, in seconds."""
    steps = np.diff(arrays.read_array(folder, "expression_times"), axis=1)
    return float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0


def name_origin(facts):
    """Return in words what made the expressions or action units of these facts."""
    made = facts["parameters"]
    return made["program"] if "program" in made else f"the network ({made['network']})"


def note_origin(facts):
    """Return the note that must stand beside scores that rest on somebody else's network."""
    made = facts["parameters"]
    if "program" in made:
        return f"{made['program']}'s action units"
    return "" if made["network"].startswith("ours") else "another network's expressions"


def sign_bytes(data):
    """Return the SHA-256 of bytes, shortened: what arrays were made from."""
    return hashlib.sha256(data).hexdigest()[:16]
