"""A bundle: what a program needs of a network, prepared by NumPy alone."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from data_augmentation.quiet_keras import keras
from modeling.export import bundle, clips, command, joining, measuring, sources
from modeling.export.taken import faces, mels, sound
from preprocessing.disk import arrays
from preprocessing.voice import spectra
from tests.broken_media import write_wav
from tests.made_corpus import write_made_corpus

RATE_HZ = 16000
NOT_OURS = ("modeling", "preprocessing", "data_augmentation", "opencv_model", "tensorflow", "keras")


@pytest.fixture
def samples():
    rng = np.random.default_rng(8)
    times = np.arange(RATE_HZ) / RATE_HZ
    return (0.2 * np.sin(2 * np.pi * 220 * times) + 0.01 * rng.normal(size=RATE_HZ)).astype("f4")


@pytest.mark.parametrize(("n_mels", "window_ms", "hop_ms"), [(64, 32, 16), (40, 25, 10)])
def test_bundled_mels_are_those_of_training(samples, n_mels, window_ms, hop_ms):
    options = {"n_mels": n_mels, "window_ms": window_ms, "hop_ms": hop_ms}
    expected = spectra.log_mel(samples, RATE_HZ, **options)
    found = mels.log_mel(samples, rate_hz=RATE_HZ, **options)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_waves_of_any_width_rate_and_channels_are_read_alike(samples, tmp_path):
    path = write_wav(tmp_path / "a.wav", (samples * 32767).astype(np.int16), RATE_HZ)
    np.testing.assert_allclose(sound.read_wave(path, RATE_HZ), samples, atol=1e-4)
    both = np.stack([samples, np.zeros_like(samples)], axis=1)
    path = write_wav(tmp_path / "b.wav", (both * 32767).astype(np.int16), RATE_HZ)
    np.testing.assert_allclose(sound.read_wave(path, RATE_HZ), samples / 2, atol=1e-4)
    times = np.arange(44100) / 44100
    tone = 0.5 * np.sin(2 * np.pi * 300 * times)
    path = write_wav(tmp_path / "c.wav", (tone * 32767).astype(np.int16), 44100)
    wanted = 0.5 * np.sin(2 * np.pi * 300 * np.arange(RATE_HZ) / RATE_HZ)
    np.testing.assert_allclose(sound.read_wave(path, RATE_HZ), wanted, atol=1e-3)


def test_silence_at_both_ends_is_cut_and_none_within(samples):
    silence = np.zeros(RATE_HZ, np.float32)
    whole = np.concatenate([silence, samples, silence, samples, silence])
    cut = sound.cut_silence(whole, RATE_HZ)
    assert len(samples) * 3 < len(cut) < len(samples) * 3 + 0.5 * RATE_HZ
    assert len(sound.cut_silence(silence, RATE_HZ)) == RATE_HZ


@pytest.mark.parametrize("given", [31, 48, 64, 201])
def test_faces_are_brought_to_size_as_in_training(given, tmp_path):
    frames = np.random.default_rng(9).integers(0, 255, (5, given, given), dtype=np.uint8)
    np.save(tmp_path / "faces.npy", frames)
    found = faces.read_faces(tmp_path / "faces.npy", size=48, n_times=3)
    resizer = joining.make_resizer(given, 48)
    np.testing.assert_allclose(found, resizer @ frames[[0, 2, 4]] @ resizer.T, atol=2e-3)


@pytest.fixture
def source():
    """Return a made network that reads spectrograms and faces, and which of them are there."""
    heard = keras.Input((20, 8), name="mels")
    seen = keras.Input((2, 12, 12), name="faces")
    present = keras.Input((2,), name="present")
    x = keras.ops.mean(heard, axis=1) / 100 * present[:, :1]
    y = keras.ops.mean(seen, axis=(2, 3)) / 255 * present[:, 1:]
    answer = keras.layers.Dense(3, "softmax")(keras.layers.Concatenate()([x, y]))
    audio = {"rate_hz": RATE_HZ, "n_mels": 8, "window_ms": 32, "hop_ms": 16}
    return sources.Source(
        name="made",
        origin="drawn-made/now",
        model=keras.Model([heard, seen, present], answer),
        classes={"posterior": ("neutral", "happy", "sad")},
        contains="all of it",
        facts={"corpus": "drawn", "protocol": "made", "fold": 1, "scores": {}, "notes": []},
        prepared={
            "waveforms": {"window_s": 0.3, "trim": False},
            "audio": audio,
            "faces": {"size": 12, "margin": 0.0, "grey": True},
        },
        present=("audio_made", "video_made"),
        heard=("mels", "faces"),
    )


@pytest.mark.parametrize("to", ["onnx", "litert"])
def test_a_bundle_answers_alone_about_a_wave_and_faces(source, samples, tmp_path, to):
    bundle.write_bundle(source, tmp_path / "made", to=to)
    names = {path.name for path in (tmp_path / "made").iterdir()}
    network = bundle.FORMS[to]
    kept = {"facts.json", "run.py", "CARD.md", "sound.py", "mels.py", "faces.py", network}
    assert names == kept
    for path in (tmp_path / "made").glob("*.py"):
        assert not [name for name in NOT_OURS if f"import {name}" in path.read_text("utf-8")]
        assert len(path.read_text("utf-8").splitlines()) <= 90
    wave = write_wav(tmp_path / "voice.wav", (samples * 32767).astype(np.int16), RATE_HZ)
    frames = np.random.default_rng(3).integers(0, 255, (7, 30, 30), dtype=np.uint8)
    np.save(tmp_path / "faces.npy", frames)
    heard = mels.log_mel(sound.cut_middle(sound.read_wave(wave, RATE_HZ), 4800), **AUDIO)
    heard = mels.fit_times(heard, 20)[None]
    seen = faces.read_faces(tmp_path / "faces.npy", size=12, n_times=2)[None]
    for files, present in [(["voice.wav", "faces.npy"], [1, 1]), (["voice.wav"], [1, 0])]:
        command = [sys.executable, "-I", "made/run.py", *files]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        said = json.loads(done.stdout)
        given = [heard, seen * present[1], np.array([present], np.float32)]
        expected = np.asarray(source.model(given))[0]
        np.testing.assert_allclose(list(said["posterior"].values()), expected, atol=1e-4)
        assert said["largest"] == ("neutral", "happy", "sad")[expected.argmax()]


AUDIO = {"rate_hz": RATE_HZ, "n_mels": 8, "window_ms": 32, "hop_ms": 16}


def test_no_test_actor_is_read_and_validation_actors_come_first(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    folder = write_made_corpus(tmp_path)
    source = SimpleNamespace(facts={"protocol": "luna5", "fold": 2}, inputs={"mels": (None, 12, 8)})
    rows, n_val, true = clips.choose_clips(source, "ravdess", 40)
    table = arrays.read_clips(folder).iloc[rows]
    assert set(table["actor"][:n_val]) == {"10", "11"}
    assert not set(table["actor"]) & {"03", "06", "07", "13", "18"}
    assert len(rows) == 40
    assert list(true) == list(table["emotion"])


def test_what_loses_too_much_in_eight_bits_is_named():
    rows = [("a", "ONNX int8", 0.99, 0.0), ("b", "LiteRT int8", 0.6, 0.0)]
    rows += [("c", "ONNX int8", 1.0, 4.0), ("d", "LiteRT", 0.5, 9.0)]
    table = pd.DataFrame(rows, columns=["network", "form", "same", "points"])
    assert list(measuring.find_unusable(table)["network"]) == ["b", "c"]


def test_wrong_names_are_refused_in_words(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    for name in ("shipped/nobody", "drawn-nothing"):
        assert command.main([name, "--to", "onnx", "--out", str(tmp_path / "x")]) == 2
        assert name.split("/")[-1] in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_fusion_bears_that_one_side_is_missing(tmp_path):
    shares = np.random.default_rng(4).dirichlet(np.ones(8)).astype(np.float32)
    np.save(tmp_path / "voice.npy", shares)
    source = sources.read_shipped("fusion")
    bundle.write_bundle(source, tmp_path / "fusion", to="onnx")
    command = [sys.executable, "-I", "fusion/run.py", "voice.npy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)["posterior"]
    nothing = np.zeros((1, 8), np.float32)
    expected = np.asarray(source.model({"voice": shares[None], "face": nothing}))[0]
    np.testing.assert_allclose(list(said.values()), expected, atol=1e-5)
    assert (tmp_path / "fusion" / "CARD.md").read_text("utf-8").startswith("# fusion")
