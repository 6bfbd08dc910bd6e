"""What the shipped networks may be asked, and where they claim nothing.

A network answers to anything: to noise of the wrong scale with an emotion, to silence with 97%
*fearful*. So what is asked is looked at first, and where nothing can be read the answer is a row
of NaN.
"""

import numpy as np

from modeling.borrowed.readable import SHORTEST, is_silent
from modeling.expressions import expression_network, fer2013
from preprocessing.corpora import EMOTIONS

LOUDEST = 2.0
"""Decoders may go a little beyond 1; what goes beyond this is of another scale."""


def check_questions(model, name):
    """Let a shipped network's ``predict`` refuse what it cannot read, and claim nothing of nothing.

    Args:
        model: The Keras model; its method is replaced. The model called as a function stays bare.
        name: ``voice``, ``face``, ``expression`` or ``fusion``.

    Returns:
        The model.
    """
    check, predict = CHECKS[name], model.predict

    def ask(x, *arguments, **options):
        x, is_empty = check(x)
        found = predict(x, *arguments, **options)
        for answers in found.values() if isinstance(found, dict) else [found]:
            answers[is_empty] = np.nan
        return found

    model.predict = ask
    return model


def check_waveforms(waveforms):
    """Return waveforms as float32 (clip, sample), and which are silent.

    Raises:
        ValueError: They are not mono waveforms between -1 and 1 of ``SHORTEST`` samples or more.
    """
    waveforms = _read_array(waveforms, "waveforms")
    shape = waveforms.shape
    if waveforms.dtype.kind != "f":
        raise ValueError(
            f"waveforms are {waveforms.dtype}; expected float32 between -1 and 1. Divide int16 by "
            "32768."
        )
    advice = ""
    if len(shape) == 1:
        advice = "Give a single one as waveform[None]."
    elif len(shape) != 2 or (shape[1] < SHORTEST <= shape[0]):
        advice = "Of several channels take the mean; clips come first."
    elif shape[1] < SHORTEST:
        advice = f"{shape[1]} samples are too short: {SHORTEST} (0.06 s at 16 kHz) are the least."
    if advice or not shape[0]:
        raise ValueError(f"waveforms have shape {shape}; expected (clip, sample). {advice}".strip())
    bad = np.flatnonzero(~np.isfinite(waveforms).all(axis=1))
    if len(bad):
        raise ValueError(
            f"waveforms hold NaN or infinity, first in clip {bad[0]}; expected numbers. Leave it "
            "out, or find where they come from."
        )
    if (loudest := np.abs(waveforms).max()) > LOUDEST:
        raise ValueError(
            f"waveforms reach {loudest:g}; expected -1 to 1. Divide 16-bit samples by 32768."
        )
    return waveforms.astype(np.float32), is_silent(waveforms)


def check_faces(faces):
    """Return faces as float32 (face, 48, 48, 1), and which are black: where no face was found.

    Raises:
        ValueError: They have another shape or range.
    """
    faces, side = _read_array(faces, "faces"), fer2013.SIDE
    if faces.shape[1:] != (side, side, 1) or not len(faces):
        raise ValueError(
            f"faces have shape {faces.shape}; expected (face, {side}, {side}, 1). "
            "expression_network.describe_faces takes sequences of any size."
        )
    expression_network.check_faces(faces)
    return faces.astype(np.float32), ~faces.any(axis=(1, 2, 3))


def check_expressions(expressions):
    """Return expressions as float32 (clip, time, 7), and which clips show no face.

    Raises:
        ValueError: They are no posteriors of as many classes, a row a frame.
    """
    expressions, n_classes = _read_array(expressions, "expressions"), len(fer2013.CLASSES)
    if expressions.ndim != 3 or expressions.shape[2] != n_classes or not expressions.size:
        shape = expressions.shape
        raise ValueError(f"expressions have shape {shape}; expected (clip, time, {n_classes}).")
    expressions = _read_posteriors(expressions, "expressions")
    return expressions, ~expressions.any(axis=(1, 2))


def check_judgements(judgements):
    """Return what the fusion reads, NaN as zeros, and of which clips nothing at all is claimed.

    Raises:
        ValueError: There are no posteriors of both kinds, or for other numbers of clips.
    """
    names = ("voice", "face")
    if not isinstance(judgements, dict) or judgements.keys() != set(names):
        found = sorted(judgements) if isinstance(judgements, dict) else type(judgements).__name__
        raise ValueError(f"found {found}; expected a dict of {' and '.join(names)}.")
    read = {}
    for name in names:
        own = _read_array(judgements[name], name)
        if own.shape[1:] != (len(EMOTIONS),) or not len(own):
            raise ValueError(f"{name} has shape {own.shape}; expected (clip, {len(EMOTIONS)}).")
        read[name] = _read_posteriors(own, name)
    if len({len(own) for own in read.values()}) > 1:
        counts = ", ".join(f"{len(own)} of {name}" for name, own in read.items())
        raise ValueError(f"found clips: {counts}; expected as many of each, in the same order.")
    return read, ~np.any([own.any(axis=1) for own in read.values()], axis=0)


def _read_posteriors(values, name):
    """Return rows of posteriors as float32, NaN as zeros: nothing is claimed."""
    if values.dtype.kind != "f":
        raise ValueError(f"{name} is {values.dtype}; expected float32 posteriors.")
    values = np.where(np.isnan(values).all(axis=-1, keepdims=True), 0, values)
    sums = values.sum(axis=-1)
    if not ((values >= 0).all() and (np.isclose(sums, 1, atol=0.02) | (sums == 0)).all()):
        raise ValueError(
            f"{name} holds rows that are no posteriors; expected numbers that sum to 1, or zeros "
            "or NaN alone where nothing is claimed."
        )
    return values.astype(np.float32)


CHECKS = {
    "voice": check_waveforms,
    "expression": check_faces,
    "face": check_expressions,
    "fusion": check_judgements,
}


def _read_array(values, name):
    """Return values as an array of numbers."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} differ in shape; pad them with zeros to the same.") from error
    if array.dtype.kind not in "fiu":
        kind = type(values).__name__ if array.dtype == object else array.dtype
        raise ValueError(f"{name} are {kind}; expected an array of numbers.")
    return array
