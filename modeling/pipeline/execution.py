"""One notebook, executed: its copy, its figures, and what became of it."""

import base64
import re
import time
import traceback

import nbformat
import papermill

from modeling.training import runs
from preprocessing.disk import arrays

QUIET = ["--IPKernelApp.log_level=CRITICAL"]
"""Kernels warn at every start that they talk to this machine over TCP, and at some ends, on a busy
machine, that they were interrupted ("KeyboardInterrupt caught in kernel"): Jupyter interrupts each
before it asks it to end."""

WIDGET = "application/vnd.jupyter.widget-view+json"


def run_notebook(notebook, parameters, corpus, *, in_place=False):
    """Execute a copy of a notebook under ``results/notebooks/<corpus>/``.

    Where it fails, the full traceback is written beside the copy, as ``<notebook>.log``.

    Returns:
        The outcome in words on one line, and the seconds it took.
    """
    started = time.perf_counter()
    target = runs.results_folder() / "notebooks" / corpus / notebook.name
    target.parent.mkdir(parents=True, exist_ok=True)
    log = target.with_suffix(".log")
    log.unlink(missing_ok=True)
    try:
        papermill.execute_notebook(
            notebook,
            target,
            parameters={} if in_place else parameters,
            cwd=notebook.parent,
            kernel_name="python3",
            extra_arguments=QUIET,
            progress_bar=False,
            coalesce_streams=True,
            record_timing=False,
        )
        outcome = "done"
        if in_place:
            keep_executed(notebook, target)
    except papermill.PapermillExecutionError as error:
        line = join_lines(error.evalue)
        if error.ename == "NotEnoughClipsError":
            outcome = f"skipped: {line} (see {arrays.shorten_path(target)})"
        else:
            log.write_text(str(error), "utf-8")
            where = f"in {find_section(target)}; in full in {arrays.shorten_path(log)}"
            outcome = f"failed: {error.ename}: {line} ({where})"
    except Exception as error:  # its kernel died or did not start, the disk is full
        outcome = f"failed: {name_error(error)}{log_traceback(log)}"
    if target.is_file():
        save_figures(target, runs.results_folder() / "figures" / corpus)
    return outcome, time.perf_counter() - started


def find_section(executed):
    """Return the last heading above the cell of an executed notebook that failed, in quotes."""
    heading = "its first cells"
    for cell in nbformat.read(executed, as_version=4).cells:
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            break
        if cell.cell_type == "markdown" and (found := re.findall("^#+ +(.+)", cell.source, re.M)):
            heading = f"'{found[-1]}'"
    return heading


def join_lines(text):
    """Return a text of several lines as one."""
    return " ".join(str(text).split())


def name_error(error):
    """Return an error's type and message on one line."""
    return f"{type(error).__name__}: {join_lines(error)}".removesuffix(": ")


def log_traceback(log):
    """Write the traceback of the error at hand to a file; return words that name it, or none."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(traceback.format_exc(), "utf-8")
    except OSError:
        return ""
    return f" (in full in {arrays.shorten_path(log)})"


def any_failed(outcomes):
    """Return whether a notebook stopped with an error."""
    return any(outcome.startswith("failed") for outcome in outcomes.values())


def keep_executed(notebook, executed):
    """Put an executed copy in a notebook's place, for committing, without traces of the run."""
    content = nbformat.read(executed, as_version=4)
    for name in ("papermill", "widgets"):
        content.metadata.pop(name, None)
    for cell in content.cells:
        cell.metadata = {k: v for k, v in cell.metadata.items() if v and k != "papermill"}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _is_spent_bar(output)]
    with arrays.replace_file(notebook) as temporary:
        nbformat.write(content, temporary)


def _is_spent_bar(output):
    """Return whether an output is what a progress bar leaves: a widget, or no text."""
    data = output.get("data")
    return data is not None and (WIDGET in data or not any(data.values()))


def save_figures(executed, folder):
    """Save every figure of an executed notebook as ``<notebook>-<number>.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{executed.stem}-*.png"):
        old.unlink()
    cells = nbformat.read(executed, as_version=4).cells
    found = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    pictures = [data["image/png"] for data in found if "image/png" in data]
    for number, picture in enumerate(pictures, 1):
        with arrays.replace_file(folder / f"{executed.stem}-{number:02d}.png") as temporary:
            temporary.write_bytes(base64.b64decode(picture))
