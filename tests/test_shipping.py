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


SOUND = np.random.default_rng(0).normal(0, 0.1, (2, 16000)).astype(np.float32)
FACES = np.random.default_rng(0).integers(0, 255, (2, 48, 48, 1), dtype=np.uint8)
VOICE = np.full((2, 8), 1 / 8, np.float32)
SEEN = np.full((2, 90, 7), 1 / 7, np.float32)


@pytest.fixture(scope="module")
def networks():
    return {name: shipping.load_shipped(name) for name in NAMES}


@pytest.mark.parametrize(
    ("name", "asked", "words"),
    [
        ("voice", np.where(SOUND > 0.3, np.nan, SOUND), "NaN or infinity, first in clip 0"),
        ("voice", (SOUND * 32768).astype(np.int16), "are int16; expected float32"),
        ("voice", SOUND * 32768, "reach .*; expected -1 to 1"),
        ("voice", SOUND[0], r"shape \(16000,\).* waveform\[None\]"),
        ("voice", SOUND.T, r"shape \(16000, 2\).* mean"),
        ("voice", np.stack([SOUND, SOUND], axis=2), "several channels take the mean"),
        ("voice", SOUND[:, :500], "500 samples are too short: 895"),
        ("voice", SOUND[:0], r"shape \(0, 16000\)"),
        ("voice", [SOUND[0], SOUND[1, :9000]], "differ in shape"),
        ("voice", "clip.wav", "expected an array of numbers"),
        ("expression", FACES / np.float32(255), "reach 0.99.* 0 to 255. Multiply"),
        ("expression", FACES.astype(np.float32) * 2, "expected 0 to 255"),
        ("expression", np.where(FACES > 250, np.nan, FACES), "expected 0 to 255"),
        ("expression", FACES[0], r"shape \(48, 48, 1\)"),
        ("expression", FACES.repeat(2, axis=1), r"shape \(2, 96, 48, 1\)"),
        ("expression", FACES.repeat(3, axis=3), r"shape \(2, 48, 48, 3\)"),
        ("fusion", {"voice": VOICE}, "expected a dict of voice and expressions"),
        ("fusion", {"voice": VOICE, "expressions": SEEN[:, :30]}, r"\(2, 30, 7\)"),
        ("fusion", {"voice": VOICE[:1], "expressions": SEEN}, "1 of voice, 2 of expressions"),
        ("fusion", {"voice": VOICE * 3, "expressions": SEEN}, "voice hold rows that are no post"),
    ],
)
def test_what_a_shipped_network_cannot_read_is_refused(networks, name, asked, words):
    with pytest.raises(ValueError, match=words) as caught:
        networks[name].predict(asked, verbose=0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("level", [0, 3e-4])
def test_of_silence_nothing_is_claimed(networks, level):
    sound = SOUND.copy()
    sound[1] = 0.2 + np.clip(sound[1], -1, 1) * level  # an offset is no sound
    posteriors = networks["voice"].predict(sound, verbose=0)
    assert np.isfinite(posteriors[0]).all()
    assert np.isnan(posteriors[1]).all()


def test_of_no_face_nothing_is_claimed(networks):
    faces = FACES * np.uint8([1, 0])[:, None, None, None]
    for posteriors in networks["expression"].predict(faces, verbose=0).values():
        assert np.isfinite(posteriors[0]).all()
        assert np.isnan(posteriors[1]).all()


def test_fusion_takes_nan_for_a_missing_modality(networks):
    voice = np.stack([VOICE[0], np.full(8, np.nan, np.float32), np.full(8, np.nan, np.float32)])
    seen = np.stack([SEEN[0], SEEN[0], np.zeros_like(SEEN[0])])
    found = networks["fusion"].predict({"voice": voice, "expressions": seen}, verbose=0)
    zeros = {"voice": np.nan_to_num(voice), "expressions": seen}
    np.testing.assert_array_equal(found, networks["fusion"].predict(zeros, verbose=0))
    assert np.isfinite(found[:2]).all()
    assert np.isnan(found[2]).all()


def test_faces_scaled_to_one_are_refused(networks):
    with pytest.raises(ValueError, match="Multiply them by 255"):
        expression_network.describe_faces(networks["expression"], FACES[None, ..., 0] / 255)


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
