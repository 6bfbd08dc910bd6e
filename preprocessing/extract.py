"""Many clips become arrays: in parallel, resumable, failures listed."""

import csv
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cache, partial

import numpy as np
import pandas as pd

from opencv_model import resnet_ssd
from preprocessing import corpora
from preprocessing.clips import decode, locations
from preprocessing.disk import arrays, files
from preprocessing.disk.lock import lock_corpus
from preprocessing.disk.resumable import ResumableArrays
from preprocessing.faces import crop, speaker
from preprocessing.index import FILE_FACTS, MODALITIES, find_changes, read_base, refuse_changes
from preprocessing.workers.isolation import explain_error
from preprocessing.workers.parallel import stream_results

LONGEST_WINDOW_S = 6.0  # where none is asked for
FILE_COLUMNS = [*MODALITIES, *(f"{kind}_{fact}" for kind in MODALITIES for fact in FILE_FACTS)]
ADDED = {"has_face", "has_voice"}  # among what extraction adds to ``clips.csv``
BOX_COLUMNS = ("x1", "y1", "x2", "y2")
FRAME_COLUMNS = ("clip_id", "frame", "time_s", *BOX_COLUMNS, "confidence", "found")
CROP_OPTIONS = ("size", "margin", "grey", "min_confidence", "detect")
READ_OPTIONS = ("strategy", "n_frames", "window_s", "trim", "rate_hz")
WATCHED_FPS = 25.0  # rate at which mouths are watched, to tell who speaks
MAX_WATCHED = 150  # frames that are kept for that, decoded


@dataclass(frozen=True)
class Choices:
    """What the notebook's parameters cell says about the extraction."""

    strategy: str = "temporal_average"  # a key of ``sampling.STRATEGIES``
    n_frames: int = 8  # of every clip
    size: int = 64  # height and width of a face crop, in pixels
    margin: float = 0.0  # around the face, as a fraction of its size
    grey: bool = True  # crops in grey, else in RGB
    min_confidence: float = 0.5  # of a detection, in [0, 1]
    detect: str = "track"  # or "every", see ``faces.crop_clip``
    window_s: float = 0.0  # seconds of every clip from its middle; 0: see ``choose_window``
    trim: bool = False  # cut what comes before and after the speech
    rate_hz: int = 16000  # samples per second of the waveforms
    detector: str = "auto"  # as ``resnet_ssd.open_detector`` takes it
    seed: int = 7  # of strategies that draw instants at random

    def __post_init__(self):
        """Refuse choices with which every clip would fail."""
        least = {"n_frames": 1, "size": 1, "min_confidence": 0, "window_s": 0}
        for name, lowest in least.items():
            if not getattr(self, name) >= lowest:
                raise ValueError(f"{name} = {getattr(self, name)}; expected {lowest} or more.")
        if self.min_confidence > 1:
            raise ValueError(f"min_confidence = {self.min_confidence}; expected 0 to 1.")


def choose_window(clips, window_s):
    """Return the seconds of every clip: those asked for, or the longest clip's up to a limit."""
    if window_s:
        return float(window_s)
    longest = clips["duration_s"].max()
    return float(min(np.ceil(longest * 10) / 10, LONGEST_WINDOW_S)) if longest > 0 else 1.0


@lock_corpus("extracting")
def extract_corpus(corpus, choices, **workers):
    """Turn a corpus's clips into face sequences and waveforms, in one pass over each file.

    Does nothing where the arrays on disk were made with the same choices from the same clips;
    goes on where it was if it was killed. Rows of clips without a face or voice are zeros, and
    ``has_face`` or ``has_voice`` is false.

    Args:
        corpus: A name of ``corpora.NAMES``, indexed before.
        choices: The ``Choices``.
        **workers: As ``index.index_corpus`` takes them; a cluster's workers see the clips under
            the same paths.

    Returns:
        The table of clips with ``status``, ``reason``, ``has_face``, ``has_voice`` and the
        quality columns, as written to ``clips.csv``.

    Raises:
        FileNotFoundError: The corpus has not been indexed.
        resnet_ssd.DetectorError: The detector asked for is not to be had, here or on a worker.
        ConnectionError: The scheduler does not answer.
        ValueError: The arrays are there, but files have changed since they were indexed.
        LockedError: Another stage writes in the corpus's folder.
        OSError: The arrays cannot be written; what is finished stays for the next start.
    """
    folder = arrays.corpus_folder(corpus)
    clips = arrays.read_clips(folder)
    detector = resnet_ssd.open_detector(choices.detector)
    window_s = choose_window(clips, choices.window_s)
    parameters = describe_choices(choices, detector, window_s, corpora.get(corpus).audio_lag_s)
    base = read_base(corpus)
    if set(clips) >= ADDED and all(arrays.is_current(folder, *own) for own in parameters.items()):
        refuse_changes(base, clips)
        print(f"{arrays.shorten_path(folder)} is up to date: same clips, same parameters.")
        return clips
    started = time.perf_counter()
    signature = files.compute_digest(
        [arrays.sign_stage(folder, stage, parameters[stage]) for stage in sorted(parameters)]
    )
    shapes = shape_arrays(len(clips), choices, window_s)
    writer = ResumableArrays(folder, shapes, signature, journal="extraction.journal")
    if writer.n_done:
        print(f"Going on where an earlier run stopped: {writer.n_done} of {len(clips)} are done.")
    files_of = clips.reindex(columns=FILE_COLUMNS).to_dict("records")
    todo = [row for row in range(len(clips)) if not writer.is_done(row)]
    tasks = [(row, base, files_of[row], parameters["faces"]) for row in todo]
    workers |= {"title": "extracting"}
    with closing(writer):
        for _, done in stream_results(_extract_clip, tasks, lost=_list_lost, **workers):
            writer.write_row(*done)
        clips = finish_extraction(folder, clips, writer, parameters)
    elapsed = time.perf_counter() - started
    print(f"{len(todo)} clips in {elapsed:.0f} s ({len(todo) / elapsed:.1f} clips a second).")
    return clips


def describe_choices(choices, detector, window_s, lag_s):
    """Return the parameters that each stage's arrays depend on, by stage."""
    voice = {"window_s": window_s, "trim": choices.trim, "rate_hz": choices.rate_hz}
    voice |= {"audio_lag_s": lag_s}
    face = asdict(choices) | voice
    face |= {"detector": detector.name, "detector_sha256": detector.weights_sha256}
    return {"faces": face, "waveforms": voice}


def shape_arrays(n_clips, choices, window_s):
    """Return shape and dtype of every array that the extraction writes."""
    pixels = (choices.size, choices.size) if choices.grey else (choices.size, choices.size, 3)
    return {
        "faces": ((n_clips, choices.n_frames, *pixels), np.uint8),
        "face_times": ((n_clips, choices.n_frames), np.float32),
        "waveforms": ((n_clips, round(window_s * choices.rate_hz)), np.float32),
    }


def finish_extraction(folder, clips, writer, parameters):
    """Rename the finished arrays, write the tables and the facts, and return the clips."""
    for stage in parameters:
        (folder / f"{stage}.json").unlink(missing_ok=True)
    found = pd.DataFrame([writer.read_record(row)["clip"] for row in clips.index])
    write_boxes(folder, clips["clip_id"], writer)
    writer.finish()
    clips = clips.drop(columns=[name for name in found if name in clips]).join(found)
    arrays.write_clips(folder, clips)
    for stage in parameters:
        names = [name for name in writer.specs if arrays.STAGE_OF[name] == stage]
        shapes = {name: writer.specs[name][0] for name in names}
        facts = {"parameters": parameters[stage], "shapes": shapes}
        if stage == "faces":
            facts |= {"tables": ["face_quality"], "detector": parameters[stage]["detector"]}
        arrays.write_facts(folder, stage, **facts)
    writer.discard_journal()
    return arrays.read_clips(folder)


def write_boxes(folder, clip_ids, writer):
    """Write ``face_quality.csv``, a row a frame, without holding more than a clip in memory."""
    with (
        files.replace_file(folder / "face_quality.csv") as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.DictWriter(
            file, FRAME_COLUMNS, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC
        )
        table.writeheader()
        for row, clip_id in enumerate(clip_ids):
            for frame, values in enumerate(writer.read_record(row)["frames"]):
                table.writerow({"clip_id": clip_id, "frame": frame, **values})


def list_failures(clips):
    """Return the clips that failed wholly or in part, with their reasons."""
    failed = clips[clips["reason"] != ""]
    return failed[["clip_id", "video", "audio", "status", "reason"]].reset_index(drop=True)


@cache
def _open_detector_once(name, sha256):
    resnet_ssd.limit_threads(1)  # one process a core: more threads would only be in the way
    detector = resnet_ssd.open_detector(name, quiet=True)
    if detector.weights_sha256 != sha256:
        raise resnet_ssd.DetectorError(
            f"A worker has other weights of {name} ({detector.weights_sha256[:12]}) than the "
            f"process that asked for them ({sha256[:12]}). Give both the same file."
        )
    return detector


def _extract_clip(row, base, clip, parameters):
    """Return one clip's rows and its record; whatever is wrong with the clip ends in the record."""
    detector = _open_detector_once(parameters["detector"], parameters["detector_sha256"])
    rows, problems, frames, found = {}, [], [], {}
    try:
        problems += find_changes(base, clip)
        paths = [locations.join(base, clip[kind]) if clip[kind] else None for kind in MODALITIES]
        reading = {name: parameters[name] for name in READ_OPTIONS} | {
            "rng": np.random.default_rng([parameters["seed"], row]),
            "audio_lag_s": parameters["audio_lag_s"] if clip["video"] != clip["audio"] else None,
            "as_frames": True,
        }
        read = decode.read_clip(*paths, **reading)
        problems += read.problems
        found |= {"fps": read.fps, "start_s": read.start_s, "window_s": read.duration_s}
        found["audio_lag_s"] = round(read.audio_lag_s, 5)
        if read.waveform is not None:
            waveform = np.zeros(round(parameters["window_s"] * parameters["rate_hz"]), np.float32)
            heard = read.waveform[: len(waveform)]
            waveform[: len(heard)] = heard
            rows["waveforms"] = waveform
        if read.frames is not None:
            options = {name: parameters[name] for name in CROP_OPTIONS}
            options["choose_speaker"] = partial(_choose_speaker, paths, reading, read)
            track = crop.crop_clip(read.frames, detector, shots=read.shots, **options)
            rows |= {"faces": track.faces, "face_times": read.frame_times}
            found |= track.quality
            problems += track.problems
            frames = _tabulate_track(track, read.frame_times)
    except (decode.MediaError, crop.NoFaceError, OSError) as error:
        problems.append(explain_error(error))
    except MemoryError:
        raise  # of the limit of memory, which is named where it is known
    except Exception as error:  # one clip must never stop a run of thousands: it is listed
        problems.append(f"{type(error).__name__}: {explain_error(error)}")
    return row, rows, _make_record(clip, rows, problems, frames, found)


def _choose_speaker(paths, reading, read, tracks):
    """Return which of several faces speaks, or None; for that the clip is read once more."""
    if read.waveform is None:
        return None
    n_frames = min(max(round(read.duration_s * WATCHED_FPS), 1), MAX_WATCHED)
    watching = {"strategy": "fixed_fps", "fps": n_frames / read.duration_s, "n_frames": n_frames}
    watched = decode.read_clip(*paths, **reading | watching)
    return speaker.choose_speaker(
        tracks,
        read.frame_times,
        watched.frames,
        watched.frame_times,
        read.waveform,
        read.rate_hz,
    )


def _list_lost(reason, row, base, clip, parameters):
    """Return what ``_extract_clip`` would of a clip whose worker did not survive it."""
    return row, {}, _make_record(clip, {}, [reason], [], {})


def _make_record(clip, rows, problems, frames, found):
    """Return the record that is kept with a clip's rows: what ``clips.csv`` says, and its boxes."""
    has = {"has_face": "faces" in rows, "has_voice": "waveforms" in rows}
    promised = [has[name] for name, kind in zip(has, MODALITIES, strict=True) if clip[kind]]
    status = "ok" if all(promised) else "partial" if any(promised) else "failed"
    reason = "; ".join(dict.fromkeys(problems))
    return {"clip": {**has, **found, "status": status, "reason": reason}, "frames": frames}


def _tabulate_track(track, times):
    """Return one dictionary a frame: time, box (None where not found), confidence, found."""
    return [
        dict.fromkeys(BOX_COLUMNS)
        | (dict(zip(BOX_COLUMNS, np.round(box, 1), strict=True)) if f else {})
        | {"time_s": round(float(t), 4), "confidence": round(float(c), 4), "found": bool(f)}
        for t, box, c, f in zip(times, track.boxes, track.confidence, track.found, strict=True)
    ]
