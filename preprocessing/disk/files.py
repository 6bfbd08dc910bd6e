"""Files that exist are whole: each is written under a temporary name and renamed at the end."""

import csv
import hashlib
import json
import os
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd


@contextmanager
def replace_file(path):
    """Yield a temporary path that replaces ``path`` when the block ends without an error.

    It lies in the same folder, which is made if absent, and is removed if the block fails.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder):
    """Wait until a folder's renames are on disk, where the system lets one wait for that."""
    with suppress(OSError):  # Windows opens no folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_json(path, facts):
    """Write a dictionary as indented JSON."""
    with replace_file(path) as temporary:
        temporary.write_text(json.dumps(facts, indent=2, default=to_builtin) + "\n", "utf-8")


def write_table(path, table):
    """Write a DataFrame as CSV without its index."""
    texts = table.select_dtypes(["object", "str"])
    has_return = any("\r" in str(text) for column in texts for text in texts[column])
    quoting = csv.QUOTE_NONNUMERIC if has_return else csv.QUOTE_MINIMAL  # else it ends a line
    with replace_file(path) as temporary:
        table.to_csv(temporary, index=False, quoting=quoting)


def read_table(path, *, text=()):
    """Return a CSV as a DataFrame in which text is what was written, be it "NA", "007" or "1e5".

    An empty cell is "" in the columns ``text``, as far as there are such, and NaN in the others.
    """
    kinds = dict.fromkeys(text, str)
    table = pd.read_csv(path, dtype=kinds, keep_default_na=False, na_values=[""])
    return table.fillna(dict.fromkeys(table.columns.intersection(text), ""))


def write_array(path, array):
    """Write a NumPy array as ``.npy``."""
    with replace_file(path) as temporary, temporary.open("wb") as handle:
        np.save(handle, array, allow_pickle=False)


def compute_digest(facts):
    """Return the SHA-256 of a JSON-like value, whatever the order of its keys."""
    text = json.dumps(facts, sort_keys=True, default=to_builtin)
    return hashlib.sha256(text.encode()).hexdigest()


def measure_files(folder, names):
    """Return the size of each file in bytes, None where there is none."""
    paths = {name: Path(folder, name) for name in names}
    return {name: path.stat().st_size if path.is_file() else None for name, path in paths.items()}


def to_builtin(value):
    """Turn NumPy scalars, arrays and paths into what JSON knows."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
