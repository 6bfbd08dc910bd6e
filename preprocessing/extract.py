"""Many clips become arrays: in parallel, resumable, failures listed.

Workers are pure functions from a clip to small arrays; only the process that called writes.
"""

import time
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
import pandas as pd

from opencv_model import resnet_ssd
from preprocessing import arrays, faces, media
from preprocessing.indexing import explain_error, read_base
from preprocessing.parallel import stream_results
from preprocessing.resumable import ResumableArrays

LONGEST_WINDOW_S = 6.0
"""The window where none is asked for: the longest clip's length, but at most this."""

ROWS_PER_COMMIT = 16


@dataclass(frozen=True)
class Choices:
    """What the notebook's parameters cell says about the extraction.

    Attributes:
        strategy: A key of ``sampling.STRATEGIES``.
        n_frames: Frames of every clip.
        size: Height and width of a face crop, in pixels.
        margin: Margin around the face, as a fraction of its size.
        grey: Grey crops, else RGB.
        min_confidence: Least confidence of a detection, in [0, 1].
        window_s: Seconds of every clip that are used, from its middle.
        rate_hz: Samples per second of the waveforms.
        detector: Name of the detector, as ``resnet_ssd.open_detector`` takes it.
        seed: For strategies that draw instants at random.
    """

    strategy: str = "temporal_average"
    n_frames: int = 8
    size: int = 64
    margin: float = 0.0
    grey: bool = True
    min_confidence: float = 0.5
    window_s: float = 0.0
    rate_hz: int = 16000
    detector: str = "auto"
    seed: int = 7


def choose_window(clips, window_s):
    """Return the seconds that every clip is given: those asked for, or the longest clip's."""
    if window_s:
        return float(window_s)
    longest = clips["duration_s"].max()
    return float(min(np.ceil(longest * 10) / 10, LONGEST_WINDOW_S)) if longest > 0 else 1.0


def extract_corpus(corpus, choices, *, n_jobs=-1, progress=True):
    """Turn a corpus's clips into face sequences and waveforms, in one pass over each file.

    Does nothing where the arrays on disk were made with the same choices from the same clips;
    goes on where it was if it was killed. Rows of clips without a face or voice are zeros, and
    ``has_face`` or ``has_voice`` is false.

    Args:
        corpus: A name of ``corpora.NAMES``, indexed before.
        choices: The ``Choices``.
        n_jobs: Processes; -1 for one a core.
        progress: Show a progress bar.

    Returns:
        The table of clips with ``status``, ``reason``, ``has_face``, ``has_voice`` and the
        quality columns, as written to ``clips.csv``.

    Raises:
        FileNotFoundError: The corpus has not been indexed.
        resnet_ssd.DetectorError: The detector asked for is not to be had.
        OSError: The arrays cannot be written; what is finished stays for the next start.
    """
    folder = arrays.corpus_folder(corpus)
    clips = arrays.read_clips(folder)
    base = read_base(corpus)
    detector = resnet_ssd.open_detector(choices.detector)
    window_s = choose_window(clips, choices.window_s)
    parameters = describe_choices(choices, detector, window_s)
    if all(arrays.is_current(folder, stage, parameters[stage]) for stage in parameters):
        print(f"{arrays.shorten_path(folder)} is up to date: same clips, same parameters.")
        return clips
    started = time.perf_counter()
    signature = arrays.compute_digest(
        [arrays.sign_stage(folder, stage, parameters[stage]) for stage in sorted(parameters)]
    )
    writer = ResumableArrays(folder, shape_arrays(len(clips), choices, window_s), signature)
    n_before = len(writer.records)
    if n_before:
        print(f"Going on where an earlier run stopped: {n_before} of {len(clips)} clips are done.")
    todo = [row for row in range(len(clips)) if row not in writer.records]
    tasks = [
        (row, base, clips["video"][row], clips["audio"][row], choices, detector.name, window_s)
        for row in todo
    ]
    try:
        for n_done, (index, result) in enumerate(
            stream_results(
                _extract_clip, tasks, n_jobs=n_jobs, title="extracting", progress=progress
            ),
            1,
        ):
            writer.write_row(todo[index], result["arrays"], result["record"])
            if n_done % ROWS_PER_COMMIT == 0:
                writer.commit()
        clips = finish_extraction(folder, clips, writer, parameters, detector)
    finally:
        writer.close()
    elapsed = time.perf_counter() - started
    print(f"{len(todo)} clips in {elapsed:.0f} s ({len(todo) / elapsed:.1f} clips a second).")
    return clips


def describe_choices(choices, detector, window_s):
    """Return the parameters that each stage's arrays depend on, by stage."""
    voice = {"window_s": window_s, "rate_hz": choices.rate_hz}
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


def finish_extraction(folder, clips, writer, parameters, detector):
    """Rename the finished arrays, write the tables and the facts, and return the clips."""
    for stage in parameters:
        (folder / f"{stage}.json").unlink(missing_ok=True)
    writer.finish()
    records = [writer.records[row] for row in range(len(clips))]
    found = pd.DataFrame([record["clip"] for record in records], index=clips.index)
    clips = clips.drop(columns=[name for name in found if name in clips]).join(found)
    arrays.write_clips(folder, clips)
    frames = [
        {"clip_id": clip_id, "frame": frame, **values}
        for clip_id, record in zip(clips["clip_id"], records, strict=True)
        for frame, values in enumerate(record["frames"])
    ]
    columns = ["clip_id", "frame", "time_s", "x1", "y1", "x2", "y2", "confidence", "found"]
    arrays.write_table(folder / "face_quality.csv", pd.DataFrame(frames, columns=columns))
    files = {
        "faces": ["faces.npy", "face_times.npy", "face_quality.csv"],
        "waveforms": ["waveforms.npy"],
    }
    for stage, names in files.items():
        shapes = {n: s for n, (s, _) in writer.specs.items() if f"{n}.npy" in names}
        facts = {"detector": detector.name} if stage == "faces" else {}
        arrays.write_facts(
            folder, stage, parameters=parameters[stage], files=names, shapes=shapes, **facts
        )
    writer.discard_journal()
    return arrays.read_clips(folder)


def list_failures(clips):
    """Return the clips that failed wholly or in part, with their reasons."""
    failed = clips[clips["reason"] != ""]
    return failed[["clip_id", "video", "audio", "status", "reason"]].reset_index(drop=True)


@cache
def _open_detector_once(name):
    resnet_ssd.limit_threads(1)  # one process a core: more threads would only be in the way
    return resnet_ssd.open_detector(name, quiet=True)


def _extract_clip(row, base, video, audio, choices, detector_name, window_s):
    """Return one clip's rows and its record; whatever is wrong with the clip ends in the record."""
    rows, problems, frames = {}, [], []
    record = {"has_face": False, "has_voice": False}
    try:
        clip = media.read_clip(
            base / video if video else None,
            base / audio if audio else None,
            strategy=choices.strategy,
            n_frames=choices.n_frames,
            window_s=window_s,
            rate_hz=choices.rate_hz,
            rng=np.random.default_rng([choices.seed, row]),
        )
        problems += clip.problems
        record |= {"fps": clip.fps, "start_s": clip.start_s, "window_s": clip.duration_s}
        if clip.waveform is not None:
            samples = np.zeros(round(window_s * choices.rate_hz), np.float32)
            n_samples = min(len(samples), len(clip.waveform))
            samples[:n_samples] = clip.waveform[:n_samples]
            rows["waveforms"], record["has_voice"] = samples, True
        if clip.frames is not None:
            track = faces.crop_clip(
                clip.frames,
                _open_detector_once(detector_name),
                size=choices.size,
                margin=choices.margin,
                grey=choices.grey,
                min_confidence=choices.min_confidence,
            )
            rows["faces"], rows["face_times"] = track.faces, clip.frame_times
            record |= {"has_face": True, **track.quality}
            frames = _tabulate_track(track, clip.frame_times)
    except (media.MediaError, faces.NoFaceError, OSError) as error:
        problems.append(explain_error(error))
    except Exception as error:  # one clip must never stop a run of thousands: it is listed
        problems.append(f"{type(error).__name__}: {explain_error(error)}")
    promised = {"has_face": bool(video), "has_voice": bool(audio)}
    missing = [name for name, wanted in promised.items() if wanted and not record[name]]
    status = (
        "ok" if not missing else "partial" if len(missing) < sum(promised.values()) else "failed"
    )
    record |= {"status": status, "reason": "; ".join(dict.fromkeys(problems))}
    return {"arrays": rows, "record": {"clip": _to_json(record), "frames": frames}}


def _tabulate_track(track, times):
    """Return one dictionary a frame: time, box, confidence, found."""
    return [
        _to_json(
            dict(zip(("x1", "y1", "x2", "y2"), np.round(box, 1), strict=True))
            | {"time_s": round(float(t), 4), "confidence": round(float(c), 4), "found": bool(f)}
        )
        for t, box, c, f in zip(times, track.boxes, track.confidence, track.found, strict=True)
    ]


def _to_json(record):
    return {k: v.item() if isinstance(v, np.generic) else v for k, v in record.items()}
