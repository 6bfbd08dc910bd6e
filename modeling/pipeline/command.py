"""Runs the notebooks in order: ``make run`` and ``make notebooks`` call this.

    python -m modeling.pipeline --corpus drawn --only 3 --parameters "EPOCHS=5 N_FRAMES=12"
    python -m modeling.pipeline --folds all --scheduler tcp://10.0.0.1:8786

Exit status: 0 when all went well; 1 when a notebook stopped with an error; 2 when the arguments
are wrong; 3 when every notebook ran but some clips of the corpus failed (they are listed in
``data/<corpus>/clips.csv``).
"""

import argparse
import ast
import base64
import difflib
import multiprocessing
import os
import shlex
import sys
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path

import nbformat
import papermill

from modeling.fusion import committee
from modeling.pipeline.crossvalidation import run_folds
from modeling.split.folds import N_MEMBERS
from modeling.split.protocol import choose_protocol, count_folds
from modeling.training import runs
from preprocessing import corpora
from preprocessing.disk import arrays

REPOSITORY = Path(__file__).resolve().parents[2]
QUIET = ["--IPKernelApp.log_level=CRITICAL"]
"""Kernels warn at every start that they talk to this machine over TCP, and at some ends that they
were interrupted: that is how they are asked to stop."""

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
    "44": ("11",),
    "50": ("3", "4"),
    "60": ("3", "4", "5"),
}
"""What each notebook reads files of, by the first digits of their numbers."""

WIDGET = "application/vnd.jupyter.widget-view+json"
SKIPS = "NotEnoughClipsError"
"""A notebook that stops with this error has nothing to work on: it is skipped, not failed."""


class ArgumentsError(ValueError):
    """What was asked for on the command line does not exist."""


def main(arguments=None):
    """Run the notebooks; return the exit status."""
    options = parse_arguments(arguments)
    try:
        notebooks = find_notebooks(options.only)
        if options.corpus not in corpora.NAMES:
            raise ArgumentsError(
                f"CORPUS={options.corpus} is unknown; expected one of {', '.join(corpora.NAMES)}."
            )
        chosen = share_parameters(notebooks, options)
        run = run_folded if options.folds or options.committee else run_all
        outcomes = run(notebooks, options, chosen)
    except ArgumentsError as error:
        print(error, file=sys.stderr)
        return 2
    return report_outcome(options.corpus, outcomes)


def run_all(notebooks, options, chosen):
    """Run notebooks in order, ``options.jobs`` at a time; print and return what became of each.

    One starts as soon as those whose files it reads are done. Those that run side by side have
    processes of their own, and each its share of the cores for linear algebra, whose threads would
    otherwise wait for each other. After a failure no further notebook starts.
    """
    if options.jobs == 1 or len(notebooks) == 1:
        return run_in_turn(notebooks, options, chosen)
    numbers = {path: f"[{n:2d}/{len(notebooks)}]" for n, path in enumerate(notebooks, 1)}
    print(f"{len(notebooks)} notebooks, {options.jobs} at a time where they can:", flush=True)
    outcomes, running, waiting = {}, {}, list(notebooks)
    spawn = multiprocessing.get_context("spawn")
    share = max(1, (os.cpu_count() or 1) // options.jobs)
    with ProcessPoolExecutor(options.jobs, spawn, limit_threads, (share,)) as pool:
        while running or waiting:
            for path in list(waiting):
                needed = [other.stem for other in list_needed(path, notebooks)]
                if len(running) < options.jobs and outcomes.keys() >= set(needed):
                    waiting.remove(path)
                    running[pool.submit(run_once, path, chosen[path], options)] = path
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                path = running.pop(future)
                outcomes[path.stem], elapsed_s = future.result()
                took = f"{elapsed_s:5.0f} s  {outcomes[path.stem]}"
                print(f"{numbers[path]} {path.stem:<22} {took}", flush=True)
            if any_failed(outcomes):
                waiting.clear()
    return outcomes


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


def run_in_turn(notebooks, options, chosen):
    """Run notebooks one after the other until one fails; print and return the outcomes."""
    outcomes = {}
    for n, notebook in enumerate(notebooks, 1):
        print(f"[{n:2d}/{len(notebooks)}] {notebook.stem:<22}", end=" ", flush=True)
        outcomes[notebook.stem], elapsed_s = run_once(notebook, chosen[notebook], options)
        print(f"{elapsed_s:5.0f} s  {outcomes[notebook.stem]}", flush=True)
        if any_failed(outcomes):
            break
    return outcomes


def run_folded(notebooks, options, chosen):
    """Run notebooks in order, those that have folds for every fold; return the outcomes."""
    folded = [notebook for notebook in notebooks if "FOLD" in list_parameters(notebook)]
    outcomes = {}
    for notebook in notebooks:
        if notebook not in folded:
            outcomes |= run_in_turn([notebook], options, chosen)
        elif notebook == folded[0]:
            run = run_committees if options.committee else run_every_fold
            outcomes |= run(folded, options, chosen)
        if any_failed(outcomes):
            break
    return outcomes


def any_failed(outcomes):
    """Return whether a notebook stopped with an error."""
    return any(outcome.startswith("failed") for outcome in outcomes.values())


def limit_threads(n_threads):
    """Give the kernels of this process so many threads for linear algebra, and memory by need."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(n_threads))
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")


def run_once(notebook, parameters, options):
    """Run a notebook; return what became of it and the seconds it took."""
    started = time.perf_counter()
    parameters = {} if options.in_place else parameters
    outcome = run_notebook(notebook, parameters, options.corpus)
    if options.in_place and outcome == "done":
        keep_executed(notebook, find_executed(notebook, options.corpus))
    return outcome, time.perf_counter() - started


def run_every_fold(notebooks, options, chosen):
    """Run notebooks for every fold asked for; print and return what became of them."""
    outcomes, started = {}, time.perf_counter()
    protocol = resolve_protocol(options.corpus, chosen)
    folds = list_folds(options.folds or "all", options.corpus, protocol)
    names = ", ".join(notebook.stem[:2] for notebook in notebooks)
    where = options.scheduler or "this machine"
    print(f"folds {', '.join(map(str, folds))} of notebooks {names} on {where}", flush=True)
    shared = {"corpus": options.corpus, "parameters": chosen, "scheduler": options.scheduler}
    done = run_folds(run_notebook, notebooks, folds, **shared)
    for n_done, (fold, result) in enumerate(done, 1):
        elapsed_s = time.perf_counter() - started
        left_s = elapsed_s / n_done * (len(folds) - n_done)
        bad = "; ".join(f"{k} {v}" for k, v in result.items() if v != "done") or "done"
        print(f"  fold {fold}: {elapsed_s:5.0f} s, about {left_s:.0f} s left  {bad}", flush=True)
        outcomes |= {f"{name}, fold {fold}": outcome for name, outcome in result.items()}
    return outcomes


def run_committees(notebooks, options, chosen):
    """Run notebooks for every fold and member, then seat the committees; return the outcomes."""
    protocol, before = resolve_protocol(options.corpus, chosen), runs.list_runs(options.corpus)
    outcomes = {}
    for number in range(1, N_MEMBERS + 1):
        member = committee.name_member(protocol, number)
        print(f"member {number} of {N_MEMBERS}: ", end="")
        own = {notebook: given | {"PROTOCOL": member} for notebook, given in chosen.items()}
        result = run_every_fold(notebooks, options, own)
        outcomes |= {f"{name}, member {number}": outcome for name, outcome in result.items()}
        if any(outcome.startswith("failed") for outcome in result.values()):
            return outcomes
    known = {facts["folder"] for facts in before}
    made = [f for f in runs.list_runs(options.corpus, protocol=member) if f["folder"] not in known]
    for branch, fold in sorted({(facts["branch"], facts["fold"]) for facts in made}):
        folder = committee.seat_committee(options.corpus, branch, protocol=protocol, fold=fold)
        print(f"committee: {arrays.shorten_path(folder)}")
    return outcomes


def resolve_protocol(corpus, chosen):
    """Return the name of the protocol that notebooks with these parameters follow."""
    protocol = next((own["PROTOCOL"] for own in chosen.values() if "PROTOCOL" in own), "auto")
    clips = arrays.read_clips(arrays.corpus_folder(corpus))
    return choose_protocol(clips, corpus, protocol)


def list_folds(text, corpus, protocol):
    """Return the numbers of the folds that ``--folds`` means, such as "all" or "1,3".

    Raises:
        ArgumentsError: A fold does not exist.
    """
    clips = arrays.read_clips(arrays.corpus_folder(corpus))
    n_folds = count_folds(protocol, clips)
    if text == "all":
        return list(range(1, n_folds + 1))
    folds = [int(word) if word.isdecimal() else 0 for word in text.replace(",", " ").split()]
    if wrong := [fold for fold in folds if not 1 <= fold <= n_folds]:
        raise ArgumentsError(
            f"FOLDS={text}: fold {wrong[0]} does not exist; {protocol} has 1 to {n_folds}."
        )
    return folds


def parse_arguments(arguments):
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m modeling.pipeline", description=__doc__)
    parser.add_argument("--corpus", default="drawn", help="a name of preprocessing.corpora")
    parser.add_argument("--data", default="", help="where the corpus's raw clips lie")
    parser.add_argument("--only", default="", help="first digits of the notebooks: 3 or 11,12")
    parser.add_argument("--parameters", default="", help='such as "EPOCHS=5 N_FRAMES=12"')
    parser.add_argument("--folds", default="", help="folds to train and test on: all, or 1,3")
    parser.add_argument(
        "--committee", action="store_true", help="five members a fold, each stopped on others"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=min(2, os.cpu_count() or 1),
        help="notebooks that run at a time where none reads what the other writes, 2 GB each",
    )
    parser.add_argument("--scheduler", default="", help="Dask scheduler: tcp://10.0.0.1:8786")
    parser.add_argument(
        "--in-place", action="store_true", help="execute the notebooks themselves, to commit them"
    )
    return parser.parse_args(arguments)


def find_notebooks(only=""):
    """Return the notebooks in order, reduced to the numbers that begin with those asked for.

    Raises:
        ArgumentsError: No notebook's number begins so.
    """
    every = sorted(REPOSITORY.glob("*/[0-9][0-9]_*.ipynb"), key=lambda path: path.name)
    prefixes = [word for word in only.replace(",", " ").split() if word]
    if not prefixes:
        return every
    for prefix in prefixes:
        if not any(path.name.startswith(prefix) for path in every):
            numbers = ", ".join(path.name[:2] for path in every)
            raise ArgumentsError(f"ONLY={prefix} matches no notebook; there are {numbers}.")
    return [path for path in every if path.name.startswith(tuple(prefixes))]


def list_parameters(notebook):
    """Return the names and defaults that a notebook's parameters cell declares."""
    found = {}
    for cell in nbformat.read(notebook, as_version=4).cells:
        if "parameters" not in cell.metadata.get("tags", []):
            continue
        for line in ast.parse(cell.source).body:
            if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                found[line.targets[0].id] = ast.literal_eval(line.value)
    return found


def parse_parameters(text):
    """Return the parameters of a text such as ``EPOCHS=5 NAME='a b'``.

    Raises:
        ArgumentsError: A word is not of the form NAME=VALUE.
    """
    parameters = {}
    for word in shlex.split(text):
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            raise ArgumentsError(f"P holds {word!r}; expected NAME=VALUE, as in P='EPOCHS=5'.")
        try:
            parameters[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            parameters[name] = value
    return parameters


def share_parameters(notebooks, options):
    """Return, by notebook, those of the options and of the given parameters that it declares.

    Raises:
        ArgumentsError: No chosen notebook declares a name, or a number is given as a word.
    """
    given, data = parse_parameters(options.parameters), options.data
    if data and "://" not in data:
        data = str(Path(data).resolve())  # notebooks run in folders of their own
    declared = {notebook: list_parameters(notebook) for notebook in notebooks}
    known = {name: value for own in declared.values() for name, value in own.items()}
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ArgumentsError(
                f"No chosen notebook has a parameter {name}.{hint} "
                f"There are {', '.join(sorted(known))}."
            )
        if isinstance(known[name], int | float) and not isinstance(value, int | float):
            raise ArgumentsError(f"{name}={value} is a word; expected a number like {known[name]}.")
    standard = {"CORPUS": options.corpus, "DATA": data, "SCHEDULER": options.scheduler}
    given = {name: value for name, value in standard.items() if value} | given
    return {
        notebook: {name: value for name, value in given.items() if name in own}
        for notebook, own in declared.items()
    }


def run_notebook(notebook, parameters, corpus):
    """Execute a copy of a notebook under ``results/notebooks/<corpus>/``; return the outcome."""
    target = find_executed(notebook, corpus)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            notebook,
            target,
            parameters=parameters,
            cwd=notebook.parent,
            kernel_name="python3",
            extra_arguments=QUIET,
            progress_bar=False,
            coalesce_streams=True,
            record_timing=False,
        )
        outcome = "done"
    except papermill.PapermillExecutionError as error:
        words = "skipped" if error.ename == SKIPS else f"failed: {error.ename}"
        outcome = f"{words}: {error.evalue} (see {arrays.shorten_path(target)})"
    save_figures(target, runs.results_folder() / "figures" / corpus)
    return outcome


def find_executed(notebook, corpus):
    """Return where the executed copy of a notebook lies."""
    return runs.results_folder() / "notebooks" / corpus / notebook.name


def keep_executed(notebook, executed):
    """Put an executed copy in a notebook's place, for committing, without traces of the run."""
    content = nbformat.read(executed, as_version=4)
    for name in ("papermill", "widgets"):
        content.metadata.pop(name, None)
    for cell in content.cells:
        cell.metadata = {k: v for k, v in cell.metadata.items() if v and k != "papermill"}
        if cell.cell_type == "code":
            cell.outputs = [
                output for output in cell.outputs if WIDGET not in output.get("data", {})
            ]
    with arrays.replace_file(notebook) as temporary:
        nbformat.write(content, temporary)


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
        print(f"{failed[0]} stopped with an error; no further notebook was started.")
        return 1
    folder = arrays.corpus_folder(corpus)
    if not (folder / "clips.csv").is_file():
        return 0
    clips = arrays.read_clips(folder)
    n_failed = int(clips["status"].isin(["failed", "partial"]).sum())
    where = arrays.shorten_path(folder / "clips.csv")
    print(f"{n_failed} of {len(clips)} clips failed wholly or in part; reasons in {where}.")
    return 3 if n_failed else 0
