"""Small and odd corpora: one emotion, two emotions, a class that a part lacks, a dozen clips."""

import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from modeling import plots
from modeling.fusion import heads
from modeling.pipeline import command
from modeling.scores import metrics
from modeling.split import leak_meter, protocol
from modeling.training import classifiers, inputs, judging, runs
from preprocessing.corpora import COLUMNS
from preprocessing.corpora.drawn import clip
from preprocessing.disk import arrays
from tests.made_corpus import EMOTIONS, write_made_corpus

TESTED, VALIDATED = {"02", "05", "14", "15", "16"}, {"03", "06"}  # luna5, fold 1
TRAINED = {f"{n:02d}" for n in range(1, 25)} - TESTED - VALIDATED


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    yield tmp_path
    plt.close("all")


def make_clips(emotions, n_actors=4, n_takes=1):
    rows = [
        dict.fromkeys(COLUMNS, "") | {"clip_id": f"{a}-{e}-{t}", "actor": str(a), "emotion": e}
        for a in range(n_actors)
        for e in emotions
        for t in range(n_takes)
    ]
    return pd.DataFrame(rows)


def make_table(true, part, *, actor="1", fold=1):
    table = pd.DataFrame({"true": true, "part": part, "actor": actor, "fold": fold})
    table.insert(0, "clip_id", [f"{fold}-{n}" for n in range(len(table))])
    return table.assign(**{f"p_{emotion}": 1 / 3 for emotion in EMOTIONS})


@pytest.mark.parametrize("name", ["auto", "group_kfold"])
def test_corpus_of_one_emotion_is_refused_in_one_line(name):
    said = r"All 4 clips show one emotion \(sad\): there is nothing to tell apart"
    with pytest.raises(arrays.NotEnoughClipsError, match=said):
        protocol.choose_protocol(make_clips(["sad"]), "folder", name)


def test_training_clips_of_one_emotion_are_refused(home):
    missing = [f"{actor}-{emotion}" for actor in TRAINED for emotion in ("happy", "sad")]
    write_made_corpus(home, missing_face=missing)
    with pytest.raises(arrays.NotEnoughClipsError, match=r"17 training .* a face .*\(neutral\)"):
        inputs.read_parts("ravdess", "faces")
    assert len(inputs.read_parts("ravdess", "mels")["train"]) == 17 * 3


def test_one_clip_of_each_emotion_is_found_where_one_is_missing(home):
    write_made_corpus(home, missing_face=[f"{actor}-happy" for actor in TRAINED])
    part = inputs.read_parts("ravdess", "faces")["train"]
    firsts = part.take(part.find_firsts())
    assert firsts.clips["clip_id"].tolist() == ["01-neutral", "01-sad"]
    assert part.emotions == EMOTIONS


def test_examples_have_the_modality_that_is_shown(home):
    write_made_corpus(home, missing_face=["01-happy", "01-sad"])
    clips, faces = inputs.read_examples("ravdess", "faces")
    assert set(clips["emotion"]) == set(EMOTIONS)
    assert faces.reshape(len(faces), -1).any(axis=1).all()
    assert {"01-happy", "01-sad"} < set(inputs.read_examples("ravdess", "mels")[0]["clip_id"])


@pytest.mark.parametrize("met", [[0, 1], [1, 3], [0, 1, 3]])
def test_a_classifier_is_read_for_all_classes(met):
    rng = np.random.default_rng(0)
    labels = rng.choice(met, 60)
    x = rng.normal(size=(60, 5)) + labels[:, None]
    model = LogisticRegression().fit(x, labels)
    posteriors = np.exp(classifiers.read_log_posteriors(model, x, 4))
    np.testing.assert_allclose(posteriors[:, met], model.predict_proba(x), atol=1e-9)
    unmet = sorted(set(range(4)) - set(met))
    assert (posteriors[:, unmet] < 1e-6).all()
    weights = classifiers.read_weights(model, 4)
    assert (weights[unmet] == 0).all()
    logits = x @ weights[met].T
    expected = model.decision_function(x) - (x @ model.coef_.T + model.intercept_).squeeze()
    np.testing.assert_allclose(expected, 0, atol=1e-9)
    bias = model.intercept_ if len(met) > 2 else np.array([-0.5, 0.5]) * model.intercept_
    np.testing.assert_allclose(softmax(logits + bias, axis=1), model.predict_proba(x), atol=1e-9)
    machine = SVC().fit(x, labels)
    surest = classifiers.read_log_posteriors(machine, x, 4).argmax(axis=1)
    assert (surest == machine.predict(x)).mean() > 0.9


def test_leak_meter_leaves_out_folds_that_few_clips_cannot_fill():
    clips = make_clips(["happy", "sad"], n_actors=3).iloc[[0, 1, 2, 4]]  # sad by one actor only
    features = np.eye(2)[clips["emotion"].map(["happy", "sad"].index)]
    model = KNeighborsClassifier(1)
    leak = leak_meter.measure_leak(clips, features, model, split="group_kfold")
    assert (leak["accuracy"].iloc[:2] == 1).all()  # but for those that test all of sad, or nothing


def test_emotion_that_is_not_tested_and_one_never_trained_on_are_named():
    part = ["train", "train", "val", "test", "test"]
    table = make_table(["happy", "happy", "sad", "sad", "happy"], part)
    assert metrics.describe_gaps({"x": table}, EMOTIONS) == (
        "no test clip of neutral: left out of UAR and macro-F1\n"
        "tested in fold 1 and never trained on: sad"
    )
    other = make_table(["sad", *EMOTIONS], ["train", "test", "test", "test"], fold=2)
    both = pd.concat([table, other])
    assert metrics.describe_gaps({"x": both}, EMOTIONS).splitlines() == [
        "tested in fold 1 and never trained on: sad",
        "tested in fold 2 and never trained on: neutral, happy",
    ]


def test_nothing_is_said_of_runs_that_train_on_and_test_every_emotion():
    table = make_table([*EMOTIONS, *EMOTIONS], ["train"] * 3 + ["test"] * 3)
    nested = table.assign(part=table["part"].replace("train", "val"))
    assert metrics.describe_gaps({"x": table, "y": nested}, EMOTIONS) == ""


def test_run_that_judged_some_of_the_clips_is_named():
    table = make_table([*EMOTIONS, *EMOTIONS], ["train"] * 3 + ["test"] * 3)
    said = metrics.describe_gaps({"voice": table, "face": table.iloc[:-1]}, EMOTIONS)
    assert said.splitlines() == [
        "face: no test clip of sad: left out of UAR and macro-F1",
        "face: judged 2 of the 3 test clips, scored on these",
    ]


def test_gaps_stand_above_the_scores_of_a_run(home, capsys):
    folder = write_made_corpus(home, missing_face=[f"{actor}-happy" for actor in TRAINED])
    assert folder.is_dir()
    parts = inputs.read_parts("ravdess", "faces")
    clips = pd.concat([part.clips for part in parts.values()], ignore_index=True)
    table = clips[["clip_id", "actor", "part"]].assign(true=clips["emotion"], fold=1)
    table[[f"p_{emotion}" for emotion in EMOTIONS]] = 1 / 3
    judging.judge_predictions(table, parts)
    assert "tested in fold 1 and never trained on: happy\nmost confused" in capsys.readouterr().out


def test_a_single_tested_actor_is_no_range():
    said = judging.describe_errors(make_table([*EMOTIONS], ["test"] * 3), EMOTIONS)
    assert said.splitlines()[-1] == "the one actor, 1: 33%"


def test_fusion_says_that_one_emotion_validates_and_fits_nothing(capsys):
    table = make_table(["sad", "sad", "happy"], ["val", "val", "test"])
    assert heads.fit_on_validation([table], EMOTIONS) is None
    assert "all 2 validation clips show one emotion, sad" in capsys.readouterr().out


def test_fusion_fits_where_a_single_validation_actor_shows_the_second_emotion():
    actors = [str(n) for n in range(heads.LEAST_ACTORS)]
    table = make_table(["sad", "happy", "happy", "happy", "happy"], "val", actor=actors)
    fused = heads.fit_on_validation([table], EMOTIONS)([np.full((1, 3), 1 / 3)])
    assert fused[0].argmax() == EMOTIONS.index("happy")


def test_mean_course_of_no_clip_says_so_and_leaves_the_others_as_long_as_they_are():
    axes = plt.figure().subplots(1, 3, sharex=True)
    options = {"step_s": 0.1, "title": "sad"}
    plots.plot_mean_course(np.full((2, 5, 3), 1 / 3), EMOTIONS, ax=axes[0], **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.plot_mean_course(np.zeros((0, 5, 3)), EMOTIONS, ax=axes[1], **options)
    plots.plot_mean_course(np.full((2, 3, 3), 1 / 3), EMOTIONS, ax=axes[2], **options)
    assert [text.get_text() for text in axes[1].texts] == ["no clip"]
    assert len(axes[1].get_legend_handles_labels()[1]) == 3
    assert axes[0].get_xlim() == (0, 0.4)
    plt.close("all")


@pytest.mark.slow
def test_two_emotions_and_twelve_clips_go_all_the_way(home, capsys):
    takes = [clip.Take(a, e, t) for a in (1, 2, 3) for e in ("happy", "sad") for t in (1, 2)]
    for take in takes:
        (home / take.file).parent.mkdir(exist_ok=True)
        clip.film_take(home, take)
    rows = [
        {"video": t.file, "audio": t.file, "emotion": t.emotion, "actor": t.actor} for t in takes
    ]
    pd.DataFrame(rows).to_csv(home / "few.csv", index=False)
    small = (
        "N_FRAMES=4 FACE_SIZE=32 N_MELS=32 EPOCHS=1 RESAMPLES=100 BATCH_SIZE=64 "
        """BRANCHES='video_convlstm audio_features' HEADS="['dense']" """
    )
    notebooks = ["--only", "10,11,12,30,40,50,60", "--corpus", "folder"]
    status = command.main([*notebooks, "--data", str(home / "few.csv"), "--parameters", small])
    said = capsys.readouterr().out
    assert status == 0, said
    assert "skipped" not in said
    for branch in ("video_convlstm", "audio_features", "fusion_late"):
        predictions = runs.read_predictions(runs.find_run("folder", branch)["folder"])
        assert len(predictions) == 12
        assert {"p_happy", "p_sad"} == {name for name in predictions if name.startswith("p_")}
