"""Any corpus of one's own: a CSV that pairs each clip's files with its emotion and its actor.

The CSV is as ``tables.read_table`` reads it; further columns are passed over. Its paths may lead
anywhere, unless it lies at a URL (``locations.explain_refusal``); backslashes are read as slashes.
Without a ``clip_id`` column, the name of the video (else the recording) is taken.
"""

from collections import Counter
from pathlib import Path

from preprocessing.clips import locations
from preprocessing.corpora import COLUMNS, EMOTIONS, SYNONYMS, problems, tables
from preprocessing.corpora.corpus import Corpus, make_index

REQUIRED = ("video", "audio", "emotion", "actor")
SHOWN = 5


class _Folder(Corpus):
    def index(self, source):
        """Return the clips that a CSV lists, as every corpus does; paths start from its folder.

        Args:
            source: The CSV, or a folder with ``clips.csv`` or one CSV only; Path or URL.

        Raises:
            FileNotFoundError: There is no CSV.
            ValueError: A column is missing, or rows are not usable; the message names them.
        """
        path = find_table(source)
        name, base = locations.get_path(path).name, locations.get_parent(path)
        rows = tables.read_table(path, required=REQUIRED, optional=COLUMNS, advice=self.how_to_get)
        if not rows:
            raise ValueError(f"{name} has a header but no rows.")
        clips = [(line, _read_clip(row)) for line, row in rows]
        faults = [(line, fault) for line, clip in clips for fault in _find_faults(clip, base)]
        counts = Counter(clip["clip_id"] for _, clip in clips)
        advice = "" if "clip_id" in rows[0][1] else "; add a column clip_id"
        for line, clip in clips:
            if clip["clip_id"] and counts[clip["clip_id"]] > 1:
                faults.append((line, f"clip_id {clip['clip_id']!r} is not the only one{advice}"))
        if faults:
            raise ValueError(f"{name} is not usable: {_show_faults(faults)}")
        return make_index([clip for _, clip in clips])

    def validate(self, source):
        """List files that are missing or unreadable, and files that several clips share.

        A file used twice is "surplus": on both sides of a split it would be a leak. Files that the
        CSV does not name are no fault.
        """
        users = {}
        for clip in self.index(source).itertuples():
            for file in filter(None, dict.fromkeys((clip.video, clip.audio))):
                users.setdefault(file, []).append(clip.clip_id)
        rows = problems.check_files(locations.get_parent(find_table(source)), users)
        for file, ids in users.items():
            if len(ids) > 1:
                detail = f"used by {len(ids)} clips: {', '.join(ids[:SHOWN])}"
                rows.append((file, "surplus", detail))
        return problems.make_table(rows)


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
        raise FileNotFoundError(f"There is no {table}. {CORPUS.how_to_get}")
    files = source.iterdir() if source.is_dir() else []
    found = sorted(file for file in files if file.suffix.lower() == ".csv")
    if len(found) != 1:
        names = ", ".join(file.name for file in found[:SHOWN]) or "none"
        raise FileNotFoundError(
            f"Expected a CSV, or a folder with clips.csv or one CSV only: {source} "
            f"{f'holds {names}' if source.is_dir() else 'does not exist'}. {CORPUS.how_to_get}"
        )
    return found[0]


def _read_clip(row):
    """Return a row as values of ``corpora.COLUMNS``."""
    clip = {column: row.get(column, "") for column in COLUMNS}
    for kind in ("video", "audio"):
        clip[kind] = clip[kind].replace("\\", "/")
    word = clip["emotion"].lower()
    clip["emotion"] = SYNONYMS.get(word, word)
    clip["clip_id"] = clip["clip_id"] or locations.get_path(clip["video"] or clip["audio"]).stem
    return clip


def _find_faults(clip, base):
    """Return what makes a clip unusable."""
    if not any(clip.values()):
        return ["the row is empty"]
    faults = [] if clip["video"] or clip["audio"] else ["neither video nor audio"]
    for kind in ("video", "audio"):
        if reason := locations.explain_refusal(base, clip[kind]):
            faults.append(f"{kind} {clip[kind]!r}: {reason}")
    if clip["emotion"] not in EMOTIONS:
        faults.append(f"emotion {clip['emotion']!r} is unknown")
    if not clip["actor"]:
        faults.append("no actor, so a speaker could stand on both sides of a split")
    return faults


def _show_faults(faults):
    """Return the first faults by line, and what would be right."""
    shown = "; ".join(f"line {line}: {fault}" for line, fault in faults[:SHOWN])
    more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    if not any("emotion" in fault for _, fault in faults):
        return f"{shown}{more}."
    return (
        f"{shown}{more}. Emotions: {', '.join(EMOTIONS)}; also understood: "
        f"{', '.join(SYNONYMS)}. Leave out or rename the others."
    )


CORPUS = _Folder(
    title="A corpus of your own, listed in a CSV",
    licence="As your clips'",
    citation="",
    how_to_get=(
        "Write a CSV with the columns video, audio, emotion, actor (either path may be empty, "
        "paths relative to the CSV) and, if you like, clip_id, gender, intensity, statement, "
        "repetition; name it as DATA."
    ),
    protocol="group_kfold",  # over actors where there are two or more, else over statements
)
