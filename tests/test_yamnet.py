import numpy as np
import pytest

from modeling.yamnet import (
    FIRST,
    RATE_HZ,
    STEP,
    RandomYamnet,
    count_patches,
    embed_waveforms,
    read_class_names,
)


def fake_yamnet(waveform):
    """Return a row a patch: its number from 1 in every feature."""
    n = count_patches(len(waveform) / RATE_HZ)
    return None, np.repeat(np.arange(1, n + 1, dtype=np.float32)[:, None], 1024, axis=1), None


@pytest.fixture(scope="module")
def stand_in():
    return RandomYamnet()


@pytest.mark.parametrize(
    ("n_samples", "n_patches"),
    [(0, 0), (1, 1), (FIRST, 1), (FIRST + 1, 2), (FIRST + STEP, 2), (FIRST + STEP + 1, 3)],
)
def test_patches_are_counted_as_yamnet_cuts_them(n_samples, n_patches, stand_in):
    assert count_patches(n_samples / RATE_HZ) == n_patches
    if n_samples:
        assert len(stand_in(np.zeros(n_samples, np.float32))[1]) == n_patches


def test_rows_behind_a_shorter_clip_are_zeros():
    sounds = np.ones((3, 40000), np.float32)
    embeddings = embed_waveforms(fake_yamnet, sounds, [2.5, 1.0, 0.0], RATE_HZ, progress=False)
    assert embeddings.shape == (3, 5, 1024)
    assert embeddings.dtype == np.float32
    assert embeddings[:, :, 0].tolist() == [[1, 2, 3, 4, 5], [1, 2, 0, 0, 0], [0, 0, 0, 0, 0]]


def test_padding_does_not_change_a_clips_embeddings(stand_in):
    sound = np.random.default_rng(0).normal(0, 0.1, (1, 20000)).astype("float32")
    padded = np.pad(sound, ((0, 0), (0, 20000)))
    alone = embed_waveforms(stand_in, sound, [1.25], RATE_HZ, progress=False)
    among = embed_waveforms(stand_in, padded, [1.25], RATE_HZ, progress=False)
    np.testing.assert_allclose(among[:, : alone.shape[1]], alone, atol=1e-4)
    assert not among[:, alone.shape[1] :].any()


def test_a_length_beyond_the_waveform_is_cut():
    sounds = np.ones((1, 16000), np.float32)
    assert embed_waveforms(fake_yamnet, sounds, [9.0], RATE_HZ, progress=False).shape[1] == 2


def test_another_rate_is_refused():
    with pytest.raises(ValueError, match="have 8000 Hz; YAMNet hears 16000. Set RATE_HZ"):
        embed_waveforms(fake_yamnet, np.ones((1, 8000)), [1.0], 8000)


def test_lengths_must_match_the_clips():
    with pytest.raises(ValueError, match="with 1 lengths"):
        embed_waveforms(fake_yamnet, np.ones((2, 8000)), [1.0], RATE_HZ)


def test_the_stand_in_is_the_same_every_time(stand_in):
    sound = np.random.default_rng(0).normal(0, 0.1, 16000).astype("float32")
    np.testing.assert_array_equal(stand_in(sound)[1], RandomYamnet()(sound)[1])
    assert not np.allclose(stand_in(sound)[1], RandomYamnet(seed=1)(sound)[1])


def test_the_stand_in_scores_nothing(stand_in):
    assert stand_in(np.zeros(16000, np.float32))[0] is None
    assert read_class_names(stand_in) == ()


def test_the_stand_in_tells_sounds_apart(stand_in):
    noise = np.random.default_rng(0).normal(0, 0.1, 15600).astype("float32")
    tone = np.sin(np.arange(15600) / 5).astype("float32")
    difference = np.asarray(stand_in(noise)[1]) - np.asarray(stand_in(tone)[1])
    assert np.abs(difference).max() > 0.01
