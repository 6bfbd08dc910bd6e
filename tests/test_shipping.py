"""The networks in modeling/shipped/: they load, they are small, they do what is published."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_augmentation.quiet_keras import keras
from modeling.expressions import expression_network, fer2013
from modeling.predict.networks import load_networks
from modeling.publishing import experiments, shipping
from modeling.training import runs
from preprocessing import corpora
from preprocessing.clips import decode

NAMES = ("voice", "face", "expression", "fusion")


def test_shipped_networks_are_small_and_have_cards():
    sizes = {path.name: path.stat().st_size for path in shipping.FOLDER.iterdir()}
    assert sum(sizes[f"{name}.keras"] for name in NAMES) < 12e6
    assert sum(sizes.values()) < 30e6
    for name in NAMES:
        card = (shipping.FOLDER / f"{name}.md").read_text("utf-8")
        for word in ("Data", "Scores", "Limits", "Not for", "Licence"):
            assert f"## {word}" in card, (name, word)


def test_shipped_networks_name_their_classes(networks):
    for name in ("voice", "face", "fusion"):
        assert networks[name].emotions == corpora.EMOTIONS
    assert networks["expression"].emotions == fer2013.CLASSES


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
    voice, face = rng.dirichlet(np.ones(8), (2, 3)).astype(np.float32)
    both = model.predict({"voice": voice, "face": face}, verbose=0)
    alone = model.predict({"voice": voice, "face": 0 * face}, verbose=0)
    silent = model.predict({"voice": 0 * voice, "face": face}, verbose=0)
    for posteriors in (both, alone, silent):
        np.testing.assert_allclose(posteriors.sum(axis=1), 1, atol=1e-5)
    assert (alone.argmax(axis=1) == voice.argmax(axis=1)).all()
    product = alone * silent / (alone * silent).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(both, product, atol=1e-3)


def test_shipped_face_reads_any_number_of_frames():
    face, rng = shipping.load_shipped("face"), np.random.default_rng(0)
    seen = rng.dirichlet(np.ones(7), (2, 10)).astype(np.float32)
    posteriors = face.predict(seen, verbose=0)
    often = face.predict(np.repeat(seen, 3, axis=1), verbose=0)
    np.testing.assert_allclose(often, posteriors, atol=1e-4)


SOUND = np.random.default_rng(0).normal(0, 0.1, (2, 16000)).astype(np.float32)
FACES = np.random.default_rng(0).integers(0, 255, (2, 48, 48, 1), dtype=np.uint8)
VOICE = np.full((2, 8), 1 / 8, np.float32)
SEEN = np.full((2, 9, 7), 1 / 7, np.float32)


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
        ("face", SEEN[0], r"shape \(9, 7\); expected \(clip, time, 7\)"),
        ("face", SEEN[..., :5], r"shape \(2, 9, 5\)"),
        ("face", SEEN * 3, "expressions holds rows that are no posteriors"),
        ("fusion", {"voice": VOICE}, "expected a dict of voice and face"),
        ("fusion", {"voice": VOICE, "face": VOICE[:, :7]}, r"\(2, 7\)"),
        ("fusion", {"voice": VOICE[:1], "face": VOICE}, "1 of voice, 2 of face"),
        ("fusion", {"voice": VOICE * 3, "face": VOICE}, "voice holds rows that are no post"),
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
    nothing = np.full(8, np.nan, np.float32)
    voice, face = (
        np.stack([VOICE[0], nothing, nothing]),
        np.stack([VOICE[0], VOICE[0], 0 * VOICE[0]]),
    )
    found = networks["fusion"].predict({"voice": voice, "face": face}, verbose=0)
    zeros = {"voice": np.nan_to_num(voice), "face": face}
    np.testing.assert_array_equal(found, networks["fusion"].predict(zeros, verbose=0))
    assert np.isfinite(found[:2]).all()
    assert np.isnan(found[2]).all()


def test_of_no_face_in_any_frame_nothing_is_claimed(networks):
    seen = np.concatenate([SEEN[:1], 0 * SEEN[:1], np.nan * SEEN[:1]])
    found = networks["face"].predict(seen, verbose=0)
    assert list(np.isnan(found).all(axis=1)) == [False, True, True]


def test_faces_scaled_to_one_are_refused(networks):
    with pytest.raises(ValueError, match="Multiply them by 255"):
        expression_network.describe_faces(networks["expression"], FACES[None, ..., 0] / 255)


def test_unknown_network_says_which_there_are():
    with pytest.raises(ValueError, match="'ear' in modeling/shipped; there are expression"):
        shipping.load_shipped("ear")
    with pytest.raises(ValueError, match="'fusion'; there are voice, face"):
        shipping.load_adapter("fusion")


@pytest.fixture(scope="module")
def light():
    return load_networks()


def test_onnx_and_keras_say_the_same(networks, light):
    rng = np.random.default_rng(0)
    sounds = [rng.normal(0, 0.1, n).astype(np.float32) for n in (48000, 900, 20000, 31234)]
    heard = light.hear([*sounds, 0 * sounds[0], sounds[0][:800]])
    for sound, posterior in zip(sounds, heard, strict=False):
        alone = networks["voice"].predict(sound[None], verbose=0)[0]
        np.testing.assert_allclose(posterior, alone, atol=0.005)
    assert np.isnan(heard[4:]).all(), "silent, too short"
    faces = rng.integers(1, 255, (3, 48, 48), dtype=np.uint8) * np.uint8([1, 1, 0])[:, None, None]
    seen = light.look(faces)
    known = networks["expression"].predict(faces[..., None], verbose=0)["fer2013"]
    np.testing.assert_allclose(seen[:2], known[:2], atol=1e-4)
    assert np.isnan(seen[2]).all()
    course = rng.dirichlet(np.ones(7), 12).astype(np.float32)
    judged = light.judge(np.concatenate([course, seen[2:]]))
    own = networks["face"].predict(course[None], verbose=0)[0]
    np.testing.assert_allclose(judged, own, atol=1e-4)
    assert np.isnan(light.judge(seen[2:])).all()
    face = np.stack([own, own * np.nan, own * np.nan])
    voice = np.stack([heard[0], heard[1], own * np.nan])
    fused = light.fuse(voice, face)
    both = networks["fusion"].predict({"voice": voice, "face": face}, verbose=0)
    np.testing.assert_allclose(fused, both, atol=1e-5)


def test_reading_needs_neither_tensorflow_nor_sklearn_nor_librosa():
    code = (
        "import sys, numpy as np; from modeling.predict.networks import load_networks\n"
        "networks = load_networks(); said, heard = networks.listen([np.random.rand(9000)])\n"
        "networks.adapt('voice', said.repeat(3, 0), heard.repeat(3, 0))\n"
        "assert not {'tensorflow', 'keras', 'sklearn', 'librosa'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_person_heard_for_long_is_read_otherwise_and_gaps_stay(light):
    rng = np.random.default_rng(1)
    sounds = [rng.normal(0, level, 16000).astype(np.float32) for level in np.linspace(0.05, 0.3, 9)]
    said, embeddings = light.listen([*sounds, 0 * sounds[0]])
    adapted = light.adapt("voice", said, embeddings, heard=slice(None, None, 2))
    np.testing.assert_allclose(adapted[:9].sum(axis=1), 1, atol=1e-5)
    assert np.isnan(adapted[9]).all()
    assert not np.allclose(adapted[:9], said[:9], atol=1e-3)


def test_a_file_that_is_absent_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"voice.onnx, .*clone"):
        load_networks(tmp_path)


@pytest.mark.real_data
def test_shipped_voice_knows_whom_it_has_learned_from(real_data, light):
    """Of 60 clips nearly all are read right: more than of anybody whom it has not met."""
    paths = sorted((real_data / "ravdess" / "Actor_02").glob("03-*"))
    clips = [decode.read_clip(None, path, window_s=3, trim=True).waveform for path in paths]
    found = light.hear(clips)
    true = [int(path.stem.split("-")[2]) - 1 for path in paths]
    assert (found.argmax(axis=1) == true).mean() > 0.9


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
