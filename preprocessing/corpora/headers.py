"""Tell from a file's first bytes whether it can be the media file that its name promises.

This names what goes wrong most often with a corpus: a download that broke off, a web page or a Git
LFS pointer saved under a clip's name. The decoder's own probe (``containers.probe``) is no
substitute: it opens half an MP4 and promises its whole length, and costs 10 to 100 times as much.
What passes here may still fail to decode.
"""

import codecs
import re
import struct

from preprocessing.clips import locations

HEAD_BYTES = 64
MAX_BOXES = 10_000  # a file made of tiny boxes would be walked for hours
SLACK_BYTES = 1024  # some writers of WAV miscount by a header's length

KINDS = {
    "WAV": ((".wav",), rb"(RIFF|RF64)....WAVE"),
    "AVI": ((".avi",), rb"RIFF....AVI"),
    "FLAC": ((".flac",), rb"fLaC|ID3"),
    "FLV": ((".flv",), rb"FLV"),
    "Ogg": ((".ogg", ".oga", ".opus"), rb"OggS"),
    "MP4": ((".mp4", ".m4v", ".m4a", ".mov"), rb"....(ftyp|moov|mdat|free|skip|wide)"),
    "Matroska": ((".mkv", ".webm"), rb"\x1a\x45\xdf\xa3"),
    "MPEG": ((".mpg", ".mpeg", ".vob"), rb"\0\0\x01\xba|G@\0"),
    "GIF": ((".gif",), rb"GIF8"),
    "CAF": ((".caf",), rb"caff"),
    "AMR": ((".amr", ".awb"), rb"#!AMR"),
    "SPHERE": ((".sph", ".nist"), rb"NIST_1A"),
    "MP3": ((".mp3",), rb"ID3|\xff[\xe0-\xff]"),
}
"""Endings of each kind of file, and how it begins."""


def check_header(location):
    """Return why a file (Path or URL) cannot be what its name promises, or an empty string.

    Nothing speaks against an ending that is not known here. Of a file at a URL only the first
    bytes are read, so that an MP4 that breaks off passes.
    """
    try:
        with locations.open_file(location) as file:
            head = file.read(HEAD_BYTES)
            if reason := _judge(locations.get_path(location).suffix.lower(), head):
                return reason
            if head.startswith(b"RIFF"):
                return _find_truncated_riff(head, locations.measure_size(location))
            if _begins_like("MP4", head) and not locations.is_url(location):
                return _find_truncated_boxes(file)
            return ""
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return error.strerror or str(error)


def _judge(suffix, head):
    """Return what is wrong with the first bytes of a file of this ending."""
    if not head:
        return "zero bytes"
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the clip: run git lfs pull"
    wanted = next((kind for kind, (endings, _) in KINDS.items() if suffix in endings), "")
    if not wanted or _begins_like(wanted, head):
        return ""
    for kind in KINDS:
        if kind != "MP3" and _begins_like(kind, head):  # two bytes of an MP3 prove nothing
            return f"named {wanted}, but holds {kind}"
    if not head.strip(b"\0"):
        return "only zero bytes at the start"
    return f"text, not {wanted}" if _is_text(head) else f"does not begin like {wanted}"


def _begins_like(kind, head):
    return re.match(KINDS[kind][1], head, re.DOTALL) is not None


def _find_truncated_riff(head, size):
    """Return where a WAV or AVI file breaks off, by the size that it declares (0: not known)."""
    if len(head) < 8:
        return f"truncated: {len(head)} of at least 12 bytes"
    declared = struct.unpack("<I", head[4:8])[0] + 8
    streamed = declared in (8, 0xFFFFFFFF + 8)  # a writer that could not seek leaves no size
    if size and not streamed and declared > size + SLACK_BYTES:
        return f"truncated: {size} of {declared} bytes"
    return ""


def _find_truncated_boxes(file):
    """Walk an MP4's outermost boxes (ISO/IEC 14496-12) and return what is missing."""
    size, position, names = file.seek(0, 2), 0, set()
    for _ in range(MAX_BOXES):
        if position + 8 > size:
            break
        file.seek(position)
        length, name = struct.unpack(">I4s", file.read(8))
        names.add(name)
        if length == 1 and position + 16 <= size:
            length = struct.unpack(">Q", file.read(8))[0]
        elif length == 0:
            length = size - position
        if length < 8:
            break
        position += length
    else:
        return ""  # whole as far as one looks; the decoder decides
    if not names & {b"moov", b"moof"}:
        return "truncated: no moov box, so the streams are not described"
    return f"truncated: {size} of {position} bytes" if position > size else ""


def _is_text(head):
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # its end may be half a letter
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)
