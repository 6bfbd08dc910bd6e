"""Cross-validation: the notebooks of every fold, here or on a Dask cluster, gathered by one writer.

A fold is a pure function: it reads the corpus's arrays, works in a folder of its own, and hands
back the files that it made. Where it ran can be seen from nothing that it leaves.
"""

import os
import tempfile
from pathlib import Path

from modeling.training import runs
from preprocessing.disk import arrays
from preprocessing.workers.isolation import Limits
from preprocessing.workers.parallel import stream_results

REPOSITORY = Path(__file__).resolve().parents[2]
NO_LIMITS = Limits(time_s=7 * 86400, memory_gb=1e6)
"""A training may take days, and TensorFlow reserves address space freely."""


def run_folds(run_notebook, notebooks, folds, *, corpus, parameters, scheduler=""):
    """Run notebooks for every fold, and put the runs they make into ``results/``.

    Args:
        run_notebook: Function of a module, of a notebook's path, its parameters and the corpus;
            it leaves its files below ``runs.results_folder()`` and returns the outcome in words.
        notebooks: Paths, in order.
        parameters: Parameters by notebook; FOLD is added.
        scheduler: Address of a Dask scheduler, whose workers see ``data/`` under the same path;
            empty for this machine, one fold after the other, since each training takes all cores.

    Yields:
        (fold, outcome by name of notebook), each fold when it is done.
    """
    home = arrays.find_home().resolve()
    tasks = [(fold, run_notebook, notebooks, parameters, corpus, home) for fold in folds]
    for _, (fold, outcomes, files) in stream_results(
        _run_fold,
        tasks,
        lost=_list_lost,
        n_jobs=1,
        scheduler=scheduler,
        limits=NO_LIMITS,
        progress=False,
    ):
        runs.add_files({_name_for_fold(name, fold): data for name, data in files.items()})
        yield fold, outcomes


def _run_fold(fold, run_notebook, notebooks, parameters, corpus, home):
    """Return the fold, what became of each notebook, and the files made, as bytes by name."""
    if not (home / "data" / corpus / "clips.csv").is_file():
        raise FileNotFoundError(
            f"A worker does not see {home / 'data' / corpus}. Put EMOTION_HOME on a file system "
            "that all machines of the cluster share under one path."
        )
    outcomes = {}
    with tempfile.TemporaryDirectory(prefix="fold-") as own:
        own = Path(own).resolve()
        (own / "data").symlink_to(home / "data", target_is_directory=True)
        for run in (home / "results").glob(f"{corpus}-*/*"):
            link = own / run.relative_to(home)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(run, target_is_directory=True)
        os.environ["EMOTION_HOME"] = str(own)  # of this child process and the kernels it starts
        for notebook in notebooks:
            given = parameters[notebook] | {"FOLD": fold}
            own_copy = REPOSITORY / notebook.parent.name / notebook.name
            path = notebook if notebook.is_file() else own_copy
            outcomes[notebook.stem] = run_notebook(path, given, corpus)
            if outcomes[notebook.stem].startswith("failed"):
                break
        made = [path for path in (own / "results").rglob("*") if path.is_file()]
        files = {path.relative_to(own / "results"): path.read_bytes() for path in made}
    return fold, outcomes, files


def _list_lost(reason, fold, *_):
    return fold, {"fold": f"failed: {reason}"}, {}


def _name_for_fold(name, fold):
    """Return where a file goes: notebooks and figures of each fold into a folder of their own."""
    first, corpus, *rest = name.parts
    return Path(first, corpus, f"fold-{fold}", *rest) if first in ("notebooks", "figures") else name
