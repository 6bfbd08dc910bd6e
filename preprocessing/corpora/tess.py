"""TESS: a younger and an older woman say 200 words in seven emotions; recordings alone."""

import re

from preprocessing.corpora import listing

NAME = "tess"
TITLE = "TESS, the Toronto Emotional Speech Set"
LICENCE = "CC BY-NC-ND 4.0"
CITATION = (
    "Pichora-Fuller, M. K. & Dupuis, K. (2020). Toronto emotional speech set (TESS). Borealis, V1. "
    "https://doi.org/10.5683/SP2/E8H2MF"
)
HOW_TO_GET = (
    "From https://doi.org/10.5683/SP2/E8H2MF fetch all WAV files (0.3 GB), unpack them and name "
    "the folder as DATA."
)
EMOTIONS = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
PROTOCOL = "tess2"

EXTENSIONS = (".wav", ".flac")
CODES = {
    "neutral": "neutral",
    "happy": "happy",
    "sad": "sad",
    "angry": "angry",
    "fear": "fearful",
    "disgust": "disgust",
    "ps": "surprised",
}
"""The endings of the names; ps is pleasant surprise."""

ACTORS = ("OAF", "YAF")
MISSPELT = {"OA": "OAF"}  # OA_bite_neutral.wav, as published
PATTERN = re.compile(r"([a-z]+)_([a-z]+)_([a-z]+)\.(wav|flac)", re.IGNORECASE)


def index(source):
    """Return the recordings below a folder, from file names alone.

    Args:
        source: A folder with OAF_back_angry.wav ... anywhere below it.

    Returns:
        DataFrame with ``corpora.COLUMNS``, sorted by ``clip_id`` ("OAF_back_angry"); ``video`` is
        empty, ``statement`` is the word.

    Raises:
        FileNotFoundError: There is no recording.
        OSError: A folder cannot be listed.
    """
    return listing.index_takes(
        _list_takes(source), source, title="TESS", expected="OAF_angry/OAF_back_angry.wav, ..."
    )


def validate(source):
    """List what is missing, unreadable, unknown or surplus, by name.

    Missing are recordings of words that occur in another emotion or of the other speaker.

    Args:
        source: As for ``index``.

    Returns:
        DataFrame with the columns ``file``, ``problem`` and ``detail``.
    """
    found = _list_takes(source)
    words = sorted({take.row["statement"] for take in found.takes.values()})

    def list_expected(actor):
        return [f"{actor}_{word}_{code}" for word in words for code in CODES]

    return listing.list_problems(found, source, expected_ids=list_expected, modalities=("audio",))


def read_name(name):
    """Return what a file name such as "YAF_dog_ps.wav" says.

    Args:
        name: A file name with a media ending.

    Returns:
        A ``listing.Name``.

    Raises:
        ValueError: The name has another form, or a code that the corpus does not have.
    """
    match = PATTERN.fullmatch(name)
    if not match:
        raise ValueError("not a TESS name; expected one like YAF_dog_ps.wav")
    actor, word, code = match[1].upper(), match[2].lower(), match[3].lower()
    actor = MISSPELT.get(actor, actor)
    listing.check_codes(("actor", actor, ACTORS), ("emotion", code, CODES))
    row = {
        "clip_id": f"{actor}_{word}_{code}",
        "emotion": CODES[code],
        "actor": actor,
        "gender": "female",
        "statement": word,
    }
    return listing.Name("audio", row)


def _list_takes(source):
    return listing.list_takes(source, read_name=read_name, extensions=EXTENSIONS, title="TESS")
