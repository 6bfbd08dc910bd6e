"""What is published, and the recipes by which it came about."""

import hashlib
import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from modeling.expressions import fer2013
from modeling.pipeline import command
from modeling.pipeline.arguments import find_notebooks, list_parameters, parse_parameters
from modeling.publishing import experiments, report
from modeling.publishing.experiments import CHOSEN, EXPERIMENTS, PUBLISHED, SHIPPED
from modeling.split.folds import get_protocol
from modeling.training import runs
from preprocessing import corpora
from preprocessing.corpora import ravdess
from tests.made_rows import make_row

EMOTIONS = corpora.EMOTIONS
ROWS = sorted(path.parent.name for path in PUBLISHED.glob("*/predictions.csv"))
NOISE = "Noise_over_the_voice"
ON_RAVDESS = [n for n, own in EXPERIMENTS.items() if own.corpus != "fer2013" and own.tables]
STRANGERS = [name for name, own in EXPERIMENTS.items() if own.branch == "strangers"]
EXPRESSION_TABLES = EXPERIMENTS["expression"].tables


def test_every_experiment_is_published():
    assert len(ON_RAVDESS) == 16
    for name in STRANGERS:
        scores = pd.read_csv(PUBLISHED / name / "scores.csv")
        assert set(scores["fold"]) == {1, 2, 3, 4, 5}
        assert (PUBLISHED / name / "parameters.json").is_file()
    assert set(ROWS) == {*ON_RAVDESS, *EXPRESSION_TABLES}


@pytest.mark.parametrize("name", ON_RAVDESS)
def test_published_folds_hold_every_clip_once_and_share_no_actor(name):
    table = experiments.read_published(name)
    table = table[table["actor"].isin(ravdess.ACTORS)]
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


@pytest.mark.parametrize(
    "name", [n for n, own in EXPERIMENTS.items() if own.tables or n in STRANGERS]
)
def test_published_recipe_is_the_one_in_the_code(name):
    own = EXPERIMENTS[name]
    for row in own.tables or [name]:
        text = (PUBLISHED / row / "parameters.json").read_text("utf-8")
        facts = json.loads(text)
        told = json.loads(json.dumps(asdict(own)))
        assert {key: facts[key] for key in told if key != "tables"} == {
            key: value for key, value in told.items() if key != "tables"
        }


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_row_reads_the_branches_it_needs_and_judges_what_they_judge(name):
    own = EXPERIMENTS[name]
    if not own.needs:
        assert own.modality in ("face", "voice")
        return
    needed = [EXPERIMENTS[need] for need in own.needs]
    said = own.steps[-1].parameters
    read = said["BRANCHES"].split() if "BRANCHES" in said else [said["BRANCH"]]
    assert read == [need.branch for need in needed]
    assert own.branch.startswith(said.get("NAME", f"{read[0]}_adapted")) or name in STRANGERS
    assert set(own.modality.split(" and ")) == {need.modality for need in needed}
    assert all(remark in own.remark for need in needed for remark in need.remark.split("; "))


def test_chosen_and_shipped_rows_judge_by_face_and_voice():
    for name in (CHOSEN, SHIPPED):
        assert EXPERIMENTS[name].modality == "face and voice"
    kinds = [EXPERIMENTS[need].modality for need in EXPERIMENTS[SHIPPED].needs]
    assert kinds == ["voice", "face"]


def test_a_recipe_says_nothing_that_nobody_reads(tmp_path):
    for text, wrong in {"lr = 3\n[steps]": "lr", '[steps.a]\nnotebok = "3"': "notebok"}.items():
        row = '[rows.a]\ntitle = "t"\nbranch = "a"\nmodality = "face"\n'
        path = tmp_path / "recipes.toml"
        path.write_text(row + text, "utf-8")
        with pytest.raises(TypeError, match=wrong):
            experiments.read_recipes(path)


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


def test_rows_that_heard_whom_they_test_stand_apart():
    split = report.split_scores(pd.DataFrame(index=["chance", *ON_RAVDESS]))
    names = {kind: list(own.index) for kind, own in split.items()}
    assert names["adapted"] == [n for n in ON_RAVDESS if "_adapted" in EXPERIMENTS[n].branch]
    assert len(names["adapted"]) == 4
    assert names["fusion"] == ["fusion_nested", "fusion_shipped"]
    assert sum(names.values(), [])[0] == "chance"
    assert sorted(sum(names.values(), [])) == sorted(["chance", *ON_RAVDESS])


def test_unknown_table_in_a_page_is_an_error():
    page = "<!-- results: nothing -->\n<!-- end -->"
    with pytest.raises(ValueError, match="asks for the results 'nothing'"):
        report.fill_in(page, {"branches": "| a |"})
    filled = report.fill_in(page.replace("nothing", "branches"), {"branches": "| a |"})
    assert filled == "<!-- results: branches -->\n| a |\n<!-- end -->"


def test_figures_of_the_published_results_are_drawn(tmp_path):
    paths = report.draw_figures(tmp_path)
    assert {path.stem for path in paths} >= {"scores", "scores_adapted", "recall", "actors"}
    assert all(path.stat().st_size > 5000 for path in paths)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_steps_come_once_and_in_order(name):
    steps = EXPERIMENTS[name].steps
    assert not [step for i, step in enumerate(steps) if step in steps[:i]]
    assert steps[0].notebooks == "10,11"
    for need in EXPERIMENTS[name].needs:
        places = [steps.index(step) for step in EXPERIMENTS[need].steps]
        assert places == sorted(places)
        assert places[-1] < len(steps) - 1
    for step in steps:
        notebooks = find_notebooks(step.notebooks)
        declared = {name for path in notebooks for name in list_parameters(path)}
        assert set(step.parameters) | set(step.asks) <= declared


def test_files_that_an_experiment_needs_are_asked_for(capsys):
    assert experiments.main(["reproduce", "face_summary"]) == 2
    assert "POSTERIORS and ACTION_UNITS" in capsys.readouterr().out
    assert experiments.main(["reproduce", "expression"]) == 2
    assert "P='FER2013=/path" in capsys.readouterr().out
    assert experiments.main(["reproduce", "wav2vec"]) == 2
    assert "expected one of audio_features, " in capsys.readouterr().out


@pytest.fixture
def empty_home(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    monkeypatch.setattr(experiments, "PUBLISHED", tmp_path / "published")
    return tmp_path


@pytest.fixture
def home(empty_home):
    make_row("audio_yamnet")
    return empty_home


def test_what_is_published_are_the_test_clips_of_all_folds(home, capsys):
    assert experiments.main(["publish", "audio_yamnet"]) == 0
    table = experiments.read_published("audio_yamnet")
    assert list(table["clip_id"]) == [f"{fold}test{i}" for fold in range(1, 6) for i in (0, 1)]
    assert table["p_neutral"].unique() == [0.1235]
    capsys.readouterr()
    experiments.compare_outcome("audio_yamnet")
    said = capsys.readouterr().out
    assert said.count("accuracy 0.500") == 2
    assert "the same emotion for 100.0% of the clips" in said


def test_what_is_published_beside_them_was_said_by_the_runs(home):
    experiments.main(["publish", "audio_yamnet"])
    facts = json.loads((home / "published/audio_yamnet/parameters.json").read_text("utf-8"))
    assert facts["steps"][-1]["parameters"]["PRETRAINED"] is True
    assert [own["fold"] for own in facts["folds"]] == [1, 2, 3, 4, 5]
    for own in facts["folds"]:
        asked = ("EPOCHS", "PATIENCE", "BATCH_SIZE", "LEARNING_RATE", "DROPOUT", "SEED")
        assert [own["parameters"][key] for key in asked] == [40, 40, 32, 1e-3, 0.5, 7]
        assert own["prepared"]["augmented"]["ranges"]["speed"] == [0.88, 1.12]
        assert (own["commit"], own["clean"], own["versions"]) == (
            "c0ffee",
            True,
            {"keras": "3.15.1"},
        )
        assert own["files"] == {"array.npy": "d1"}
        run = (home / "results" / own["run"] / "predictions.csv").read_bytes()
        assert own["predictions"] == hashlib.sha256(run).hexdigest()


def test_predictions_of_those_who_were_not_trained_on_are_published_fold_by_fold(home):
    experiments.main(["publish", "audio_yamnet"])
    table = pd.read_csv(home / "published" / "audio_yamnet" / "out_of_fold.csv")
    assert list(table["clip_id"]) == [f"{fold}val{i}" for fold in range(1, 6) for i in (0, 1)]
    assert list(table["fold"]) == [fold for fold in range(1, 6) for _ in (0, 1)]
    assert set(table["part"]) == {"val"}
    assert table["p_calm"].unique() == [0.8765]


def test_a_fusion_which_is_fitted_on_them_publishes_none(empty_home):
    make_row("fusion_nested")
    for name, own in {"fusion_nested": False, "audio_moonshine_small": True}.items():
        assert experiments.main(["publish", name]) == 0
        assert (empty_home / "published" / name / "out_of_fold.csv").is_file() == own
    facts = json.loads((empty_home / "published/fusion_nested/parameters.json").read_text("utf-8"))
    read = [[source["branch"] for source in own["runs"]] for own in facts["folds"]]
    assert read == [["audio_moonshine", "audio_moonshine_tiny", "face_summary"]] * 5


def test_folds_of_different_arrays_are_not_compared_either(empty_home):
    make_row("audio_yamnet", lambda facts: facts["files"].update(a=str(facts["fold"] // 3)))
    with pytest.raises(
        ValueError, match="Folds 1 and 3 of audio_yamnet have read different arrays"
    ):
        experiments.compare_outcome("audio_yamnet")


def test_nothing_to_publish_says_how_to_make_it(empty_home):
    with pytest.raises(FileNotFoundError, match="make reproduce EXPERIMENT=audio_yamnet"):
        experiments.main(["publish", "audio_yamnet"])


def test_leak_and_damage_are_published_beside_the_rows_that_measure_them(empty_home):
    leak = pd.DataFrame({"split": ["random split"], "accuracy": [0.5]})
    make_row("audio_features", tables=lambda fold: {"leak": leak})
    assert experiments.main(["publish", "audio_features"]) == 0
    assert pd.read_csv(empty_home / "published" / "leak.csv").equals(leak)

    def damage(fold):
        noise = {"noise": ["clean", "0 dB"], "a": [0.25 if fold % 2 else 0.5, 0.1]}
        return {NOISE: pd.DataFrame(noise)}

    make_row("fusion_shipped", tables=damage)
    assert experiments.main(["publish", "fusion_shipped"]) == 0
    lines = (empty_home / "published/fusion_shipped/degradation.csv").read_text("utf-8")
    lines = lines.splitlines()
    assert lines[0] == "damage,judged by,amount,accuracy"
    assert lines[1:] == ["Noise over the voice,a,clean,0.35", "Noise over the voice,a,0 dB,0.1"]


def test_both_tables_of_the_expression_network_are_published(empty_home, capsys):
    (empty_home / "shipped").mkdir()
    (empty_home / "shipped" / "expression.keras").write_bytes(b"12345")
    row = {"clip_id": "0", "actor": "", "fold": 1, "part": "test", "true": "sad", "p_sad": 1}
    make_row("expression", tables=lambda fold: {"ferplus": pd.DataFrame([row])})
    assert experiments.main(["publish", "expression"]) == 0
    for row, n_faces in {"expression_fer2013": 2, "expression_ferplus": 1}.items():
        assert len(experiments.read_published(row)) == n_faces
        own = json.loads((empty_home / "published" / row / "parameters.json").read_text("utf-8"))
        assert (own["weights"], own["bytes"], own["corpus"]) == (7, 5, "fer2013")
    capsys.readouterr()
    experiments.compare_outcome("expression")
    assert capsys.readouterr().out.count("the same emotion for 100.0%") == 2


def test_reproducing_runs_each_step_for_every_fold(home, monkeypatch, capsys):
    called = []
    monkeypatch.setattr(command, "main", lambda arguments: called.append(arguments) or 0)
    arguments = ["reproduce", "audio_yamnet", "--data", "/d", "--parameters", "EPOCHS=3"]
    assert experiments.main(arguments) == 0
    assert [a[a.index("--only") + 1] for a in called] == ["10,11", "12,21", "43"]
    assert ["--folds" in a for a in called] == [False, False, True]
    words = parse_parameters(called[-1][-1])
    assert words["EPOCHS"] == 3
    assert words["N_COPIES"] == 6
    assert parse_parameters(called[1][-1])["SPEED"] == [0.88, 1.12]
    assert "accuracy 0.500" in capsys.readouterr().out
