"""Committees: every actor who is not tested is judged once, by a member that never met them."""

import numpy as np
import pandas as pd
import pytest

from modeling.fusion import committee
from modeling.pipeline import arguments, command
from modeling.split.folds import N_MEMBERS
from modeling.split.protocol import LeakError, check_leak, split_clips
from modeling.training import runs
from tests.made_corpus import EMOTIONS, write_made_corpus, write_made_notebook
from tests.test_protocol import RAVDESS, list_actors, make_clips

TRAIN = """
import numpy as np
from modeling.training import inputs, loop, runs
parts = inputs.read_parts(CORPUS, "mels", protocol=PROTOCOL, fold=FOLD)
split, emotions = parts.origin["protocol"], parts.emotions
met = set(parts["train"].clips["actor"])
if split == FAIL: raise KeyError('broken')
posteriors = {}
for name, part in parts.items():
    posteriors[name] = np.full((len(part), len(emotions)), 1 / len(emotions))
    posteriors[name][part.clips["actor"].isin(met)] = np.eye(len(emotions))[0]
table = loop.tabulate_parts(parts, posteriors, fold=FOLD)
own = {"modality": "voice", "parameters": runs.take_parameters(globals())}
run = runs.Run("audio_made", corpus=CORPUS, protocol=split, fold=FOLD, **own)
run.save_predictions(table)
run.finish({"accuracy": 0.5})
"""


def make_table(parts, posterior):
    """Return a table of predictions of one clip an actor, all with the same posteriors."""
    table = pd.DataFrame({"clip_id": list(parts), "actor": list(parts), "fold": 1})
    table = table.assign(part=list(parts.values()), true="calm")
    return table.assign(p_calm=posterior, p_sad=1 - posterior)


@pytest.mark.parametrize("name", ["luna5", "msaf6", "group_kfold"])
def test_members_test_as_their_protocol_and_share_the_validation(name):
    clips = make_clips(RAVDESS)
    whole = split_clips(clips, protocol=name, fold=2)
    held = []
    for number in range(1, N_MEMBERS + 1):
        parts = split_clips(clips, protocol=f"{name}/{number}", fold=2)
        check_leak(clips, parts)
        np.testing.assert_array_equal(parts == "test", whole == "test")
        actors = list_actors(clips, parts)["val"]
        assert {int(actor) % 2 for actor in actors} == {0, 1}, "both genders validate"
        held += actors
    assert sorted(held) == sorted(set(clips["actor"][whole != "test"]))


def test_each_member_has_the_fifth_of_its_number():
    clips = make_clips(RAVDESS)
    rest = [actor for actor in RAVDESS if actor not in {"02", "05", "14", "15", "16"}]
    women_first = sorted(rest, key=lambda actor: (int(actor) % 2, actor))
    for number in range(1, N_MEMBERS + 1):
        parts = split_clips(clips, protocol=f"luna5/{number}", fold=1)
        assert list_actors(clips, parts)["val"] == set(women_first[number - 1 :: N_MEMBERS])


@pytest.mark.parametrize("name", ["luna5/0", "luna5/6", "luna5/", "luna5/two", "luna5/1/2"])
def test_a_member_that_does_not_exist_is_refused(name):
    with pytest.raises(ValueError, match="members luna5/1 to luna5/5"):
        split_clips(make_clips(RAVDESS), protocol=name, fold=1)


def test_one_speaker_makes_no_committee():
    with pytest.raises(ValueError, match="split actors"):
        split_clips(make_clips(["01"]), protocol="statement/1", fold=1)


def test_validation_comes_from_one_member_and_tests_from_all():
    first = make_table({"01": "val", "02": "train", "03": "test"}, 0.9)
    second = make_table({"01": "train", "02": "val", "03": "test"}, 0.5)
    merged = committee.merge_members([first, second])
    assert merged["part"].tolist() == ["val", "val", "test"]
    np.testing.assert_allclose(merged["p_calm"], [0.9, 0.5, 0.7])


def test_members_that_disagree_about_the_test_are_refused():
    first = make_table({"01": "val", "02": "test", "03": "test"}, 0.9)
    with pytest.raises(LeakError):
        committee.merge_members([first, make_table({"01": "test", "02": "val"}, 0.5)])
    with pytest.raises(ValueError, match="twice"):
        committee.merge_members([first, first])


@pytest.fixture
def home(tmp_path, monkeypatch):
    write_made_corpus(tmp_path)
    parameters = 'CORPUS = "ravdess"\nPROTOCOL = "auto"\nFOLD = 1\nFAIL = ""'
    write_made_notebook(tmp_path / "modeling/31_made.ipynb", parameters, TRAIN)
    monkeypatch.setattr(arguments, "REPOSITORY", tmp_path)
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    return tmp_path


def test_the_pipeline_seats_a_committee_that_never_met_whom_it_judges(home):
    assert command.main(["--corpus", "ravdess", "--folds", "3", "--committee"]) == 0
    facts = runs.find_run("ravdess", "audio_made_committee", protocol="luna5", fold=3)
    assert len(set(facts["parameters"]["members"])) == N_MEMBERS
    assert facts["parameters"]["FOLD"] == 3
    assert facts["modality"] == "voice"
    table = runs.read_predictions(facts["folder"])
    assert len(table) == 24 * len(EMOTIONS)
    assert set(table["actor"][table["part"] == "test"]) == {"10", "11", "12", "19", "20"}
    # A member is sure of whom it trained on, so any leak would be sure, too.
    np.testing.assert_allclose(runs.read_posteriors(table)[0], 1 / len(EMOTIONS), atol=1e-5)
    assert set(runs.pool_runs("ravdess", protocol="luna5")) == {"audio_made_committee"}


def test_a_committee_that_lacks_a_member_is_not_seated(home, capsys):
    arguments = ["--corpus", "ravdess", "--folds", "1", "--committee"]
    assert command.main([*arguments, "--parameters", "FAIL=luna5/2"]) == 1
    assert "31_made failed: KeyError" in capsys.readouterr().out
    protocols = [facts["protocol"] for facts in runs.list_runs("ravdess")]
    assert protocols == ["luna5/1"], "the members after the one that failed would be for nothing"


def test_a_committee_that_lacks_a_member_is_named(home, capsys):
    skipping = "raise type('NotEnoughClipsError', (ValueError,), {})('too few')"
    notebook = home / "modeling/31_made.ipynb"
    notebook.write_text(
        notebook.read_text("utf-8").replace("raise KeyError('broken')", skipping), "utf-8"
    )
    arguments = ["--corpus", "ravdess", "--folds", "1", "--committee"]
    command.main([*arguments, "--parameters", "FAIL=luna5/2"])
    assert "no committee of audio_made for fold 1: it lacks luna5/2" in capsys.readouterr().out
    assert {facts["branch"] for facts in runs.list_runs("ravdess")} == {"audio_made"}


def test_members_of_another_preparation_are_not_mixed(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    for number in range(1, N_MEMBERS + 1):
        protocol = f"luna5/{number}"
        facts = {"corpus": "ravdess", "protocol": protocol, "fold": 1, "parameters": {}}
        run = runs.Run("audio_made", modality="voice", **facts)
        run.facts["inputs"] = {"audio": str(number // 3)}
        run.finish({})
    with pytest.raises(ValueError, match="different arrays"):
        committee.seat_committee("ravdess", "audio_made", protocol="luna5", fold=1)


def test_a_member_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="luna5/1"):
        committee.seat_committee("ravdess", "audio_made", protocol="luna5", fold=1)


def test_a_committee_is_scored_on_its_test_clips(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    tested = [f"t{number}" for number in range(4)]
    for number in range(1, N_MEMBERS + 1):
        table = make_table({f"v{number}": "val", **dict.fromkeys(tested, "test")}, 0.6)
        right = (table["part"] == "test") & (table["clip_id"] != "t0")
        table["true"] = np.where(right, "calm", "sad")
        protocol = f"luna5/{number}"
        facts = {"corpus": "ravdess", "protocol": protocol, "fold": 1, "parameters": {}}
        run = runs.Run("audio_made", modality="voice", **facts)
        run.facts |= {"inputs": {}, "detector": ""}
        run.save_predictions(table)
        run.finish({})
    committee.seat_committee("ravdess", "audio_made", protocol="luna5", fold=1)
    facts = runs.find_run("ravdess", "audio_made_committee", protocol="luna5", fold=1)
    assert facts["scores"]["accuracy"] == 0.75
    assert (facts["scores"]["n_clips"], facts["scores"]["n_actors"]) == (4, 4)
    table = runs.read_predictions(facts["folder"])
    assert table["part"].value_counts().to_dict() == {"val": N_MEMBERS, "test": 4}
