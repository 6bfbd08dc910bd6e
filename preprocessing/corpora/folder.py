"""Any corpus of one's own: a CSV that pairs each clip's files with its emotion and its actor."""

from collections import Counter
from pathlib import Path

from preprocessing.clips import locations
from preprocessing.corpora import EMOTIONS as ALL_EMOTIONS
from preprocessing.corpora import listing, tables

NAME = "folder"
TITLE = "A corpus of your own, listed in a CSV"
LICENCE = "As your clips'"
CITATION = ""
HOW_TO_GET = (
    "Write a CSV with the columns video, audio, emotion, actor (either path may be empty, paths "
    "relative to the CSV) and, if you like, clip_id, gender, intensity, statement, repetition; "
    "name it as DATA."
)
EMOTIONS = ALL_EMOTIONS
PROTOCOL = "group_kfold"
"""Group k-fold over actors where there are two or more, else over statements."""

REQUIRED = ("video", "audio", "emotion", "actor")
OPTIONAL = ("clip_id", "gender", "intensity", "statement", "repetition")
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
"""Other common words for the eight emotions; case does not matter."""

SHOWN = 5


def index(source):
    """Return the clips that a CSV lists; no clip is opened.

    The CSV is as ``tables.read_table`` reads it; further columns are passed over. A path may be
    absolute, a URL, or lead out of the CSV's folder: it is your list, and what it names is read
    and never written. A CSV at a URL is another's list: it cannot name a file of this machine, or
    one above its own folder. Backslashes are read as slashes. Without a ``clip_id`` column, the
    name of the video (else the recording) is taken.

    Args:
        source: The CSV, or a folder with ``clips.csv`` or one CSV only; Path or URL.

    Returns:
        DataFrame with ``corpora.COLUMNS``, sorted by ``clip_id``; paths relative to the CSV's
        folder.

    Raises:
        FileNotFoundError: There is no CSV.
        ValueError: A column is missing, or rows are not usable; the message names them.
    """
    path = find_table(source)
    name, base = locations.get_path(path).name, locations.get_parent(path)
    rows = tables.read_table(path, required=REQUIRED, optional=OPTIONAL, advice=HOW_TO_GET)
    if not rows:
        raise ValueError(f"{name} has a header but no rows.")
    problems = [(line, problem) for line, row in rows for problem in _find_faults(row, base)]
    clips = [_read_clip(row) for _, row in rows]
    counts = Counter(clip["clip_id"] for clip in clips)
    for (line, _), clip in zip(rows, clips, strict=True):
        if clip["clip_id"] and counts[clip["clip_id"]] > 1:
            advice = "" if "clip_id" in rows[0][1] else "; add a column clip_id"
            problems.append((line, f"clip_id {clip['clip_id']!r} is not the only one{advice}"))
    if problems:
        raise ValueError(f"{name} is not usable: {_show_faults(problems)}")
    return listing.make_index(clips)


def validate(source):
    """List files that are missing or unreadable, and files that several clips share.

    A file used twice is "surplus": on both sides of a split it would be a leak. Files that the
    CSV does not name are no fault.

    Args:
        source: The CSV, or a folder with ``clips.csv`` or one CSV only.

    Returns:
        DataFrame with the columns ``file``, ``problem`` and ``detail``.
    """
    folder = locations.get_parent(find_table(source))
    users = {}
    for clip in index(source).itertuples():
        for file in filter(None, dict.fromkeys((clip.video, clip.audio))):
            users.setdefault(file, []).append(clip.clip_id)
    rows = listing.check_files(folder, users)
    rows += [
        (file, "surplus", f"used by {len(ids)} clips: {', '.join(ids[:SHOWN])}")
        for file, ids in users.items()
        if len(ids) > 1
    ]
    return listing.make_table(rows)


def find_table(source):
    """Return the CSV that a source means: itself, or the one in its folder.

    Raises:
        FileNotFoundError: There is none, or there are several and none is ``clips.csv``; below
            a URL, only ``clips.csv`` is looked for.
        PermissionError: The folder cannot be listed.
    """
    source = source if locations.is_url(source) else Path(source)
    if locations.get_base(source) != source and (locations.is_url(source) or source.is_file()):
        return source
    table = locations.join(source, "clips.csv")
    if locations.is_file(table):
        return table
    if locations.is_url(source):
        raise FileNotFoundError(f"There is no {table}. {HOW_TO_GET}")
    files = source.iterdir() if source.is_dir() else []
    found = sorted(file for file in files if file.suffix.lower() == ".csv")
    if len(found) != 1:
        names = ", ".join(file.name for file in found[:SHOWN]) or "none"
        raise FileNotFoundError(
            f"Expected a CSV, or a folder with clips.csv or one CSV only: {source} "
            f"{f'holds {names}' if source.is_dir() else 'does not exist'}. {HOW_TO_GET}"
        )
    return found[0]


def _find_faults(row, base):
    """Return what makes a row unusable."""
    if not any(row.values()):
        return ["the row is empty"]
    faults = []
    if not row["video"] and not row["audio"]:
        faults.append("neither video nor audio")
    for kind in ("video", "audio"):
        if reason := locations.explain_refusal(base, _read_path(row[kind])):
            faults.append(f"{kind} {row[kind]!r}: {reason}")
    if _name_emotion(row) not in ALL_EMOTIONS:
        faults.append(f"emotion {row['emotion']!r} is unknown")
    if not row["actor"]:
        faults.append("no actor, so a speaker could stand on both sides of a split")
    return faults


def _read_clip(row):
    """Return a row as values of ``corpora.COLUMNS``."""
    video, audio = _read_path(row["video"]), _read_path(row["audio"])
    clip = {column: row.get(column, "") for column in (*REQUIRED, *OPTIONAL)}
    clip |= {"video": video, "audio": audio, "emotion": _name_emotion(row)}
    clip["clip_id"] = clip["clip_id"] or locations.get_path(video or audio).stem
    return clip


def _read_path(text):
    return text.replace("\\", "/")


def _name_emotion(row):
    word = row["emotion"].lower()
    return SYNONYMS.get(word, word)


def _show_faults(problems):
    """Return the first faults by line, and what would be right."""
    shown = "; ".join(f"line {line}: {problem}" for line, problem in problems[:SHOWN])
    more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    if not any("emotion" in problem for _, problem in problems):
        return f"{shown}{more}."
    return (
        f"{shown}{more}. Emotions: {', '.join(ALL_EMOTIONS)}; also understood: "
        f"{', '.join(SYNONYMS)}. Leave out or rename the others."
    )
