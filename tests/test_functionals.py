import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from modeling.split import leak_meter, protocol
from modeling.training import functionals
from preprocessing.corpora import COLUMNS
from preprocessing.disk import arrays


def test_statistics_of_a_ramp_are_known():
    frames = np.stack([np.arange(11.0), np.full(11, 3.0)], axis=1)
    values = functionals.describe_frames(frames).reshape(len(functionals.STATISTICS), 2)
    ramp, flat = (dict(zip(functionals.STATISTICS, column, strict=True)) for column in values.T)
    assert ramp["mean"] == 5
    assert ramp["std"] == pytest.approx(np.sqrt(10))
    assert (ramp["p10"], ramp["p50"], ramp["p90"]) == (1, 5, 9)
    assert (ramp["slope_std"], ramp["slope_abs"]) == (0, 1)
    assert (flat["mean"], flat["std"], flat["slope_abs"]) == (3, 0, 0)


def test_what_lies_behind_a_clips_end_does_not_count(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    folder = arrays.corpus_folder("folder")
    clips = pd.DataFrame([dict.fromkeys(COLUMNS, "") | {"clip_id": c} for c in "ab"])
    clips = clips.assign(status="ok", reason="", window_s=[0.1, 0.2])
    arrays.write_clips(folder, clips)
    made = {"waveforms": np.zeros((2, 10), np.float32)}
    arrays.write_stage(folder, "waveforms", parameters={"rate_hz": 8000}, arrays=made)
    mels = np.random.default_rng(0).normal(size=(2, 20, 3)).astype(np.float32)
    mels[0, 10:] = -100
    features = pd.DataFrame({"clip_id": ["a", "b"], "f0_mean_hz": [np.nan, 200.0]})
    made = {"mels": mels, "mfcc": mels[:, :, :2]}
    parameters = {"hop_ms": 10}
    arrays.write_stage(
        folder, "audio", parameters=parameters, arrays=made, tables={"features": features}
    )
    table = functionals.describe_corpus("folder")
    assert list(table.index) == ["a", "b"]
    assert table.shape[1] == 1 + len(functionals.STATISTICS) * 5
    assert table.loc["a", "f0_mean_hz"] == 0
    assert table.loc["a", "mels_01_mean"] == pytest.approx(mels[0, :10, 0].mean(), rel=1e-5)
    assert table.loc["b", "mels_01_mean"] == pytest.approx(mels[1, :, 0].mean(), rel=1e-5)


def make_clips(n_actors=10):
    """Clips whose features say who speaks, and what only in each actor's own way."""
    rows, features, rng = [], [], np.random.default_rng(0)
    for actor in range(n_actors):
        own = rng.normal(size=(3, 20)) * 3
        for take in range(8):
            for number, emotion in enumerate(("happy", "sad", "angry")):
                facts = {"clip_id": f"{actor}-{emotion}-{take}", "actor": str(actor)}
                facts |= {"emotion": emotion, "gender": "f" if actor % 2 else "m"}
                rows.append(dict.fromkeys(COLUMNS, "") | facts)
                features.append(own[number] + rng.normal(size=20))
    return pd.DataFrame(rows), np.array(features)


def test_the_leak_meter_shows_what_knowing_the_speakers_is_worth():
    clips, features = make_clips()
    model = LogisticRegression(max_iter=500)
    leak = leak_meter.measure_leak(clips, features, model, split="group_kfold")
    assert list(leak.index) == ["random split", "by actor", "by actor, actors centred"]
    assert leak["known_speakers"].tolist() == [True, False, True]
    assert leak.loc["random split", "accuracy"] > leak.loc["by actor", "accuracy"] + 0.2
    assert not hasattr(model, "coef_")  # copies were trained


def test_the_leak_meter_shows_what_hearing_a_speaker_before_is_worth():
    clips, _ = make_clips()
    rng = np.random.default_rng(1)
    pattern = {emotion: rng.normal(size=20) for emotion in ("happy", "sad", "angry")}
    voice = {actor: rng.normal(size=20) * 9 for actor in clips["actor"]}
    pairs = zip(clips["emotion"], clips["actor"], strict=True)
    features = np.array([pattern[emotion] + voice[actor] for emotion, actor in pairs])
    model = LogisticRegression(max_iter=500)
    leak = leak_meter.measure_leak(clips, features, model, split="group_kfold")["accuracy"]
    assert leak["by actor, actors centred"] == 1
    assert leak["by actor"] < 0.9


def test_the_leak_meter_gives_means_over_folds_that_train_on_all_that_is_not_tested():
    clips, features = make_clips(n_actors=7)  # folds of two, two, two actors and one
    kept = ~((clips["emotion"] == "sad") & (clips["clip_id"].str[-1] > "2")).to_numpy()
    clips, features = clips[kept].reset_index(drop=True), features[kept]
    model = LogisticRegression(max_iter=500)
    leak = leak_meter.measure_leak(clips, features, model, split="group_kfold")
    words = clips["emotion"].to_numpy()
    for title, name in {"random split": "random", "by actor": "group_kfold"}.items():
        shares, recalls, n_train = [], [], []
        for fold in range(1, protocol.count_folds(name, clips) + 1):
            parts = protocol.split_clips(clips, protocol=name, fold=fold, allow_leak=True)
            test = parts == "test"
            said = model.fit(features[~test], words[~test]).predict(features[test])
            right = said == words[test]
            shares.append(right.mean())
            recalls.append(np.mean([right[words[test] == word].mean() for word in set(words)]))
            n_train.append((~test).sum())
        assert leak.loc[title, "accuracy"] == pytest.approx(np.mean(shares))
        assert leak.loc[title, "unweighted_recall"] == pytest.approx(np.mean(recalls))
        assert leak.loc[title, "train_clips"] == n_train[0]
    assert len(set(n_train)) > 1
    assert leak["accuracy"].ne(leak["unweighted_recall"]).all()
