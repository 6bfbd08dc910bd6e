"""The corpora that the pipeline knows: a module each that holds one ``corpus.Corpus``."""

from importlib import import_module

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
"""Every emotion of the project in its one fixed order (RAVDESS's names and order)."""

SYNONYMS = {
    "neutrality": "neutral",
    "calmness": "calm",
    "happiness": "happy",
    "joy": "happy",
    "joyful": "happy",
    "sadness": "sad",
    "anger": "angry",
    "fear": "fearful",
    "afraid": "fearful",
    "disgusted": "disgust",
    "surprise": "surprised",
}
"""Other common words for them."""

COLUMNS = (
    "clip_id",
    "video",
    "audio",
    "emotion",
    "actor",
    "gender",
    "intensity",
    "statement",
    "repetition",
)
"""Columns of an index: all strings, empty where unknown; paths are relative to the source."""

NAMES = (
    "drawn",
    "ravdess",
    "crema_d",
    "savee",
    "enterface05",
    "meld",
    "emodb",
    "tess",
    "nemo",
    "ravdess_nemo",
    "folder",
)


def get(name):
    """Return the ``corpus.Corpus`` of a name.

    Raises:
        ValueError: No corpus bears this name.
    """
    if name not in NAMES:
        raise ValueError(f"CORPUS = {name!r} is unknown; expected one of {', '.join(NAMES)}.")
    return import_module(f"{__name__}.{name}").CORPUS
