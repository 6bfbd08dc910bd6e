"""SAVEE: four men speak 120 British English sentences each in seven emotions, face and voice."""

import re

from preprocessing.corpora import listing

NAME = "savee"
TITLE = "SAVEE, the Surrey Audio-Visual Expressed Emotion database"
LICENCE = "Free for research, after registration"
CITATION = (
    "Haq, S. & Jackson, P. J. B. (2010). Multimodal Emotion Recognition. In W. Wang (ed.), Machine "
    "Audition: Principles, Algorithms and Systems, 398-423. IGI Global. "
    "https://doi.org/10.4018/978-1-61520-919-4.ch017"
)
HOW_TO_GET = (
    "Register at http://kahlan.eps.surrey.ac.uk/savee/, fetch AudioData.zip and "
    "AudioVisualClip.zip, unpack both into one folder and name it as DATA. Either of them alone "
    "is fine, and so are recordings renamed to DC_a01.wav and the like."
)
EMOTIONS = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
PROTOCOL = "savee4"

EXTENSIONS = (".avi", ".wav")
ACTORS = ("DC", "JE", "JK", "KL")
CODES = {
    "n": "neutral",
    "h": "happy",
    "sa": "sad",
    "a": "angry",
    "f": "fearful",
    "d": "disgust",
    "su": "surprised",
}
N_SENTENCES = {"n": 30}
"""Neutral is spoken twice as often as each emotion, which has 15 sentences."""

PATTERN = re.compile(r"(?:([a-z]{2})_)?([a-z]+)(\d+)\.(avi|wav)", re.IGNORECASE)


def index(source):
    """Return the clips below a folder, from names alone.

    The sound of a clip is the video's own where there is one, else the recording. ``statement``
    is empty: most sentences are spoken in one emotion only, so the number means nothing across
    emotions.

    Args:
        source: A folder with ``DC/`` ... ``KL/`` anywhere below it, or one of these.

    Returns:
        DataFrame with ``corpora.COLUMNS``, sorted by ``clip_id`` ("DC_a01").

    Raises:
        FileNotFoundError: There is no clip.
        OSError: A folder cannot be listed.
    """
    return listing.index_takes(
        _list_takes(source),
        source,
        title="SAVEE",
        expected="AudioVisualClip/DC/a1.avi or AudioData/DC/a01.wav, ...",
    )


def validate(source):
    """List what is missing, unreadable, unknown or surplus, by name.

    Args:
        source: As for ``index``.

    Returns:
        DataFrame with the columns ``file``, ``problem`` and ``detail``.
    """
    return listing.list_problems(_list_takes(source), source, expected_ids=list_clip_ids)


def list_clip_ids(actor):
    """Return the 120 clip ids of an actor, such as "DC"."""
    return [
        f"{actor}_{code}{number:02}"
        for code in CODES
        for number in range(1, N_SENTENCES.get(code, 15) + 1)
    ]


def read_path(path):
    """Return what a path such as "DC/sa01.wav", "DC/sa1.avi" or "DC_sa01.wav" says.

    Args:
        path: A PurePath of a media file.

    Returns:
        A ``listing.Name``.

    Raises:
        ValueError: The name has another form, or a code that the corpus does not have.
    """
    match = PATTERN.fullmatch(path.name)
    if not match:
        raise ValueError("not a SAVEE name; expected one like DC/sa01.wav")
    actor, code, number, ending = match.groups()
    actor, code = (actor or path.parent.name).upper(), code.lower()
    numbers = range(1, N_SENTENCES.get(code, 15) + 1)
    listing.check_codes(
        ("actor", actor, ACTORS), ("emotion", code, CODES), ("sentence", int(number), numbers)
    )
    row = {
        "clip_id": f"{actor}_{code}{int(number):02}",
        "emotion": CODES[code],
        "actor": actor,
        "gender": "male",
    }
    return listing.Name("audio" if ending.lower() == "wav" else "joint", row)


def _list_takes(source):
    return listing.list_takes(
        source, read_name=read_path, extensions=EXTENSIONS, title="SAVEE", by_path=True
    )
