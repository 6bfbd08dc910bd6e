"""Pictures and sound on one clock: what they share, which frames are wanted, where samples lie.

Arithmetic alone, no decoder: times in seconds since the start of the container, and ``ticks``, the
integer timestamps of a container's pictures.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from preprocessing.clips import sampling
from preprocessing.voice.activity import find_speech

MAX_SECONDS = 60.0  # nothing later than this is read
SILENCE = 1e-4  # peak below which sound is silence (RAVDESS's video-only clips have such a track)
NO_SPEECH = "no speech found: not trimmed"
CLIPPED = 1.5  # peak above which sound is not just an encoder's overshoot


class _Track:
    """A stretch of time, and where its container's header says that it ends (None: nowhere)."""

    def find_truncation(self):
        """Return a problem if the track ends clearly before its container says, else None."""
        promised_s = self.promised_end_s or 0.0
        if promised_s - self.end_s <= max(0.25, 0.05 * promised_s):
            return None
        return f"{self.name} truncated: {self.end_s:.2f} of {promised_s:.2f} s"


@dataclass
class Pictures(_Track):
    """When each frame comes on screen."""

    ticks: list[int]  # time of each frame, sorted, each once; at least one
    durations: dict[int, int]  # ticks that a frame stays, by its tick, where the container says so
    usual_ticks: float  # that a frame stays, by the frame rate
    time_base: Fraction  # seconds a tick
    origin_s: float = 0.0  # start of the container on the clock of the ticks
    promised_end_s: float | None = None
    name, kind, other_kind = "video", "picture", "sound"

    def _seconds(self, ticks):
        return ticks * self.time_base.numerator / self.time_base.denominator - self.origin_s

    @property
    def times(self):
        """Times of all frames, float64 (frame,), seconds."""
        return self._seconds(np.array(self.ticks, dtype=np.float64))

    @property
    def start_s(self):
        """Time of the first frame, in seconds."""
        return float(self.times[0])

    @property
    def end_s(self):
        """End of the last frame: by its own duration, or by that of the median or usual one."""
        usual = np.median(np.diff(self.ticks)) if len(self.ticks) > 1 else self.usual_ticks
        stays = self.durations.get(self.ticks[-1]) or usual
        return float(self._seconds(self.ticks[-1] + stays))

    @property
    def fps(self):
        """Mean number of frames a second."""
        return len(self.ticks) / (self.end_s - self.start_s)

    def plan(self, window, choose):
        """Return which frames ``choose`` wants of a window, (start, end) in seconds.

        Returns:
            groups: A tuple of ticks for each frame to be returned, to be averaged.
            frame_times: float64 (time,), mean time of each group, in seconds since the window's
                start; a frame that is on screen when the window starts counts from 0.
        """
        start_s, end_s = window
        times = self.times - start_s
        first = sampling.pick_frames([0.0], times)[0]
        stop = max(np.searchsorted(times, end_s - start_s - sampling.SNAP_S), first + 1)
        times = times[first:stop].clip(0, end_s - start_s)
        spans = choose(end_s - start_s, times)
        groups = [tuple(self.ticks[first + a : first + b]) for a, b in spans]
        return groups, np.array([times[a:b].mean() for a, b in spans])


@dataclass
class Sound(_Track):
    """Mono sound as unbroken runs: (start in seconds, float32 (samples,)), none of them empty."""

    runs: list[tuple[float, np.ndarray]]
    rate_hz: int
    promised_end_s: float | None = None
    lag_s: float = 0.0
    spoken: dict = field(default_factory=dict)  # what ``find_speech`` gave, by its stretch
    name, kind, other_kind = "audio", "sound", "picture"

    def shift(self, lag_s):
        """Move the sound to a clock on which its own starts at ``lag_s``."""
        self.runs = [(start_s + lag_s, samples) for start_s, samples in self.runs]
        if self.promised_end_s is not None:
            self.promised_end_s += lag_s
        self.lag_s += lag_s
        self.spoken.clear()

    @property
    def start_s(self):
        """Time of the first sample, in seconds."""
        return min(start_s for start_s, _ in self.runs)

    @property
    def end_s(self):
        """End of the last sample, in seconds."""
        return max(start_s + len(samples) / self.rate_hz for start_s, samples in self.runs)

    def cut(self, start_s, end_s):
        """Return float32 (samples,) from ``start_s`` to ``end_s``, in [-1, 1]; gaps are zeros."""
        waveform = np.zeros(max(round((end_s - start_s) * self.rate_hz), 1), dtype=np.float32)
        for run_start_s, samples in self.runs:
            at = round((run_start_s - start_s) * self.rate_hz)
            room = waveform[max(at, 0) : max(at + len(samples), 0)]
            room[:] = samples[max(-at, 0) :][: len(room)]
        return np.clip(waveform, -1, 1, out=waveform)

    def find_speech(self, start_s, end_s):
        """Return the speech within a stretch, as `activity.find_speech`, listening to it once."""
        stretch = start_s, end_s
        if stretch not in self.spoken:
            self.spoken[stretch] = find_speech(self.cut(*stretch), self.rate_hz)
        return self.spoken[stretch]


def find_fault(samples):
    """Return why sound, float32 (samples,), cannot serve as a voice, or None."""
    if not len(samples):
        return "empty audio"
    if np.isnan(samples).any():
        return "audio holds NaN samples"
    if np.isinf(samples).any():
        return "audio holds infinite samples"
    return "silent audio" if np.abs(samples).max() < SILENCE else None


def find_window(tracks, *, window_s, trim=False, problems=None):
    """Return the start and end that all tracks share, or the first track's if they share none.

    Args:
        tracks: `Pictures` and `Sound`, at least one.
        window_s: Length to keep from the middle, if shorter; None keeps all.
        trim: Leave out what comes before and after the speech first, see `activity.find_speech`.
        problems: List that is told if there is no speech: then nothing is left out.
    """
    start_s = max(track.start_s for track in tracks)
    end_s = min(track.end_s for track in tracks)
    if end_s <= start_s:
        start_s, end_s = tracks[0].start_s, tracks[0].end_s
    end_s = min(end_s, start_s + MAX_SECONDS)
    sound = next((track for track in tracks if isinstance(track, Sound)), None)
    if trim and sound is not None:
        if speech := sound.find_speech(start_s, end_s):
            start_s, end_s = start_s + speech[0], min(start_s + speech[1], end_s)
        elif problems is not None and NO_SPEECH not in problems:
            problems.append(NO_SPEECH)
    duration_s = end_s - start_s
    if window_s is not None and window_s < duration_s:
        return start_s + (duration_s - window_s) / 2, start_s + (duration_s + window_s) / 2
    return start_s, start_s + duration_s


def find_mismatch(tracks):
    """Return a problem, in a list, that names the seconds of tracks that lie outside of all others.

    What is shorter than a quarter of a second, or a twentieth of the longer track (at most a
    second), is how containers round.
    """
    start_s = max(track.start_s for track in tracks)
    end_s = min(track.end_s for track in tracks)
    if end_s <= start_s:
        return ["sound and picture do not overlap: sound left out"]
    longest_s = max(track.end_s - track.start_s for track in tracks)
    unread = [
        f"{track.kind} from {first_s:.2f} to {last_s:.2f} s is without {track.other_kind}"
        for track in tracks
        for first_s, last_s in ((track.start_s, start_s), (end_s, track.end_s))
        if last_s - first_s > max(0.25, min(0.05 * longest_s, 1.0))
    ]
    return [", ".join(unread) + ": not read"] if unread else []


def average_frames(decoded, groups):
    """Return the mean frame of each group of ticks, converting no other frame.

    Args:
        decoded: Iterable of (tick, function of the wanted shape or None that gives uint8 (height,
            width, channel)), in any order.
        groups: A tuple of ticks for each frame wanted.

    Returns:
        frames: uint8 (group, height, width, channel), undefined where ticks are missing; None if
            no wanted frame came.
        ticks: Sorted list of all ticks that came.
    """
    slots = defaultdict(list)
    for slot, ticks in enumerate(groups):
        for tick in ticks:
            slots[tick].append(slot)
    missing = [len(ticks) for ticks in groups]
    frames, sums, seen = None, {}, set()
    for tick, convert in decoded:
        wanted_by = () if tick in seen else slots.get(tick, ())
        seen.add(tick)
        if not wanted_by:
            continue
        frame = convert(None if frames is None else frames.shape[1:])
        if frames is None:
            frames = np.empty((len(groups), *frame.shape), dtype=np.uint8)
        for slot in wanted_by:
            size = len(groups[slot])
            total = frame if size == 1 else sums.pop(slot, 0) + frame.astype(np.uint32)
            missing[slot] -= 1
            if missing[slot]:
                sums[slot] = total
            else:
                frames[slot] = (total + size // 2) // size
    return frames, sorted(seen)


def keep_frames(decoded, groups):
    """Return a list of the frames of groups of one tick each, None where one did not come.

    Otherwise as `average_frames`, but whatever is ``decoded`` with a tick is given as it is.
    """
    wanted, kept, seen = {tick for (tick,) in groups}, {}, set()
    for tick, frame in decoded:
        seen.add(tick)
        if tick in wanted:
            kept.setdefault(tick, frame)
    return [kept.get(tick) for (tick,) in groups], sorted(seen)
