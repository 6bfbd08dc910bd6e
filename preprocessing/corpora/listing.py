"""What corpora on disk have in common: walk folders, sort files into clips, list problems.

A corpus module brings one function, ``read_name``: from a file's name to what it says. All else
is here, so every corpus treats copies, missing takes and unreadable files alike.
"""

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from preprocessing import corpora
from preprocessing.clips import locations
from preprocessing.corpora import headers

PROBLEMS = ("missing", "unreadable", "unknown", "surplus")
NEXT_STEP = "README, 'Get the data', says where to put them; or set CORPUS = 'drawn'."


@dataclass(frozen=True)
class Name:
    """What a file's name says.

    Attributes:
        kind: "joint" (video with its own sound), "video" (no voice) or "audio".
        row: The values of ``corpora.COLUMNS`` that the name gives, ``clip_id`` among them.
    """

    kind: str
    row: dict


@dataclass
class Take:
    """One clip and every file of it, the best file of each kind first."""

    row: dict
    files: dict = field(default_factory=lambda: {"joint": [], "video": [], "audio": []})

    def choose(self):
        """Return the files of video and audio; one file for both where it has its own sound."""
        joint, video, audio = (next(iter(self.files[kind]), "") for kind in self.files)
        return joint or video, joint or audio


@dataclass
class Listing:
    """The clips of a source by ``clip_id``, and the media files that are none: (file, why)."""

    takes: dict
    unknown: list


def list_media(source, *, extensions, title):
    """Return the media files below a folder, without opening one.

    Hidden files, ``__MACOSX`` and unfinished ``*.partial`` folders are passed over; a symlinked
    folder is followed once, so a loop of links ends.

    Args:
        source: The folder, Path or URL.
        extensions: Lower-case endings, with the dot.
        title: The corpus, for the error message.

    Returns:
        Sorted POSIX paths relative to ``source``.

    Raises:
        FileNotFoundError: There is no such folder.
        OSError: A folder cannot be listed.
    """
    try:
        files = locations.list_files(source, skips=_is_passed_over)
    except (FileNotFoundError, NotADirectoryError) as error:
        found = "does not exist" if isinstance(error, FileNotFoundError) else "is a file"
        raise FileNotFoundError(
            f"{source} {found}; a folder with the clips of {title} is needed. {NEXT_STEP}"
        ) from error
    return [file for file in files if file.lower().endswith(extensions)]


def list_takes(source, *, read_name, extensions, title, by_path=False):
    """Sort the media files below a folder into clips, from their names alone.

    Of several copies the one with the earlier ending in ``extensions`` comes first, then the one
    that lies less deep.

    Args:
        source: The folder.
        read_name: Function from a file name to a ``Name``, or to None for a file that is no
            concern of the pipeline; it raises ValueError for a name that it cannot read.
        extensions: Lower-case endings, with the dot.
        title: The corpus, for the error message.
        by_path: ``read_name`` is given the file's path, a PurePosixPath that begins with the name
            of ``source``: for corpora whose folders say what their file names do not.

    Returns:
        A ``Listing``.
    """
    listing, top = Listing({}, []), locations.get_path(source).name
    for file in list_media(source, extensions=extensions, title=title):
        path = PurePosixPath(top, file)
        try:
            name = read_name(path if by_path else path.name)
        except ValueError as error:
            listing.unknown.append((file, str(error)))
            continue
        if name is not None:
            take = listing.takes.setdefault(name.row["clip_id"], Take(name.row))
            take.files[name.kind].append(file)

    def rank(file):
        return extensions.index(PurePosixPath(file).suffix.lower()), file.count("/"), file

    for take in listing.takes.values():
        for files in take.files.values():
            files.sort(key=rank)
    return listing


def index_takes(listing, source, *, title, expected):
    """Return the table of clips.

    Args:
        listing: A ``Listing``.
        source: The folder, for the error message.
        title: The corpus, for the error message.
        expected: An example of a file that is looked for, for the error message.

    Returns:
        DataFrame with ``corpora.COLUMNS``, sorted by ``clip_id``.

    Raises:
        FileNotFoundError: There is no clip.
    """
    if not listing.takes:
        zips = sorted(path.name for path in Path(source).glob("*.zip"))
        found = f"{len(listing.unknown)} other media files"
        if zips:
            found += f" and {len(zips)} zip files still to be unpacked ({zips[0]}, ...)"
        raise FileNotFoundError(
            f"No clips of {title} in {source}: found {found}, expected {expected}. {NEXT_STEP}"
        )
    rows = []
    for _, take in sorted(listing.takes.items()):
        video, audio = take.choose()
        rows.append(take.row | {"video": video, "audio": audio})
    return make_index(rows)


def make_index(rows):
    """Return rows as an index: the columns of ``corpora.COLUMNS``, text, empty where unknown."""
    clips = pd.DataFrame(rows, columns=list(corpora.COLUMNS), dtype=str).fillna("")
    return clips.sort_values("clip_id", ignore_index=True)


def check_codes(*checks):
    """Raise for the first code of a name that the corpus does not have.

    Args:
        *checks: Tuples of what the code stands for, the code, and all codes that there are.

    Raises:
        ValueError: Names the code and the first and last of those expected.
    """
    for what, code, known in checks:
        if code not in known:
            first, *_, last = known
            raise ValueError(f"{what} code {code} is unknown; expected one of {first} ... {last}")


def list_problems(listing, source, *, expected_ids, modalities=("video", "audio")):
    """List what is missing, unreadable, unknown or surplus, by name.

    Args:
        listing: A ``Listing``.
        source: The folder.
        expected_ids: Function from an actor to the clip ids that the corpus has of that actor;
            asked only for actors who are there, so that a part of a corpus is no fault.
        modalities: What the corpus has; of recordings alone, no picture is missing.

    Returns:
        DataFrame with the columns ``file``, ``problem`` and ``detail``.
    """
    rows = [(file, "unknown", detail) for file, detail in listing.unknown]
    rows += _find_missing_takes(listing.takes, expected_ids)
    if "video" in modalities:
        rows += _find_missing_kind(listing.takes, "video", "picture", "sound")
    if "audio" in modalities:
        rows += _find_missing_kind(listing.takes, "audio", "voice", "picture")
    for take in listing.takes.values():
        for best, *copies in filter(None, take.files.values()):
            rows += [(file, "surplus", f"the same take as {best}") for file in copies]
            rows += check_files(source, [best, *copies])
    return make_table(rows)


def check_files(source, files):
    """Return a row for each file that is missing or whose first bytes are not what they should be.

    Args:
        source: The folder that relative paths start from.
        files: Paths.
    """
    rows = []
    for file in files:
        if reason := headers.check_header(locations.join(source, file)):
            rows.append((file, "missing" if reason == "no such file" else "unreadable", reason))
    return rows


def make_table(rows):
    """Return problems as a table, sorted by kind and file."""
    table = pd.DataFrame(rows, columns=["file", "problem", "detail"], dtype=str)
    rank = {problem: number for number, problem in enumerate(PROBLEMS)}
    return table.sort_values(
        ["problem", "file"],
        key=lambda column: column.map(rank) if column.name == "problem" else column,
        ignore_index=True,
        kind="stable",
    )


def _find_missing_takes(takes, expected_ids):
    """Return rows for takes that an actor who is there should have."""
    rows = []
    for actor in sorted({take.row["actor"] for take in takes.values()}):
        expected = sorted(expected_ids(actor))
        missing = [clip_id for clip_id in expected if clip_id not in takes]
        rows += _name_or_count(actor, missing, len(expected), "takes are missing", "no such take")
    return rows


def _find_missing_kind(takes, kind, lost, kept):
    """Return rows for clips that have only the other modality; one row if no clip has this one."""
    lacking = {
        clip_id: take
        for clip_id, take in takes.items()
        if not take.files["joint"] and not take.files[kind]
    }
    if lacking and len(lacking) == len(takes):
        return [("all actors", "missing", f"no {lost}: all {len(takes)} clips are {kept} alone")]
    rows = []
    for actor in sorted({take.row["actor"] for take in lacking.values()}):
        ids = sorted(clip_id for clip_id, take in lacking.items() if take.row["actor"] == actor)
        total = sum(take.row["actor"] == actor for take in takes.values())
        rows += _name_or_count(
            actor, ids, total, f"clips have no {lost}", f"no {lost}: the clip is {kept} alone"
        )
    return rows


def _name_or_count(actor, clip_ids, total, counted, named):
    """Return a row for each clip, or one for the actor if that would be most of the clips."""
    if len(clip_ids) > max(total / 2, 1):
        detail = f"{len(clip_ids)} of {total} {counted}, the first {clip_ids[0]}"
        return [(f"actor {actor}", "missing", detail)]
    return [(clip_id, "missing", named) for clip_id in clip_ids]


def _is_passed_over(name):
    return name.startswith(".") or name == "__MACOSX" or name.endswith(".partial")
