"""What notebook 70 shows of a clip of one's own: frames, a scene, adaptation, an own run."""

import json
import subprocess
import sys

import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from modeling.predict import networks, predict_clip, showing
from modeling.scores import metrics
from preprocessing.corpora import EMOTIONS
from preprocessing.corpora.drawn import clip, scene, voice
from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def shipped():
    return networks.load_networks()


@pytest.fixture(scope="module")
def takes(tmp_path_factory):
    """Return the paths of clips of one drawn actor."""
    folder = tmp_path_factory.mktemp("takes")
    emotions = ("happy", "sad", "angry", "calm")
    return [folder / clip.film_take(folder, clip.Take(1, emotion, 2)) for emotion in emotions]


def read_sides(table, side):
    return table[[f"{side}_{emotion}" for emotion in EMOTIONS]].to_numpy(float)


def test_coverage_counts_the_surest_first():
    posteriors = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.55, 0.45]])
    share, right = metrics.measure_coverage([0, 0, 1, 1], posteriors)
    assert share.tolist() == [0.25, 0.5, 0.75, 1]
    np.testing.assert_allclose(right, [1, 1, 2 / 3, 1 / 2])


def test_voices_of_a_scene_go_to_who_talks(tmp_path, shipped):
    path = tmp_path / "scene.mp4"
    turns = scene.film_scene(path, [clip.Take(1, "happy", 1), clip.Take(2, "angry", 1)])
    found = predict_clip(path, networks=shipped, window_s=1.2)
    middles = found.table[["start_s", "end_s"]].mean(axis=1)
    heard = np.isfinite(read_sides(found.table, "voice")).all(axis=1)
    for number, (start_s, end_s, _) in enumerate(turns, 1):
        own = heard & (middles > start_s + 0.5) & (middles < end_s - 0.5)
        assert set(found.table.loc[own, "person"]) == {number}


def test_one_actor_alone_is_filmed_take_after_take(tmp_path, shipped):
    takes = [clip.Take(1, emotion, 1) for emotion in ("happy", "sad", "angry", "calm")]
    turns = scene.film_scene(tmp_path / "alone.mp4", takes)
    assert [start_s for start_s, *_ in turns[1:]] == [end_s for _, end_s, _ in turns[:-1]]
    plain, adapted = (
        predict_clip(tmp_path / "alone.mp4", window_s=1.5, networks=shipped, adapt=adapt).table
        for adapt in (False, True)
    )
    assert set(plain["person"]) == {1}
    assert np.abs(read_sides(adapted, "both") - read_sides(plain, "both")).max() > 0.02


def test_frames_are_those_shown_at_their_times(tmp_path):
    greys = np.arange(20, 220, 20, dtype=np.uint8)
    frames = np.broadcast_to(greys[:, None, None, None], (10, 64, 64, 3))
    path = tmp_path / "steps.mp4"
    clip.write_mp4(path, frames, 10, np.zeros(voice.RATE_HZ, np.float32), voice.RATE_HZ)
    shown = showing.take_frames(path, [0.05, 0.42, 0.95, 7.0])
    np.testing.assert_allclose([own.mean() for own in shown], greys[[0, 4, 9, 9]], atol=3)
    Image.fromarray(frames[3]).save(tmp_path / "still.png")
    (still,) = showing.take_frames(tmp_path / "still.png", [0.0])
    np.testing.assert_array_equal(still, frames[3])
    assert "data:video/mp4;base64," in showing.embed_video(path).data
    assert "too large" in showing.embed_video(path, most_bytes=10).data


def test_the_clip_to_show_is_ones_own_or_the_corpuss(tmp_path, takes, monkeypatch):
    assert showing.choose_clip("drawn", chosen=str(takes[0])) == (takes[0], "")
    address = "https://example.org/talk.webm"
    assert showing.choose_clip("drawn", chosen=address) == (address, "")
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"No file gone\.mp4"):
        showing.choose_clip("drawn", chosen="gone.mp4")
    with pytest.raises(FileNotFoundError, match="10_corpus"):
        showing.choose_clip("drawn")


def test_own_voice_says_what_its_network_does(tmp_path, shipped, takes):
    """A made run, whose network finds everything sad."""
    from data_augmentation.quiet_keras import keras
    from modeling.predict.own_run import OwnVoice

    said = ("happy", "sad")
    waveforms = keras.Input((None,))
    mean = keras.ops.mean(keras.ops.abs(waveforms), axis=1, keepdims=True)
    start = keras.initializers.Constant([0.0, 3.0])
    model = keras.layers.Dense(2, "softmax", kernel_initializer="zeros", bias_initializer=start)
    keras.Model(waveforms, model(mean)).save(tmp_path / "model.keras")
    facts = {"array": "waveforms", "branch": "audio_mine"}
    (tmp_path / "parameters.json").write_text(json.dumps(facts), "utf-8")
    row = pd.DataFrame({"clip_id": ["a"], "p_happy": [0.5], "p_sad": [0.5]})
    row.to_csv(tmp_path / "predictions.csv", index=False)
    found = predict_clip(takes[0], networks=OwnVoice(shipped, tmp_path)).table
    plain = predict_clip(takes[0], networks=shipped).table
    expected = 1 / (1 + np.exp([3.0, -3.0]))
    np.testing.assert_allclose(found[[f"voice_{e}" for e in said]].iloc[0], expected, atol=1e-4)
    np.testing.assert_array_equal(read_sides(found, "face"), read_sides(plain, "face"))
    (tmp_path / "parameters.json").write_text(json.dumps(facts | {"array": "mels"}), "utf-8")
    with pytest.raises(ValueError, match="audio_mine reads mels"):
        OwnVoice(shipped, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"model\.keras"):
        OwnVoice(shipped, tmp_path / "nowhere")


def test_notebook_starts_without_tensorflow():
    (path,) = (REPOSITORY / "modeling").glob("70_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    (imports,) = (c.source for c in cells if c.source.startswith("import json"))
    code = f"import sys\n{imports}\nassert not {{'tensorflow', 'keras'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_picture_of_the_readme_is_small_enough():
    assert showing.PICTURE.stat().st_size < 200_000
