"""A clip of one's own under the shipped networks: as the notebooks read it, and adapted."""

import numpy as np
import pytest

from modeling.predict import networks, predict_clip
from modeling.predict.timeline import POSTERIORS
from preprocessing.corpora import EMOTIONS
from tests.test_predict import join_films


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
