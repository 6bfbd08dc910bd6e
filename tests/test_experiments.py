"""What is published, and the recipes by which it came about."""

import json

import numpy as np
import pandas as pd
import pytest

from modeling.expressions import fer2013
from modeling.pipeline import command
from modeling.publishing import experiments, report
from modeling.publishing.experiments import EXPERIMENTS, EXPRESSION_TABLES, PUBLISHED
from modeling.split.folds import get_protocol
from modeling.training import runs
from preprocessing import corpora

EMOTIONS = corpora.EMOTIONS
ROWS = sorted(path.parent.name for path in PUBLISHED.glob("*/predictions.csv"))


def test_every_experiment_is_published():
    assert set(ROWS) == {*EXPERIMENTS, *EXPRESSION_TABLES}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_published_folds_hold_every_clip_once_and_share_no_actor(name):
    table = experiments.read_published(name)
    assert len(table) == 1440
    assert table["clip_id"].nunique() == 1440
    assert set(table["part"]) == {"test"}
    assert (table["clip_id"].str[-2:] == table["actor"]).all()
    folds = table.groupby("actor")["fold"].agg(set)
    assert all(len(own) == 1 for own in folds)
    for number, actors in enumerate(get_protocol("luna5").test, 1):
        assert set(table.loc[table["fold"] == number, "actor"]) == set(actors)
    posteriors, emotions = runs.read_posteriors(table)
    assert emotions == EMOTIONS
    np.testing.assert_allclose(posteriors.sum(axis=1), 1, atol=1e-3)
    words = dict(zip(["01", "02", "03", "04", "05", "06", "07", "08"], EMOTIONS, strict=True))
    assert list(table["true"]) == [words[part] for part in table["clip_id"].str.split("-").str[1]]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_published_recipe_is_the_one_in_the_code(name):
    facts = json.loads((PUBLISHED / name / "parameters.json").read_text("utf-8"))
    steps = [experiments._describe_step(step) for step in experiments.list_steps(name)]
    assert facts["steps"] == json.loads(json.dumps(steps))
    assert facts["protocol"] == "luna5"


def test_published_expressions_are_of_every_test_face():
    seven, eight = (runs.read_predictions(PUBLISHED / name) for name in EXPRESSION_TABLES)
    assert len(seven) == 3589
    assert 3000 < len(eight) < 3589
    assert set(seven["true"]) == set(fer2013.CLASSES)
    assert set(eight["true"]) == set(fer2013.VOTED)


def test_pages_show_what_is_recomputed():
    tables = report.make_tables()
    for path in report.list_pages():
        text = path.read_text("utf-8")
        assert "<!-- results: " in text, path
        assert report.fill_in(text, tables) == text, f"{path.name}: make results, then --write"


def test_unknown_table_in_a_page_is_an_error():
    page = "<!-- results: nothing -->\n<!-- end -->"
    with pytest.raises(ValueError, match="asks for the results 'nothing'"):
        report.fill_in(page, {"branches": "| a |"})
    filled = report.fill_in(page.replace("nothing", "branches"), {"branches": "| a |"})
    assert filled == "<!-- results: branches -->\n| a |\n<!-- end -->"


def test_figures_of_the_published_results_are_drawn(tmp_path):
    paths = report.draw_figures(tmp_path)
    assert {path.stem for path in paths} >= {"scores", "recall", "confusion", "actors"}
    assert all(path.stat().st_size > 5000 for path in paths)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_steps_come_once_and_in_order(name):
    steps = experiments.list_steps(name)
    assert len({id(step) for step in steps}) == len(steps)
    assert steps[0] is experiments.CLIPS
    assert steps[-1] is EXPERIMENTS[name].steps[-1]
    for step in steps:
        notebooks = command.find_notebooks(step.notebooks)
        declared = {name for path in notebooks for name in command.list_parameters(path)}
        assert set(step.parameters) | set(step.asks) <= declared


def test_files_that_an_experiment_needs_are_asked_for(capsys):
    assert experiments.main(["reproduce", "face_expression"]) == 2
    assert "POSTERIORS and ACTION_UNITS" in capsys.readouterr().out
    assert experiments.main(["reproduce", "expression"]) == 2
    assert "P='FER2013=/path" in capsys.readouterr().out
    assert experiments.main(["reproduce", "wav2vec"]) == 2
    assert "expected one of audio_features, " in capsys.readouterr().out


def write_runs(home, monkeypatch, n_folds=2):
    monkeypatch.setenv("EMOTION_HOME", str(home))
    monkeypatch.setattr(experiments, "PUBLISHED", home / "published")
    for fold in range(1, n_folds + 1):
        rows = [
            {"clip_id": f"{fold}{part}{i}", "actor": f"{fold}{part}", "fold": fold, "part": part}
            | {"true": EMOTIONS[i], "p_neutral": 0.123456, "p_calm": 0.876544}
            for part in ("train", "val", "test")
            for i in (0, 1)
        ]
        run = runs.Run("audio_yamnet", corpus="ravdess", protocol="luna5", fold=fold, parameters={})
        run.save_predictions(pd.DataFrame(rows))
        run.finish({})


def test_what_is_published_are_the_test_clips_of_all_folds(tmp_path, monkeypatch, capsys):
    write_runs(tmp_path, monkeypatch)
    assert experiments.main(["publish", "audio_yamnet"]) == 0
    table = experiments.read_published("audio_yamnet")
    assert list(table["clip_id"]) == ["1test0", "1test1", "2test0", "2test1"]
    assert table["p_neutral"].unique() == [0.1235]
    facts = json.loads((tmp_path / "published/audio_yamnet/parameters.json").read_text("utf-8"))
    assert facts["steps"][-1]["parameters"]["PRETRAINED"] is True
    capsys.readouterr()
    experiments.compare_outcome("audio_yamnet")
    said = capsys.readouterr().out
    assert said.count("accuracy 0.500") == 2
    assert "the same emotion for 100.0% of the clips" in said


def test_reproducing_runs_each_step_for_every_fold(tmp_path, monkeypatch, capsys):
    write_runs(tmp_path, monkeypatch)
    called = []
    monkeypatch.setattr(command, "main", lambda arguments: called.append(arguments) or 0)
    arguments = ["reproduce", "audio_yamnet", "--data", "/d", "--parameters", "EPOCHS=3"]
    assert experiments.main(arguments) == 0
    assert [a[a.index("--only") + 1] for a in called] == ["10,11", "12,21", "33"]
    assert ["--folds" in a for a in called] == [False, False, True]
    words = command.parse_parameters(called[-1][-1])
    assert words["EPOCHS"] == 3
    assert words["N_COPIES"] == 6
    assert command.parse_parameters(called[1][-1])["SPEED"] == [0.88, 1.12]
    assert not any("--committee" in a for a in called)
    assert "accuracy 0.500" in capsys.readouterr().out


def test_reproducing_a_committee_runs_its_members(tmp_path, monkeypatch):
    called = []
    monkeypatch.setattr(command, "main", lambda arguments: called.append(arguments) or 0)
    steps = experiments.list_steps("audio_yamnet_committee")
    assert experiments.run_steps("audio_yamnet_committee", steps, {}, corpus="ravdess") == 0
    assert ["--committee" in arguments for arguments in called] == [False, False, True]
    assert "--folds" in called[-1]
