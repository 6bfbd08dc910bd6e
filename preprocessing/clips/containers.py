"""Open a media file, wherever it lies, and tell what its header promises.

By PyAV; no ffmpeg program is needed. Whatever is wrong with a file becomes a ``MediaError`` with
a short reason.
"""

import io
import itertools
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

from preprocessing.clips import locations
from preprocessing.clips.joined import continue_packets
from preprocessing.workers.isolation import explain_error

av.logging.set_level(None)  # FFmpeg's remarks on damaged files; what matters becomes a problem

FORMATS = "mov,mp4,m4a,3gp,avi,flv,matroska,webm,mpeg,mpegts,asf,gif"
FORMATS += ",ogg,wav,w64,aiff,caf,nistsphere,flac,mp3,aac,amr"
"""FFmpeg's names of the containers that may be opened. Each is one file; playlists are not among
them, since they would open further files."""

INDEXED = (".mp4", ".mov", ".m4a", ".m4v")  # their index says all about their streams
QUICK = {"probesize": "32"}  # keeps FFmpeg from decoding the first pictures of what it opens
COVERS = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
STILLS = ("mjpeg", "png", "bmp", "gif", "webp")  # decoders of pictures that stand alone
MAX_REMOTE_BYTES = 1 << 30  # of a file at a URL, which is held in memory as a whole

DECODER_ERRORS = (av.FFmpegError, OSError, ValueError, RuntimeError, MemoryError)
DECODER_ERRORS += (ArithmeticError, LookupError)
"""What PyAV raises on damaged files."""


class MediaError(Exception):
    """A file that gives neither picture nor sound; the message is a short reason for people."""


@dataclass(frozen=True)
class Probe:
    """What a container promises; None where it does not say."""

    durations_s: dict[str, float | None]  # of its "video" and its "audio", where there is one
    fps: float | None  # on average


def probe(path):
    """Return the ``Probe`` of a media file, Path or URL, without decoding it.

    Of a URL only what the header needs is fetched, where the server can.

    Raises:
        MediaError: The file cannot be opened or holds neither video nor audio.
    """
    with open_media(path, whole=False) as container:
        streams = {kind: find_stream(container, kind, []) for kind in ("video", "audio")}
        streams = {kind: stream for kind, stream in streams.items() if stream is not None}
        if not streams:
            raise MediaError("holds neither video nor audio")
        durations_s = {kind: _find_duration(container, streams[kind]) for kind in streams}
        if container.format.name == "ogg" and not locations.is_url(path):
            durations_s |= _measure_durations(container, streams)
        video = streams.get("video")
        rate = video and (video.average_rate or video.guessed_rate)
        return Probe(durations_s, float(rate) if rate else None)


def _measure_durations(container, streams):
    """Return how long streams last by their packets, also where files are joined."""
    spans = {kind: [np.inf, -np.inf] for kind in streams}
    kinds = {stream.index: kind for kind, stream in streams.items()}
    for packet in continue_packets(container.demux(list(streams.values()))):
        if packet.pts is not None:
            span, tick_s = spans[kinds[packet.stream.index]], float(packet.time_base)
            span[0] = min(span[0], packet.pts * tick_s)
            span[1] = max(span[1], (packet.pts + (packet.duration or 0)) * tick_s)
    return {kind: end - start for kind, (start, end) in spans.items() if end > start}


def _find_duration(container, stream):
    """Return how long a stream lasts by its header, else by its container's, in seconds."""
    start_s = float((stream.start_time or 0) * stream.time_base) - find_origin(container)
    end_s = find_promised_end(container, stream)
    if end_s is None and container.duration:
        end_s = container.duration / av.time_base
    return None if end_s is None else end_s - start_s


@contextmanager
def open_media(location, *, whole=True):
    """Yield the container of a Path or URL; what PyAV raises there or later becomes a MediaError.

    ``whole`` fetches a URL's file at once; without it, only what is asked for, where possible.
    """
    with ExitStack() as stack:
        try:
            if locations.is_url(location):
                file = stack.enter_context(_open_remote(location, whole=whole))
            else:
                file = _find_file(location)
            suffix = locations.get_path(location).suffix
            container = stack.enter_context(_open_container(file, suffix))
        except OSError as error:
            raise MediaError(explain_error(error)) from error
        except DECODER_ERRORS as error:
            known = FORMATS.replace(",", ", ")
            raise MediaError(
                f"not a media file of a known kind ({known}), or damaged at its start"
            ) from error
        try:
            yield container
        except DECODER_ERRORS as error:
            raise MediaError(explain_error(error)) from error


def _find_file(path):
    """Return a local file's absolute path as text, or raise MediaError for what is no clip."""
    path = Path(path).absolute()  # never "name:...", which FFmpeg would take for a protocol
    if path.is_dir():
        raise MediaError("a folder, not a media file")
    if path.stat().st_size == 0 and path.is_file():
        raise MediaError("empty file (0 bytes)")
    if not path.is_file():
        raise MediaError("not a regular file")
    return str(path)


@contextmanager
def _open_remote(url, *, whole):
    """Yield a file at a URL, in memory or read in parts."""
    with locations.open_file(url) as file:
        if not whole and file.seekable():
            yield file
            return
        data = file.read(MAX_REMOTE_BYTES + 1)
    if len(data) > MAX_REMOTE_BYTES:
        raise MediaError(f"larger than {MAX_REMOTE_BYTES / 2**30:g} GB: fetch it to a disk first")
    if not data:
        raise MediaError("empty file (0 bytes)")
    yield io.BytesIO(data)


def _open_container(file, suffix):
    """Open a file; of an MP4 only the index is read, not its first pictures too (15 ms of 20)."""
    protocols = "file" if isinstance(file, str) else "none"  # and nothing that it may refer to
    options = {"format_whitelist": FORMATS, "protocol_whitelist": protocols}
    if suffix.lower() in INDEXED:
        quick = av.open(file, options=options | QUICK, metadata_errors="ignore")
        streams = [stream.codec_context for stream in quick.streams.video]
        is_known = all(context and context.width and context.pix_fmt for context in streams)
        if is_known and "mp4" in quick.format.name:  # not only by its suffix
            return quick
        quick.close()
        if not isinstance(file, str):
            file.seek(0)
    return av.open(file, options=options, metadata_errors="ignore")


def find_stream(container, kind, problems):
    """Return the stream of "video" or "audio" that is read, or None: the first marked default.

    Where none is marked it is the first. Streams without a decoder and covers do not count. The
    choice between several joins ``problems``.
    """
    streams = _list_streams(container, kind)
    marked = [bool(stream.disposition & Disposition.default) for stream in streams]
    chosen = marked.index(True) if True in marked else 0
    if len(streams) > 1:
        mark = ", marked default," if marked[chosen] else ""
        problems.append(f"{len(streams)} {kind} tracks: number {chosen + 1}{mark} was read")
    return streams[chosen] if streams else None


def _list_streams(container, kind):
    """Return the streams of "video" or "audio" that can be read, in the container's order."""
    size = "width" if kind == "video" else "sample_rate"
    found = getattr(container.streams, kind)
    found = [stream for stream in found if getattr(stream.codec_context, size, 0)]
    return [s for s in found if kind == "audio" or not _is_cover(container, s)]


def _is_cover(container, stream):
    """Return whether a video stream is the cover of a recording: one picture beside longer sound.

    Not every writer marks it as such.
    """
    if stream.disposition & COVERS:
        return True
    if stream.codec_context.name not in STILLS or not container.streams.audio:
        return False
    lasts_s = (stream.duration or 0) * stream.time_base
    if 2 * lasts_s >= (container.duration or 0) / av.time_base > 0:
        return False
    packets = (packet for packet in container.demux(stream) if packet.size)
    n_pictures = len(list(itertools.islice(packets, 2)))  # headers that count them may be wrong
    container.seek(0)
    return n_pictures == 1


def find_origin(container):
    """Return the start of a container on the clock of its timestamps, in seconds."""
    return (container.start_time or 0) / av.time_base


def find_promised_end(container, stream):
    """Return where a stream ends by its header, seconds since the container's start, or None."""
    if container.format.name == "avi" and stream.type == "video" and stream.average_rate:
        return float(stream.frames / stream.average_rate)  # FFmpeg shortens the duration to fit
    if stream.duration:
        end = (stream.start_time or 0) + stream.duration
        return float(end * stream.time_base) - find_origin(container)
    return None
