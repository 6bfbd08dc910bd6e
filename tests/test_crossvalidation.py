"""Folds run apart from each other, here or on a cluster, and leave the same runs."""

import json

import pytest
from distributed import LocalCluster

from modeling.pipeline import arguments, command, crossvalidation
from modeling.training import runs
from preprocessing.disk import arrays
from tests.made_corpus import write_made_corpus, write_made_notebook

TRAIN = """
import json
from modeling.training import runs
from preprocessing.disk import arrays
clips = arrays.read_clips(arrays.corpus_folder(CORPUS))
facts = {"modality": "voice", "parameters": runs.take_parameters(globals())}
run = runs.Run(BRANCH, corpus=CORPUS, protocol="luna5", fold=FOLD, **facts)
run.save_text("seen", f"{len(clips)} {EPOCHS}")
run.finish({"score": FOLD / 10})
"""
FUSE = """
from modeling.training import runs
found = runs.find_run(CORPUS, "first", fold=FOLD)
if FOLD == FAIL_AT: raise KeyError("broken")
if SCHEDULER: raise KeyError("its workers are busy with folds")
facts = {"modality": "voice", "parameters": {}}
run = runs.Run("second", corpus=CORPUS, protocol="luna5", fold=FOLD, **facts)
run.finish({"score": 2 * found["scores"]["score"]})
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Make two notebooks of which the second reads what the first leaves, and their corpus."""
    write_made_corpus(tmp_path)
    parameters = 'CORPUS = "ravdess"\nBRANCH = "first"\nFOLD = 1\nEPOCHS = 2'
    write_made_notebook(tmp_path / "modeling/30_first.ipynb", parameters, TRAIN)
    parameters = 'CORPUS = "ravdess"\nFOLD = 1\nFAIL_AT = 0\nSCHEDULER = ""'
    write_made_notebook(tmp_path / "modeling/34_second.ipynb", parameters, FUSE)
    monkeypatch.setattr(arguments, "REPOSITORY", tmp_path)
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    return tmp_path


def list_scores():
    found = runs.list_runs("ravdess")
    return sorted((f["branch"], f["fold"], round(f["scores"]["score"], 6)) for f in found)


def expect_scores(folds):
    return sorted(
        (branch, fold, round(times * fold / 10, 6))
        for fold in folds
        for branch, times in (("first", 1), ("second", 2))
    )


def test_every_fold_runs_and_each_finds_its_own_runs(home, capsys):
    arguments = ["--corpus", "ravdess", "--folds", "1,4", "--parameters", "EPOCHS=3"]
    assert command.main(arguments) == 0
    said = capsys.readouterr().out
    assert "folds 1, 4 of notebooks 30, 34 on this machine" in said
    assert list_scores() == expect_scores([1, 4])
    seen = {f["folder"] / "seen.txt" for f in runs.list_runs("ravdess", branch="first")}
    assert {path.read_text() for path in seen} == {"72 3"}
    assert (home / "results/notebooks/ravdess/fold-4/30_first.ipynb").is_file()
    assert not list(home.rglob("*.partial"))


@pytest.mark.slow
def test_a_cluster_leaves_the_same_runs(home):
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        arguments = ["--corpus", "ravdess", "--folds", "1,3"]
        assert command.main([*arguments, "--scheduler", cluster.scheduler_address]) == 0
    assert list_scores() == expect_scores([1, 3])
    facts = runs.find_run("ravdess", "second", fold=3)
    assert json.loads((facts["folder"] / "parameters.json").read_text())["fold"] == 3


def test_later_notebooks_find_the_runs_of_earlier_calls(home):
    first = ["--corpus", "ravdess", "--folds", "2"]
    assert command.main([*first, "--only", "30"]) == 0
    assert command.main([*first, "--only", "34"]) == 0
    assert list_scores() == expect_scores([2])


def test_a_broken_fold_is_named_and_the_others_are_kept(home, capsys):
    arguments = ["--corpus", "ravdess", "--folds", "1,2", "--parameters", "FAIL_AT=1"]
    assert command.main(arguments) == 1
    assert "34_second failed: KeyError" in capsys.readouterr().out
    assert list_scores() == [("first", 1, 0.1), *expect_scores([2])]


def test_all_folds_are_those_of_the_protocol(home):
    given = {"a": {"FOLD": 2}, "b": {"PROTOCOL": "msaf6"}}
    assert crossvalidation.choose_folds("all", "ravdess", {}) == [1, 2, 3, 4, 5]
    assert crossvalidation.choose_folds("all", "ravdess", given) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("folds", ["6", "0", "one"])
def test_a_fold_that_does_not_exist_is_an_error(home, folds, capsys):
    assert command.main(["--corpus", "ravdess", "--folds", folds]) == 2
    assert "luna5 has 1 to 5" in capsys.readouterr().err
    assert not (home / "results").exists()


def test_a_file_that_was_cut_off_on_its_way_leaves_no_run(home, monkeypatch):
    names = ("parameters.json", "seen.txt")
    files = {(home / name).relative_to(home) for name in names}
    run = next(iter(files)).parent / "ravdess-first" / "20260101-000000-000"
    write_bytes = type(run).write_bytes

    def break_off(path, data):
        if "seen.txt" in path.name:
            raise OSError(28, "No space left on device")
        write_bytes(path, data)

    monkeypatch.setattr(type(home), "write_bytes", break_off)
    with pytest.raises(OSError, match="No space left"):
        runs.add_files({run / name: b"{}" for name in names})
    assert runs.list_runs("ravdess") == []
    assert arrays.corpus_folder("ravdess").is_dir()
