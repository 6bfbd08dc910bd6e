"""Trials are run, several at a time: here, a process each, or on a Dask cluster."""

import os
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing

import cloudpickle
import numpy as np
import optuna
import pandas as pd
from optuna.trial import TrialState

from modeling.search import trials
from preprocessing.disk import arrays
from preprocessing.disk.lock import lock_folder
from preprocessing.workers.isolation import NO_LIMITS, LostError
from preprocessing.workers.parallel import collect_results, open_callers
from preprocessing.workers.progress import open_bar

MOST_AT_A_TIME = 256


def run_trials(search, train, *, minutes, n_trials, n_jobs=2, scheduler=""):
    """Run trials until the budget is spent, and print what was found.

    A trial that is under way when the time is over is stopped; it is the first of the next call,
    which goes on where this one, or one that was killed, has ended.

    Args:
        search: A ``study.Search``.
        train: Function ``train(parts, settings, callbacks)`` of a module or of a notebook, which
            returns a model and its history.
        minutes: After so many no trial is begun or goes on; the first of a study may end.
        n_trials: Trials of the study at most, all calls together.
        n_jobs: Trials at a time, which share the cores.
        scheduler: Address of a Dask scheduler; its workers are used, a thread a trial, and see
            ``data/`` under the same path.

    Raises:
        LockedError: Another process runs this search.
        Exception: What ``train`` raises as long as no trial was finished; later a trial fails.
    """
    ends_s, packed = time.monotonic() + 60 * minutes, cloudpickle.dumps(train)
    n_ended = len(search.list_ended())
    bar = open_bar(total=n_trials, initial=n_ended, desc="trials", unit="trial")
    with (
        lock_folder(search.folder, "searching"),
        ThreadPoolExecutor(MOST_AT_A_TIME) as pool,
        open_callers(n_jobs, limits=NO_LIMITS, scheduler=scheduler) as (n_places, call),
        closing(bar),
    ):
        search.put_back()  # of a search that was killed
        if n_ended:
            print(f"the study goes on after {n_ended} trials")
        running, n_threads = {}, share_cores(n_jobs, scheduler)
        try:
            while True:
                while len(running) < n_places and _has_budget(search, ends_s, n_trials, running):
                    trial = search.study.ask(search.space)
                    task = _pack_trial(search, trial, packed, ends_s, n_threads)
                    running[pool.submit(call, trials.run_trial, task)] = trial
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    take_answer(search, running.pop(future), future)
                    bar.update()
        finally:
            search.put_back()
    print(say_state(search))


def _has_budget(search, ends_s, n_trials, running):
    """Return whether another trial may begin."""
    n_begun = len(search.list_ended()) + len(running)
    return n_begun < n_trials and (time.monotonic() < ends_s or n_begun == 0)


def _pack_trial(search, trial, packed, ends_s, n_threads):
    """Return the arguments of ``trials.run_trial`` for a trial that Optuna asks for."""
    before = search.list_trials(TrialState.COMPLETE, TrialState.PRUNED)
    limit_s = max(0.0, ends_s - time.monotonic()) if before else None
    home, settings = arrays.find_home().resolve(), search.complete_settings(trial.params)
    rule = search.study.pruner
    return packed, home, search.task, settings, n_threads, before, rule, limit_s


def take_answer(search, trial, future):
    """Tell the study what became of a trial; say so where it is the best so far."""
    try:
        answer = future.result()
    except Exception as error:
        whole = search.list_trials(TrialState.COMPLETE)
        if not isinstance(error, LostError) and not whole:
            raise
        trial.set_user_attr("reason", f"{type(error).__name__}: {error}"[:500])
        search.study.tell(trial, state=TrialState.FAIL)
        print(f"trial {trial.number} failed: {error}")
        return
    if answer["outcome"] == trials.LATE:
        return  # stays begun, and is put back
    for epoch, loss in enumerate(answer["losses"], 1):
        trial.report(loss, epoch)
    for name in ("accuracies", "seconds"):
        trial.set_user_attr(name, answer[name])
    if answer["outcome"] == trials.PRUNED:
        search.study.tell(trial, state=TrialState.PRUNED)
        return
    loss = np.nanmin(answer["losses"])
    search.study.tell(trial, loss)
    if search.find_best().number == trial.number:
        chosen = search.complete_settings(trial.params)
        words = ", ".join(f"{name} {chosen[name]}" for name in search.space)
        print(f"trial {trial.number:3d}: validation loss {loss:.3f}  {words}")


def repeat_settings(search, train, settings, seeds, *, n_jobs=2, scheduler=""):
    """Return how some settings do with other seeds, on the validation actors, nothing cut short.

    Args:
        search, train, n_jobs, scheduler: As for ``run_trials``.
        settings: All parameters, by a name for them.
        seeds: Values of the parameter ``SEED``.

    Returns:
        DataFrame, a row a training: ``settings``, ``seed``, ``loss``, ``accuracy``.
    """
    pairs = [(name, seed) for name in settings for seed in seeds]
    packed, home = cloudpickle.dumps(train), arrays.find_home().resolve()
    n_threads = share_cores(n_jobs, scheduler)
    tasks = [
        (packed, home, search.task, settings[name] | {"SEED": seed}, n_threads)
        for name, seed in pairs
    ]
    options = {"n_jobs": n_jobs, "scheduler": scheduler, "limits": NO_LIMITS}
    answers = collect_results(trials.run_trial, tasks, lost=_raise_lost, title="seeds", **options)
    rows = []
    for (name, seed), answer in zip(pairs, answers, strict=True):
        best = np.nanargmin(answer["losses"])
        kept = {"loss": answer["losses"][best], "accuracy": answer["accuracies"][best]}
        rows.append({"settings": name, "seed": seed} | kept)
    return pd.DataFrame(rows, columns=["settings", "seed", "loss", "accuracy"])


def share_cores(n_jobs, scheduler=""):
    """Return the threads of each of so many trials at a time; on a cluster it is one."""
    return 1 if scheduler else max(1, (os.cpu_count() or 1) // n_jobs)


def say_state(search):
    """Return in words how many trials a study has, and where it lies."""
    counts = search.describe()["state"].value_counts()
    words = ", ".join(f"{n} {state}" for state, n in counts.items() if n)
    left = len(search.list_trials(TrialState.WAITING))
    words += f", {left} to be run again" if left else ""
    return f"{counts.sum()} trials ({words}) in {arrays.shorten_path(search.folder / 'study.db')}"


def weigh_parameters(search):
    """Return how much of the spread of the whole trials' losses each parameter explains.

    Hutter et al. 2014, "An efficient approach for assessing hyperparameter importance" (fANOVA).

    Returns:
        Series of shares by the parameter's name, the largest first; empty below four trials.
    """
    if len(search.list_trials(TrialState.COMPLETE)) < 4:
        return pd.Series(dtype=float)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return pd.Series(optuna.importance.get_param_importances(search.study, evaluator=evaluator))


def _raise_lost(reason, *_):
    raise LostError(reason)
