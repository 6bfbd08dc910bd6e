"""A file of any length as it plays: each picture, and sound in stretches, in flat memory.

`decode.read_clip` holds a clip of up to `clock.MAX_SECONDS` and chooses among its frames; here
nothing is known of what is still to come. Times, pictures and samples are made by the same parts,
so that a clip which the one reads whole sounds and looks alike through the other.
"""

import gc
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from preprocessing.clips import clock, containers, display, locations
from preprocessing.clips.containers import DECODER_ERRORS, MediaError
from preprocessing.clips.joined import continue_packets
from preprocessing.clips.pictures import decode_packets
from preprocessing.clips.sounds import collect_sound
from preprocessing.faces.frames import view_luma
from preprocessing.workers.isolation import explain_error

STRETCH_S = 10.0
"""Seconds of sound that are resampled and mixed together."""
MAX_SIDE = 1280  # longer side of a picture that is kept, in pixels; no detector here sees finer
COLLECTED = 50
"""Pictures after which the garbage collector runs: nothing else frees a frame whose side data were
looked at, since the two know each other, and for the collector's own count frames weigh nothing."""
MAX_JUMP_S = 600.0  # nothing is read after a longer jump in the timestamps, which is damage


@dataclass(frozen=True)
class Picture:
    """One picture as the decoder left it."""

    time_s: float  # when it comes on screen, seconds since the container's start
    until_s: float  # when it leaves it, by its own duration
    frame: av.VideoFrame
    convert: object  # function of a shape, or None, that gives it as RGB; see `frames.Frames`

    def view_luma(self):
        """Return its luma as the video holds it, uint8 (height, width)."""
        return view_luma(self.frame)

    def reduce(self):
        """Return (frame, convert) as `frames.Frames` takes it, at most `MAX_SIDE` large."""
        frame = self.frame
        scale = MAX_SIDE / max(frame.width, frame.height)
        if scale >= 1:
            return frame, self.convert
        display.settle_matrix(frame)
        size = {"width": round(frame.width * scale), "height": round(frame.height * scale)}
        small = frame.reformat(**size, interpolation="AREA")
        small.color_trc, small.opaque = frame.color_trc, display.read_matrix(frame)
        convert, *options = self.convert.func, *self.convert.args[1:]
        return small, partial(convert, small, *options)


class MediaStream:
    """What a file plays: ``play`` yields it, the rest says what it is.

    Attributes:
        has_pictures, has_sound: Whether there is such a stream.
        duration_s: Its length by its header, seconds; None where that says nothing.
        problems: What is missing or damaged, in words; grows while the file plays.
        size: (width, height) of its pictures as they are shown, None before the first.
        n_pictures: How many of them came.
        spans: Start and end in seconds of what came, by "picture" and "sound".
        is_silent: Whether no sound was heard so far.
    """

    def __init__(self, container, rate_hz):
        self.container, self.rate_hz, self.problems = container, rate_hz, []
        self._video = containers.find_stream(container, "video", self.problems)
        self._audio = containers.find_stream(container, "audio", self.problems)
        self.has_pictures, self.has_sound = self._video is not None, self._audio is not None
        self.duration_s = container.duration / av.time_base if container.duration else None
        self.size, self.n_pictures, self.spans = None, 0, {}
        self._origin_s = containers.find_origin(container)
        self._failures = {"video": [], "audio": []}
        self._heard, self._heard_s = [], 0.0
        self.is_silent, self._sound_problems = True, []
        self._reformatter, self._stretch, self._matrix, self._first_size = None, None, None, None
        self._delay = self._tick = None

    def play(self):
        """Yield each `Picture`, and `clock.Sound` of up to `STRETCH_S`, as they come in the file.

        Raises:
            MediaError: The file holds neither picture nor sound that can be decoded.
        """
        with _freeze_objects():
            yield from self._play()

    def _play(self):
        streams = [stream for stream in (self._video, self._audio) if stream is not None]
        for stream in streams:
            stream.codec_context.thread_count = 1  # equal bytes each time, as in `decode`
        latest_s = 0.0
        try:
            for packet in continue_packets(self.container.demux(streams)) if streams else ():
                if packet.size == 0:
                    continue
                stamps = [stamp for stamp in (packet.dts, packet.pts) if stamp is not None]
                if stamps:
                    at_s = float(max(stamps) * packet.time_base) - self._origin_s
                    if at_s > latest_s + MAX_JUMP_S:
                        jump = f"from {latest_s:.4g} to {at_s:.4g} s"
                        self._note(f"timestamps jump {jump}: the rest was not read")
                        break
                    latest_s = max(latest_s, at_s)
                yield from self._decode(packet, packet.stream)
        except DECODER_ERRORS as error:
            self._note(f"reading stopped early ({explain_error(error)})")
        for stream in streams:
            yield from self._decode(None, stream)
        yield from self._end_stretch()
        self._list_faults()
        if not self.spans:
            raise MediaError("; ".join(self.problems) or "neither picture nor sound")

    def _decode(self, packet, stream):
        """Yield what a packet, or at the end None, of a stream brings."""
        decoded = decode_packets([packet], stream, self._failures[stream.type])
        if stream is self._audio:
            for frame in decoded:
                self._heard.append(frame)
                self._heard_s += frame.samples / frame.sample_rate
            if self._heard_s >= STRETCH_S:
                yield from self._end_stretch()
        else:
            for frame in decoded:
                if (picture := self._take(frame)) is not None:
                    yield picture

    def _take(self, frame):
        """Return a decoded frame as a `Picture`, None where its time lies before the last one's."""
        stamp = self._stamp(frame)
        if stamp is None or (self._tick is not None and stamp <= self._tick):
            self._failures["video"].append("out of order")
            return None
        self._tick = stamp
        self._failures["video"] += ["corrupt"] * frame.is_corrupt
        frame.opaque = self._matrix  # as in `pictures.collect_pictures`
        self._matrix, remarks = display.read_matrix(frame), []
        if self._stretch is None:
            self._stretch = display.read_stretch(self._video)
            self._reformatter = VideoReformatter()
            self._first_size = frame.width, frame.height
            remarks = display.list_remarks(frame, self._stretch)
            square = display.make_square(frame.width, frame.height, self._stretch)
            if square[0] * square[1] > display.MAX_PIXELS:
                raise MediaError(f"frames of {square[0]}×{square[1]} pixels")
            self.size = square[::-1] if display.find_orientation(frame)[0] else square
        elif change := display.describe_change(frame, self._first_size):
            remarks = [change]
        for remark in remarks:
            self._note(remark)
        time_base = self._video.time_base
        time_s = stamp * time_base.numerator / time_base.denominator - self._origin_s
        usual = float(1 / (self._video.guessed_rate or 25) / time_base)
        until_s = time_s + float((frame.duration or usual) * time_base)
        self.n_pictures += 1
        if self.n_pictures % COLLECTED == 0:
            gc.collect()
        self._extend("picture", time_s, until_s)
        convert = partial(display.convert_to_rgb, frame, self._reformatter, self._stretch)
        return Picture(time_s, until_s, frame, convert)

    def _stamp(self, frame):
        """Return a frame's time in ticks; AVI has only decoding times, see `collect_pictures`."""
        if self.container.format.name != "avi":
            return frame.pts
        if frame.dts is not None:
            self._delay = frame.dts if self._delay is None else self._delay
            return frame.dts - self._delay
        return None if self._tick is None else self._tick + (frame.duration or 1)

    def _end_stretch(self):
        """Yield the sound that was heard since the last stretch ended, if it is any."""
        heard, self._heard, self._heard_s = self._heard, [], 0.0
        if not heard:
            return
        known_s = self.spans.get("sound", (0.0, 0.0))[1]
        found = []
        sound = collect_sound(
            self.container, self._audio, heard, self.rate_hz, found, start_s=known_s
        )
        self.is_silent &= "silent audio" in found
        self._sound_problems += [problem for problem in found if problem != "silent audio"]
        if sound is None:  # silence still takes its time
            length_s = sum(frame.samples / frame.sample_rate for frame in heard)
            silence = np.zeros(max(round(length_s * self.rate_hz), 1), np.float32)
            sound = clock.Sound([(known_s, silence)], self.rate_hz)
        self._extend("sound", sound.start_s, sound.end_s)
        yield sound

    def _extend(self, kind, start_s, end_s):
        """Note that a kind was there from ``start_s`` to ``end_s``."""
        first_s, last_s = self.spans.get(kind, (start_s, end_s))
        self.spans[kind] = min(first_s, start_s), max(last_s, end_s)

    def _note(self, problem):
        if problem not in self.problems:
            self.problems.append(problem)

    def _list_faults(self):
        """Add what went wrong on the way to the problems."""
        if self._video is None:
            self._note("no video stream")
        elif not self.n_pictures:
            self._note("video cannot be decoded")
        if self._audio is None:
            self._note("no audio stream")
        elif "sound" not in self.spans:
            self._note("audio cannot be decoded")
        elif self.is_silent:
            self._note("silent audio")
        for problem in self._sound_problems:
            self._note(problem)
        counts = {kind: len(found) for kind, found in self._failures.items()}
        if counts["video"]:
            self._note(f"video damaged: packets or frames with errors: {counts['video']}")
        if counts["audio"]:
            self._note(f"audio damaged: packets that cannot be decoded: {counts['audio']}")


@contextmanager
def _freeze_objects():
    """Keep the collector from looking at what exists already, so that it takes no time."""
    is_free = gc.get_freeze_count() == 0
    if is_free:
        gc.freeze()
    try:
        yield
    finally:
        if is_free:
            gc.unfreeze()


@contextmanager
def open_stream(location, *, rate_hz=16000):
    """Yield the `MediaStream` of a Path or URL; its sound is given at ``rate_hz``.

    Raises:
        MediaError: The file cannot be opened, or is damaged beyond reading, now or later.
    """
    with containers.open_media(locations.find_location(location)) as container:
        yield MediaStream(container, rate_hz)
