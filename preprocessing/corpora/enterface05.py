"""eNTERFACE'05: 43 people react in English to six stories, five sentences an emotion, on video."""

import re

from preprocessing.corpora import listing

NAME = "enterface05"
TITLE = "The eNTERFACE'05 Audio-Visual Emotion Database"
LICENCE = "MIT, as its page states; cite the paper"
CITATION = (
    "Martin, O., Kotsia, I., Macq, B. & Pitas, I. (2006). The eNTERFACE'05 Audio-Visual Emotion "
    "Database. 22nd International Conference on Data Engineering Workshops. "
    "https://doi.org/10.1109/ICDEW.2006.145"
)
HOW_TO_GET = (
    "From https://enterface.net/enterface05/ fetch the database of project 2 (0.8 GB), unpack it "
    "and name the folder with 'subject 1', 'subject 2', ... as DATA. Keep the folders: the names "
    "of the files are not reliable."
)
EMOTIONS = ("happy", "sad", "angry", "fearful", "disgust", "surprised")
PROTOCOL = "group_kfold"
"""No folds are published; subjects are kept apart."""

EXTENSIONS = (".avi", ".mp4")
CODES = {
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fearful",
    "happiness": "happy",
    "sadness": "sad",
    "surprise": "surprised",
}
UNCUT = 6  # a whole session per emotion, never cut into sentences
SUBJECTS = range(1, 45)
SENTENCES = range(1, 6)
PATTERN = re.compile(r"subject[ _-]*(\d+)/([a-z]+)/sentence[ _-]*(\d+)/[^/]+", re.IGNORECASE)


def index(source):
    """Return the clips below a folder, from the folders' names alone.

    The names of the files are passed over: those of subject 11 say 12, and others are mistyped.
    Subject 6, whose sessions were never cut into sentences, is left out. ``statement`` is empty:
    every emotion has sentences of its own, so the words alone give the emotion away, and a score
    here does not compare with one on a corpus of equal sentences. Gender is not published.

    Args:
        source: A folder with ``subject 1/anger/sentence 1/`` ... anywhere below it.

    Returns:
        DataFrame with ``corpora.COLUMNS``, sorted by ``clip_id`` ("01_anger_1").

    Raises:
        FileNotFoundError: There is no clip.
        OSError: A folder cannot be listed.
    """
    return listing.index_takes(
        _list_takes(source),
        source,
        title="eNTERFACE'05",
        expected="subject 1/anger/sentence 1/s1_an_1.avi, ...",
    )


def validate(source):
    """List what is missing, unreadable, unknown or surplus, by name.

    Of a whole download, the six sessions of subject 6 are unknown and three clips of subject 23
    are missing.

    Args:
        source: As for ``index``.

    Returns:
        DataFrame with the columns ``file``, ``problem`` and ``detail``.
    """
    return listing.list_problems(_list_takes(source), source, expected_ids=list_clip_ids)


def list_clip_ids(actor):
    """Return the 30 clip ids of a subject, such as "01"."""
    return [f"{actor}_{emotion}_{number}" for emotion in CODES for number in SENTENCES]


def read_path(path):
    """Return what a path such as "subject 1/anger/sentence 1/s1_an_1.avi" says.

    Args:
        path: A PurePath of a media file.

    Returns:
        A ``listing.Name``.

    Raises:
        ValueError: The folders have other names, or the subject was never cut into sentences.
    """
    if any(re.fullmatch(rf"subject[ _-]*0*{UNCUT}", part, re.I) for part in path.parts):
        raise ValueError(f"subject {UNCUT} was never cut into sentences")
    match = PATTERN.fullmatch("/".join(path.parts[-4:]))
    if not match:
        raise ValueError("not in a folder like 'subject 1/anger/sentence 1'")
    subject, emotion, sentence = int(match[1]), match[2].lower(), int(match[3])
    listing.check_codes(
        ("subject", subject, SUBJECTS),
        ("emotion", emotion, CODES),
        ("sentence", sentence, SENTENCES),
    )
    row = {
        "clip_id": f"{subject:02}_{emotion}_{sentence}",
        "emotion": CODES[emotion],
        "actor": f"{subject:02}",
    }
    return listing.Name("joint", row)


def _list_takes(source):
    return listing.list_takes(
        source, read_name=read_path, extensions=EXTENSIONS, title="eNTERFACE'05", by_path=True
    )
