"""A search for hyper-parameters: whom it reads, how it goes on, what it hands on."""

import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import nbformat
import numpy as np
import optuna
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from optuna.trial import TrialState

from data_augmentation.quiet_keras import keras
from modeling import plots
from modeling.pipeline import arguments
from modeling.plots.search import list_ticks, place_value
from modeling.search import recipe, running, study, trials
from modeling.training import inputs
from preprocessing.disk import arrays
from tests import made_search
from tests.made_corpus import run_cells, write_made_corpus
from tests.made_search import FIXED, SPACE, START

TASK = {"corpus": "ravdess", "array": "mels", "protocol": "luna5", "fold": 1}
SETTINGS = FIXED | START


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    write_made_corpus(tmp_path)
    return tmp_path


@pytest.fixture
def here(monkeypatch):
    """Let trials run in this process, one at a time."""

    @contextmanager
    def open_here(*_, **__):
        yield 1, lambda function, task: function(*task)

    monkeypatch.setattr(running, "open_callers", open_here)


def open_search(code=(made_search.train_small,), **changes):
    options = {"space": SPACE, "fixed": FIXED, "start": START} | changes
    known = trials.read_known("ravdess", "mels")
    return study.open_search("made", known, code=code, **options)


def run_here(train=made_search.train_small, **facts):
    return trials.run_trial(pickle.dumps(train), arrays.find_home(), TASK, SETTINGS, **facts)


def search_on(search, train=made_search.train_small, n_trials=3, minutes=5, **options):
    running.run_trials(search, train, minutes=minutes, n_trials=n_trials, **options)


class SpiedArray:
    """Notes which rows are read; whatever else is asked of it fails."""

    def __init__(self, values, rows):
        self._values, self._rows = values, rows
        self.shape, self.dtype = values.shape, values.dtype

    def __getitem__(self, key):
        rows = key[0] if isinstance(key, tuple) else key
        self._rows.update(np.arange(len(self._values))[rows].ravel().tolist())
        return np.array(self._values[key])


def test_a_search_reads_no_clip_of_a_test_actor(home, monkeypatch):
    read, whole = set(), arrays.read_array
    monkeypatch.setattr(arrays, "read_array", lambda *which: SpiedArray(whole(*which), read))
    run_here()
    clips = arrays.read_clips(home / "data" / "ravdess")
    assert set(clips["actor"][clips.index.isin(read)]) == set(clips["actor"]) - {
        "02", "05", "14", "15", "16",
    }  # fmt: skip
    inputs.read_parts("ravdess", "mels")  # of a notebook: all of them
    assert len(read) == len(clips)


def test_what_test_clips_hold_changes_nothing(home):
    before = run_here()
    clips = arrays.read_clips(home / "data" / "ravdess")
    tested = clips["actor"].isin(["02", "05", "14", "15", "16"]).to_numpy()
    for name in ("mels", "mels_augmented"):
        values = np.load(home / "data" / "ravdess" / f"{name}.npy", mmap_mode="r+")
        values[tested] = np.nan
        values.flush()
    after = run_here()
    assert np.isfinite(after["losses"]).all()
    assert after["losses"] == before["losses"]
    parts = inputs.read_parts("ravdess", "mels")
    assert np.isnan(parts["test"].x).all()


def test_arrays_that_say_themselves_what_is_there_are_read_no_further(home, monkeypatch):
    read, whole = set(), arrays.read_array
    monkeypatch.setattr(arrays, "read_array", lambda *which: SpiedArray(whole(*which), read))
    monkeypatch.delitem(inputs.NEEDS, "mels")
    trials.read_known("ravdess", "mels")
    assert len(read) == 19 * 3


def test_a_search_begins_with_today_and_goes_on(home, here, capsys):
    search = open_search()
    search_on(search, n_trials=2)
    first = search.list_trials()[0]
    assert {name: first.params[name] for name in START} == START
    losses = search.list_curves()
    search_on(open_search(), n_trials=4)
    table = open_search().describe()
    assert len(table) == 4
    assert table["loss"].iloc[0] == table["loss"].min() == search.find_best().value
    assert table.loc[0, list(START)].to_dict() == START
    assert {n: open_search().list_curves()[n] for n in losses} == losses
    drawn = {tuple(trial.params.values()) for trial in search.list_trials()}
    assert len(drawn) == 4, "a search that goes on draws anew"
    assert "4 trials" in capsys.readouterr().out.splitlines()[-1]


def test_a_trial_that_was_begun_when_the_search_was_killed_is_run_first(home, here):
    search = open_search()
    search_on(search, n_trials=1)
    lost = search.study.ask(SPACE)
    search_on(open_search(), n_trials=2)
    assert [trial.state for trial in search.list_trials()] == [
        TrialState.COMPLETE,
        TrialState.FAIL,
        TrialState.COMPLETE,
    ]
    assert search.list_trials()[2].params == lost.params
    assert list(search.describe().index.sort_values()) == [0, 2]


def test_no_time_is_enough_for_the_first_trial_only(home, here, capsys):
    search = open_search()
    search_on(search, minutes=0)
    search_on(search, minutes=0)
    assert len(search.describe()) == 1
    late = run_here(limit_s=0)
    assert (late["outcome"], len(late["losses"])) == (trials.LATE, 1)


def test_a_late_trial_is_put_back(home, here):
    search = open_search()
    search_on(search, n_trials=1)

    class Late:
        def result(self):
            return {"outcome": trials.LATE, "losses": [1.0], "accuracies": [0], "seconds": 1}

    trial = search.study.ask(SPACE)
    running.take_answer(search, trial, Late())
    search.put_back()
    assert len(search.list_trials(TrialState.WAITING)) == 1
    assert "1 to be run again" in running.say_state(search)


def test_a_bad_trial_is_given_up(home):
    before = [
        optuna.trial.create_trial(value=0.1, intermediate_values={n: 1 / n for n in range(1, 9)})
        for _ in range(3)
    ]
    rule = optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=1)
    for loss, outcome in ((0.01, trials.DONE), (2.0, trials.PRUNED), (np.nan, trials.PRUNED)):
        watch = trials.Watch(before, rule, None)
        watch.set_model(keras.Sequential())
        for epoch in range(3):
            watch.on_epoch_end(epoch, {"val_loss": loss})
        assert watch.outcome == outcome


def test_an_error_stops_the_first_trial_and_fails_a_later_one(home, here, capsys):
    search = open_search(start=START | {"UNITS": 9})
    with pytest.raises(ArithmeticError, match="too many units"):
        search_on(search, made_search.refuse)
    search = open_search(code=(made_search.refuse,))  # corrected: nothing was finished
    assert [trial.state for trial in search.list_trials()] == [TrialState.WAITING]
    search_on(search, made_search.refuse, n_trials=3)
    assert list(search.describe()["state"]) == ["whole", "failed", "failed"]
    assert "trial 1 failed: too many units" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"space": SPACE | {"UNITS": made_search.IntDistribution(2, 32)}}, "the space"),
        ({"fixed": FIXED | {"EPOCHS": 9}}, "the other parameters"),
        ({"code": (made_search.refuse,)}, "the network's cells"),
        ({"start": START | {"UNITS": 99}}, "UNITS = 99 is in use so far"),
    ],
)
def test_a_study_of_something_else_is_refused(home, here, changes, words):
    search_on(open_search(), n_trials=1)
    with pytest.raises(ValueError, match=words):
        open_search(**changes)


def test_a_recipe_is_what_the_pipeline_takes(tmp_path, capsys):
    (notebook,) = arguments.find_notebooks("41")
    today = arguments.list_parameters(notebook)
    chosen = today | {"LEARNING_RATE": 0.00123, "SPEC_AUGMENT": False, "PRECISION": "a b"}
    words, path = recipe.write_recipe(tmp_path, chosen, differs_from=today, always=["FILTERS"])
    assert words == 'FILTERS=16 SPEC_AUGMENT=False LEARNING_RATE=0.00123 PRECISION="a b"'
    for text in (words, f"@{path} EPOCHS=5"):
        options = arguments.parse_arguments(["--only", "41", "--parameters", text], "")
        (given,) = arguments.share_parameters([notebook], options).values()
        assert given.items() >= {"LEARNING_RATE": 0.00123, "FILTERS": 16}.items()
        assert given["SPEC_AUGMENT"] is False
        assert given["PRECISION"] == "a b"
    assert given["EPOCHS"] == 5
    assert recipe.say_parameters({"A": ["a", "b"]}) == "A=\"['a', 'b']\""
    with pytest.raises(arguments.ArgumentsError, match="cannot be read"):
        arguments.parse_parameters("@nothing.txt")


def test_the_searched_network_is_that_of_notebook_41(home):
    """Each notebook shows its own: the same settings must build the same."""
    settings = {"FILTERS": 8, "DROPOUT": 0.1, "EPOCHS": 1, "N_COPIES": 1, "MIXUP": 0.3}
    settings |= {"BATCH_SIZE": 8, "LEARNING_RATE": 0.0123, "SPEC_AUGMENT": False}
    keras.backend.clear_session()  # numbers layers from the first
    theirs = run_cells("41", CORPUS="ravdess", LOG="tensorboard", **settings)
    assert list((home / "results").glob("ravdess-audio_conv2d/tensorboard/*/*/train/events*"))
    (path,) = arguments.find_notebooks("73")
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    ours = {}
    for cell in cells:
        if "import" in cell.source.split() or "def " in cell.source:
            exec(compile(cell.source, path.name, "exec"), ours)
    (notebook,) = arguments.find_notebooks("41")
    own = arguments.list_parameters(notebook) | settings
    keras.backend.clear_session()
    model, history = ours["train_network"](theirs["parts"], own, [])
    for part in ("get_config", "get_compile_config"):
        assert getattr(model, part)() == getattr(theirs["model"], part)(), part
    first = theirs["history"][["val_loss", "val_accuracy"]]
    assert history.columns.equals(theirs["history"].columns)
    assert history.shape == (1, len(history.columns)) and first.shape[0] == 1


def test_pictures_place_values_on_the_scale_of_their_space(home, here):
    rate, units, copies = SPACE.values()
    assert place_value(10**-2.5, rate) == pytest.approx(0.5)
    assert [place_value(n, units) for n in (2, 9, 16)] == [0, 0.5, 1]
    assert [place_value(value, copies) for value in (False, True)] == [0, 1]
    assert list_ticks(rate) == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1])
    search = open_search()
    search_on(search, n_trials=5)
    ax = plots.plot_parallel(search.describe(), SPACE, dict.fromkeys(SPACE, "unit"))
    assert "LEARNING_RATE\nunit\n(log)" in [tick.get_text() for tick in ax.get_xticklabels()]
    figure = plots.plot_trials(search.describe(), search.list_curves())
    assert all(axes.get_xlabel() for axes in figure.axes)
    shares = running.weigh_parameters(search)
    assert shares.sum() == pytest.approx(1)
    plots.plot_importance(shares)
    plots.plot_importance(pd.Series(dtype=float))
    plt.close("all")


@pytest.mark.slow
def test_two_trials_run_at_a_time_each_in_its_process(home, monkeypatch):
    monkeypatch.setenv("SIGNED", str(home / "signed"))
    search = open_search()
    search_on(search, made_search.train_and_sign, n_trials=4, n_jobs=2)
    assert len(search.describe()) == 4
    signed = [path.name.split("-")[0] for path in (home / "signed").iterdir()]
    assert len(signed) == 4 and len(set(signed)) == 2
    settings = {"one": SETTINGS, "other": SETTINGS | {"UNITS": 2}}
    again = running.repeat_settings(search, made_search.train_small, settings, [1, 5])
    assert again.shape == (4, 4)
    assert again["loss"].nunique() == 4
    alone = min(run_here()["losses"])
    assert again["loss"][0] == pytest.approx(alone, rel=1e-4)


@pytest.mark.slow
def test_a_cluster_runs_trials(home):
    from distributed import LocalCluster

    options = {"dashboard_address": None, "silence_logs": 50}
    search = open_search()
    with LocalCluster(n_workers=2, threads_per_worker=1, **options) as cluster:
        search_on(search, n_trials=4, scheduler=cluster.scheduler_address)
    table = search.describe()
    assert len(table) == 4
    assert table.loc[0, "loss"] == pytest.approx(min(run_here()["losses"]), rel=1e-4)


SEARCH = """
from modeling.search import running, study, trials
from tests import made_search as made
search = study.open_search("made", trials.read_known("ravdess", "mels"), made.SPACE, made.FIXED,
    start=made.START, code=(made.train_small,))
running.run_trials(search, made.train_and_sign, minutes=5, n_trials=5, n_jobs=1)
"""


@pytest.mark.slow
def test_a_killed_search_goes_on(home):
    code, signed = [sys.executable, "-c", SEARCH], home / "signed"
    environment = os.environ | {"SIGNED": str(signed)}
    killed = subprocess.Popen(code, env=environment)
    while not signed.is_dir() or len(list(signed.iterdir())) < 2:
        assert killed.poll() is None
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    n_done = len(open_search().describe())
    assert 1 <= n_done < 5
    subprocess.run(code, env=environment, check=True)
    search = open_search()
    assert len(search.describe()) == 5
    assert not search.list_trials(TrialState.RUNNING, TrialState.WAITING)
