"""What notebook 70 shows of a clip of one's own: frames, a scene, adaptation, an own run."""

import json
import subprocess
import sys

import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from modeling.predict import adapting, networks, predict_clip, showing
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


def test_remembering_changes_no_answer_and_windows_find_their_embeddings(shipped, takes):
    remembering = adapting.Remembering(shipped)
    found = predict_clip(takes[0], networks=remembering)
    pd.testing.assert_frame_equal(found.table, predict_clip(takes[0], networks=shipped).table)
    for side in ("voice", "face"):
        kept = remembering.recall(side, read_sides(found.table, side).astype(np.float32))
        assert np.isfinite(kept).all() and len(kept) == 1
    with pytest.raises(KeyError):
        remembering.recall("voice", np.full((1, 8), 0.125, np.float32))


def test_joined_clips_of_a_person_are_read_as_of_one_whom_one_knows(shipped, takes):
    remembering = adapting.Remembering(shipped)
    parts = [predict_clip(path, networks=remembering) for path in takes]
    joined = adapting.join_timelines(parts, "joined")
    starts, ends = joined.table["start_s"].to_numpy(), joined.table["end_s"].to_numpy()
    assert starts[0] == 0 and np.allclose(starts[1:], ends[:-1])
    assert joined.facts["duration_s"] == pytest.approx(ends[-1])
    assert joined.faces["time_s"].is_monotonic_increasing
    before = joined.table.copy()
    adapted = adapting.adapt_timeline(joined, remembering).table
    pd.testing.assert_frame_equal(joined.table, before)
    both = read_sides(adapted, "both")
    np.testing.assert_allclose(both.sum(axis=1), 1, atol=1e-5)
    assert np.abs(both - read_sides(before, "both")).max() > 0.02
    np.testing.assert_allclose(adapted["confidence"], both.max(axis=1), atol=1e-6)
    said = np.take(EMOTIONS, both.argmax(axis=1))
    said = np.where(both.max(axis=1) < shipped.unsure_below, "unsure", said)
    assert adapted["emotion"].tolist() == said.tolist()


def test_a_person_is_known_by_windows_that_do_not_overlap():
    starts = np.arange(0, 5, 0.5)
    spans = np.stack([starts, starts + 1.5], axis=1)
    there = np.ones(10, bool)
    assert np.flatnonzero(adapting.choose_apart(spans, there)).tolist() == [0, 3, 6, 9]
    there[[0, 3]] = False
    assert np.flatnonzero(adapting.choose_apart(spans, there)).tolist() == [1, 4, 7]


def test_voices_of_a_scene_go_to_who_talks(tmp_path, shipped):
    path = tmp_path / "scene.mp4"
    turns = scene.film_scene(path, [clip.Take(1, "happy", 1), clip.Take(2, "angry", 1)])
    found = predict_clip(path, networks=shipped, window_s=1.2)
    middles = found.table[["start_s", "end_s"]].mean(axis=1)
    heard = np.isfinite(read_sides(found.table, "voice")).all(axis=1)
    for number, (start_s, end_s, _) in enumerate(turns, 1):
        own = heard & (middles > start_s + 0.5) & (middles < end_s - 0.5)
        assert set(found.table.loc[own, "person"]) == {number}
    with pytest.raises(ValueError, match="1 actors"):
        scene.film_scene(path, [clip.Take(1, "happy", 1)])


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


def test_clips_to_show_are_one_persons_or_ones_own(tmp_path, takes, monkeypatch):
    assert showing.choose_clips("drawn", chosen=str(takes[0]))["path"].tolist() == [takes[0]]
    address = "https://example.org/talk.webm"
    assert showing.choose_clips("drawn", chosen=address)["path"].tolist() == [address]
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"No file gone\.mp4"):
        showing.choose_clips("drawn", chosen="gone.mp4")
    with pytest.raises(FileNotFoundError, match="10_corpus"):
        showing.choose_clips("drawn")


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
