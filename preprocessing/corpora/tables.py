"""Read the CSV files that come with a corpus, whoever wrote them: any dialect, bounded, by line."""

import csv
import io
import itertools
import re

from preprocessing.clips import locations

MAX_LINE_CHARS = 1 << 20
"""A line longer than this is no line of a table; more of it is not read."""

MAX_LINES = 1_000_000
ADVICE = "Save it again as 'CSV UTF-8'."


def read_table(location, *, required, optional=(), advice=""):
    """Return the rows of a CSV as dictionaries.

    The file is UTF-8 (with or without byte-order mark) or UTF-16 with one, separated by commas,
    semicolons or tabs. It is read line by line: what is not a table is refused before it fills
    the memory.

    Args:
        location: Path or URL.
        required: Columns that there must be, in lower case; the header's case does not matter.
        optional: Columns that must not stand there twice, either.
        advice: How the table should look, for the error message.

    Returns:
        List of (line number, dict of stripped text by lower-case column).

    Raises:
        ValueError: The file is no such table; the message names the line.
        OSError: The file cannot be read.
    """
    name = locations.get_path(location).name
    with locations.open_file(location) as file:
        (_, columns), *lines = _split_cells(_read_lines(file, name), name) or [(0, [])]
    columns = [column.lower() for column in columns]
    missing = [column for column in required if column not in columns]
    twice = [column for column in (*required, *optional) if columns.count(column) > 1]
    if missing or twice:
        wrong = f"lacks the column {missing[0]}" if missing else f"has the column {twice[0]} twice"
        found = ", ".join(columns[:20])[:500]
        raise ValueError(f"{name} {wrong}: found {found}. {advice}".rstrip())
    rows = []
    for number, cells in lines:
        if any(cells[len(columns) :]):
            raise ValueError(
                f"{name}, line {number}: {len(cells)} cells under {len(columns)} columns. "
                'Put a text that holds the separator in "double quotes".'
            )
        cells += [""] * (len(columns) - len(cells))
        rows.append((number, dict(zip(columns, cells, strict=False))))
    return rows


def _read_lines(file, name):
    """Yield the lines of a text file, each of a bounded length."""
    marked = file.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff")
    encoding = "utf-16" if marked else "utf-8-sig"
    text = io.TextIOWrapper(file, encoding, errors="surrogateescape", newline="")
    try:
        for number in itertools.count(1):
            line = text.readline(MAX_LINE_CHARS + 1)
            if not line:
                return
            if problem := _find_fault(line, number):
                raise ValueError(f"{name}, line {number}{problem}")
            yield line
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not {error.encoding.upper()}: {error.reason}.") from error


def _find_fault(line, number):
    """Return what makes a line no line of a table."""
    if len(line) > MAX_LINE_CHARS:
        return f" is longer than {MAX_LINE_CHARS} characters. Is this a table?"
    if number > MAX_LINES:
        return f": more than {MAX_LINES} lines. Split the table."
    if "\0" in line:
        return f" holds a NUL byte: binary, or UTF-16 without a byte-order mark. {ADVICE}"
    if alien := re.search("[\udc80-\udcff]", line):
        byte = ord(alien.group()) - 0xDC00
        return f" is not UTF-8: character {alien.start() + 1} is the byte {byte:#04x}. {ADVICE}"
    return ""


def _split_cells(lines, name):
    """Return the lines of a CSV that are not blank, as (line number, stripped cells)."""
    blank, header = [], ""
    for header in lines:
        if header.strip():
            break
        blank.append("\n")
    separator = max(",;\t", key=header.count)
    reader = csv.reader(itertools.chain(blank, [header], lines), delimiter=separator)
    try:
        return [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells]
    except csv.Error as error:
        raise ValueError(f"{name}, line {reader.line_num}: {error}.") from error
