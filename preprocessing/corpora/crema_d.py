"""CREMA-D: 7,442 clips of 91 actors, twelve sentences in six emotions."""

import re

from preprocessing.clips import locations
from preprocessing.corpora import listing, tables

NAME = "crema_d"
TITLE = "CREMA-D, the Crowd-sourced Emotional Multimodal Actors Dataset"
LICENCE = "Open Database License 1.0, contents under the Database Contents License 1.0"
CITATION = (
    "Cao, H., Cooper, D. G., Keutmann, M. K., Gur, R. C., Nenkova, A. & Verma, R. (2014). CREMA-D: "
    "Crowd-sourced Emotional Multimodal Actors Dataset. IEEE Transactions on Affective Computing "
    "5(4), 377-390. https://doi.org/10.1109/TAFFC.2014.2336244"
)
HOW_TO_GET = (
    "git lfs install, then git clone https://github.com/CheyneyComputerScience/CREMA-D. The "
    "folders VideoFlash and AudioWAV are used, VideoDemographics.csv gives the actors' gender, "
    "SentenceFilenames.csv says which clips there are. Without Git LFS (or as GitHub's zip) every "
    "clip is a pointer of some 130 bytes; validate() says so."
)
EMOTIONS = ("neutral", "happy", "sad", "angry", "fearful", "disgust")
PROTOCOL = "cremad5"

EXTENSIONS = (".flv", ".mp4", ".wav")
CODES = {
    "NEU": "neutral",
    "HAP": "happy",
    "SAD": "sad",
    "ANG": "angry",
    "FEA": "fearful",
    "DIS": "disgust",
}
INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high", "XX": "", "X": ""}
STATEMENTS = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
ACTORS = tuple(str(number) for number in range(1001, 1092))
PATTERN = re.compile(r"(\d+)_([A-Z]+)_([A-Z]+)_([A-Z]+)\.(flv|mp4|wav)", re.IGNORECASE)


def index(source):
    """Return the clips below a folder, from file names (and the actors' CSV) alone.

    The sound of a clip is the video file's own where there is one, else the WAV. MP3 copies are
    passed over. ``repetition`` is empty: every take is the only one.

    Args:
        source: The folder of VideoFlash and AudioWAV, or one above it.

    Returns:
        DataFrame with ``corpora.COLUMNS``, sorted by ``clip_id`` ("1001_DFA_ANG_XX").

    Raises:
        FileNotFoundError: There is no clip.
        PermissionError: A folder cannot be listed.
    """
    clips = listing.index_takes(
        _list_takes(source), source, title="CREMA-D", expected="VideoFlash/1001_DFA_ANG_XX.flv, ..."
    )
    genders = {
        row["actorid"]: row["sex"].lower()
        for row in _read_table(source, "VideoDemographics.csv", ("actorid", "sex"))
    }
    clips["gender"] = [genders.get(actor, "") for actor in clips["actor"]]
    return clips


def validate(source):
    """List what is missing, unreadable, unknown or surplus, by name.

    Missing is judged by the corpus's own SentenceFilenames.csv; where that is not at hand, by the
    full plan of 82 clips an actor, of which 20 in all were never published.

    Args:
        source: The folder of VideoFlash and AudioWAV, or one above it.

    Returns:
        DataFrame with the columns ``file``, ``problem`` and ``detail``.
    """
    named = _read_table(source, "SentenceFilenames.csv", ("filename",))
    published = {re.sub(r"_X$", "_XX", row["filename"]) for row in named}

    def list_expected(actor):
        return [clip for clip in list_clip_ids(actor) if not published or clip in published]

    return listing.list_problems(_list_takes(source), source, expected_ids=list_expected)


def list_clip_ids(actor):
    """Return the 82 clip ids of the corpus's plan for an actor, such as "1001"."""
    return [
        f"{actor}_{statement}_{emotion}_{level}"
        for statement in STATEMENTS
        for emotion in CODES
        for level in (("LO", "MD", "HI") if statement == "IEO" and emotion != "NEU" else ("XX",))
    ]


def read_name(name):
    """Return what a file name such as "1001_DFA_ANG_XX.flv" says.

    Args:
        name: A file name with a media ending.

    Returns:
        A ``listing.Name``.

    Raises:
        ValueError: The name has another form, or a code that the corpus does not have.
    """
    match = PATTERN.fullmatch(name)
    if not match:
        raise ValueError("not a CREMA-D name; expected one like 1001_DFA_ANG_XX.wav")
    actor, statement, emotion, level, extension = (part.upper() for part in match.groups())
    listing.check_codes(
        ("actor", actor, ACTORS),
        ("statement", statement, STATEMENTS),
        ("emotion", emotion, CODES),
        ("intensity", level, INTENSITIES),
    )
    level = "XX" if level == "X" else level  # one WAV was first published as 1040_ITH_SAD_X
    row = {
        "clip_id": f"{actor}_{statement}_{emotion}_{level}",
        "emotion": CODES[emotion],
        "actor": actor,
        "intensity": INTENSITIES[level],
        "statement": statement,
    }
    return listing.Name("audio" if extension == "WAV" else "joint", row)


def _list_takes(source):
    return listing.list_takes(source, read_name=read_name, extensions=EXTENSIONS, title="CREMA-D")


def _read_table(source, name, columns):
    """Return the rows of a CSV that comes with the corpus, in the source or just above it."""
    for folder in (source, locations.get_parent(source)):
        path = locations.join(folder, name)
        if locations.is_file(path):
            try:
                return [row for _, row in tables.read_table(path, required=columns)]
            except ValueError:
                return []  # a pointer of Git LFS, say: the clips are there without it
    return []
