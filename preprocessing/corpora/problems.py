"""What is missing, unreadable, unknown or surplus in a corpus, as a table."""

import pandas as pd

PROBLEMS = ("missing", "unreadable", "unknown", "surplus")


def make_table(rows):
    """Return rows of (file, problem, detail) as a table, sorted by kind and file."""
    rows = sorted(rows, key=lambda row: (PROBLEMS.index(row[1]), row[0]))
    return pd.DataFrame(rows, columns=["file", "problem", "detail"], dtype=str)


def check_files(source, files):
    """Return a row for each file that is missing or whose first bytes are not what they should be.

    ``source`` is the folder that relative paths start from, Path or URL.
    """
    from preprocessing.clips import locations
    from preprocessing.corpora import headers

    rows = []
    for file in files:
        if reason := headers.check_header(locations.join(source, file)):
            rows.append((file, "missing" if reason == "no such file" else "unreadable", reason))
    return rows


def find_bad_files(takes, source):
    """Return rows for the copies of a clip's files, and for files that are no media files."""
    rows = []
    for take in takes.values():
        for best, *copies in filter(None, take.files.values()):
            rows += [(file, "surplus", f"the same take as {best}") for file in copies]
            rows += check_files(source, [best, *copies])
    return rows


def find_missing_takes(takes, expected):
    """Return rows for the takes that are not there of those expected, by actor."""
    rows = []
    for actor, clip_ids in sorted(expected.items()):
        missing = sorted(clip_id for clip_id in clip_ids if clip_id not in takes)
        rows += _name_or_count(actor, missing, len(clip_ids), "takes are missing", "no such take")
    return rows


def find_missing_kinds(takes, modalities):
    """Return rows for clips that have but one of two modalities; one row if all lack the same."""
    rows = []
    for kind, lost, kept in (("video", "picture", "sound"), ("audio", "voice", "picture")):
        lacking = {
            clip_id: take.row["actor"]
            for clip_id, take in takes.items()
            if kind in modalities and not take.files["joint"] and not take.files[kind]
        }
        if lacking and len(lacking) == len(takes):
            detail = f"no {lost}: all {len(takes)} clips are {kept} alone"
            rows.append(("all actors", "missing", detail))
            continue
        named = f"no {lost}: the clip is {kept} alone"
        for actor in sorted(set(lacking.values())):
            ids = sorted(clip_id for clip_id, other in lacking.items() if other == actor)
            total = sum(take.row["actor"] == actor for take in takes.values())
            rows += _name_or_count(actor, ids, total, f"clips have no {lost}", named)
    return rows


def _name_or_count(actor, clip_ids, total, counted, named):
    """Return a row for each clip, or one for the actor if that would be most of the clips."""
    if len(clip_ids) > max(total / 2, 1):
        detail = f"{len(clip_ids)} of {total} {counted}, the first {clip_ids[0]}"
        return [(f"actor {actor}", "missing", detail)]
    return [(clip_id, "missing", named) for clip_id in clip_ids]
