"""Which files are meant, under which names their answers go, and whether one is there already."""

import json
from collections import Counter
from pathlib import Path

from modeling.predict.timeline import SCHEMA
from preprocessing.clips import locations
from preprocessing.clips.stills import SUFFIXES as STILLS

FILMS = (".mp4", ".mov", ".m4v", ".avi", ".flv", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".wmv")
FILMS += (".3gp", ".asf", ".ogv", ".gif")
SOUNDS = (".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".oga", ".opus", ".aiff", ".aif")
SOUNDS += (".caf", ".w64", ".sph", ".wma", ".amr")
SUFFIXES = (*FILMS, *SOUNDS, *STILLS)
"""Endings of the files of a folder that are read; a file that is named is read whatever it is."""


def find_sources(texts):
    """Return what the texts of a command line mean, {name: location}, in their order.

    A name is the path of an answer without its ending: a file's stem, below the folder's subfolders
    for a file of a folder. Where two would be alike, the ending stays, then a number is added.

    Raises:
        OSError: A folder cannot be listed.
    """
    found = []
    for text in texts:
        location = locations.find_location(text)
        if not locations.is_url(location) and location.is_dir():
            files = locations.list_files(location, skips=lambda name: name.startswith("."))
            wanted = [file for file in files if Path(file).suffix.lower() in SUFFIXES]
            found += [(Path(file), location / file) for file in wanted]
        else:
            found.append((Path(locations.get_path(location).name or "clip"), location))
    found = list(dict.fromkeys(found))
    stems = Counter(path.with_suffix("").as_posix().lower() for path, _ in found)
    sources = {}
    for path, location in found:
        stem = path.with_suffix("").as_posix()
        name = stem if stems[stem.lower()] == 1 else path.as_posix()
        number = 2
        while name in sources:
            name, number = f"{path.as_posix()} ({number})", number + 1
        sources[name] = location
    return sources


def describe_source(location):
    """Return what a file's answer remembers of it: its size and a text that changes when it does.

    Raises:
        OSError: There is no such file, or it cannot be reached.
    """
    n_bytes, changed = locations.describe_file(location)
    return {"bytes": n_bytes, "changed": changed}


def is_answered(folder, name, expected, *, video):
    """Return whether an answer is complete, and of this file, these parameters and networks.

    Args:
        folder, name: Where it lies.
        expected: Dict of facts that it must hold.
        video: Whether the film is a part of it.
    """
    try:
        stored = json.loads(Path(folder, f"{name}.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(stored, dict) or stored.get("schema") != SCHEMA:
        return False
    endings = [".csv", ".png", *[".mp4"] * bool(video and stored.get("duration_s"))]
    endings += [".explained.png"] * bool(stored.get("explanations"))
    is_whole = all(Path(folder, f"{name}{ending}").is_file() for ending in endings)
    return is_whole and all(stored.get(key) == value for key, value in expected.items())
