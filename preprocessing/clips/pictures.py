"""Compressed pictures become frames: those that are wanted, and no more than they need.

Pictures stay compressed until the times of all are known; then they are decoded in order, without
seeking, and only the chosen ones become RGB.
"""

import itertools
from functools import partial

import numpy as np
from av.video.reformatter import VideoReformatter

from preprocessing.clips import containers, cuts, display
from preprocessing.clips.clock import Pictures, average_frames, keep_frames
from preprocessing.clips.containers import DECODER_ERRORS, MediaError
from preprocessing.faces.frames import Frames, view_luma

SKIPPING_DECODERS = ("h264", "mpeg4")
"""Decoders whose pictures without references to them can be left out, the others unchanged.
(HEVC's temporal layers may refer to pictures that are marked as not referred to.)"""


def decode_packets(packets, stream, failures):
    """Yield the frames of packets; the error of one that cannot be decoded joins ``failures``."""
    for packet in packets:
        try:
            yield from stream.codec_context.decode(packet)
        except DECODER_ERRORS as error:
            failures.append(error)


def collect_pictures(container, stream, packets, problems):
    """Return a stream's Pictures by its packets, and a function that decodes them, or two None.

    The function takes a list for errors and yields ticks, each with a frame and what converts it;
    given a set of wanted ticks, it may leave out others. In containers without presentation times
    (AVI; FFmpeg's guesses are often wrong) frames come at the decoding times of their packets,
    earlier by the decoder's delay, and those held back until the end take the times left over.
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
        reformatter, tick, delay, stretch = VideoReformatter(), ticks[0] - 1, None, None
        matrix = None
        needed = packets if wanted is None else _skip_unwanted(packets, stream, wanted)
        for frame in decode_packets(itertools.chain(needed, [None]), stream, failures):
            stamp = frame.pts if has_pts else frame.dts
            if not has_pts and stamp is not None:
                delay = stamp - ticks[0] if delay is None else delay
                stamp -= delay
            if stamp is None:
                stamp = next((other for other in ticks if other > tick), tick + 1)
            tick = stamp
            failures += [tick] * frame.is_corrupt
            frame.opaque = matrix  # streams of H.264 may tell it with their first picture alone
            matrix, remarks = display.read_matrix(frame), []
            if stretch is None:
                stretch, size = display.read_stretch(stream), (frame.width, frame.height)
                remarks = display.list_remarks(frame, stretch)
            elif change := display.describe_change(frame, size):
                remarks = [change]
            problems.extend(remark for remark in remarks if remark not in problems)
            convert = partial(display.convert_to_rgb, frame, reformatter, stretch)
            yield tick, (frame, convert)

    usual_ticks = float(1 / (stream.guessed_rate or 25) / stream.time_base)
    span = containers.find_origin(container), containers.find_promised_end(container, stream)
    return Pictures(ticks, stamps, usual_ticks, stream.time_base, *span), decode


def _skip_unwanted(packets, stream, wanted):
    """Yield packets; before each the decoder is told whether it may leave the picture out."""
    context = stream.codec_context
    try:
        for packet in packets:
            may_skip = context.name in SKIPPING_DECODERS and packet.pts not in wanted
            context.skip_frame = "NONREF" if may_skip else "DEFAULT"
            yield packet
    finally:
        context.skip_frame = "DEFAULT"


def take_frames(pictures, decode, window, choose, problems, *, as_frames):
    """Return the chosen frames of a window, their times in it, and the number of each one's shot.

    The choice is made from the times of the packets, and again where the frames turn out to lie
    elsewhere (damaged packets). In a file without problems so far, nothing after the last chosen
    frame is decoded. A frame that is the mean over a cut belongs to no shot: its number is -1.
    """
    small = {}
    groups, frame_times = pictures.plan(window(), choose)
    if not problems:
        frames = _take_only(pictures, decode, groups, small, as_frames=as_frames)
        if frames is not None:
            return frames, frame_times, _number_shots(pictures, groups, small)
    for _ in range(3):
        groups, _ = pictures.plan(window(), choose)
        failures = []
        decoded = _watch(decode(failures), small)
        frames, pictures.ticks = _gather(decoded, groups, as_frames=as_frames)
        if not pictures.ticks:
            raise MediaError("no packet gives a frame")
        needed, frame_times = pictures.plan(window(), choose)
        if needed == groups:
            if failures:
                problems.append(f"video damaged: packets or frames with errors: {len(failures)}")
            return frames, frame_times, _number_shots(pictures, groups, small)
    raise MediaError("frames differ at each attempt")


def _watch(decoded, small):
    """Yield what is decoded, leaving a small picture of each frame in ``small``, by tick."""
    for tick, (frame, convert) in decoded:
        small[tick] = cuts.shrink_picture(view_luma(frame))
        yield tick, (frame, convert)


def _number_shots(pictures, groups, small):
    """Return in which shot each group of ticks lies, int64 (group,), -1 if in two."""
    ticks = sorted(small)
    times = np.array(ticks) * float(pictures.time_base)
    starts = np.array(ticks)[cuts.find_cuts([small[tick] for tick in ticks], times)]
    ends = np.array([(group[0], group[-1]) for group in groups])
    first, last = np.searchsorted(starts, ends.T, side="right")
    return np.where(first == last, first, -1)


def _gather(decoded, groups, *, as_frames):
    """Return the wanted frames (``Frames`` where asked for and none is averaged) and all ticks."""
    if not as_frames or any(len(ticks) > 1 for ticks in groups):
        return average_frames(((tick, convert) for tick, (_, convert) in decoded), groups)
    kept, ticks = keep_frames(decoded, groups)
    return Frames(kept) if None not in kept else None, ticks


def _take_only(pictures, decode, groups, small, *, as_frames):
    """Return the frames of groups by decoding no more than they need, or None at any doubt."""
    wanted, came, failures = {tick for ticks in groups for tick in ticks}, set(), []

    def decode_wanted():
        for tick, decoded in _watch(decode(failures, wanted), small):
            came.add(tick)
            yield tick, decoded
            if wanted <= came:
                return

    try:
        frames, _ = _gather(decode_wanted(), groups, as_frames=as_frames)
    except (MediaError, *DECODER_ERRORS):
        return None
    sound = wanted <= came <= set(pictures.ticks) and not failures
    return frames if sound else None
