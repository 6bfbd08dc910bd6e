"""Cross-validation: the notebooks of every fold, here or on a Dask cluster, gathered by one writer.

A fold is a pure function: it reads the corpus's arrays, works in a folder of its own, and hands
back the files that it made. Where it ran can be seen from nothing that it leaves.
"""

import os
import tempfile
import time
from contextlib import closing
from pathlib import Path

from modeling.pipeline import arguments, execution
from modeling.split.protocol import choose_protocol, count_folds
from modeling.training import runs
from preprocessing.disk import arrays
from preprocessing.workers.isolation import NO_LIMITS
from preprocessing.workers.parallel import stream_results


def run_folds(notebooks, options, chosen):
    """Run notebooks for every fold; return what became of them.

    On a cluster, whose workers see ``data/`` under the same path, many at a time; on this machine
    one after the other, since each training takes all cores. To ``chosen``, the parameters by
    notebook, comes FOLD. A fold that fails leaves the others to run.
    """
    outcomes, started = {}, time.perf_counter()
    folds = choose_folds(options.folds, options.corpus, chosen)
    names = ", ".join(notebook.stem[:2] for notebook in notebooks)
    where = options.scheduler or "this machine"
    print(f"folds {', '.join(map(str, folds))} of notebooks {names} on {where}", flush=True)
    home = arrays.find_home().resolve()
    done = stream_results(
        _run_fold,
        [(fold, notebooks, chosen, options.corpus, home) for fold in folds],
        lost=_list_lost,
        n_jobs=1,
        scheduler=options.scheduler,
        limits=NO_LIMITS,
        progress=False,
    )
    with closing(done):
        for n_done, (_, (title, result, files)) in enumerate(done, 1):
            runs.add_files(files)
            elapsed_s = time.perf_counter() - started
            left_s = elapsed_s / n_done * (len(folds) - n_done)
            bad = "; ".join(f"{k} {v}" for k, v in result.items() if v != "done") or "done"
            print(f"  {title}: {elapsed_s:5.0f} s, about {left_s:.0f} s left  {bad}", flush=True)
            outcomes |= {f"{name}, {title}": outcome for name, outcome in result.items()}
    return outcomes


def choose_folds(text, corpus, chosen):
    """Return which folds, "all" or such as "1,3", of the protocol that notebooks follow.

    Raises:
        ArgumentsError: A fold does not exist.
    """
    protocol = next((own["PROTOCOL"] for own in chosen.values() if "PROTOCOL" in own), "auto")
    clips = arrays.read_clips(arrays.corpus_folder(corpus))
    protocol = choose_protocol(clips, corpus, protocol)
    n_folds = count_folds(protocol, clips)
    if text == "all":
        return list(range(1, n_folds + 1))
    folds = [int(word) if word.isdecimal() else 0 for word in text.replace(",", " ").split()]
    if wrong := [fold for fold in folds if not 1 <= fold <= n_folds]:
        raise arguments.ArgumentsError(
            f"FOLDS={text}: fold {wrong[0]} does not exist; {protocol} has 1 to {n_folds}."
        )
    return folds


def _run_fold(fold, notebooks, chosen, corpus, home):
    """Return a title, what became of each notebook, and the files made, as bytes by name."""
    if not (home / "data" / corpus / "clips.csv").is_file():
        raise FileNotFoundError(
            f"A worker does not see {home / 'data' / corpus}. Put EMOTION_HOME on a file system "
            "that all machines of the cluster share under one path."
        )
    outcomes, files = {}, {}
    with tempfile.TemporaryDirectory(prefix="fold-") as own:
        own = Path(own).resolve()
        (own / "data").symlink_to(home / "data", target_is_directory=True)
        for run in (home / "results").glob(f"{corpus}-*/*"):
            link = own / run.relative_to(home)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(run, target_is_directory=True)
        os.environ["EMOTION_HOME"] = str(own)  # of this child process and the kernels it starts
        for notebook in notebooks:
            own_copy = arguments.REPOSITORY / notebook.parent.name / notebook.name
            path = notebook if notebook.is_file() else own_copy
            own_choice = chosen[notebook] | {"FOLD": fold}
            own_choice.pop("SCHEDULER", None)  # its workers are busy with folds
            outcome, _ = execution.run_notebook(path, own_choice, corpus)
            outcomes[notebook.stem] = outcome
            if execution.any_failed(outcomes):
                break
        for path in (own / "results").rglob("*"):
            if path.is_file():
                name = path.relative_to(own / "results")
                if name.parts[0] in ("notebooks", "figures"):  # those of each fold apart
                    name = name.parent / f"fold-{fold}" / name.name
                files[name] = path.read_bytes()
    return f"fold {fold}", outcomes, files


def _list_lost(reason, fold, *_):
    return f"fold {fold}", {"fold": f"failed: {reason}"}, {}
