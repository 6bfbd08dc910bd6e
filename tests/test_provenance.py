"""What runs record of where they come from, and what is refused before a row is published."""

import copy
import hashlib
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from modeling.fusion import heads
from modeling.pipeline.arguments import find_notebooks, list_parameters
from modeling.publishing import experiments
from modeling.training import inputs, provenance, runs
from preprocessing.disk import arrays
from tests.made_corpus import write_made_corpus
from tests.made_rows import make_row


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    monkeypatch.setattr(experiments, "PUBLISHED", tmp_path / "published")
    return tmp_path


def refuse(home, name, message):
    """Check that a row is refused in one line, and that nothing of it is published."""
    with pytest.raises(ValueError, match=message) as raised:
        experiments.main(["publish", name])
    assert "\n" not in str(raised.value)
    assert not (home / "published").exists()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("parameters", {"EPOCHS": 41}, "folds 1 and 2 differ in EPOCHS: 40 and 41; expected one"),
        ("parameters", {"NEW": 1}, "folds 1 and 2 differ in NEW: None and 1"),
        ("files", {"array.npy": "d9"}, "differ in the arrays array.npy: d1 and d9"),
        ("inputs", {"audio": "d9"}, "differ in the stage audio: d2 and d9"),
        ("versions", {"keras": "3.16"}, "differ in the version of keras: 3.15.1 and 3.16"),
    ],
)
def test_folds_that_differ_are_refused(home, key, value, message):
    make_row("audio_yamnet", lambda f: f[key].update(value) if f["fold"] == 2 else None)
    refuse(home, "audio_yamnet", message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"commit": "badcafe"}, "folds 1 and 2 differ in the commit: c0ffee and badcafe"),
        ({"clips": "other"}, "folds 1 and 2 differ in the clips"),
        ({"clean": False}, "commit c0ffee with changes, .*; expected a clean tree"),
        ({"modality": "face"}, "judge face and voice; recipes.toml says voice"),
        ({"fold": 3}, "of folds 1, 3, 4, 5; expected each of 1 to 5 once"),
    ],
)
def test_folds_that_do_not_belong_together_are_refused(home, change, message):
    make_row("audio_yamnet", lambda facts: facts.update(change) if facts["fold"] == 2 else None)
    refuse(home, "audio_yamnet", message)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (["parameters", "EPOCHS"], 41, "had EPOCHS = 41; recipes.toml says 40"),
        (["parameters", "DROPOUT"], 0.1, "had DROPOUT = 0.1; the notebook's default is 0.5"),
        (["parameters", "SEED"], None, "do not say SEED; the notebook's default is 7"),
        (["prepared", "waveforms", "trim"], False, "TRIM_SILENCE = False; recipes.toml says True"),
        (["prepared", "audio", "n_mels"], 32, "had N_MELS = 32; the notebook's default is 64"),
        (
            ["prepared", "augmented", "ranges", "gain"],
            [-6, 6],
            r"GAIN_DB = .*; recipes.toml says \[",
        ),
        (["prepared", "augmented"], None, "do not know how the augmented were made"),
    ],
)
def test_runs_of_other_parameters_than_recipe_and_notebook_say_are_refused(
    home, keys, value, message
):
    def change(facts):
        *path, last = keys
        facts |= {"prepared": copy.deepcopy(facts["prepared"])}
        for key in path:
            facts = facts[key]
        facts[last] = value
        if value is None:
            del facts[last]

    make_row("audio_yamnet", change)
    refuse(home, "audio_yamnet", message)


def test_a_run_from_before_all_this_was_recorded_is_refused(home):
    new = ("clean", "files", "prepared", "runs")
    make_row("audio_yamnet", lambda facts: [facts.pop(key) for key in new])
    refuse(home, "audio_yamnet", "expected a clean tree")


def test_places_may_differ_and_are_not_published(home):
    def change(facts):
        facts["parameters"]["DATA"] = f"/home/me/{facts['fold']}"

    make_row("face_summary", change)
    assert experiments.main(["publish", "face_summary"]) == 0
    text = (home / "published" / "face_summary" / "parameters.json").read_text("utf-8")
    assert "/home/me" not in text
    assert '"FER_EPOCHS": 0' in text


def test_a_fusion_is_as_good_as_what_it_read(home):
    row, part = "audio_two_encoders", "audio_moonshine_small"
    make_row(
        row,
        lambda facts: facts.update(clean=facts["branch"] != experiments.EXPERIMENTS[part].branch),
    )
    refuse(home, row, f"Runs of {part} come from commit c0ffee with changes")
    make_row(row, lambda facts: facts["runs"] and facts.update(runs=facts["runs"][:1]))
    refuse(home, row, f"Runs of {part} are of folds none")
    made = make_row(row)
    assert experiments.main(["publish", row]) == 0
    shutil.rmtree(home / "published")
    read = home / "results" / made[0]["runs"][0]["run"] / "predictions.csv"
    read.write_text("", "utf-8")
    refuse(home, row, "where other predictions lie now; expected what they read")
    read.unlink()
    refuse(home, row, "where no predictions lie now; expected what they read")


def test_a_network_that_went_on_from_another_says_from_which(home):
    make_row("expression", lambda facts: facts["parameters"].update(VOTES=0.0))
    refuse(home, "expression", "had VOTES = 0.0; the notebook's default is 0.5")
    make_row("expression", lambda facts: facts.update(runs=[]))
    refuse(home, "expression", "went on from 0 runs in fold 1; expected one of expression")


def test_every_parameter_of_every_notebook_is_one_that_a_run_keeps():
    for notebook in find_notebooks():
        declared = list_parameters(notebook)
        assert runs.take_parameters(declared) == declared, notebook.name


def save_run(parts, fold):
    origin = parts.origin | {"fold": fold}
    run = runs.Run("x", modality="voice", parameters={}, **origin)
    run.save_predictions(pd.DataFrame({"clip_id": ["a"], "part": ["test"], "fold": [fold]}))
    return runs.read_facts(run.finish({}))


def test_a_run_knows_its_arrays_its_copies_and_how_they_were_made(home):
    folder = write_made_corpus(home)
    parts = inputs.read_parts("ravdess", "mels")
    inputs.add_copies(parts, n_copies=1)
    facts = save_run(parts, 1)
    assert set(facts["inputs"]) == {"audio", "augmented"}
    digest = hashlib.sha256((folder / "mels_augmented.npy").read_bytes()).hexdigest()
    assert facts["files"]["mels_augmented.npy"] == digest
    assert facts["prepared"]["augmented"] == {"n_copies": 2}


def test_folds_are_not_pooled_whose_arrays_have_changed_under_the_same_name(home):
    folder = write_made_corpus(home)
    parts = inputs.read_parts("ravdess", "mels")
    first = save_run(parts, 1)
    arrays.write_array(folder / "mels.npy", np.array(arrays.read_array(folder, "mels")) + 1)
    second = save_run(parts, 2)
    assert first["inputs"] == second["inputs"]
    files = second["files"]
    assert {name for name in files if files[name] != first["files"][name]} == {"mels.npy"}
    pooled = runs.pool_runs("ravdess", protocol="luna5")["x"]
    assert (pooled.folds, pooled.notes) == ("2", "fold 1 left out: made from other arrays")


def test_branches_that_trained_on_different_copies_can_be_fused():
    read = [{"inputs": {"audio": "a", "augmented": copies}} for copies in ("b", "c")]
    assert heads.join_inputs(dict(zip("xy", read, strict=True))) == {"audio": {"digest": "a"}}


def test_a_tree_is_dirty_where_code_has_changed_and_not_where_results_have(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path)

    def git(*words):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.hooksPath=/dev/null"]
        subprocess.run(["git", "-C", tmp_path, *identity, *words], check=True, capture_output=True)

    def write(name, text=""):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def is_clean():
        monkeypatch.setattr(provenance, "_AT_START", provenance._ask_git())
        return provenance.read_code()["clean"]

    assert provenance.read_code() == {"commit": "", "clean": False}
    git("init")
    for name in ("a.py", "modeling/published/a/predictions.csv"):
        write(name)
    git("add", ".")
    git("commit", "-m", "first")
    assert is_clean()
    write("modeling/published/a/predictions.csv", "other")
    write("results/notebooks/drawn/41.ipynb")
    write("home/data/x.py")
    write("notes.txt")
    assert is_clean()
    write("b.py")
    assert not is_clean()
    git("add", "b.py")
    git("commit", "-m", "second")
    assert not provenance.read_code()["clean"], "it was another commit when this process started"
    assert is_clean()
    write("a.py", "changed")
    assert not is_clean()
