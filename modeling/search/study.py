"""A search on disk, ``results/<corpus>-search/<name>/study.db``: killed, it goes on where it was.

Only the process that runs the search writes the file, an SQLite data base of Optuna's. A study says
what it was made for; another network, other arrays or another space are another study.
"""

import hashlib
import inspect
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from optuna.trial import TrialState

from modeling.training import runs
from preprocessing.disk import arrays

optuna.logging.set_verbosity(optuna.logging.WARNING)

N_RANDOM = 6
"""Trials before the sampler and the pruner have something to go by."""

STATES = {TrialState.COMPLETE: "whole", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


@dataclass(frozen=True)
class Search:
    """A study and what it is about.

    Attributes:
        study: Optuna's.
        folder: Where it lies.
        task: Arguments of ``trials.read_known`` by name.
        space: Optuna's distribution of each parameter that is searched, by name.
        fixed: The other parameters, by name.
    """

    study: optuna.Study
    folder: Path
    task: dict
    space: dict
    fixed: dict

    def complete_settings(self, chosen):
        """Return all parameters of a trial whose searched ones are given, as short numbers."""
        return self.fixed | {name: round_value(chosen[name]) for name in self.space}

    def list_trials(self, *states):
        """Return Optuna's trials, of some states."""
        return self.study.get_trials(deepcopy=False, states=states or None)

    def list_ended(self):
        """Return the trials that need not be run again: failed ones have a reason."""
        ended = self.list_trials(*STATES)
        return [t for t in ended if t.state != TrialState.FAIL or "reason" in t.user_attrs]

    def put_back(self):
        """Let the trials that were begun and not finished be run again, before all others."""
        for trial in self.list_trials(TrialState.RUNNING):
            self.study.tell(trial.number, state=TrialState.FAIL)
            self.study.enqueue_trial(trial.params)

    def list_curves(self):
        """Return the validation losses of each epoch, a list by the trial's number."""
        return {t.number: list(t.intermediate_values.values()) for t in self.list_ended()}

    def find_best(self):
        """Return the whole trial with the least validation loss; ValueError where there is none."""
        if not self.list_trials(TrialState.COMPLETE):
            raise ValueError("No trial was finished. Raise MINUTES and run the search again.")
        return self.study.best_trial

    def describe(self):
        """Return a table of the trials that ended, the best first.

        ``state``, ``loss`` (the least validation loss in nats), ``accuracy`` in that epoch,
        ``epochs``, ``seconds``, then each searched parameter. Index: ``trial``, its number.
        """
        rows = [self._describe_trial(trial) for trial in self.list_ended()]
        columns = ["trial", "state", "loss", "accuracy", "epochs", "seconds", *self.space]
        table = pd.DataFrame(rows, columns=columns).set_index("trial")
        table["state"] = pd.Categorical(table["state"], list(STATES.values()), ordered=True)
        return table.sort_values(["state", "loss"])

    def _describe_trial(self, trial):
        losses = list(trial.intermediate_values.values())
        best = int(np.nanargmin(losses)) if losses else None
        return {
            "trial": trial.number,
            "state": STATES[trial.state],
            "loss": losses[best] if losses else np.nan,
            "accuracy": trial.user_attrs["accuracies"][best] if losses else np.nan,
            "epochs": len(losses),
            "seconds": trial.user_attrs.get("seconds", np.nan),
            **{name: round_value(trial.params[name]) for name in self.space},
        }


def open_search(name, known, space, fixed, *, start, code, seed=7):
    """Return a search, the one of that name where there is one.

    Args:
        name: Of the study; a new name begins a new one.
        known: The parts, of ``trials.read_known``.
        space: Optuna's distribution of each searched parameter by name.
        fixed: The others by name.
        start: Parameters of the first trial: those in use so far.
        code: Functions that build and train the network.
        seed: Of the sampler.

    Raises:
        ValueError: The study was made for something else, or the space lacks the start.
    """
    origin = known.origin
    place = f"{name}-{origin['protocol']}-{origin['fold']}"
    folder = runs.results_folder() / f"{origin['corpus']}-search" / place
    folder.mkdir(parents=True, exist_ok=True)
    first = {parameter: start[parameter] for parameter in space}
    _refuse_outside(first, space)
    task = {key: origin[key] for key in ("corpus", "protocol", "fold")} | {"array": known.array}
    own = Search(_load_study(folder, place), folder, task, space, fixed)
    made_for, found = _describe_task(own, known, code), own.study.user_attrs.get("made for")
    if found not in (None, made_for) and not own.list_ended():
        # The network did not work, and was corrected.
        optuna.delete_study(study_name=place, storage=_name_storage(folder))
        own, found = replace(own, study=_load_study(folder, place)), None
    if found is None:
        own.study.set_user_attr("made for", made_for)
        own.study.enqueue_trial(first)
    elif other := [part for part in made_for if found[part] != made_for[part]]:
        raise ValueError(
            f"The study in {arrays.shorten_path(folder)} was made with another state of "
            f"{' and '.join(other)}. Set STUDY to a new name, or put back what was changed."
        )
    own.study.sampler = optuna.samplers.TPESampler(
        seed=seed + len(own.study.trials),  # a search that goes on does not draw the same again
        n_startup_trials=N_RANDOM,
        multivariate=True,
        constant_liar=True,
    )
    return own


def _load_study(folder, name):
    rule = optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=4)
    options = {"load_if_exists": True, "pruner": rule}
    return optuna.create_study(study_name=name, storage=_name_storage(folder), **options)


def _name_storage(folder):
    return f"sqlite:///{folder.resolve() / 'study.db'}"


def _refuse_outside(start, space):
    """Raise ValueError where a value that is in use is none of the space."""
    for name, value in start.items():
        try:
            allowed = {"params": {name: value}, "distributions": {name: space[name]}}
            optuna.trial.create_trial(value=0, **allowed)
        except ValueError as error:
            raise ValueError(
                f"{name} = {value!r} is in use so far; the space is {space[name]}. "
                "Widen it: the search starts from what is in use."
            ) from error


def list_space(space, start, units):
    """Return a table of the space, a row a parameter: ``today``, ``from``, ``to``, ``counts``.

    Args:
        space: Optuna's distribution of each parameter by name.
        start: Values in use so far, by name.
        units: Words for what each counts, by name.
    """
    rows = {}
    for name, values in space.items():
        choices = getattr(values, "choices", None)
        ends = (choices[0], choices[-1]) if choices else (values.low, values.high)
        scale = " (log)" if getattr(values, "log", False) else ""
        rows[name] = (start[name], *ends, units[name] + scale)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["today", "from", "to", "counts"])


def round_value(value):
    """Return a number of three digits, as it is tried and written into a recipe."""
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _describe_task(own, known, code):
    """Return what a study is made for, by what a person may have changed, as JSON can hold it."""
    stages = {stage: facts["digest"] for stage, facts in known.origin["inputs"].items()}
    folder = arrays.corpus_folder(own.task["corpus"])
    stages["augmented"] = arrays.compute_stage_digest(folder, "augmented")
    sources = "\n".join(inspect.getsource(function) for function in code)
    made_for = {
        "the task": own.task,
        "the arrays": stages,
        "the space": {name: str(values) for name, values in own.space.items()},
        "the other parameters": own.fixed,
        "the network's cells": hashlib.sha256(sources.encode()).hexdigest(),
    }
    return json.loads(json.dumps(made_for))
