import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_augmentation import damage
from data_augmentation.quiet_keras import keras
from modeling.fusion import damage as fusion_damage
from modeling.fusion import experts, heads
from modeling.training import inputs, loop, runs
from modeling.training.layers import StatisticsPooling
from preprocessing import analyse
from preprocessing.disk import arrays
from preprocessing.voice import spectra
from tests.made_corpus import EMOTIONS, write_made_corpus


@settings(max_examples=30, deadline=None)
@given(share=st.floats(0, 1), n_frames=st.integers(1, 9))
def test_lost_frames_are_zeros_and_one_stays(share, n_frames):
    sequences = np.zeros((2, 10, 3), np.float32)
    sequences[:, :n_frames] = np.arange(1, n_frames + 1)[None, :, None]
    rng = np.random.default_rng(0)
    worse = damage.lose_frames(sequences, share, rng=rng)
    n_lost = min(round(share * n_frames), n_frames - 1)
    for clip in worse[:, :n_frames, 0]:
        assert (clip > 0).sum() == n_frames - n_lost
        assert len(set(clip[clip > 0])) == n_frames - n_lost
    assert not worse[:, n_frames:].any()
    assert (sequences[:, :n_frames] > 0).all()  # the sequences themselves are left alone


@pytest.mark.parametrize("shape", [(1, 2, 16, 16), (1, 2, 16, 16, 3)])
def test_blur_spreads_within_a_frame_only(shape):
    faces = np.zeros(shape, np.uint8)
    faces[0, 0, 8, 8] = 255
    blurred = damage.blur_faces(faces, 2)
    assert blurred.shape == shape
    assert blurred.dtype == np.uint8
    assert 0 < blurred[0, 0].max() < 60
    assert not blurred[0, 1].any()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    folder = write_made_corpus(tmp_path)
    clips = arrays.read_clips(folder).assign(window_s=0.09)
    arrays.write_clips(folder, clips)
    sounds = np.random.default_rng(0).normal(0, 0.1, (72, 1600)).astype(np.float32)
    sounds[:, 1440:] = 0
    made = {"waveforms": sounds}
    arrays.write_stage(folder, "waveforms", parameters={"rate_hz": 16000}, arrays=made)
    analyse.analyse_corpus(
        "ravdess", n_mels=8, n_mfcc=4, window_ms=20, hop_ms=10, n_jobs=0, progress=False
    )
    return folder


def test_noise_has_the_power_asked_for_and_ends_with_the_clip(folder):
    rows = np.array([3, 0])
    clean = arrays.read_array(folder, "waveforms")[rows]
    noisy = damage.change_voices("ravdess", rows, "waveforms", {"noise": 10})
    n = 1440
    noise = (noisy - clean)[:, :n]
    ratio = 10 * np.log10(np.mean(clean[:, :n] ** 2) / np.mean(noise**2))
    assert ratio == pytest.approx(10, abs=1)
    np.testing.assert_array_equal(noisy[:, n:], clean[:, n:])
    again = damage.change_voices("ravdess", rows[::-1], "waveforms", {"noise": 10})
    np.testing.assert_array_equal(again[::-1], noisy)  # a clip's noise is its own


def test_noise_fills_the_spectrogram(folder):
    rows = np.arange(4)
    clean = arrays.read_array(folder, "mels")[rows]
    noisy = damage.change_voices("ravdess", rows, "mels", {"noise": 0})
    assert noisy.shape == clean.shape
    assert (noisy - clean).mean() > 1


@pytest.mark.parametrize("channel", fusion_damage.CHANNELS)
def test_channels_change_voices_and_spectrograms_alike_and_end_with_the_clip(folder, channel):
    rows, changes = np.array([3, 0]), fusion_damage.CHANNELS[channel]
    facts = arrays.read_facts(folder, "audio")["parameters"]
    spectrum = {name: facts[name] for name in ("n_mels", "window_ms", "hop_ms")}
    clean = arrays.read_array(folder, "waveforms")[rows]
    worse = damage.change_voices("ravdess", rows, "waveforms", changes)
    assert np.isfinite(worse).all()
    assert (worse[:, :1440] != clean[:, :1440]).any(axis=1).all()
    np.testing.assert_array_equal(worse[:, 1440:], clean[:, 1440:])
    mels = damage.change_voices("ravdess", rows, "mels", changes)
    for voice, mel in zip(worse, mels, strict=True):
        own = spectra.log_mel(voice[:1440], 16000, **spectrum)
        np.testing.assert_allclose(mel[: len(own)], own, atol=1e-3)


def test_a_telephone_has_no_bass_and_no_hiss(folder):
    clean = arrays.read_array(folder, "waveforms")[:1, :1440]
    worse = damage.change_voices("ravdess", [0], "waveforms", fusion_damage.CHANNELS["telephone"])
    ratio = np.abs(np.fft.rfft(worse[0, :1440]) / np.fft.rfft(clean[0])) ** 2
    hz = np.fft.rfftfreq(1440, 1 / 16000)
    assert np.median(ratio[(hz < 150) | (hz > 5000)]) < 0.01
    assert np.median(ratio[(hz > 500) & (hz < 3000)]) == pytest.approx(1, abs=0.2)


def save_branch(branch, array):
    """Train a tiny network on an array and save it as a run."""
    parts = inputs.read_parts("ravdess", array)
    loop.set_seed(1)
    start = keras.Input(parts["train"].x.shape[1:])
    x = keras.layers.Flatten()(keras.layers.Rescaling(0.01)(start))
    x = keras.layers.Dense(8, activation="relu", name="embedding")(x)
    posterior = keras.layers.Dense(3, activation="softmax", name="posterior")(x)
    model = keras.Model(start, posterior)
    model.compile("adam", loss="categorical_crossentropy", metrics=["accuracy"])
    batches = (inputs.make_batches(parts[name], seed=1) for name in ("train", "val"))
    loop.train_model(model, *batches, epochs=15, patience=15, lines=1)
    predictions, embeddings = loop.predict_parts(model, parts, fold=1)
    shared = {"corpus": "ravdess", "protocol": "luna5", "fold": 1, "parameters": {}}
    run = runs.Run(branch, modality="face" if array == "faces" else "voice", **shared, array=array)
    run.save_model(model)
    run.save_predictions(predictions, embeddings)
    run.finish({})


def test_curves_begin_where_the_clean_scores_are(folder):
    assert StatisticsPooling  # its module registers the layers
    for branch, array in {"video_a": "faces", "audio_b": "mels", "voice_c": "waveforms"}.items():
        save_branch(branch, array)
    found = heads.find_branches("ravdess", "video_a audio_b voice_c", protocol="luna5", fold=1)
    tables = {name: runs.read_predictions(facts["folder"]) for name, facts in found.items()}
    product = experts.fit_product(tables, EMOTIONS, heads.group_branches(found))
    worse = fusion_damage.measure_degradation(found, tables, product)
    assert list(worse) == list(fusion_damage.CONDITIONS)
    noise = worse["Noise over the voice"]
    assert list(noise) == ["audio_b", "voice_c", "these fused", "with the rest", "the rest alone"]
    assert list(noise.index) == ["clean", "20 dB", "10 dB", "5 dB", "0 dB"]
    fused = product.fuse(tables)
    assert noise.loc["clean", "with the rest"] == heads.score_test(fused, EMOTIONS)
    alone = heads.score_test(tables["video_a"], EMOTIONS)
    assert (noise["the rest alone"] == alone).all()
    for name in ("audio_b", "voice_c"):
        assert noise.loc["clean", name] == heads.score_test(tables[name], EMOTIONS)
    blur = worse["Faces blurred"]["video_a"]
    assert blur["sharp"] == heads.score_test(tables["video_a"], EMOTIONS)
    assert blur["8 px"] <= blur["sharp"]


def test_curves_are_described_as_they_lie():
    curves = {
        "a": [0.9, 0.5],
        "b": [0.8, 0.6],
        "these fused": [0.9, 0.5],
        "with the rest": [1, 0.6],
    }
    table = pd.DataFrame(curves, index=["clean", "5 dB"])
    assert fusion_damage.describe_curves(table) == (
        "these fused: below a part at 5 dB; with the rest: below no part"
    )
    table["the rest alone"] = 0.7
    assert fusion_damage.describe_curves(table) == (
        "these fused: below a part at 5 dB; with the rest: below a part at 5 dB"
    )
    assert fusion_damage.describe_curves(table[["a", "b"]]) == ""


def test_branches_are_grouped_by_what_their_runs_say_and_not_by_their_names():
    said = {"audio_x": "face", "voice_y": "voice", "z": "face and voice", "w": "voice"}
    found = {name: {"modality": modality} for name, modality in said.items()}
    assert heads.group_branches(found) == {
        "face": ["audio_x"],
        "voice": ["voice_y", "w"],
        "face and voice": ["z"],
    }
    assert heads.join_modalities(found) == "face and voice"
    assert heads.join_modalities({"w": found["w"]}) == "voice"


def test_a_run_older_than_modalities_is_named(tmp_path):
    with pytest.raises(ValueError, match="run of audio_x .* Run the notebook of that branch"):
        heads.group_branches({"audio_x": {"folder": tmp_path}})
