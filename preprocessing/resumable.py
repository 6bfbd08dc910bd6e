"""Arrays that grow clip by clip and survive being killed.

Rows go into ``<name>.npy.partial`` in any order. A journal, one JSON line a row, names the rows
that are safely on disk: a row is flushed to disk before its line is written, so after a kill at
any instant every row of the journal is whole and at most the rows in flight are lost.
"""

import json
import os
from math import prod
from pathlib import Path

import numpy as np

JOURNAL = "extraction.journal"


class ResumableArrays:
    """Several arrays with one row a clip, written row by row, resumed after a kill.

    Args:
        folder: Where the arrays go.
        specs: Shape and dtype by array name; the first axis is the clip.
        signature: Digest of what the rows are made from; rows of another signature are discarded.

    Attributes:
        records: What was journalled with each finished row, by row number.
    """

    def __init__(self, folder, specs, signature):
        self.folder = Path(folder)
        self.specs = {
            name: (tuple(shape), np.dtype(dtype)) for name, (shape, dtype) in specs.items()
        }
        self.signature = signature
        self.journal_path = self.folder / JOURNAL
        self.records, complete = self._read_journal()
        self.files = {}
        if not self.records or not all(
            self._locate(name, complete).exists() for name in self.specs
        ):
            self.records = {}
            self._start_anew()
        else:
            for name in self.specs:
                self.files[name] = self._locate(name, complete).open("r+b")
            self._rewrite_journal()
        self.pending = []

    def write_row(self, row, arrays, record):
        """Write one clip's row of every array; it counts as finished after the next ``commit``.

        Args:
            row: Row number.
            arrays: Row by array name; a name left out keeps zeros.
            record: A JSON-like dictionary to keep with the row.

        Raises:
            ValueError: A row has another shape than its array.
            OSError: The disk is full or the file cannot be written.
        """
        for name, values in arrays.items():
            shape, dtype = self.specs[name]
            values = np.ascontiguousarray(values, dtype)
            if values.shape != shape[1:]:
                raise ValueError(f"row {row} of {name} has shape {values.shape}, not {shape[1:]}")
            handle = self.files[name]
            handle.seek(self._header_bytes(name) + row * values.nbytes)
            handle.write(values.tobytes())
        self.pending.append((row, record))

    def commit(self):
        """Flush the rows written so far to disk, then journal them."""
        if not self.pending:
            return
        for handle in self.files.values():
            handle.flush()
            os.fsync(handle.fileno())
        lines = [json.dumps({"row": row, "record": record}) for row, record in self.pending]
        self._append_journal("".join(f"{line}\n" for line in lines))
        self.records.update(self.pending)
        self.pending = []

    def finish(self):
        """Rename the arrays to ``<name>.npy``; facts, then no journal, are up to the caller."""
        self.commit()
        self._append_journal('{"complete": true}\n')
        for name in self.specs:
            self.files[name].close()
            partial = self._partial(name)
            if partial.exists():
                partial.replace(self.folder / f"{name}.npy")

    def discard_journal(self):
        """Remove the journal: the arrays are finished and their facts are on disk."""
        self.journal_path.unlink(missing_ok=True)

    def close(self):
        """Close the files; finished rows stay for the next start."""
        for handle in self.files.values():
            handle.close()

    def _partial(self, name):
        return self.folder / f"{name}.npy.partial"

    def _locate(self, name, complete):
        """Return where an array's rows lie: renamed already if a kill came while finishing."""
        final = self.folder / f"{name}.npy"
        return final if complete and not self._partial(name).exists() else self._partial(name)

    def _header_bytes(self, name):
        shape, dtype = self.specs[name]
        return os.fstat(self.files[name].fileno()).st_size - prod(shape) * dtype.itemsize

    def _start_anew(self):
        for name, (shape, dtype) in self.specs.items():
            handle = self._partial(name).open("w+b")
            np.lib.format.write_array_header_1_0(
                handle,
                {
                    "descr": np.lib.format.dtype_to_descr(dtype),
                    "fortran_order": False,
                    "shape": shape,
                },
            )
            handle.truncate(handle.tell() + prod(shape) * dtype.itemsize)
            self.files[name] = handle
        self._rewrite_journal()

    def _read_journal(self):
        """Return the records of this signature's journal and whether it says complete."""
        if not self.journal_path.is_file():
            return {}, False
        records, complete = {}, False
        lines = self.journal_path.read_text("utf-8", errors="replace").split("\n")
        try:
            if json.loads(lines[0])["signature"] != self.signature:
                return {}, False
            for line in lines[1:-1]:
                entry = json.loads(line)
                complete = complete or "complete" in entry
                if "row" in entry:
                    records[entry["row"]] = entry["record"]
        except (ValueError, KeyError, TypeError):
            pass  # a line cut short by a kill: what stands before it is whole
        return records, complete

    def _rewrite_journal(self):
        """Write the journal afresh, so that a line cut short does not stay in its middle."""
        lines = [json.dumps({"signature": self.signature})]
        lines += [json.dumps({"row": row, "record": r}) for row, r in self.records.items()]
        temporary = self.journal_path.with_suffix(".partial")
        temporary.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        temporary.replace(self.journal_path)

    def _append_journal(self, text):
        with self.journal_path.open("a", encoding="utf-8") as journal:
            journal.write(text)
            journal.flush()
            os.fsync(journal.fileno())
