"""The networks in modeling/shipped/: they load, they are small, they do what is published."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import median_filter

from data_augmentation.quiet_keras import keras
from modeling.expressions import expression_network, fer2013
from modeling.publishing import experiments, shipping
from modeling.training import runs
from preprocessing import corpora
from preprocessing.clips import decode

NAMES = ("voice", "expression", "fusion")


def test_shipped_networks_are_small_and_have_cards():
    sizes = {name: (shipping.FOLDER / f"{name}.keras").stat().st_size for name in NAMES}
    assert sum(sizes.values()) < 10e6
    assert sizes["expression"] < 3e6
    for name in NAMES:
        card = (shipping.FOLDER / f"{name}.md").read_text("utf-8")
        for word in ("Data", "Protocol", "Scores", "Limits", "Not for", "Licence"):
            assert f"## {word}" in card, (name, word)


@pytest.mark.parametrize("n_samples", [1000, 3 * 16000])
def test_shipped_voice_gives_posteriors(n_samples):
    voice = shipping.load_shipped("voice")
    sound = np.random.default_rng(0).normal(0, 0.1, (2, n_samples)).astype(np.float32)
    posteriors = voice.predict(sound, verbose=0)
    assert posteriors.shape == (2, len(corpora.EMOTIONS))
    np.testing.assert_allclose(posteriors.sum(axis=1), 1, atol=1e-5)


def test_shipped_expression_network_reads_any_faces():
    network = shipping.load_shipped("expression")
    faces = np.random.default_rng(0).integers(0, 255, (1, 3, 64, 64), dtype=np.uint8)
    seen, embeddings = expression_network.describe_faces(network, faces)
    assert seen.shape == (1, 3, len(fer2013.CLASSES))
    np.testing.assert_allclose(seen.sum(axis=2), 1, atol=1e-5)
    assert np.isfinite(embeddings).all()


def test_shipped_fusion_bears_a_missing_modality():
    model = shipping.load_shipped("fusion")
    rng = np.random.default_rng(0)
    n_frames = next(i.shape[1] for i in model.inputs if i.name == "expressions")
    voice = rng.dirichlet(np.ones(8), 3).astype(np.float32)
    seen = rng.dirichlet(np.ones(7), (3, n_frames)).astype(np.float32)
    both = model.predict({"voice": voice, "expressions": seen}, verbose=0)
    alone = model.predict({"voice": voice, "expressions": 0 * seen}, verbose=0)
    silent = model.predict({"voice": 0 * voice, "expressions": seen}, verbose=0)
    for posteriors in (both, alone, silent):
        np.testing.assert_allclose(posteriors.sum(axis=1), 1, atol=1e-5)
    assert (alone.argmax(axis=1) == voice.argmax(axis=1)).all()
    product = alone * silent / (alone * silent).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(both, product, atol=1e-3)


def test_unknown_network_says_which_there_are():
    with pytest.raises(ValueError, match="'face' in modeling/shipped; there are expression"):
        shipping.load_shipped("face")


def cut_by_loudness(waveform):
    """Cut as what is published was: to 3 s around what is within 35 dB of the loudest moment."""
    hops = np.square(waveform[: len(waveform) // 160 * 160], dtype=np.float64)
    hops = hops.reshape(-1, 160).mean(axis=1)
    energy = median_filter((hops[:-1] + hops[1:]) / 2, 7, mode="nearest")
    loud = np.flatnonzero(energy >= energy.max() * 10**-3.5)
    first, stop = max(loud[0] * 160 - 1600, 0), min((loud[-1] + 2) * 160 + 1600, len(waveform))
    first += max(stop - first - 48000, 0) // 2
    return np.pad(waveform[first:stop][:48000], (0, max(48000 - (stop - first), 0)))


@pytest.mark.real_data
def test_shipped_voice_repeats_the_published_predictions(real_data):
    paths = sorted((real_data / "ravdess" / "Actor_02").glob("03-*"))[::4]
    waveforms = [cut_by_loudness(decode.read_clip(None, path).waveform) for path in paths]
    found = shipping.load_shipped("voice").predict(np.stack(waveforms), verbose=0)
    published = experiments.read_published(shipping.VOICE).set_index("clip_id")
    published = published.loc[[path.stem[3:] for path in paths]].reset_index()
    assert len(published) == 15
    assert set(published["fold"]) == {shipping.FOLD}
    np.testing.assert_allclose(found, runs.read_posteriors(published)[0], atol=0.01)


@pytest.mark.real_data
def test_shipped_expression_network_repeats_the_published_predictions(real_data):
    parts, _ = fer2013.read_parts(real_data / "fer2013" / "fer2013.zip")
    seven, _ = expression_network.judge_faces(
        shipping.load_shipped("expression"), parts["test"].x[:200]
    )
    published = runs.read_predictions(experiments.PUBLISHED / "expression_fer2013")[:200]
    np.testing.assert_allclose(seven, runs.read_posteriors(published)[0], atol=0.002)


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1))
def test_weights_are_rounded_to_the_bits_kept(values):
    weights = np.array(values, np.float32)
    rounded = shipping.round_weights(weights)
    bits = shipping.KEPT_BITS
    np.testing.assert_allclose(rounded, weights, rtol=2.0 ** -(bits + 1), atol=1e-37)
    assert not (rounded.view(np.uint32) & ((1 << (23 - bits)) - 1)).any()
    np.testing.assert_array_equal(shipping.round_weights(rounded), rounded)


def test_packed_network_loads_and_is_smaller(tmp_path):
    start = keras.Input((64,))
    model = keras.Model(start, keras.layers.Dense(512)(start))
    x = np.ones((1, 64), np.float32)
    before = model.predict(x, verbose=0)
    model.save(tmp_path / "plain.keras")
    shipping.pack_model(model, tmp_path / "packed.keras")
    loaded = keras.models.load_model(tmp_path / "packed.keras", safe_mode=True)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), before, atol=0.01)
    plain, packed = ((tmp_path / f"{n}.keras").stat().st_size for n in ("plain", "packed"))
    assert packed < 0.7 * plain
    assert {path.name for path in tmp_path.iterdir()} == {"plain.keras", "packed.keras"}
