"""Runs the notebooks in order: ``make run`` and ``make notebooks`` call this.

    python -m modeling.pipeline --corpus drawn --only 3 --parameters "EPOCHS=5 N_FRAMES=12"
    python -m modeling.pipeline --folds all --scheduler tcp://10.0.0.1:8786

Exit status: 0 when all went well; 1 when a notebook stopped with an error; 2 when the arguments
are wrong; 3 when every notebook ran but some clips of the corpus failed (they are listed in
``data/<corpus>/clips.csv``); 130 when it was stopped by Ctrl-C.
"""

import multiprocessing
import os
import signal
import sys
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager

from modeling.pipeline.arguments import (
    ArgumentsError,
    find_notebooks,
    list_parameters,
    parse_arguments,
    settle_home,
    share_parameters,
)
from modeling.pipeline.crossvalidation import run_folds
from modeling.pipeline.execution import any_failed, log_traceback, name_error, run_notebook
from modeling.training import runs
from preprocessing.disk import arrays

READS = {
    "10": (),
    "11": ("10",),
    "12": ("11",),
    "20": ("11",),
    "21": ("12",),
    "30": ("11",),
    "31": ("11",),
    "32": ("30", "31"),
    "40": ("12",),
    "41": ("21",),
    "42": ("21",),
    "43": ("21",),
    "44": ("21",),
    "50": ("3", "4"),
    "51": ("3", "4"),
    "60": ("3", "4", "5"),
    "61": ("3", "4"),
    "70": ("10",),
    "71": ("3", "4"),
    "72": ("3", "4", "5"),
    "73": ("21",),
}
"""What each notebook reads files of, by the first digits of their numbers."""


def main(arguments=None):
    """Run the notebooks; return the exit status."""
    options = parse_arguments(arguments, __doc__)
    try:
        notebooks = find_notebooks(options.only)
        chosen = share_parameters(notebooks, options)
        settle_home()
        alone = options.folds or options.jobs == 1 or len(notebooks) == 1
        run = run_in_turn if alone else run_side_by_side
        outcomes = run(notebooks, options, chosen)
    except ArgumentsError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt as stopped:
        where = f" at {stopped}" if str(stopped) else ""
        print(f"\nstopped{where}; run again to go on", file=sys.stderr)
        return 130
    except Exception as error:  # a corpus that was never indexed, a scheduler that is not there
        words = log_traceback(runs.results_folder() / "pipeline.log")
        print(f"{name_error(error)}{words}", file=sys.stderr)
        return 1
    return report_outcome(options.corpus, outcomes)


def run_side_by_side(notebooks, options, chosen):
    """Run notebooks in order, ``options.jobs`` at a time; print and return what became of each.

    One starts as soon as those whose files it reads are done. Each has a process of its own and its
    share of the cores for linear algebra, whose threads would otherwise wait for each other. After
    a failure no further notebook starts.
    """
    numbers = {path: f"[{n:2d}/{len(notebooks)}]" for n, path in enumerate(notebooks, 1)}
    print(f"{len(notebooks)} notebooks, {options.jobs} at a time where they can:", flush=True)
    outcomes, running, waiting = {}, {}, list(notebooks)
    with name_stopped(running.values()), open_workers(options.jobs) as submit:
        while running or waiting:
            for path in list(waiting):
                needed = {other.stem for other in list_needed(path, notebooks)}
                if len(running) < options.jobs and outcomes.keys() >= needed:
                    waiting.remove(path)
                    task = path, chosen[path], options.corpus
                    running[submit(run_notebook, *task, in_place=options.in_place)] = path
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                path = running.pop(future)
                outcomes[path.stem], elapsed_s = future.result()
                took = f"{elapsed_s:5.0f} s  {outcomes[path.stem]}"
                print(f"{numbers[path]} {path.stem:<22} {took}", flush=True)
            if any_failed(outcomes):
                waiting.clear()
    return outcomes


@contextmanager
def open_workers(n_jobs):
    """Yield a function that starts a call in one of so many processes and returns its future.

    Ctrl-C reaches neither these processes nor the kernels that they start: this one ends them.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_jobs, spawn, limit_threads, (n_jobs,)) as pool:

        def submit(*call, **options):
            with block_interrupts():
                return pool.submit(*call, **options)

        try:
            yield submit
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


@contextmanager
def block_interrupts():
    """Let Ctrl-C wait; a process that is started meanwhile, and those below it, never hear it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def name_stopped(running):
    """Let an interrupt say at which notebooks it was."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(", ".join(path.name for path in running)) from error


def list_needed(notebook, notebooks):
    """Return those of the notebooks whose files one reads: ``READS``, or all before it.

    In place of one that is not among them stand those that it reads itself.
    """
    reads = set(READS.get(notebook.name[:2], "123456789"))
    chosen = {other.name[:2] for other in notebooks}
    for left_out in sorted(READS.keys() - chosen, reverse=True):
        if left_out.startswith(tuple(reads)):
            reads |= set(READS[left_out])
    before = [other for other in notebooks if other.name < notebook.name]
    return [other for other in before if other.name.startswith(tuple(reads))]


def limit_threads(n_jobs):
    """Give the kernels of this process a share of the cores for linear algebra, memory by need."""
    share = max(1, (os.cpu_count() or 1) // n_jobs)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(share))
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")


def run_in_turn(notebooks, options, chosen):
    """Run notebooks one after the other until one fails; print and return the outcomes.

    Where folds are asked for, those that have folds run together, for every fold.
    """
    folded = [path for path in notebooks if options.folds and "FOLD" in list_parameters(path)]
    outcomes = {}
    for n, notebook in enumerate(notebooks, 1):
        if notebook not in folded:
            print(f"[{n:2d}/{len(notebooks)}] {notebook.stem:<22}", end=" ", flush=True)
            task = notebook, chosen[notebook], options.corpus
            with name_stopped([notebook]), open_workers(1) as submit:
                started = submit(run_notebook, *task, in_place=options.in_place)
                outcomes[notebook.stem], elapsed_s = started.result()
            print(f"{elapsed_s:5.0f} s  {outcomes[notebook.stem]}", flush=True)
        elif notebook == folded[0]:
            with name_stopped(folded):
                outcomes |= run_folds(folded, options, chosen)
        if any_failed(outcomes):
            break
    return outcomes


def report_outcome(corpus, outcomes):
    """Print the comparison table, where the figures are and what failed; return the exit status."""
    if outcomes.get("60_compare") == "done":
        compared = runs.find_run(corpus, "compare")["folder"]
        print(f"\n{(compared / 'table.txt').read_text('utf-8')}")
        print("figures of the comparison:")
        for path in sorted(compared.glob("*.png")):
            print(f"  {arrays.shorten_path(path)}")
    results = arrays.shorten_path(runs.results_folder())
    print(f"all figures: {results / 'figures' / corpus}")
    print(f"executed notebooks: {results / 'notebooks' / corpus}")
    failed = [name for name, outcome in outcomes.items() if outcome.startswith("failed")]
    if failed:
        print(f"{failed[0]} stopped with an error; what follows it was not started.")
        return 1
    folder = arrays.corpus_folder(corpus)
    if not (folder / "clips.csv").is_file():
        return 0
    clips = arrays.read_clips(folder)
    n_failed = int(clips["status"].isin(["failed", "partial"]).sum())
    where = arrays.shorten_path(folder / "clips.csv")
    print(f"{n_failed} of {len(clips)} clips failed wholly or in part; reasons in {where}.")
    return 3 if n_failed else 0
