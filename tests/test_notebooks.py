"""The notebooks themselves, in order, with small parameters, as ``make run`` runs them."""

import json

import numpy as np
import pandas as pd
import pytest

from modeling.pipeline import arguments, command
from modeling.training import runs
from preprocessing.disk import arrays
from tests.broken_media import write_clip

SMALL = (
    "N_FRAMES=6 FACE_SIZE=32 N_MELS=32 N_COPIES=1 EPOCHS=2 PATIENCE=2 FINE_TUNE_EPOCHS=1 "
    "N_SEEDS=1 PIXEL_FRAMES=4 RESAMPLES=100 PRETRAINED=False N_TRIALS=2 N_CLIPS=4 N_RANDOM=1 "
    "N_SHUFFLES=2 INT8=False"
)
VOICES = ("audio_conv2d", "audio_vgg19", "audio_yamnet", "audio_features", "audio_moonshine")
MODELING = arguments.REPOSITORY / "modeling"
BRANCHES = ("video_convlstm", "video_expression", *VOICES)
ADAPTED = ("audio_moonshine_adapted", "audio_moonshine_adapted_12")
FUSIONS = tuple(
    f"fusion_{way}" for way in ("mean", "late", "logistic", "early", "dense", "gated", "attention")
)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    return tmp_path


def use_real_detector(monkeypatch, real_data):
    weights = real_data / "face_detector" / "opencv_face_detector_uint8.pb"
    monkeypatch.setenv("EMOTION_DETECTOR", str(weights))


def check_run(corpus, branch):
    """Check that a branch left a whole run behind: files, rows that sum to one, no NaN.

    It keeps what stands in its notebook's parameters cell, and what it has read.
    """
    facts = runs.find_run(corpus, branch)
    fused, adapted = branch.startswith("fusion"), "_adapted" in branch
    number = "50" if fused else "51" if adapted else f"*_{branch}"
    (notebook,) = MODELING.glob(f"{number}*.ipynb")
    assert arguments.list_parameters(notebook).keys() <= facts["parameters"].keys()
    assert all(facts["files"].values())
    assert set(facts["prepared"]) >= set(facts["inputs"])
    named = [source["branch"] for source in facts["runs"]]
    read = "BRANCHES" if fused else "BRANCH"
    assert named == facts["parameters"].get(read, "").split()
    predictions = runs.read_predictions(facts["folder"])
    posteriors, emotions = runs.read_posteriors(predictions)
    assert np.isfinite(posteriors).all()
    np.testing.assert_allclose(posteriors.sum(axis=1), 1, atol=1e-3)
    assert set(predictions["part"]) == {"train", "val", "test"}
    assert not predictions["clip_id"].duplicated().any()
    assert set(predictions["true"]) <= set(emotions)
    if not (fused or adapted) or branch == "fusion_late":
        assert list(facts["folder"].glob("*.png"))
    return facts, predictions


def test_one_face_and_one_voice_from_clips_to_the_comparison(home, capsys):
    small = (
        "N_ACTORS=6 N_TAKES=1 N_FRAMES=4 FACE_SIZE=32 N_MELS=32 N_COPIES=0 EPOCHS=2 RESAMPLES=100 "
        """BRANCHES='video_convlstm audio_conv2d' HEADS="['dense']" """
    )
    status = command.main(["--only", "10,11,12,30,41,50,60", "--parameters", small])
    said = capsys.readouterr().out
    assert status == 0, said
    assert "skipped" not in said
    for branch in ("video_convlstm", "audio_conv2d", "fusion_late", "fusion_dense"):
        check_run("drawn", branch)
    table = pd.read_csv(runs.find_run("drawn", "compare")["folder"] / "table.csv")
    assert {"chance", "majority", "video_convlstm", "fusion_late"} < set(table["run"])


@pytest.mark.slow
def test_whole_chain_on_drawn_actors(home, capsys):
    status = command.main(["--parameters", f"N_ACTORS=6 N_TAKES=1 {SMALL}"])
    said = capsys.readouterr().out
    assert status == 0, said
    assert "skipped" not in said
    folder = home / "data" / "drawn"
    clips = arrays.read_clips(folder)
    assert len(clips) == 48
    assert (clips["status"] == "ok").all()
    shapes = {
        name: arrays.read_array(folder, name).shape
        for name in arrays.AXES
        if (folder / f"{name}.npy").is_file()
    }
    assert shapes["faces"] == (48, 6, 32, 32)
    assert shapes["mels"][2] == 32
    assert shapes["mels_augmented"][:2] == (48, 1)
    features = arrays.read_table(folder, "features")
    assert features.shape[1] > 40
    for branch in BRANCHES:
        facts, predictions = check_run("drawn", branch)
        assert len(predictions) == 48
        assert (facts["folder"] / "model.keras").is_file() or branch == "audio_features"
        by_part = predictions.groupby("part")["actor"].agg(set)
        assert not by_part["train"] & (by_part["val"] | by_part["test"])
        assert not by_part["val"] & by_part["test"]
    for branch in ("audio_vgg19", "audio_yamnet", "audio_moonshine"):
        assert any("random init" in note for note in runs.find_run("drawn", branch)["notes"])
    for branch in (*FUSIONS, *ADAPTED):
        check_run("drawn", branch)
    for branch in ("audio_moonshine", *ADAPTED):
        assert runs.find_run("drawn", branch)["out_of_fold"] == ["train", "val"]
    table = pd.read_csv(runs.find_run("drawn", "compare")["folder"] / "table.csv")
    assert {"chance", "majority", *BRANCHES, *FUSIONS, *ADAPTED} == set(table["run"])
    assert "random init" in said
    assert "scores.png" in said
    for path in arguments.find_notebooks():
        executed = home / "results" / "notebooks" / "drawn" / path.name
        outputs = json.loads(executed.read_text("utf-8"))["cells"]
        noise = [
            o for cell in outputs for o in cell.get("outputs", []) if o.get("name") == "stderr"
        ]
        assert not noise, path.name


@pytest.mark.slow
@pytest.mark.real_data
def test_whole_chain_on_a_real_face_and_voice(home, real_data, monkeypatch, capsys):
    use_real_detector(monkeypatch, real_data)
    table = real_data / "actor05.csv"
    status = command.main(["--corpus", "folder", "--data", str(table), "--parameters", SMALL])
    said = capsys.readouterr().out
    assert status == 0, said
    clips = arrays.read_clips(home / "data" / "folder")
    assert len(clips) == 60
    assert clips["has_face"].all()
    assert clips["has_voice"].all()
    assert clips["detection_rate"].mean() > 0.95
    _, predictions = check_run("folder", "fusion_late")
    statements = predictions.merge(clips[["clip_id", "statement"]]).groupby("part")["statement"]
    assert not set(statements.get_group("test")) & set(statements.get_group("train"))


@pytest.mark.slow
@pytest.mark.real_data
def test_corpus_with_few_faces_runs_its_voices(home, real_data, monkeypatch, capsys):
    use_real_detector(monkeypatch, real_data)
    notebooks = ["--only", "10,11,12,30,41,50,60", "--corpus", "ravdess"]
    small = "N_FRAMES=4 FACE_SIZE=32 N_MELS=32 N_COPIES=0 EPOCHS=1 RESAMPLES=100"
    status = command.main([*notebooks, "--data", str(real_data / "ravdess"), "--parameters", small])
    said = capsys.readouterr().out
    assert status == 0, said
    assert "30_video_convlstm" in said
    assert "skipped: Clips with a face: train 0 of 1020" in said
    clips = arrays.read_clips(home / "data" / "ravdess")
    assert (len(clips), clips["has_face"].sum(), clips["has_voice"].sum()) == (1440, 10, 1440)
    facts, predictions = check_run("ravdess", "audio_conv2d")
    assert facts["protocol"] == "luna5"
    assert set(predictions[predictions["part"] == "test"]["actor"]) == {
        "02", "05", "14", "15", "16",
    }  # fmt: skip


def test_recordings_alone_pass_the_notebook_of_faces(home, tmp_path, capsys):
    write_clip(tmp_path / "a.wav", duration_s=1.0, video=None, audio="pcm_s16le")
    table = tmp_path / "list.csv"
    table.write_text("video,audio,emotion,actor\n,a.wav,happy,x\n", "utf-8")
    options = ["--corpus", "folder", "--data", str(table), "--only", "10,11"]
    assert command.main(options) == 0, capsys.readouterr().out
