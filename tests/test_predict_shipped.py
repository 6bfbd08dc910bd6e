"""A clip of one's own under the shipped networks: as the notebooks read it, and adapted."""

import numpy as np
import pytest

from modeling.predict import networks, predict_clip
from modeling.predict.timeline import POSTERIORS
from opencv_model.resnet_ssd import open_detector
from preprocessing.clips import decode
from preprocessing.corpora import EMOTIONS
from preprocessing.corpora.drawn import clip as drawn
from preprocessing.faces.crop import crop_clip
from tests.test_predict import FPS, RATE_HZ, join_films, perform

FACE_TOLERANCE = 0.1  # of posteriors: 16 pictures of a clip are not ten a second


@pytest.fixture(scope="module")
def shipped():
    return networks.load_networks()


@pytest.mark.real_data
def test_actor_who_is_known_by_now_is_read_otherwise(tmp_path, real_data, shipped):
    clips = sorted((real_data / "ravdess" / "Actor_05").glob("*.mp4"))
    path = join_films(tmp_path / "joined.mkv", clips)
    plain, adapted = (
        predict_clip(path, networks=shipped, step_s=1.0, adapt=adapt).table for adapt in (0, 1)
    )
    same = ["start_s", "end_s", "person", "state", "speech_s", "face_share", "remarks"]
    assert plain[same].equals(adapted[same])
    before, after = (own[list(POSTERIORS)].to_numpy() for own in (plain, adapted))
    np.testing.assert_array_equal(np.isnan(before), np.isnan(after))
    for side in ("voice", "face", "both"):
        posteriors = adapted[[f"{side}_{emotion}" for emotion in EMOTIONS]].dropna().to_numpy()
        assert len(posteriors) > 10
        np.testing.assert_allclose(posteriors.sum(axis=1), 1, atol=1e-3)
    moved = np.nanmax(np.abs(after - before), axis=0).reshape(3, 8).max(axis=1)
    assert (moved > 0.01).all() and moved.max() < 0.95


def read_as_notebooks_do(path, shipped):
    """Return what is said of a voice, and of a face by a few of its pictures: float32 (8,) each."""
    voice = decode.read_clip(path, path, trim=True)
    shown = decode.read_clip(path, path, n_frames=16, as_frames=True)
    face = crop_clip(shown.frames, open_detector(), shots=shown.shots, size=48, margin=0.0)
    expressions = shipped.look(face.faces[face.found])
    return shipped.hear([voice.waveform])[0], shipped.judge(expressions)


def check_one_window(path, shipped):
    """Read a clip as one window and as the notebooks do: the same sound, but other pictures."""
    table = predict_clip(path, networks=shipped, window_s=60.0, step_s=60.0).table
    assert table.state.tolist() == ["face and voice"]
    voice, face = read_as_notebooks_do(path, shipped)
    columns = {side: [f"{side}_{name}" for name in EMOTIONS] for side in ("voice", "face", "both")}
    row = {side: table.loc[0, names].to_numpy(float) for side, names in columns.items()}
    np.testing.assert_allclose(row["voice"], voice, atol=1e-5)
    np.testing.assert_allclose(row["face"], face, atol=FACE_TOLERANCE)
    np.testing.assert_allclose(row["both"], shipped.fuse(voice, row["face"])[0], atol=1e-4)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["01-01-03-01-01-02-05", "01-01-08-01-02-01-05"])
def test_real_clip_is_read_as_the_notebooks_read_it(real_data, shipped, name):
    check_one_window(real_data / "ravdess" / "Actor_05" / f"{name}.mp4", shipped)


def test_drawn_clip_is_read_as_the_notebooks_read_it(tmp_path, shipped):
    frames, waveform = perform(1, "angry")
    drawn.write_mp4(tmp_path / "drawn.mp4", frames, FPS, waveform, RATE_HZ)
    check_one_window(tmp_path / "drawn.mp4", shipped)
