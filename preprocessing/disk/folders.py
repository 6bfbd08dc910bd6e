"""Where data and results lie."""

import os
from pathlib import Path


def find_home():
    """Return the folder of ``data/`` and ``results/``: ``$EMOTION_HOME`` or the repository root."""
    return Path(os.environ.get("EMOTION_HOME") or Path(__file__).resolve().parents[2])


def corpus_folder(corpus):
    """Return ``data/<corpus>``, the folder of a corpus's clips and arrays."""
    return find_home() / "data" / corpus


def shorten_path(path):
    """Return a path relative to ``find_home()`` where it lies below it, for printing."""
    path = Path(path)
    return path.relative_to(find_home()) if path.is_relative_to(find_home()) else path
