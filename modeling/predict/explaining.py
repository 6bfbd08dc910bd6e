"""What an answer rests on: what voice and face lose when a part is hidden, what each contributed.

Of each person the surest window is explained, of at most `MOST_PEOPLE`: the cost stays the same
however long the file is, but for reading it once more as far as the last of these windows. Nothing
is kept for that while a file is read the first time.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from modeling.explain import contributions, occlusion
from modeling.predict.answers import name_person
from modeling.predict.faces import FACE_SIDE
from modeling.predict.sound import RATE_HZ
from preprocessing.clips.containers import MediaError
from preprocessing.clips.stills import read_still
from preprocessing.clips.stream import open_stream
from preprocessing.corpora import EMOTIONS
from preprocessing.disk.files import replace_file
from preprocessing.faces.boxes import square_boxes
from preprocessing.faces.frames import Frames, crop_frame
from preprocessing.plots.style import INK

MOST_PEOPLE = 4
PATCH = 8  # pixels of the face's 48 a side that are hidden at a time
STRETCH_S = 0.25  # of the voice that are silenced at a time, about
DIGITS = 4
SIDES = ("voice", "face")
SAME_S = 1e-6  # that an instant may differ from itself when a file is read again


@dataclass
class _Wanted:
    """What the second reading of a file must bring of one row of the table."""

    row: dict
    samples: tuple | None  # first and stop, since the start, of the utterance that has most of it
    times: np.ndarray  # float64 (look,), seconds of the file
    boxes: np.ndarray  # float (look, 4), pixels of the shown frame
    waveform: np.ndarray | None = None
    faces: list = field(default_factory=list)  # uint8 (48, 48) each


def explain_timeline(timeline, location, reading, networks):
    """Put explanations into a `Timeline`; where the file cannot be read again, say so.

    Args:
        timeline: What was said of the file.
        location: Path or URL.
        reading: The `reading.Reading` that was made of it.
        networks: What read it.
    """
    wanted = [_want(row, reading) for row in choose_rows(timeline.table)]
    try:
        gather(location, reading, wanted)
    except (MediaError, OSError) as error:
        timeline.facts["problems"].append(f"not explained, it could not be read again: {error}")
        return
    timeline.explanations = [explain_row(own, networks, reading.start_s) for own in wanted]


def choose_rows(table):
    """Return the row, a dictionary, of the surest answer of each person, those with most rows."""
    read = table[table["emotion"] != ""]
    counts = read["person"].value_counts(sort=True)
    people = sorted(counts.index[:MOST_PEOPLE])
    return [
        read.loc[read.loc[read["person"] == person, "confidence"].idxmax()].to_dict()
        for person in people
    ]


def _want(row, reading):
    """Return what is needed to explain a row."""
    window = row["start_s"] - reading.start_s, row["end_s"] - reading.start_s
    samples, times, boxes = None, np.zeros(0), np.zeros((0, 4))
    if np.isfinite(row["voice_neutral"]):
        spoken = reading.sound.share_window(window, [])
        start_s, end_s = reading.sound.find_speech(max(spoken, key=spoken.get))
        first = round(start_s * RATE_HZ)
        samples = first, first + max(round((end_s - start_s) * RATE_HZ), 1)
    if np.isfinite(row["face_neutral"]):
        person = next(own for own in reading.people if own.number == row["person"])
        edges = np.array([row["start_s"], row["end_s"]]) - SAME_S
        own = slice(*np.searchsorted(person.times, edges))
        own = slice(None) if reading.is_still else own
        times, boxes = person.times[own], person.boxes[own, :4]
    return _Wanted(row, samples, times, boxes)


def gather(location, reading, wanted):
    """Read a file again, as far as it is needed, and fill in voices and faces.

    Raises:
        MediaError, OSError: It cannot be read any more.
    """
    if reading.is_still:
        _take_faces(read_still(location)[0], wanted)
        return
    voices = [own for own in wanted if own.samples]
    for own in voices:
        own.waveform = np.zeros(own.samples[1] - own.samples[0], np.float32)
    until = max((own.samples[1] for own in voices), default=0)
    until_s = max((own.times[-1] for own in wanted if len(own.times)), default=-np.inf)
    n_heard, now_s = 0, -np.inf
    with open_stream(location, rate_hz=RATE_HZ) as stream:
        for part in stream.play():
            if hasattr(part, "frame"):
                _take_faces(part, wanted)
                now_s = part.time_s
            elif part.end_s > reading.start_s + n_heard / RATE_HZ:
                add = part.cut(reading.start_s + n_heard / RATE_HZ, part.end_s)
                _take_samples(voices, add, n_heard)
                n_heard += len(add)
            if n_heard >= until and now_s >= until_s - SAME_S:
                break


def _take_samples(voices, add, n_heard):
    """Copy into voices what they need of samples, the first of which is number ``n_heard``."""
    for own in voices:
        first, stop = (min(max(edge - n_heard, 0), len(add)) for edge in own.samples)
        at = first + n_heard - own.samples[0]
        own.waveform[max(at, 0) : max(at, 0) + stop - first] = add[first:stop]


def _take_faces(picture, wanted):
    """Crop, as the first reading did, the faces that are wanted of a picture."""
    for own in wanted:
        for place in np.flatnonzero(np.abs(own.times - picture.time_s) < SAME_S):
            source = picture.reduce()
            box = own.boxes[place] * source[0].width / picture.frame.width
            square = square_boxes(box[None], margin=0.0)[0]
            face = crop_frame(Frames([source]), 0, square, size=FACE_SIDE, grey=True)
            own.faces.append(face)


def explain_row(wanted, networks, start_s):
    """Return what a window's answer rests on, as the README says, with what is ``shown``.

    Of an unsure answer the likeliest emotion is explained. Drops are in nats of log-odds of that
    emotion against all others; above 0 the hidden part spoke for it.
    """
    row, shown = wanted.row, {}
    both, voice, face = (_read(row, side) for side in ("both", *SIDES))
    emotion = int(both.argmax())
    told = {"person": int(row["person"]), "start_s": row["start_s"], "end_s": row["end_s"]}
    told["emotion"] = EMOTIONS[emotion]
    told |= share_answer({"voice": voice, "face": face}, both, networks)
    told["voice"], told["face"] = None, None
    if wanted.waveform is not None:
        found = occlusion.explain_waveform(
            lambda waveforms: networks.hear(list(waveforms)),
            wanted.waveform,
            emotion,
            rate_hz=RATE_HZ,
            stretch_s=STRETCH_S,
        )
        found["edges_s"] = found["edges_s"] + start_s + wanted.samples[0] / RATE_HZ
        told["voice"] = {name: _list(values) for name, values in found.items()}
        shown["waveform"] = wanted.waveform
    if wanted.faces:
        faces = np.stack(wanted.faces)
        spread = occlusion.map_cells(
            lambda versions: _judge_faces(versions, wanted.times, networks),
            faces,
            (None, PATCH, PATCH),
            emotion,
            fill=occlusion.choose_fill(faces),
            batch=8,
        )
        patches = spread[0, ::PATCH, ::PATCH]
        told["face"] = {"patches": [_list(own) for own in patches], "pictures": len(faces)}
        shown["face"] = faces.mean(axis=0).astype(np.uint8)
    return told | {"shown": shown}


def share_answer(sides, both, networks):
    """Return log-odds of a window's answer, what prior, voice and face add to them, and the rival.

    Args:
        sides: Posteriors (8,) by ``SIDES``; NaN of one that says nothing.
        both: What was said of both, (8,).
        networks: What fuses.
    """
    emotion, rival = (int(place) for place in np.argsort(-both, kind="stable")[:2])

    def fuse(names):
        given = [sides[name] if name in names else np.full_like(both, np.nan) for name in SIDES]
        return networks.fuse(*(own[None] for own in given))

    there = [name for name in SIDES if np.isfinite(sides[name]).all()]
    shares = contributions.share_evidence(fuse, there, emotion, len(EMOTIONS))
    alone = {name: fuse([name])[0].astype(float) for name in there}
    against = contributions.compare_rival(alone, emotion, rival)
    return {
        "log_odds": _round(contributions.measure_log_odds(fuse(there)[0], emotion)),
        "contributions": {name: _round(own[0]) for name, own in shares.items()},
        "rival": EMOTIONS[rival],
        "against_rival": {name: _round(own) for name, own in against.items()},
    }


def _judge_faces(versions, times, networks):
    """Return the posteriors of face sequences, float (version, look, 48, 48), (version, 8)."""
    flat = np.rint(versions).clip(0, 255).astype(np.uint8).reshape(-1, FACE_SIDE, FACE_SIDE)
    expressions = networks.look(flat).reshape(*versions.shape[:2], -1)
    return np.stack([networks.judge(own, times - times[0]) for own in expressions])


def _read(row, side):
    return np.array([row[f"{side}_{emotion}"] for emotion in EMOTIONS], float)


def _round(value):
    return round(float(value), DIGITS)


def _list(values):
    return [_round(value) if np.isfinite(value) else None for value in values]


def draw_explanations(timeline, target):
    """Write the explanations of a `Timeline` as a PNG: a row each.

    Left what voice and face contributed, then the face with its map, the voice over time, and its
    bands. What is red spoke for the answer, what is blue against it.
    """
    from modeling.plots import explaining as plots  # pyplot, which takes half a second

    rows = timeline.explanations
    figure = Figure(figsize=(13, 0.9 + 2.7 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    words = "red spoke for the answer, blue against it"
    figure.suptitle(f"{timeline.facts.get('file', '')} · {words}", color=INK, fontsize=11)
    parts = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    is_sound = timeline.facts.get("width") == 0
    for part, told in zip(parts, rows, strict=True):
        plots.plot_explanation(SimpleNamespace(**{"shown": {}} | told), figure=part)
        name = name_person(told["person"], is_sound=is_sound)
        span = f"{told['start_s']:.2f} to {told['end_s']:.2f} s"
        part.suptitle(f"{name}, {span}: {told['emotion']}", color=INK, fontsize=10)
    with replace_file(target) as temporary:
        metadata = {"Description": timeline.facts.get("statement", "")}
        figure.savefig(temporary, format="png", dpi=100, metadata=metadata)
