"""What was found in a file becomes what is said of it: rows of windows and persons."""

import numpy as np
import pandas as pd

from modeling.predict import timeline
from modeling.predict.adapting import adapt_faces, adapt_voices, mix_voices, name_columns
from modeling.predict.people import STILL_CHANGE
from modeling.predict.speakers import attribute_phrases, find_speaker
from modeling.predict.timeline import COLUMNS, FACE_COLUMNS, Timeline, name_answer, name_state
from modeling.predict.windows import LEAST_SPEECH_S
from preprocessing.corpora import EMOTIONS

FEW_LOOKS = 3  # a face seen in fewer pictures of a window is not read, but in a still picture
FEW_SHARE = 0.5  # of the pictures; a face seen in fewer is named
MOSTLY_TURNED = 0.5  # of the pictures that were asked; a face turned in so many is a profile
LEAST_SIDE, SMALL_SIDE = 20, 40  # pixels of a face that is read, and of one that is not named small
NOTHING = np.full(len(EMOTIONS), np.nan, np.float32)


def tell(reading, networks):
    """Return the `Timeline` of a `reading.Reading`."""
    heard = reading.people, reading.sound, reading.start_s, reading.cuts_s
    rows, phrases = [], attribute_phrases(*heard)
    for window in reading.windows:
        edges = tuple(float(edge) for edge in window)
        near = [own for own in phrases if own.start_s < edges[1] and own.end_s > edges[0]]
        rows += _list_rows(reading, networks, edges, near)
    voices = reading.sound.voices
    mix_voices(rows, {utterance: voice.posterior for utterance, voice in voices.items()})
    if reading.adapts:
        adapt_voices(rows, voices, networks, is_seen=bool(reading.people))
        adapt_faces(rows, networks)
    _fuse(rows, networks)
    for row in rows:
        row["start_s"] += reading.start_s
        row["end_s"] += reading.start_s
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    facts = dict(reading.facts)
    facts["cuts_s"] = [round(float(cut_s), 4) for cut_s in reading.cuts_s]
    facts["networks"] = dict(networks.checksums)
    facts["versions"] = timeline.list_versions()
    facts["statement"] = timeline.STATEMENT
    return Timeline(table, tabulate_faces(reading.people), facts)


def _list_rows(reading, networks, window, phrases):
    """Return a row, a dictionary, for each person in a window; one of nothing where none is."""
    times = reading.look_times - reading.start_s
    looked = _find_rows(times, window, reading.is_still)
    n_looks = looked.stop - looked.start
    sound, spoken = reading.sound.sounds.get(window), {}
    shown = [person for person in reading.people if _count(reading, person, window) > 0]
    faces = {person.number: _read_face(reading, networks, person, window) for person in shown}
    speaker, remark = 0, ""
    if sound is not None and sound.speech_s >= LEAST_SPEECH_S:
        said, remark = find_speaker(phrases, window)
        spans = [(own.start_s, own.end_s) for own in phrases if own.speaker == said]
        spoken = reading.sound.share_window(window, spans)
        speaker = said if any(person.number == said for person in shown) else 0
    common = [*[remark] * bool(spoken and remark), *_list_remarks(sound, spoken)]
    rows = []
    for person in shown:
        face, remarks = faces[person.number]
        share = _count(reading, person, window) / max(n_looks, 1)
        own = spoken if person.number == speaker else {}
        rows.append(_make_row(window, person.number, sound, share, spoken=own, face=face))
        rows[-1]["remarks"] = "; ".join([*remarks, *common])
    if spoken and speaker == 0:
        rows.insert(0, _make_row(window, 0, sound, 0.0, spoken=spoken))
        rows[0]["remarks"] = "; ".join(common)
    if not rows:
        rows.append(_make_row(window, 0, sound, 0.0))
        rows[-1]["remarks"] = "; ".join(common)
    return rows


def _find_rows(times, window, is_still=False):
    """Return the slice of times, ascending, that lie in a window."""
    if is_still:
        return slice(0, len(times))
    return slice(*np.searchsorted(times, np.array(window) - 1e-6).tolist())


def _count(reading, person, window):
    own = _find_rows(person.times - reading.start_s, window, reading.is_still)
    return own.stop - own.start


def _read_face(reading, networks, person, window):
    """Return what a person's face shows in a window, and remarks.

    What it shows are a posterior and, to adapt, an embedding; None each where it is not read.
    """
    own = _find_rows(person.times - reading.start_s, window, reading.is_still)
    n_looks = own.stop - own.start
    boxes, remarks = person.boxes[own], []
    side = float(np.median(np.sqrt(np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1))))
    looked = _find_rows(reading.look_times - reading.start_s, window, reading.is_still)
    if side < SMALL_SIDE:
        remarks.append(f"small face ({side:.0f} pixels)")
    if n_looks < FEW_SHARE * (looked.stop - looked.start):
        remarks.append("face seen in few pictures")
    turns = person.turns[own][np.isfinite(person.turns[own])]
    if len(turns) and turns.mean() >= MOSTLY_TURNED:
        remarks.append("profile")
    if reading.is_still:
        remarks.append("still picture: expression alone")
    elif n_looks < FEW_LOOKS:
        return (None, None), remarks
    elif np.nanmedian(np.append(person.changes[own][1:], np.nan)) < STILL_CHANGE:
        return (None, None), [*remarks, "the face is a still picture: not read"]
    if side < LEAST_SIDE:
        return (None, None), remarks
    if reading.adapts:
        return networks.watch(person.expressions[own]), remarks
    times = person.times[own] - reading.start_s - window[0]
    return (np.asarray(networks.judge(person.expressions[own], times), np.float32), None), remarks


def _list_remarks(sound, spoken):
    """Return what is to be said of a window's sound, of which utterances ``spoken`` are read."""
    if sound is None:
        return []
    is_soft = not spoken and sound.speech_s >= LEAST_SPEECH_S
    remarks = ["sound is clipped"] * sound.is_clipped + ["voice is too soft or short"] * is_soft
    return remarks + [sound.other] * bool(sound.other)


def _make_row(window, person, sound, share, *, spoken=None, face=(None, None)):
    """Return a row without what voice and both say, with "utterances" and "embedding" beside.

    Args:
        window, person: Its seconds, and the number of whom it is of.
        sound: The window's `sound.Sound`, or None.
        share: Of the window's pictures that show the face.
        spoken: Seconds of the person's utterances in it; None or empty where none is read.
        face: Its posterior and embedding, or None each.
    """
    posterior, embedding = face
    row = {"start_s": window[0], "end_s": window[1], "person": person}
    row["state"] = name_state(is_heard=bool(spoken), is_seen=posterior is not None)
    row |= {"emotion": "", "confidence": np.nan}
    for side, values in (("both", None), ("voice", None), ("face", posterior)):
        row |= name_columns(side, (NOTHING if values is None else values).tolist())
    row |= {"utterances": spoken or {}, "embedding": embedding}
    row |= {"speech_s": sound.speech_s if sound else 0.0, "face_share": float(share)}
    return row


def _fuse(rows, networks):
    """Add to rows what face and voice say together, and the emotion that is named."""
    sides = [
        np.array([[row[f"{side}_{name}"] for name in EMOTIONS] for row in rows], np.float32)
        for side in ("voice", "face")
    ]
    for row, both in zip(rows, networks.fuse(*sides), strict=True):
        row |= {f"both_{name}": float(p) for name, p in zip(EMOTIONS, both, strict=True)}
        if row["state"] != "nothing to read" and np.isfinite(both).all():
            row["emotion"], row["confidence"] = name_answer(both, networks)


def tabulate_faces(people):
    """Return where persons' faces are, a row a look, of `timeline.FACE_COLUMNS`."""
    parts = []
    for person in people:
        x1, y1, x2, y2, confidence = person.boxes.T
        columns = [person.times, np.full(len(x1), person.number), x1, y1, x2 - x1, y2 - y1]
        parts.append(pd.DataFrame(dict(zip(FACE_COLUMNS, [*columns, confidence], strict=True))))
    if not parts:
        return pd.DataFrame({name: [] for name in FACE_COLUMNS})
    return pd.concat(parts).sort_values(["time_s", "person"], ignore_index=True)
