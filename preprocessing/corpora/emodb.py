"""EMO-DB: ten actors speak ten German sentences; recordings alone, boredom left out."""

import re

from preprocessing.corpora import listing

NAME = "emodb"
TITLE = "EMO-DB, the Berlin Database of Emotional Speech"
LICENCE = "Free of charge; its authors ask to cite the paper"
CITATION = (
    "Burkhardt, F., Paeschke, A., Rolfes, M., Sendlmeier, W. F. & Weiss, B. (2005). A database of "
    "German emotional speech. Interspeech 2005, 1517-1520. "
    "https://doi.org/10.21437/Interspeech.2005-446"
)
HOW_TO_GET = (
    "From http://emodb.bilderbar.info fetch download.zip (40 MB), unpack it and name the folder "
    "as DATA; its folder wav is used."
)
EMOTIONS = ("neutral", "happy", "sad", "angry", "fearful", "disgust")
PROTOCOL = "emodb10"

EXTENSIONS = (".wav", ".flac")
CODES = {
    "N": "neutral",
    "F": "happy",
    "T": "sad",
    "W": "angry",
    "A": "fearful",
    "E": "disgust",
}
"""First letters of the German words. L (Langeweile, boredom) is none of the project's emotions;
it is not calm, either: 81 of the 535 recordings are passed over."""

BOREDOM = "L"
GENDERS = {
    "03": "male",
    "08": "female",
    "09": "female",
    "10": "male",
    "11": "male",
    "12": "male",
    "13": "female",
    "14": "female",
    "15": "male",
    "16": "female",
}
STATEMENTS = ("a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10")
PATTERN = re.compile(r"(\d\d)([ab]\d\d)([A-Z])([a-z]?)\.(wav|flac)", re.IGNORECASE)


def index(source):
    """Return the recordings below a folder, from file names alone; those of boredom are left out.

    Args:
        source: The folder wav, or one above it.

    Returns:
        DataFrame with ``corpora.COLUMNS``, sorted by ``clip_id`` ("03a01Fa"); ``video`` is empty.

    Raises:
        FileNotFoundError: There is no recording.
        OSError: A folder cannot be listed.
    """
    return listing.index_takes(
        _list_takes(source), source, title="EMO-DB", expected="wav/03a01Fa.wav, ..."
    )


def validate(source):
    """List what is unreadable, unknown or surplus, by name.

    Nothing is called missing: the published recordings are those that listeners recognised, so
    the corpus has no plan to be complete by. Recordings of boredom are no fault.

    Args:
        source: As for ``index``.

    Returns:
        DataFrame with the columns ``file``, ``problem`` and ``detail``.
    """
    return listing.list_problems(
        _list_takes(source), source, expected_ids=lambda actor: [], modalities=("audio",)
    )


def read_name(name):
    """Return what a file name such as "03a01Fa.wav" says.

    Args:
        name: A file name with a media ending.

    Returns:
        A ``listing.Name``; None for boredom.

    Raises:
        ValueError: The name has another form, or a code that the corpus does not have.
    """
    match = PATTERN.fullmatch(name)
    if not match:
        raise ValueError("not an EMO-DB name; expected one like 03a01Fa.wav")
    actor, statement, code, version, _ = match.groups()
    statement, code, version = statement.lower(), code.upper(), version.lower()
    listing.check_codes(
        ("actor", actor, GENDERS),
        ("statement", statement, STATEMENTS),
        ("emotion", code, (*CODES, BOREDOM)),
    )
    if code == BOREDOM:
        return None
    row = {
        "clip_id": f"{actor}{statement}{code}{version}",
        "emotion": CODES[code],
        "actor": actor,
        "gender": GENDERS[actor],
        "statement": statement,
        "repetition": version,
    }
    return listing.Name("audio", row)


def _list_takes(source):
    return listing.list_takes(source, read_name=read_name, extensions=EXTENSIONS, title="EMO-DB")
