"""The corpora that the pipeline knows, one module each, all of the same anatomy.

A corpus module holds facts (``NAME``, ``TITLE``, ``LICENCE``, ``CITATION``, ``HOW_TO_GET``,
``EMOTIONS``, ``PROTOCOL``) and two functions: ``index(source)`` lists the clips from file names
alone, ``validate(source)`` lists what is missing, unreadable or surplus, by name.
"""

from importlib import import_module

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
"""Every emotion of the project in its one fixed order (RAVDESS's names and order)."""

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

NAMES = ("drawn", "ravdess", "crema_d", "savee", "enterface05", "meld", "emodb", "tess", "folder")


def get(name):
    """Return the module of a corpus.

    Args:
        name: One of ``NAMES``.

    Returns:
        The module, with the anatomy described above.

    Raises:
        ValueError: No corpus bears this name.
    """
    if name not in NAMES:
        raise ValueError(f"CORPUS = {name!r} is unknown; expected one of {', '.join(NAMES)}.")
    return import_module(f"{__name__}.{name}")
