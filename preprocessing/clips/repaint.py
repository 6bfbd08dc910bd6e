"""Write a clip anew as MP4, its pictures painted on, its sound as it was.

One pass, one picture at a time: memory does not grow with the length. Pictures are painted as the
encoder wants them, in planes of luma and of two chromas at half the size (YUV 4:2:0), since turning
each into RGB and back takes longer than to decode it.
"""

import gc
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from preprocessing.clips import display
from preprocessing.clips.containers import (
    MediaError,
    find_origin,
    find_stream,
    open_media,
)
from preprocessing.clips.joined import continue_packets
from preprocessing.clips.pictures import decode_packets
from preprocessing.clips.sound_copy import SoundCopy
from preprocessing.clips.tones import LIGHT_OF

MOST_PIXELS = 1920  # of the longer side; larger pictures are made smaller
LEAST_PIXELS = 320  # of the width; smaller pictures are made larger, for text to be legible
MOST_FPS = 60.5  # frames above are left out
SOUND_FPS = 10  # of the pictures beside sound that has none
SOUND_WIDTH = 1280
SMALL_SCREENS = (Colorspace.FCC, Colorspace.ITU601, 6)  # colour matrices of standard definition
ENCODER = {"preset": "ultrafast", "crf": "21", "threads": "2"}
"""Superfast makes files half as large and takes half as long again."""


@dataclass
class Report:
    """What became of a clip."""

    width: int  # of the pictures written, in pixels
    height: int
    n_frames: int = 0
    sound: str = "none"  # or "copied: CODEC", or "encoded as AAC: …", with the reason
    problems: list[str] = field(default_factory=list)


def repaint_clip(source, target, open_canvas, *, comment=""):
    """Write a clip as an MP4 file that players can start before they have it all.

    Args:
        source: Path or URL.
        target: Path; the caller sees to it that nothing half written stays.
        open_canvas: Called once with the (width, height) of what a player shows, in pixels, (width,
            0) where there is only sound; returns an object with ``height``, that of the pictures to
            be written, ``paint(planes, time_s)``, which changes uint8 planes in place, (height,
            width) and twice (height / 2, width / 2), the shown picture at the top, and
            ``settle(matrix)``, which is told once whether colours are "bt709" or "bt601". All
            sizes are even.
        comment: Written into the file.

    Returns:
        A `Report`.

    Raises:
        MediaError: The clip cannot be read, or holds neither picture nor sound.
    """
    problems = []
    options = {"movflags": "+faststart"}
    with open_media(source) as container, av.open(str(target), "w", "mp4", options) as output:
        video, audio = (find_stream(container, kind, problems) for kind in ("video", "audio"))
        if video is None and audio is None:
            raise MediaError("holds neither video nor audio")
        output.metadata["comment"] = comment
        sound = SoundCopy(audio, output) if audio is not None else None
        origin_s = find_origin(container)
        if video is None:
            pictures = _Blank(output, open_canvas, problems)
        else:
            video.codec_context.thread_type = "AUTO"
            pictures = _Pictures(video, output, open_canvas, origin_s, problems)
        waiting = []
        streams = [stream for stream in (video, audio) if stream is not None]
        for packet in continue_packets(container.demux(streams)):
            if packet.stream.type == "video":  # the last packets, empty, know no number
                if packet.size or packet.dts is None:  # the last, of nothing, empties the decoder
                    pictures.add(packet)
            elif packet.size:
                time_s = float((packet.pts or packet.dts or 0) * packet.time_base) - origin_s
                end_s = time_s + float((packet.duration or 0) * packet.time_base)
                pictures.continue_to(end_s)
                waiting.append(packet)
            if pictures.writer is not None:  # a header cannot be written before all is known
                for early in waiting:
                    sound.add(early, origin_s)
                waiting.clear()
        report = pictures.finish()
        for late in waiting:
            sound.add(late, origin_s)
        if sound is not None:
            report.sound = sound.finish()
        return report


class _Writer:
    """Encodes painted pictures."""

    def __init__(self, output, open_canvas, size, rate, time_base):
        self.width, self.shown_height = size
        self.canvas = open_canvas(size)
        self.output, self.time_base = output, time_base
        self.stream = stream = output.add_stream("libx264", rate=rate, options=dict(ENCODER))
        stream.width, stream.height = self.width, self.canvas.height
        stream.pix_fmt, stream.time_base = "yuv420p", time_base
        stream.codec_context.time_base = time_base
        stream.codec_context.gop_size = max(round(2 * float(rate)), 1)  # seconds to seek within
        self.n_frames, self.last = 0, None

    def settle(self, matrix):
        """Say in which colours pictures come, before the first of them."""
        context = self.stream.codec_context
        context.color_range = ColorRange.MPEG
        number = {"bt709": 1, "bt601": 6}[matrix]  # in each of the three lists of H.264
        context.colorspace = context.color_primaries = context.color_trc = number
        self.canvas.settle(matrix)

    def write(self, planes, time_s):
        """Paint and encode the picture whose planes, as views, are given (None: an empty one)."""
        pts = round(time_s / self.time_base)
        if self.last is not None and pts <= self.last:
            return
        frame = av.VideoFrame(self.width, self.canvas.height, "yuv420p")
        own = view_planes(frame)
        for index, plane in enumerate(own):
            rows = 0 if planes is None else len(planes[index])
            if rows:
                plane[:rows] = planes[index]
            plane[rows:] = 128 if index else 16
        self.canvas.paint(own, time_s)
        frame.pts, frame.time_base = pts, self.time_base
        self.output.mux(self.stream.encode(frame))
        self.last, self.n_frames = pts, self.n_frames + 1

    def finish(self, problems):
        self.output.mux(self.stream.encode(None))
        return Report(self.width, self.canvas.height, self.n_frames, problems=problems)


class _Pictures:
    """Decodes, turns upright, and hands on what a player shows."""

    def __init__(self, stream, output, open_canvas, origin_s, problems):
        self.stream, self.output, self.open_canvas = stream, output, open_canvas
        self.origin_s, self.problems, self.failures = origin_s, problems, []
        self.reformatter, self.orientation, self.writer = VideoReformatter(), None, None
        self.rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        if not 1 <= self.rate <= 240:  # some containers only know their clock's ticks
            self.rate = Fraction(30)
        self.has_pts = getattr(stream.container.format, "name", "") != "avi"
        self.n_decoded, self.last_s, self.is_knotted = 0, None, False

    def add(self, packet):
        for frame in decode_packets([packet], self.stream, self.failures):
            self._write(frame)

    def continue_to(self, end_s):
        """Sound has come so far; pictures have their own times."""

    def _find_time(self, frame):
        """Return when a frame comes on screen; AVI's timestamps are guesses, its rate is not."""
        self.n_decoded += 1
        if self.has_pts and frame.pts is not None:
            return float(frame.pts * (frame.time_base or self.stream.time_base)) - self.origin_s
        if self.has_pts and self.last_s is not None:
            return self.last_s + float(1 / self.rate)
        return (self.n_decoded - 1) / float(self.rate)

    def _write(self, frame):
        time_s = max(self._find_time(frame), 0.0)
        if self.last_s is not None and time_s - self.last_s < 1 / MOST_FPS:
            return
        self.last_s = time_s
        if self.is_knotted:  # looking at a frame's side data ties it into a knot
            gc.collect(1)
        self.is_knotted = frame.key_frame or self.writer is None
        if self.is_knotted:
            self.orientation = display.find_orientation(frame)
        if self.writer is None:
            self._open(frame)
        self.writer.write(self._make_planes(frame), time_s)

    def _open(self, frame):
        self.stretch = display.read_stretch(self.stream)
        self.problems += display.list_remarks(frame, self.stretch)
        width, height = display.make_square(frame.width, frame.height, self.stretch)
        if width * height > display.MAX_PIXELS:
            raise MediaError(f"frames of {width}×{height} pixels")
        shown = (height, width) if self.orientation[0] else (width, height)
        self.size = fit_size(*shown)
        rate = min(self.rate, Fraction(60))
        time_base = Fraction(1, 90000)
        self.writer = _Writer(self.output, self.open_canvas, self.size, rate, time_base)
        self.writer.settle("bt601" if self._is_kept(frame) and _is_601(frame) else "bt709")

    def _is_kept(self, frame):
        """Tell whether a frame's planes can be taken as they are."""
        size = self.size[::-1] if self.orientation[0] else self.size
        is_plain = frame.format.name == "yuv420p" and frame.color_range != ColorRange.JPEG
        return is_plain and (frame.width, frame.height) == size

    def _make_planes(self, frame):
        """Return a frame's planes as a player shows them, upright, in the size of the clip."""
        if frame.color_trc in LIGHT_OF:
            width, height = self.size
            shape = (height, width)
            rgb = display.convert_to_rgb(frame, self.reformatter, self.stretch, shape)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            return view_planes(self._reformat(frame, self.size, None))
        swaps, *reverses = self.orientation
        if not self._is_kept(frame):
            display.settle_matrix(frame)
            size = self.size[::-1] if swaps else self.size
            frame = self._reformat(frame, size, frame.colorspace)
        planes = view_planes(frame)
        if swaps or any(reverses):
            rows, columns = (slice(None, None, -1 if reverse else 1) for reverse in reverses)
            planes = [(plane.T if swaps else plane)[rows, columns] for plane in planes]
        return planes

    def _reformat(self, frame, size, colorspace):
        return self.reformatter.reformat(
            frame,
            *size,
            "yuv420p",
            src_colorspace=colorspace,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )

    def finish(self):
        if self.writer is None:
            raise MediaError("no packet gives a frame")
        if self.failures:
            n_failures = len(self.failures)
            self.problems.append(f"video damaged: packets or frames with errors: {n_failures}")
        return self.writer.finish(self.problems)


class _Blank:
    """Pictures beside sound that has none."""

    def __init__(self, output, open_canvas, problems):
        size, rate = (SOUND_WIDTH, 0), Fraction(SOUND_FPS)
        self.writer = _Writer(output, open_canvas, size, rate, Fraction(1, 90000))
        self.writer.settle("bt709")
        self.problems = problems

    def continue_to(self, end_s):
        """Write all pictures that come on screen before ``end_s``."""
        while self.writer.n_frames / SOUND_FPS < end_s:
            self.writer.write(None, self.writer.n_frames / SOUND_FPS)

    def finish(self):
        self.continue_to(1 / SOUND_FPS)
        return self.writer.finish(self.problems)


def view_planes(frame):
    """Return the three planes of a yuv420p frame, uint8 (height, width), as views of it."""
    sizes = (1, 2, 2)
    planes = []
    for plane, part in zip(frame.planes, sizes, strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        planes.append(rows[: -(-frame.height // part), : -(-frame.width // part)])
    return planes


def fit_size(width, height):
    """Return the even (width, height) in which pictures are written."""
    scale = min(1.0, MOST_PIXELS / max(width, height))
    scale = max(scale, min(LEAST_PIXELS / width, MOST_PIXELS / height, 4))
    if scale < 1 or width < LEAST_PIXELS:
        width, height = width * scale, height * scale
    return tuple(max(2 * round(side / 2), 2) for side in (width, height))


def _is_601(frame):
    """Tell whether a frame's colours are those of standard definition."""
    if frame.colorspace in SMALL_SCREENS:
        return True
    return frame.colorspace != Colorspace.ITU709 and frame.height < 720
