"""Arrays that grow clip by clip and survive being killed.

Rows go into ``<name>.npy.partial`` in any order. A journal, one JSON line a row, names those that
are written and their checksums, which are checked when a run goes on: a row that is not whole
(after a kill, or a power cut that kept one file and cut another short) is made anew.
"""

import io
import json
import os
from contextlib import ExitStack
from math import prod
from pathlib import Path
from zlib import crc32

import numpy as np

from preprocessing.disk.files import sync_folder, to_builtin

ROWS_PER_SYNC = 64  # after so many the disk is waited for: so many a power cut can cost
COMPLETE = {"complete": True}


class ResumableArrays:
    """Several arrays with one row a clip, written row by row, resumed after a kill.

    Records stay on disk: memory grows by eight bytes a row.

    Args:
        folder: Where the arrays go.
        specs: Shape and dtype by array name; the first axis is the clip, the same for all.
        signature: Digest of what the rows are made from; rows of another signature are discarded.
        journal: Name of the journal's file.
    """

    def __init__(self, folder, specs, signature, *, journal):
        self.folder = Path(folder)
        self.specs = {name: (tuple(shape), np.dtype(kind)) for name, (shape, kind) in specs.items()}
        self.journal_path = self.folder / journal
        self._headers = {name: _make_header(*spec) for name, spec in self.specs.items()}
        self._offsets = np.full(next(iter(self.specs.values()))[0][0], -1, np.int64)
        self._open, self._n_unsynced = ExitStack(), 0
        is_known = any(True for _ in self._read_earlier(signature))
        is_complete = any(entry == COMPLETE for entry in self._read_earlier(signature))
        self.files = {name: self._open_array(name, is_known, is_complete) for name in self.specs}
        self.journal = self._open.enter_context(self._rewrite_journal(signature))

    @property
    def n_done(self):
        """Number of finished rows."""
        return int((self._offsets >= 0).sum())

    def is_done(self, row):
        """Say whether a row is finished."""
        return bool(self._offsets[row] >= 0)

    def write_row(self, row, arrays, record):
        """Write one clip's row of every array; from then on it is finished.

        An array that is not among ``arrays`` keeps zeros; ``record`` is JSON-like.

        Raises:
            ValueError: A row has another shape than its array.
            OSError: The disk is full or the file cannot be written.
        """
        checksums = {}
        for name, values in arrays.items():
            shape, dtype = self.specs[name]
            values = np.asarray(values, dtype)
            if values.shape != shape[1:]:
                raise ValueError(f"row {row} of {name} has shape {values.shape}, not {shape[1:]}")
            data = values.tobytes()
            _write_all(self._find_row(name, row), data)
            checksums[name] = crc32(data)
        self._offsets[row] = self._append({"row": row, "crc32": checksums, "record": record})
        self._n_unsynced += 1
        if self._n_unsynced >= ROWS_PER_SYNC:
            self._sync()

    def read_record(self, row):
        """Return what was kept with a finished row."""
        self.journal.seek(self._offsets[row])
        return json.loads(self.journal.readline())["record"]

    def finish(self):
        """Rename the arrays to ``<name>.npy``; facts, then no journal, are up to the caller."""
        self._append(COMPLETE)
        self._sync()
        for name in self.specs:
            self.files[name].close()
            if self._partial(name).exists():
                self._partial(name).replace(self.folder / f"{name}.npy")
        sync_folder(self.folder)

    def discard_journal(self):
        """Remove the journal: the arrays are finished and their facts are on disk."""
        self.close()
        self.journal_path.unlink(missing_ok=True)

    def close(self):
        """Close the files; finished rows stay for the next start."""
        self._open.close()

    def _partial(self, name):
        return self.folder / f"{name}.npy.partial"

    def _find_row(self, name, row):
        """Return an array's file, standing at the start of a row."""
        shape, dtype = self.specs[name]
        self.files[name].seek(len(self._headers[name]) + row * prod(shape[1:]) * dtype.itemsize)
        return self.files[name]

    def _open_array(self, name, is_known, is_complete):
        """Open an array's file at its full length; what was cut off reads as zeros."""
        final, path = self.folder / f"{name}.npy", self._partial(name)
        if is_known and is_complete and final.exists() and not path.exists():
            path = final  # a kill came while the arrays were renamed
        mode = "r+b" if is_known and path.exists() else "w+b"
        handle = self._open.enter_context(path.open(mode, buffering=0))
        shape, dtype = self.specs[name]
        handle.truncate(len(self._headers[name]) + prod(shape) * dtype.itemsize)
        _write_all(handle, self._headers[name])
        return handle

    def _read_earlier(self, signature):
        """Yield the entries of an earlier journal of this signature, until one is cut short."""
        try:
            with self.journal_path.open("rb") as journal:
                if json.loads(journal.readline())["signature"] == signature:
                    yield from map(json.loads, journal)
        except (OSError, ValueError, KeyError, TypeError):
            return  # cut short by a kill or a power cut: what stands before it is whole

    def _rewrite_journal(self, signature):
        """Write the journal afresh with the rows that are whole; return it, open."""
        temporary = self.journal_path.with_name(f"{self.journal_path.name}.partial")
        self.journal = temporary.open("w+b", buffering=0)
        self._append({"signature": signature})
        for entry in self._read_earlier(signature):
            if self._is_whole(entry):
                self._offsets[entry["row"]] = self._append(entry)
        os.fsync(self.journal.fileno())
        temporary.replace(self.journal_path)
        return self.journal

    def _is_whole(self, entry):
        """Say whether an entry is of a row on disk that has the checksums it was written with."""
        try:
            if "record" not in entry or not 0 <= entry["row"] < len(self._offsets):
                return False
            for name, checksum in entry["crc32"].items():
                shape, dtype = self.specs[name]
                row = self._find_row(name, entry["row"]).read(prod(shape[1:]) * dtype.itemsize)
                if crc32(row) != checksum:
                    return False
        except (KeyError, TypeError, AttributeError):
            return False  # no entry of ours
        return True

    def _append(self, entry):
        """Write a line at the end of the journal; return where it starts."""
        offset = self.journal.seek(0, os.SEEK_END)
        _write_all(self.journal, json.dumps(entry, default=to_builtin).encode() + b"\n")
        return offset

    def _sync(self):
        for handle in (*self.files.values(), self.journal):
            os.fsync(handle.fileno())
        self._n_unsynced = 0


def _make_header(shape, dtype):
    """Return the first bytes of an array's file (NumPy's format 1.0, of fixed length)."""
    facts = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, facts)
    return header.getvalue()


def _write_all(handle, data):
    """Write all of the bytes to an unbuffered file; a full disk is an OSError, not a short row."""
    view = memoryview(data)
    while len(view):
        view = view[handle.write(view) :]
