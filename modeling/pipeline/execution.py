"""One notebook, executed: its copy, its figures, and what became of it."""

import base64
import time

import nbformat
import papermill

from modeling.training import runs
from preprocessing.disk import arrays

QUIET = ["--IPKernelApp.log_level=CRITICAL"]
"""Kernels warn at every start that they talk to this machine over TCP, and at some ends that they
were interrupted: that is how they are asked to stop."""

WIDGET = "application/vnd.jupyter.widget-view+json"


def run_notebook(notebook, parameters, corpus, *, in_place=False):
    """Execute a copy of a notebook under ``results/notebooks/<corpus>/``.

    Returns:
        The outcome in words, and the seconds it took.
    """
    started = time.perf_counter()
    target = runs.results_folder() / "notebooks" / corpus / notebook.name
    target.parent.mkdir(parents=True, exist_ok=True)
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
        nothing_to_do = error.ename == "NotEnoughClipsError"
        words = "skipped" if nothing_to_do else f"failed: {error.ename}"
        outcome = f"{words}: {error.evalue} (see {arrays.shorten_path(target)})"
    save_figures(target, runs.results_folder() / "figures" / corpus)
    return outcome, time.perf_counter() - started


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
