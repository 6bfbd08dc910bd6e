"""One decode of a clip: the chosen frames and the waveform, cut to the same seconds.

A container is demuxed once. Sound is decoded on the way, pictures when the length of the sound and
the times of all frames are known. All times come from timestamps, never from a frame rate.
"""

import math
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

import av
import numpy as np

from preprocessing.clips import clock, containers, locations, sampling
from preprocessing.clips.containers import DECODER_ERRORS, MediaError
from preprocessing.clips.containers import probe as probe
from preprocessing.clips.joined import continue_packets
from preprocessing.clips.pictures import collect_pictures, decode_packets, take_frames
from preprocessing.clips.sounds import collect_sound
from preprocessing.voice.synchrony import estimate_lag
from preprocessing.workers.isolation import explain_error


@dataclass
class Clip:
    """Frames and waveform of the same seconds, on one clock: 0 is the start of the shared window.

    ``frame_times`` are the seconds at which each frame comes on screen: 0 if it already is when
    the window starts; for ``window_mean`` the mean over the averaged frames.
    """

    frames: np.ndarray | None  # uint8 (time, height, width, 3), RGB, as players show it
    frame_times: np.ndarray  # float64 (time,)
    shots: np.ndarray  # int64 (time,): number of the shot between two cuts; -1: a mean over a cut
    waveform: np.ndarray | None  # float32 (samples,), mono in [-1, 1]; sample 0 is at 0 s
    rate_hz: int  # samples per second
    start_s: float  # of the window, seconds since the container's start
    duration_s: float  # of the window
    fps: float | None  # mean rate of all frames, by their timestamps
    problems: list[str] = field(default_factory=list)  # what is missing or damaged, in words
    audio_lag_s: float = 0.0  # how much later than the picture's clock the sound's starts


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
    audio_lag_s=None,
    trim=False,
    as_frames=False,
):
    """Return the ``Clip`` of the chosen frames and the waveform, covering the same seconds.

    The window is what picture and sound have in common, by the timestamps of their one container;
    of two files each clock starts at its own container's start, moved by the lag between them. A
    modality that cannot be had is None and named in ``problems``.

    Args:
        video, audio: Path or URL of the file with the pictures and of that with the sound, the same
            for one file; None (or "") to go without.
        strategy, n_frames, rng, fps: As for `sampling.choose_instants`.
        window_s: Keep only this many seconds from the middle of the window; None keeps all of the
            first `clock.MAX_SECONDS`.
        rate_hz: Sampling rate of the waveform returned.
        audio_lag_s: Seconds by which the sound's clock starts later than the picture's; None to
            measure it where the sound is another file and the picture's file has sound too
            (`synchrony.estimate_lag`), and to take 0 where that cannot be measured.
        trim: Cut what comes before and after the speech off picture and sound, before ``window_s``
            (`activity.find_speech`).
        as_frames: Give ``frames.Frames``, which are converted when looked at, instead of an array;
            ``window_mean`` always gives an array.

    Raises:
        MediaError: Neither picture nor sound can be had.
        ValueError: An option is out of its range.
    """
    for name, value in {"rate_hz": rate_hz, "window_s": window_s}.items():
        if value is not None and not value > 0:
            raise ValueError(f"{name} = {value}; expected a positive number.")
    if audio_lag_s is not None and not math.isfinite(audio_lag_s):
        raise ValueError(f"audio_lag_s = {audio_lag_s}; expected finite seconds, or None.")
    seed = None if rng is None else int(rng.integers(2**63))

    def choose(duration_s, frame_times):
        again = None if rng is None else np.random.default_rng(seed)  # a second call draws alike
        return sampling.choose_frames(
            strategy, duration_s, frame_times, n_frames=n_frames, rng=again, fps=fps
        )

    choose(1.0, [0.0])  # a wrong option is an error before any file is opened
    problems, frames, waveform = [], None, None
    frame_times, shots = np.empty(0), np.empty(0, np.int64)
    with ExitStack() as stack:
        pictures, sound, decode = _read_tracks(stack, video, audio, rate_hz, audio_lag_s, problems)
        tracks = [track for track in (pictures, sound) if track is not None]
        window = partial(clock.find_window, tracks, window_s=window_s, trim=trim, problems=problems)
        if pictures is not None:
            try:
                frames, frame_times, shots = take_frames(
                    pictures, decode, window, choose, problems, as_frames=as_frames
                )
            except (MediaError, *DECODER_ERRORS) as error:
                problems.append(f"video cannot be decoded ({explain_error(error)})")
                tracks.remove(pictures)
    problems += [problem for track in tracks if (problem := track.find_truncation())]
    start_s, end_s = window() if tracks else (0.0, 0.0)
    problems += clock.find_mismatch(tracks) if tracks else []
    if sound is not None and sound.start_s < end_s and sound.end_s > start_s:
        waveform = sound.cut(start_s, end_s)
        if fault := clock.find_fault(waveform):
            problems.append(fault)
            waveform = None
    if frames is None and waveform is None:
        raise MediaError("; ".join(problems) or "neither a video nor an audio file is given")
    return Clip(
        frames=frames,
        frame_times=frame_times,
        shots=shots,
        waveform=waveform,
        rate_hz=rate_hz,
        start_s=round(start_s, 6) + 0.0,  # containers count microseconds; never -0.0
        duration_s=end_s - start_s,
        fps=None if frames is None else pictures.fps,
        problems=problems,
        audio_lag_s=0.0 if sound is None else sound.lag_s,
    )


def read_frame_times(video, audio=None, *, window_s=None, trim=False):
    """Return the length of `read_clip`'s window in seconds, and when each frame comes on screen.

    The times are float64 (frame,), seconds since the window's start; no picture is decoded.

    Raises:
        MediaError: There are no pictures.
    """
    problems = []
    with ExitStack() as stack:
        pictures, sound, _ = _read_tracks(stack, video, audio, 16000, None, problems)
    if pictures is None:
        raise MediaError("; ".join(problems) or "no video file is given")
    tracks = [track for track in (pictures, sound) if track is not None]
    window = clock.find_window(tracks, window_s=window_s, trim=trim)
    _, times = pictures.plan(window, lambda _, times: [(i, i + 1) for i in range(len(times))])
    return window[1] - window[0], times


def _read_tracks(stack, video, audio, rate_hz, audio_lag_s, problems):
    """Return Pictures, Sound on their clock, and what decodes the pictures; None each without."""
    video, audio = (locations.find_location(path) if path else None for path in (video, audio))
    are_two = bool(video and audio and video != audio)
    measures_lag = are_two and audio_lag_s is None
    pictures = sound = decode = beside = None
    for path in dict.fromkeys(path for path in (video, audio) if path):
        try:
            container = stack.enter_context(containers.open_media(path))
            video_stream = audio_stream = None
            if path == video:
                video_stream = containers.find_stream(container, "video", problems)
            if path == audio or measures_lag:
                choice = problems if path == audio else []
                audio_stream = containers.find_stream(container, "audio", choice)
            packets, heard, found = _demux(container, video_stream, audio_stream)
            if path != audio:  # what is wrong with the sound beside the pictures is of no concern
                found = [problem for problem in found if "audio" not in problem]
            problems += found
            if path == video and packets is not None:
                pictures, decode = collect_pictures(container, video_stream, packets, problems)
                if measures_lag and heard:
                    beside = collect_sound(container, audio_stream, heard, rate_hz, [])
            if path == audio and heard is not None:
                sound = collect_sound(container, audio_stream, heard, rate_hz, problems)
            read = [pictures] * (path == video) + [sound] * (path == audio)
            _limit_promises(container, read)
        except (MediaError, *DECODER_ERRORS) as error:
            role = "video file: " if path == video else "audio file: "
            problems.append((role if are_two else "") + explain_error(error))
    if sound is not None:
        if beside is not None:
            heard = [track.cut(0.0, track.end_s) for track in (beside, sound)]
            audio_lag_s = estimate_lag(*heard, rate_hz)
        sound.shift(audio_lag_s or 0.0)
    return pictures, sound, decode


def _demux(container, video, audio):
    """Return the packets of pictures, the frames of sound and the problems of one pass.

    Packets or frames are None if their stream starts too late.
    """
    streams = [stream for stream in (video, audio) if stream is not None]
    for stream in streams:
        stream.codec_context.thread_count = 1  # equal bytes each time; the workers are processes
    packets, heard, failures, problems = [], [], [], []
    seconds_a_tick = {stream.index: float(stream.time_base) for stream in streams}
    origin_s = containers.find_origin(container)
    running, begun, late = {stream.index for stream in streams}, set(), {}
    try:
        for packet in continue_packets(container.demux(streams)) if streams else ():
            stream = packet.stream
            if packet.size == 0 or stream.index not in running:
                continue
            at_s = (packet.dts or 0) * seconds_a_tick[stream.index] - origin_s
            if at_s >= clock.MAX_SECONDS:
                running.remove(stream.index)
                late |= {} if stream.index in begun else {stream.type: at_s}
                if not running:
                    break
                continue
            begun.add(stream.index)
            if stream is audio:
                heard += decode_packets([packet], audio, failures)
            else:
                packets.append(packet)
    except DECODER_ERRORS as error:
        problems.append(f"reading stopped early ({explain_error(error)})")
    problems += _name_unread(container, late, is_long=bool(begun - running))
    if audio is not None:
        heard += decode_packets([None], audio, failures)
    if failures:
        problems.append(f"audio damaged: packets that cannot be decoded: {len(failures)}")
    return None if "video" in late else packets, None if "audio" in late else heard, problems


def _name_unread(container, late, *, is_long):
    """Return problems that name what lies after the limit; ``late`` has seconds by type."""
    limit = f"{clock.MAX_SECONDS:g} s"
    problems = [f"{kind} starts after {limit} (at {s:.1f} s): not read" for kind, s in late.items()]
    if is_long:
        promised_s = (container.duration or 0) / av.time_base
        known = f" ({promised_s:.4g} s by its header)" if promised_s > clock.MAX_SECONDS else ""
        problems.append(f"longer than {limit}{known}: the rest was not read")
    return problems


def _limit_promises(container, read):
    """Set where tracks should end at least: by their streams, else the longest by the container."""
    read = [track for track in read if track is not None]
    if read and len(read) == len(container.streams) and container.duration:
        longest = max(read, key=lambda track: track.end_s)
        longest.promised_end_s = longest.promised_end_s or container.duration / av.time_base
    for track in read:
        track.promised_end_s = min(track.promised_end_s or 0.0, clock.MAX_SECONDS)
