"""Any corpus of one's own: a CSV that pairs each clip's files with its emotion and its actor."""

import csv
import io
from collections import Counter
from pathlib import Path

from preprocessing.corpora import EMOTIONS as ALL_EMOTIONS
from preprocessing.corpora import listing

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

    The CSV is UTF-8 (with or without byte-order mark), separated by commas, semicolons or tabs.
    Further columns are passed over. A path may be absolute or lead out of the CSV's folder: it
    is your list. Backslashes are read as slashes. Without a ``clip_id`` column, the name of the
    video (else the recording) is taken.

    Args:
        source: The CSV, or a folder with ``clips.csv`` or one CSV only.

    Returns:
        DataFrame with ``corpora.COLUMNS``, sorted by ``clip_id``; paths relative to the CSV's
        folder.

    Raises:
        FileNotFoundError: There is no CSV.
        ValueError: A column is missing, or rows are not usable; the message names them.
    """
    path = find_table(source)
    rows = _read_rows(path)
    problems = [(line, problem) for line, row in rows for problem in _find_faults(row)]
    clips = [_read_clip(row) for _, row in rows]
    counts = Counter(clip["clip_id"] for clip in clips)
    for (line, _), clip in zip(rows, clips, strict=True):
        if clip["clip_id"] and counts[clip["clip_id"]] > 1:
            advice = "" if "clip_id" in rows[0][1] else "; add a column clip_id"
            problems.append((line, f"clip_id {clip['clip_id']!r} is not the only one{advice}"))
    if problems:
        raise ValueError(f"{path.name} is not usable: {_show_faults(problems)}")
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
    folder = find_table(source).parent
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
    """Return the CSV that a source means.

    Raises:
        FileNotFoundError: There is none, or there are several and none is ``clips.csv``.
    """
    source = Path(source)
    if source.is_file():
        return source
    tables = sorted(source.glob("*.csv")) if source.is_dir() else []
    if (source / "clips.csv") in tables:
        return source / "clips.csv"
    if len(tables) != 1:
        found = ", ".join(table.name for table in tables[:SHOWN]) or "none"
        raise FileNotFoundError(
            f"Expected a CSV, or a folder with clips.csv or one CSV only: {source} "
            f"{f'holds {found}' if source.is_dir() else 'does not exist'}. {HOW_TO_GET}"
        )
    return tables[0]


def _read_rows(path):
    """Return the CSV's rows as (line number, dict of stripped text)."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path.name} is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}. "
            "Save it again as 'CSV UTF-8'."
        ) from error
    (_, columns), *lines = _split_cells(text, path.name) or [(0, [])]
    columns = [column.lower() for column in columns]
    missing = [column for column in REQUIRED if column not in columns]
    twice = [column for column in (*REQUIRED, *OPTIONAL) if columns.count(column) > 1]
    if missing or twice:
        wrong = f"lacks the column {missing[0]}" if missing else f"has the column {twice[0]} twice"
        raise ValueError(f"{path.name} {wrong}: found {', '.join(columns)}. {HOW_TO_GET}")
    rows = []
    for number, cells in lines:
        if any(cells[len(columns) :]):
            raise ValueError(
                f"{path.name}, line {number}: {len(cells)} cells under {len(columns)} columns. "
                'Put a text that holds the separator in "double quotes".'
            )
        cells += [""] * (len(columns) - len(cells))
        rows.append((number, dict(zip(columns, cells, strict=False))))
    if not rows:
        raise ValueError(f"{path.name} has a header but no rows.")
    return rows


def _split_cells(text, name):
    """Return the lines of a CSV that are not blank, as (line number, stripped cells)."""
    header = text.lstrip().split("\n", 1)[0]
    separator = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        return [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells]
    except csv.Error as error:
        raise ValueError(f"{name}, line {reader.line_num}: {error}.") from error


def _find_faults(row):
    """Return what makes a row unusable."""
    if not any(row.values()):
        return ["the row is empty"]
    faults = []
    if not row["video"] and not row["audio"]:
        faults.append("neither video nor audio")
    if _name_emotion(row) not in ALL_EMOTIONS:
        faults.append(f"emotion {row['emotion']!r} is unknown")
    if not row["actor"]:
        faults.append("no actor, so a speaker could stand on both sides of a split")
    return faults


def _read_clip(row):
    """Return a row as values of ``corpora.COLUMNS``."""
    video, audio = (row[kind].replace("\\", "/") for kind in ("video", "audio"))
    clip = {column: row.get(column, "") for column in (*REQUIRED, *OPTIONAL)}
    clip |= {"video": video, "audio": audio, "emotion": _name_emotion(row)}
    clip["clip_id"] = clip["clip_id"] or Path(video or audio).stem
    return clip


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
