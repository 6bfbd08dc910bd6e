"""A file is read once, in flat memory: faces from its pictures, voices from its sound."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from modeling.predict import windows
from modeling.predict.faces import FaceReader
from modeling.predict.people import join_tracks
from modeling.predict.sound import RATE_HZ, SoundReader
from opencv_model.resnet_ssd import open_detector
from preprocessing.clips.locations import get_path
from preprocessing.clips.stills import SUFFIXES, read_still
from preprocessing.clips.stream import open_stream
from preprocessing.workers.ahead import work_ahead

N_AHEAD = 24  # pictures that are decoded while others are looked at
MOST_PENDING = 2  # stretches of sound that wait to be heard
ALIGNED_S = 0.25  # tracks that start, or end, within this of each other do so together


@dataclass
class Reading:
    """What was found in a file, before anything is said of it."""

    people: list  # of `people.Person`
    look_times: np.ndarray  # float64 (look,), seconds of the file
    sound: SoundReader
    windows: np.ndarray  # float64 (window, 2), seconds since ``start_s``
    start_s: float  # second of the file at which the first window starts
    cuts_s: list = field(default_factory=list)  # seconds of the file at which shots begin
    is_still: bool = False  # a picture file
    adapts: bool = False  # to people: voices have embeddings
    facts: dict = field(default_factory=dict)


def read_file(
    location, networks, *, by, window_s, step_s, adapt=False, detector=None, progress=None
):
    """Return the `Reading` of a media file or of a picture.

    Args:
        location: Path or URL.
        networks: See `networks.load_networks`.
        by, window_s, step_s, adapt: See `predict_clip`.
        detector: See `opencv_model.resnet_ssd`; None opens the usual one.
        progress: Function that is told how many seconds were read, and of how many (or None).

    Raises:
        MediaError: The file holds neither picture nor sound that can be read.
    """
    windows.list_windows(0.0, 1.0, window_s=window_s, step_s=step_s)  # checks them
    if by not in windows.BY:
        raise ValueError(f"by = {by!r} is unknown; expected one of {', '.join(windows.BY)}.")
    faces = FaceReader(detector or open_detector(), networks.look)
    listen = networks.listen if adapt else lambda waveforms: (networks.hear(waveforms), None)
    sound = SoundReader(listen, by=by, window_s=window_s, step_s=step_s)
    if get_path(location).suffix.lower() in SUFFIXES:
        return _read_still(location, faces, sound)
    with (
        open_stream(location, rate_hz=RATE_HZ) as stream,
        ThreadPoolExecutor(1) as listener,
        work_ahead(_play(stream), n_ahead=N_AHEAD) as parts,
    ):
        pending = deque()
        for part, began_s in parts:
            if hasattr(part, "frame"):
                faces.show(part)
            else:
                if sound.start_s is None:
                    sound.start(began_s)
                pending.append(listener.submit(sound.hear, part))
                if len(pending) > MOST_PENDING:
                    pending.popleft().result()
            if progress:
                now_s = part.time_s if hasattr(part, "frame") else part.end_s
                progress(now_s, stream.duration_s)
        faces.finish()
        for heard in pending:
            heard.result()
        start_s, end_s = _find_span(stream)
    if sound.start_s is None:
        sound.start(start_s)
    start_s = sound.start_s
    sound.finish(end_s - start_s)
    spans = _plan(sound, end_s - start_s, by, window_s, step_s)
    facts = _list_facts(location, stream, start_s, end_s)
    people = join_tracks(faces.tracks, len(faces.look_times))
    times, cuts_s = np.array(faces.look_times), list(faces.cuts_s)
    return Reading(people, times, sound, spans, start_s, cuts_s, adapts=adapt, facts=facts)


def _play(stream):
    """Yield what a stream plays, with sound the start of what is read by what came before it."""
    for part in stream.play():
        yield part, None if hasattr(part, "frame") else _find_span(stream)[0]


def _find_span(stream):
    """Return the seconds that are read: what tracks share, but for long stretches of one alone."""
    spans = stream.spans
    if stream.is_silent and "picture" in spans:
        spans = {"picture": spans["picture"]}
    starts, ends = zip(*spans.values(), strict=True)
    longest_s = max(end - start for start, end in spans.values())
    rounded_s = max(ALIGNED_S, min(0.05 * longest_s, 1.0))  # as in `clock.find_mismatch`
    start_s = max(starts) if max(starts) - min(starts) <= rounded_s else min(starts)
    return start_s, min(ends) if max(ends) - min(ends) <= rounded_s else max(ends)


def _plan(sound, length_s, by, window_s, step_s):
    """Return the windows of a file, float64 (window, 2), seconds since its start."""
    if by == "utterance":
        return windows.fill_pauses(np.array(sorted(sound.utterances)).reshape(-1, 2), 0.0, length_s)
    return windows.list_windows(0.0, length_s, window_s=window_s, step_s=step_s)


def _list_facts(location, stream, start_s, end_s):
    width, height = stream.size or (0, 0)
    shown_s = np.ptp(stream.spans.get("picture", (0.0, 0.0)))
    return {
        "file": get_path(location).name,
        "duration_s": round(float(end_s - start_s), 6),
        "start_s": round(float(start_s), 6),
        "width": width,
        "height": height,
        "fps": round(float(stream.n_pictures / shown_s), 3) if shown_s else None,
        "problems": list(stream.problems),
    }


def _read_still(location, faces, sound):
    """Return the `Reading` of a picture file: one window of no length."""
    picture, size = read_still(location)
    faces.show(picture)
    faces.finish()
    facts = {"file": get_path(location).name, "duration_s": 0.0, "start_s": 0.0}
    facts |= {"width": size[0], "height": size[1], "fps": None}
    facts["problems"] = ["a still picture: its expression alone, no voice and no motion"]
    people, times = join_tracks(faces.tracks, 1), np.array(faces.look_times)
    sound.start(0.0)
    return Reading(people, times, sound, np.zeros((1, 2)), 0.0, is_still=True, facts=facts)
