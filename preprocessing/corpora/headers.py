"""Tell from a file's first bytes whether it can be the media file that its name promises.

No decoder is needed for what goes wrong most often with a corpus: a download that broke off, a
web page or a Git LFS pointer saved under a clip's name. What passes here may still fail to decode;
``media.probe`` knows more and costs more.
"""

import struct

from preprocessing.clips import locations

HEAD_BYTES = 64
MAX_BOXES = 10_000  # a file made of tiny boxes would be walked for hours
SLACK_BYTES = 1024  # some writers of WAV miscount by a header's length

SIGNATURES = {
    ".wav": ("WAV", lambda head: head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE"),
    ".avi": ("AVI", lambda head: head[:4] == b"RIFF" and head[8:11] == b"AVI"),
    ".flac": ("FLAC", lambda head: head[:4] == b"fLaC" or head[:3] == b"ID3"),
    ".flv": ("FLV", lambda head: head[:3] == b"FLV"),
    ".ogg": ("Ogg", lambda head: head[:4] == b"OggS"),
    ".mp3": ("MP3", lambda head: head[:3] == b"ID3" or _is_mpeg_sync(head)),
    ".mp4": ("MP4", lambda head: head[4:8] in BOXES),
    ".mkv": ("Matroska", lambda head: head[:4] == b"\x1a\x45\xdf\xa3"),
}
SAME = {
    ".mov": ".mp4",
    ".m4v": ".mp4",
    ".m4a": ".mp4",
    ".webm": ".mkv",
    ".opus": ".ogg",
    ".oga": ".ogg",
}
BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")


def check_header(location):
    """Return why a file cannot be the media file that its name promises, or an empty string.

    Of a file at a URL only the first bytes are read, so that an MP4 that breaks off passes.

    Args:
        location: The file, Path or URL.

    Returns:
        A short reason, such as "zero bytes", "a Git LFS pointer, ..." or "truncated: ..."; empty
        where nothing speaks against the file, also for an ending that is not known here.
    """
    suffix = locations.get_path(location).suffix.lower()
    try:
        if locations.is_url(location):
            head = locations.read_head(location, HEAD_BYTES)
            return _judge(suffix, head) or _find_truncated_riff(
                head, locations.measure_size(location) if head[:4] == b"RIFF" else 0
            )
        with locations.open_file(location) as file:
            head = file.read(HEAD_BYTES)
            size = file.seek(0, 2)
            return (
                _judge(suffix, head)
                or _find_truncated_riff(head, size)
                or _find_truncated_box(file, head, size)
            )
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return error.strerror or str(error)


def _judge(suffix, head):
    """Return what is wrong with the first bytes of a file of this ending."""
    suffix = SAME.get(suffix, suffix)
    if not head:
        return "zero bytes"
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the clip: run git lfs pull"
    if suffix not in SIGNATURES or SIGNATURES[suffix][1](head):
        return ""
    wanted = SIGNATURES[suffix][0]
    for title, matches in SIGNATURES.values():
        if title != "MP3" and matches(head):
            return f"named {wanted}, but holds {title}"
    if not head.strip(b"\0"):
        return "only zero bytes at the start"
    return f"text, not {wanted}" if _is_text(head) else f"does not begin like {wanted}"


def _find_truncated_riff(head, size):
    """Return where a WAV or AVI file breaks off, by the size that it declares (0: not known)."""
    if head[:4] != b"RIFF" or not size:
        return ""
    if len(head) < 8:
        return f"truncated: {len(head)} of at least 12 bytes"
    declared = struct.unpack("<I", head[4:8])[0] + 8
    streamed = declared in (8, 0xFFFFFFFF + 8)  # a writer that could not seek leaves no size
    if not streamed and declared > size + SLACK_BYTES:
        return f"truncated: {size} of {declared} bytes"
    return ""


def _find_truncated_box(file, head, size):
    """Walk an MP4's outermost boxes (ISO/IEC 14496-12) and return what is missing."""
    if head[4:8] not in BOXES:
        return ""
    position, n_boxes, names = 0, 0, set()
    while position + 8 <= size:
        if n_boxes > MAX_BOXES:
            return ""  # whole as far as one looks; the decoder decides
        n_boxes += 1
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
    if b"moov" not in names and b"moof" not in names:
        return "truncated: no moov box, so the streams are not described"
    return f"truncated: {size} of {position} bytes" if position > size else ""


def _is_text(head):
    try:
        text = head.decode("utf-8", errors="strict")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character.isspace() for character in text)


def _is_mpeg_sync(head):
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0
