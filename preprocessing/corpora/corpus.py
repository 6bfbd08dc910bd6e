"""One class for every corpus: what is known of it, and how its files become a table of clips.

A corpus's own module brings the facts and ``read_name``; all else is here, so every corpus treats
copies, litter and strange names alike.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from preprocessing import corpora
from preprocessing.corpora import problems

SKIPPED = re.compile(r"\..*|__MACOSX|.*\.partial", re.DOTALL)
NEXT_STEP = "README, 'Get the data', says where to put them; or set CORPUS = 'drawn'."


@dataclass
class Take:
    """One clip: what its name says, and every file of it, the best file of each kind first."""

    row: dict
    files: dict = field(default_factory=lambda: {"joint": [], "video": [], "audio": []})


@dataclass(frozen=True)
class Corpus:
    """A corpus. One with needs of its own is a subclass that overrides a method.

    Attributes:
        title: Its name in full; ``short`` is the one for messages.
        licence: Of the clips; ``citation`` is the paper, ``how_to_get`` what to fetch, from where.
        protocol: How it is split, a name of ``modeling.split.folds.PROTOCOLS``.
        expected: Examples of the files that are looked for, for messages.
        extensions: Lower-case endings with the dot; of copies, the one with the earlier ending is
            used, then the one that lies less deep.
        read_name: Function from a file's path, a PurePosixPath that begins with the name of the
            source, to its kind, "joint" (video with its own sound), "video" (no voice) or "audio",
            and the values of ``corpora.COLUMNS`` that the path gives, ``clip_id`` among them; to
            None for a file that is no concern of the pipeline. It raises ValueError for a path
            that it cannot read.
        list_clip_ids: Function from an actor to the ids of all clips of that actor, where the
            corpus has such a plan.
        modalities: What the corpus has: of recordings alone, no picture is missing.
        audio_lag_s: How much later than the pictures a take's separate recording starts.
    """

    title: str
    licence: str
    citation: str
    how_to_get: str
    protocol: str
    short: str = ""
    expected: str = ""
    extensions: tuple = ()
    read_name: Callable | None = None
    list_clip_ids: Callable | None = None
    modalities: tuple = ("video", "audio")
    audio_lag_s: float | None = None

    def index(self, source):
        """Return the clips at a source, from file names alone.

        A take is one clip, whatever files it has: a file with picture and sound gives both, else
        pictures go with the recording, else there is the one or the other.

        Args:
            source: A folder with the clips anywhere below it, Path or URL.

        Returns:
            DataFrame with ``corpora.COLUMNS``, sorted by ``clip_id``.

        Raises:
            FileNotFoundError: There is no clip, no such folder, or no table that labels the clips.
            ValueError: A table that comes with the clips is not usable.
            PermissionError: A folder cannot be listed.
        """
        takes, unknown = self.list_takes(source)
        if not takes:
            zips = sorted(path.name for path in Path(source).glob("*.zip"))
            found = f"{len(unknown)} other media files"
            if zips:
                found += f" and {len(zips)} zip files still to be unpacked ({zips[0]}, ...)"
            raise FileNotFoundError(
                f"No clips of {self.short} in {source}: found {found}, expected {self.expected}, "
                f"... {NEXT_STEP}"
            )
        rows = []
        for take in takes.values():
            joint, video, audio = (next(iter(files), "") for files in take.files.values())
            rows.append(take.row | {"video": joint or video, "audio": joint or audio})
        return make_index(rows)

    def validate(self, source):
        """List what is missing, unreadable, unknown or surplus, by name.

        Missing are clips of ``list_expected`` (a part of a published corpus is no fault) and a
        clip's picture or voice; where most of an actor's clips lack the same, that is one row.

        Args:
            source: As for ``index``.

        Returns:
            DataFrame with the columns ``file``, ``problem`` and ``detail``.
        """
        takes, unknown = self.list_takes(source)
        rows = [(file, "unknown", reason) for file, reason in unknown]
        rows += problems.find_missing_takes(takes, self.list_expected(source, takes))
        rows += problems.find_missing_kinds(takes, self.modalities)
        return problems.make_table(rows + problems.find_bad_files(takes, source))

    def list_takes(self, source):
        """Return the takes below a folder by clip id, and what is no clip as (file, reason)."""
        from preprocessing.clips import locations  # not for those who ask for a fact alone

        takes, unknown, top = {}, [], locations.get_path(source).name
        read_name = self.make_reader(source)
        for file in sorted(self.list_files(source, self.extensions), key=self._rank_file):
            try:
                if name := read_name(PurePosixPath(top, file)):
                    kind, row = name
                    takes.setdefault(row["clip_id"], Take(row)).files[kind].append(file)
            except ValueError as error:
                unknown.append((file, str(error)))
        return takes, unknown

    def list_files(self, source, endings):
        """Return the files below a folder that end so, as POSIX paths relative to it.

        Hidden files, ``__MACOSX`` and unfinished ``*.partial`` folders are passed over.

        Raises:
            FileNotFoundError: There is no such folder.
            OSError: A folder cannot be listed.
        """
        from preprocessing.clips import locations

        try:
            files = locations.list_files(source, skips=SKIPPED.fullmatch)
        except (FileNotFoundError, NotADirectoryError) as error:
            found = "does not exist" if isinstance(error, FileNotFoundError) else "is a file"
            raise FileNotFoundError(
                f"{source} {found}; a folder with the clips of {self.short} is needed. {NEXT_STEP}"
            ) from error
        return [file for file in files if file.lower().endswith(endings)]

    def make_reader(self, source):
        """Return ``read_name``, as far as it needs tables that lie at the source with these."""
        return self.read_name

    def list_expected(self, source, takes):
        """Return the clip ids that there should be by actor, for the actors of ``takes``."""
        actors = {take.row["actor"] for take in takes.values()} if self.list_clip_ids else ()
        return {actor: self.list_clip_ids(actor) for actor in actors}

    def _rank_file(self, file):
        ending = PurePosixPath(file).suffix.lower()
        return self.extensions.index(ending), file.count("/"), file


def make_index(rows):
    """Return rows as an index: the columns of ``corpora.COLUMNS``, text, empty where unknown."""
    clips = pd.DataFrame(rows, columns=list(corpora.COLUMNS), dtype=str).fillna("")
    return clips.sort_values("clip_id", ignore_index=True)


def read_codes(pattern, text, known, wanted):
    """Return the codes that a name is made of, and the row of ``corpora.COLUMNS`` that they give.

    Args:
        pattern: Compiled, with a group for each code.
        text: The name.
        known: Dict from what each code is about, in order, to all codes that there are: a dict to
            what they stand for, else they stand for themselves; None where anything is a code.
        wanted: What the name should be like, for the message.

    Raises:
        ValueError: The name has another form, or a code that the corpus does not have.
    """
    codes, row, match = {}, {}, pattern.fullmatch(text)
    if not match:
        raise ValueError(f"not {wanted}")
    for (column, choices), part in zip(known.items(), match.groups(), strict=True):
        code = codes[column] = find_code(column, part, choices) if choices else part.lower()
        if column in corpora.COLUMNS:
            row[column] = choices[code] if isinstance(choices, dict) else code
    return codes, row


def find_code(what, text, known):
    """Return the code that a text is, whatever its case; ValueError says what is known."""
    for code in known:
        if code.lower() == text.lower():
            return code
    first, *_, last = known
    raise ValueError(f"{what} code {text} is unknown; expected one of {first} ... {last}")
