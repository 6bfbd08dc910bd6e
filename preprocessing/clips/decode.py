"""One decode of a clip: the chosen frames and the waveform, cut to the same seconds.

A container is demuxed once. Sound is decoded on the way, pictures are kept compressed until the
length of the sound and the times of all frames are known; then they are decoded in order, without
seeking, and only the chosen ones become RGB. All times come from timestamps, never from a frame
rate.
"""

import itertools
import math
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from preprocessing.clips import locations, sampling
from preprocessing.clips.clock import (
    CLIPPED,
    Pictures,
    Sound,
    average_frames,
    find_fault,
    find_mismatch,
    find_window,
    keep_frames,
)
from preprocessing.clips.containers import (
    DECODER_ERRORS,
    MediaError,
    Probe,
    explain_fault,
    find_audio,
    find_origin,
    find_promised_end,
    find_video,
    open_media,
    probe,
)
from preprocessing.faces.frames import Frames
from preprocessing.voice.synchrony import estimate_lag

__all__ = ["Clip", "MediaError", "Probe", "probe", "read_clip", "read_frame_times"]

GAP_S = 0.02
"""A larger jump in the timestamps of sound is a gap or an overlap, a smaller one is rounding."""

MAX_PIXELS = 4096 * 2304
"""Larger frames (than 4K) come from damaged headers, and sixteen would fill the memory."""
SKIPPING_DECODERS = ("h264", "mpeg4")
"""Decoders whose pictures without references to them can be left out, the others unchanged.
(HEVC's temporal layers may refer to pictures that are marked as not referred to.)"""


@dataclass
class Clip:
    """Frames and waveform of the same seconds, on one clock: 0 is the start of the shared window.

    Attributes:
        frames: uint8 (time, height, width, 3), RGB, upright; None without pictures.
        frame_times: float64 (time,), seconds at which each frame comes on screen (0 if it already
            is when the window starts; for ``window_mean`` the mean over the averaged frames).
        waveform: float32 (samples,), mono in [-1, 1]; sample 0 is at 0 s. None without a voice.
        rate_hz: Samples per second.
        start_s: Start of the window, seconds since the container's start.
        duration_s: Length of the window in seconds.
        fps: Mean rate of all frames, by their timestamps; None without pictures.
        audio_lag_s: How much later than the picture's clock the sound's clock was taken to start.
        problems: What is missing or damaged, in words; empty for a sound clip.
    """

    frames: np.ndarray | None
    frame_times: np.ndarray
    waveform: np.ndarray | None
    rate_hz: int
    start_s: float
    duration_s: float
    fps: float | None
    problems: list[str] = field(default_factory=list)
    audio_lag_s: float = 0.0


def read_clip(
    video,
    audio,
    *,
    strategy="temporal_average",
    n_frames=16,
    window_s=None,
    rate_hz=16000,
    rng=None,
    fps=5.0,
    max_seconds=60.0,
    audio_lag_s=None,
    trim_db=None,
    as_frames=False,
):
    """Return the chosen frames and the waveform of a clip, covering the same seconds.

    The window is what picture and sound have in common, by the timestamps of their one container;
    of two files each clock starts at its own container's start, moved by the lag between them. A
    modality that cannot be had is None and named in ``problems``.

    Args:
        video: Path or URL of the file with the pictures, or None (or "") to go without.
        audio: Path or URL of the file with the sound, the same for one file, or None.
        strategy: A name in ``sampling.STRATEGIES``.
        n_frames: Number of frames returned, whatever the length of the clip.
        window_s: Keep only this many seconds from the middle of the window; None keeps all.
        rate_hz: Sampling rate of the waveform returned.
        rng: numpy Generator, for ``random_segment``.
        fps: Frames a second, for ``fixed_fps``.
        max_seconds: Nothing later than this is read.
        audio_lag_s: Seconds by which the sound's clock starts later than the picture's; None to
            measure it where the sound is another file and the picture's file has sound too
            (`synchrony.estimate_lag`), and to take 0 where that cannot be measured.
        trim_db: Cut what is quieter than this many decibels below the loudest moment off both ends
            of picture and sound, before ``window_s`` (`tracks.find_speech`); None cuts nothing.
        as_frames: Leave the frames as ``frames.Frames``, which are converted when looked at,
            instead of an array; ``window_mean`` always gives an array.

    Returns:
        Clip.

    Raises:
        MediaError: Neither picture nor sound can be had.
        ValueError: An option is out of its range.
    """
    for name, value in {
        "window_s": window_s,
        "max_seconds": max_seconds,
        "rate_hz": rate_hz,
        "trim_db": trim_db,
    }.items():
        if value is not None and not value > 0:
            raise ValueError(f"{name} = {value}; expected a positive number.")
    _check_lag(audio_lag_s)
    seed = None if rng is None else int(rng.integers(2**63))

    def choose(duration_s, frame_times):
        again = None if rng is None else np.random.default_rng(seed)  # a second call draws alike
        return sampling.choose_frames(
            strategy, duration_s, frame_times, n_frames=n_frames, rng=again, fps=fps
        )

    choose(1.0, [0.0])  # a wrong option is an error before any file is opened
    problems = []
    frames, frame_times, waveform = None, np.empty(0), None
    with ExitStack() as stack:
        pictures, sound, decode = _read_tracks(
            stack, video, audio, rate_hz, max_seconds, audio_lag_s, problems
        )
        tracks = [track for track in (pictures, sound) if track is not None]

        def window():
            return find_window(tracks, window_s=window_s, max_seconds=max_seconds, trim_db=trim_db)

        if pictures is not None:
            try:
                frames, frame_times = _take_frames(
                    pictures, decode, window, choose, problems, as_frames=as_frames
                )
            except (MediaError, *DECODER_ERRORS) as error:
                problems.append(f"video cannot be decoded ({explain_fault(error)})")
                tracks.remove(pictures)
    problems += [problem for track in tracks if (problem := track.find_truncation())]
    start_s, end_s = window() if tracks else (0.0, 0.0)
    problems += find_mismatch(tracks) if tracks else []
    if sound is not None and sound.start_s < end_s and sound.end_s > start_s:
        waveform = sound.cut(start_s, end_s)
        if fault := find_fault(waveform):
            problems.append(fault)
            waveform = None
    if frames is None and waveform is None:
        raise MediaError("; ".join(problems) or "neither a video nor an audio file is given")
    return Clip(
        frames=frames,
        frame_times=frame_times,
        waveform=waveform,
        rate_hz=rate_hz,
        start_s=round(start_s, 6) + 0.0,  # containers count microseconds; never -0.0
        duration_s=end_s - start_s,
        fps=None if frames is None else pictures.fps,
        problems=problems,
        audio_lag_s=0.0 if sound is None else sound.lag_s,
    )


def read_frame_times(
    video, audio=None, *, window_s=None, max_seconds=60.0, audio_lag_s=None, trim_db=None
):
    """Return when each frame of a clip comes on screen, decoding no picture.

    Args:
        video: Path of the file with the pictures.
        audio: Path of the file with the sound, the same path for one file, or None.
        window_s: As for `read_clip`, whose window and clock these times share.
        max_seconds: Nothing later than this is read.
        audio_lag_s: As for `read_clip`.
        trim_db: As for `read_clip`.

    Returns:
        The window's length in seconds, and float64 (frame,), seconds since its start.

    Raises:
        MediaError: There are no pictures.
    """
    _check_lag(audio_lag_s)
    problems = []
    with ExitStack() as stack:
        pictures, sound, _ = _read_tracks(
            stack, video, audio, 16000, max_seconds, audio_lag_s, problems
        )
    if pictures is None:
        raise MediaError("; ".join(problems) or "no video file is given")
    tracks = [track for track in (pictures, sound) if track is not None]
    start_s, end_s = find_window(
        tracks, window_s=window_s, max_seconds=max_seconds, trim_db=trim_db
    )
    _, times = pictures.plan(
        (start_s, end_s), lambda _, times: [(i, i + 1) for i in range(len(times))]
    )
    return end_s - start_s, times


def _check_lag(audio_lag_s):
    """Raise ValueError for a lag that is no finite number."""
    if audio_lag_s is not None and not math.isfinite(audio_lag_s):
        raise ValueError(f"audio_lag_s = {audio_lag_s}; expected finite seconds, or None.")


def _read_tracks(stack, video, audio, rate_hz, max_seconds, audio_lag_s, problems):
    """Demux one container or two, left open on ``stack``; the sound is put on the picture's clock.

    Returns:
        Pictures or None; Sound or None; the function that decodes the pictures, or None.
    """
    video, audio = (locations.find_location(path) if path else None for path in (video, audio))
    measures_lag = audio_lag_s is None and video and audio and video != audio
    pictures = sound = decode = beside = None
    for path in dict.fromkeys(path for path in (video, audio) if path):
        try:
            container = stack.enter_context(open_media(path))
            video_stream = find_video(container) if path == video else None
            audio_stream = find_audio(container) if path == audio or measures_lag else None
            found = problems if path == audio or not measures_lag else []
            packets, heard = _demux(container, video_stream, audio_stream, max_seconds, found)
            problems += [
                problem for problem in found if found is not problems and "audio" not in problem
            ]
            if path == video:
                pictures, decode = _collect_pictures(container, video_stream, packets, problems)
                if measures_lag and audio_stream is not None:
                    beside = _collect_sound(container, audio_stream, heard, rate_hz, [])
            if path == audio:
                sound = _collect_sound(container, audio_stream, heard, rate_hz, problems)
            read = [pictures] * (path == video) + [sound] * (path == audio)
            _limit_promises(container, read, max_seconds)
        except (MediaError, *DECODER_ERRORS) as error:
            role = "video file: " if path == video else "audio file: "
            problems.append(
                (role if video and audio and video != audio else "") + explain_fault(error)
            )
    if sound is not None:
        if audio_lag_s is None:
            audio_lag_s = _measure_lag(beside, sound) if beside is not None else None
        sound.shift(audio_lag_s or 0.0)
    return pictures, sound, decode


def _measure_lag(beside, sound):
    """Return the lag of a recording by the sound beside the pictures, or None if it is unclear."""
    reference, recording = (track.cut(0.0, track.end_s) for track in (beside, sound))
    return estimate_lag(reference, recording, sound.rate_hz)


def _demux(container, video, audio, max_seconds, problems):
    """Return the compressed pictures and the decoded sound of one pass through a container."""
    streams = [stream for stream in (video, audio) if stream is not None]
    for stream in streams:
        stream.codec_context.thread_count = 1  # equal bytes each time; the workers are processes
    packets, heard, failures = [], [], []
    seconds_a_tick = {stream.index: float(stream.time_base) for stream in streams}
    origin_s = find_origin(container)
    running = {stream.index for stream in streams}
    try:
        for packet in container.demux(streams) if streams else ():
            stream = packet.stream
            if packet.size == 0 or stream.index not in running:
                continue
            if (packet.dts or 0) * seconds_a_tick[stream.index] - origin_s >= max_seconds:
                running.remove(stream.index)
                if not running:
                    break
            elif stream is audio:
                heard += _decode([packet], audio, failures)
            else:
                packets.append(packet)
    except DECODER_ERRORS as error:
        problems.append(f"reading stopped early ({explain_fault(error)})")
    if len(running) < len(streams):
        problems.append(f"longer than {max_seconds:g} s: the rest was not read")
    if audio is not None:
        heard += _decode([None], audio, failures)
    if failures:
        problems.append(f"audio damaged: packets that cannot be decoded: {len(failures)}")
    return packets, heard


def _decode(packets, stream, failures):
    """Yield the frames of packets; the error of one that cannot be decoded joins ``failures``."""
    for packet in packets:
        try:
            yield from stream.codec_context.decode(packet)
        except DECODER_ERRORS as error:
            failures.append(error)


def _limit_promises(container, read, max_seconds):
    """Set where tracks should end at least: by their streams, else the longest by the container."""
    read = [track for track in read if track is not None]
    if read and len(read) == len(container.streams) and container.duration:
        longest = max(read, key=lambda track: track.end_s)
        longest.promised_end_s = longest.promised_end_s or container.duration / av.time_base
    for track in read:
        track.promised_end_s = min(track.promised_end_s or 0.0, max_seconds)


def _collect_pictures(container, stream, packets, problems):
    """Return a stream's Pictures by its packets, and a function that decodes them, or two None.

    The function takes a list for errors and yields ticks, each with a frame and what converts it;
    given a set of wanted ticks, it may leave out others. It can be called again. In containers
    without presentation times (AVI; FFmpeg's guesses are often wrong) frames come at the decoding
    times of their packets, earlier by the decoder's delay, and those held back until the end take
    the times left over.
    """
    has_pts = stream is not None and container.format.name != "avi"
    stamps = {
        packet.pts if has_pts and packet.pts is not None else packet.dts: packet.duration
        for packet in packets
        if not packet.is_discard
    }
    stamps.pop(None, None)
    if not stamps:
        problems.append("no video stream" if stream is None else "video cannot be decoded")
        return None, None
    ticks = sorted(stamps)

    def decode(failures, wanted=None):
        stream.codec_context.flush_buffers()
        reformatter, tick, delay = VideoReformatter(), ticks[0] - 1, None
        needed = packets if wanted is None else _skip_unwanted(packets, stream, wanted)
        for frame in _decode(itertools.chain(needed, [None]), stream, failures):
            stamp = frame.pts if has_pts else frame.dts
            if not has_pts and stamp is not None:
                delay = stamp - ticks[0] if delay is None else delay
                stamp -= delay
            if stamp is None:
                stamp = next((other for other in ticks if other > tick), tick + 1)
            tick = stamp
            failures += [tick] * frame.is_corrupt
            yield tick, (frame, partial(_to_rgb, frame, reformatter))

    usual_ticks = float(1 / (stream.guessed_rate or 25) / stream.time_base)
    origin_s, promised_s = find_origin(container), find_promised_end(container, stream)
    pictures = Pictures(ticks, stamps, usual_ticks, stream.time_base, origin_s, promised_s)
    return pictures, decode


def _skip_unwanted(packets, stream, wanted):
    """Yield packets, the decoder told before each whether it may leave the picture out.

    It leaves out only what no other picture refers to, so those that come are the same.
    """
    context = stream.codec_context
    try:
        for packet in packets:
            may_skip = context.name in SKIPPING_DECODERS and packet.pts not in wanted
            context.skip_frame = "NONREF" if may_skip else "DEFAULT"
            yield packet
    finally:
        context.skip_frame = "DEFAULT"


def _to_rgb(frame, reformatter, shape):
    """Return a frame as uint8 (height, width, 3), upright, scaled to ``shape`` unless None."""
    if frame.width * frame.height > MAX_PIXELS:
        raise MediaError(f"frames of {frame.width}×{frame.height} pixels")
    turns = round(frame.rotation / 90) % 4  # the display matrix that phones write
    height, width = shape[1::-1] if shape and turns % 2 else (shape or (None, None))[:2]
    rgb = reformatter.reformat(frame, width=width, height=height, format="rgb24", threads=1)
    return np.rot90(rgb.to_ndarray(), turns)


def _collect_sound(container, stream, heard, rate_hz, problems):
    """Return a stream's Sound by its decoded frames, or None if it cannot serve as a voice."""
    if stream is None:
        problems.append("no audio stream")
        return None
    runs, failures = [], []
    for start_s, frames in _find_runs(container, heard):
        try:
            runs.append((start_s, _resample(frames, rate_hz)))
        except DECODER_ERRORS as error:
            failures.append(error)
    if failures:
        problems.append(f"audio damaged: stretches that cannot be resampled: {len(failures)}")
    runs = [(start_s, samples) for start_s, samples in runs if len(samples)]
    samples = np.concatenate([samples for _, samples in runs] or [np.empty(0)])
    if fault := find_fault(samples):
        problems.append(fault if runs else "audio cannot be decoded")
        return None
    if (peak := np.abs(samples).max()) > CLIPPED:
        problems.append(f"audio clipped: its peak is {peak:.3g} times full scale")
    return Sound(runs, rate_hz, find_promised_end(container, stream))


def _find_runs(container, heard):
    """Return decoded sound as unbroken runs of one format: their start in seconds, their frames."""
    runs, last_kind, end_s, origin_s = [], None, 0.0, find_origin(container)
    for frame in heard:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        at_s = end_s if frame.pts is None else frame.time - origin_s
        if kind != last_kind or abs(at_s - end_s) > GAP_S:
            runs.append((at_s, []))
            end_s = at_s
        runs[-1][1].append(frame)
        end_s += frame.samples / frame.sample_rate
        last_kind = kind
    return runs


def _resample(frames, rate_hz):
    """Return frames of one format as float32 (samples,) at ``rate_hz``, the channels averaged."""
    layout = frames[0].layout
    # Interleaved, since PyAV reads past the planes of a frame of more than eight channels.
    resampler = av.AudioResampler(format="flt", layout=layout.name, rate=rate_hz)
    for frame in frames:
        frame.pts = None  # a run has no gaps; rounded timestamps would make some
    parts = [part.to_ndarray() for frame in [*frames, None] for part in resampler.resample(frame)]
    samples = np.concatenate(parts or [np.empty((1, 0), dtype=np.float32)], axis=1)
    mono = samples.reshape(-1, layout.nb_channels).mean(axis=1, dtype=np.float64)
    return mono.astype(np.float32)


def _take_frames(pictures, decode, window, choose, problems, *, as_frames):
    """Return the chosen frames of a window, and their times in it.

    The choice is made from the times of the packets. Where the frames turn out to lie elsewhere
    (damaged packets), it is made again, and they are decoded again. In a file without
    problems so far, nothing after the last chosen frame is decoded: damage there is seen only by
    the times of its packets.
    """
    groups, frame_times = pictures.plan(window(), choose)
    if not problems:
        frames = _take_only(pictures, decode, groups, as_frames=as_frames)
        if frames is not None:
            return frames, frame_times
    for _ in range(3):
        groups, _ = pictures.plan(window(), choose)
        failures = []
        frames, pictures.ticks = _gather(decode(failures), groups, as_frames=as_frames)
        if not pictures.ticks:
            raise MediaError("no packet gives a frame")
        needed, frame_times = pictures.plan(window(), choose)
        if needed == groups:
            if failures:
                problems.append(f"video damaged: packets or frames with errors: {len(failures)}")
            return frames, frame_times
    raise MediaError("frames differ at each attempt")


def _gather(decoded, groups, *, as_frames):
    """Return the wanted frames (``Frames`` where asked for and none is averaged) and all ticks."""
    if not as_frames or any(len(ticks) > 1 for ticks in groups):
        return average_frames(((tick, convert) for tick, (_, convert) in decoded), groups)
    kept, ticks = keep_frames(decoded, groups)
    return Frames(kept) if None not in kept else None, ticks


def _take_only(pictures, decode, groups, *, as_frames):
    """Return the frames of groups by decoding no more than they need, or None at any doubt."""
    wanted, came, failures = {tick for ticks in groups for tick in ticks}, set(), []

    def decode_wanted():
        for tick, convert in decode(failures, wanted):
            came.add(tick)
            yield tick, convert
            if wanted <= came:
                return

    try:
        frames, _ = _gather(decode_wanted(), groups, as_frames=as_frames)
    except (MediaError, *DECODER_ERRORS):
        return None
    sound = wanted <= came <= set(pictures.ticks) and not failures
    return frames if sound else None
