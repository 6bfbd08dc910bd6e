"""Read the CSV files that come with a corpus, whoever wrote them: any dialect, bounded, by line.

pandas names no line of a row, shifts the columns of a first row that is too long, and takes all of
an endless line into memory.
"""

import csv
import io
import itertools
import re

from preprocessing.clips import locations

MAX_LINE_CHARS = 1 << 20  # of a longer one no more is read
MAX_LINES = 1_000_000
ADVICE = "Save it again as 'CSV UTF-8'."


def read_table(location, *, required, optional=(), advice=""):
    """Return the rows of a CSV as a list of (line number, stripped text by lower-case column).

    The file is UTF-8 (with or without byte-order mark) or UTF-16 with one, separated by commas,
    semicolons or tabs. What is not a table is refused before it fills the memory.

    Args:
        location: Path or URL.
        required: Columns that there must be, in lower case; the header's case does not matter.
        optional: Columns that must not stand there twice, either.
        advice: How the table should look, for the error message.

    Raises:
        ValueError: The file is no such table; the message names the line.
        OSError: The file cannot be read.
    """
    name, rows = locations.get_path(location).name, []
    with locations.open_file(location) as file:
        lines = _read_lines(file, name)
        above, header = next((it for it in enumerate(lines) if it[1].strip()), (0, ""))
        separator = max(",;\t", key=header.count)
        reader = csv.DictReader(itertools.chain([header], lines), delimiter=separator, restval="")
        try:
            reader.fieldnames = [column.strip().lower() for column in reader.fieldnames]
            if fault := _find_wrong_column(reader.fieldnames, required, optional):
                raise ValueError(f"{name} {fault}. {advice}".rstrip())
            for row in reader:
                number, surplus = above + reader.line_num, row.pop(None, [])
                if any(map(str.strip, surplus)):
                    raise ValueError(
                        f"{name}, line {number}: {len(row) + len(surplus)} cells under {len(row)} "
                        'columns. Put a text that holds the separator in "double quotes".'
                    )
                rows.append((number, {column: cell.strip() for column, cell in row.items()}))
        except csv.Error as error:
            raise ValueError(f"{name}, line {above + reader.reader.line_num}: {error}.") from error
    return rows


def _find_wrong_column(columns, required, optional):
    """Return which column is missing or stands there twice."""
    missing = [column for column in required if column not in columns]
    twice = [column for column in (*required, *optional) if columns.count(column) > 1]
    if not missing and not twice:
        return ""
    fault = f"lacks the column {missing[0]}" if missing else f"has the column {twice[0]} twice"
    return f"{fault}: found {', '.join(columns[:20])[:500]}"


def _read_lines(file, name):
    """Yield the lines of a text file, each of a bounded length and without a fault."""
    marked = file.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff")
    encoding = "utf-16" if marked else "utf-8-sig"
    text = io.TextIOWrapper(file, encoding, errors="surrogateescape", newline="")
    number = 0
    try:
        while line := text.readline(MAX_LINE_CHARS + 1):
            number += 1
            if fault := _find_fault(line, number):
                raise ValueError(f"{name}, line {number}{fault}")
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
