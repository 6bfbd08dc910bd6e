"""Maps of made networks whose truth is known, and log-odds that add up."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from data_augmentation.quiet_keras import keras, layers
from modeling.explain import contributions, faithfulness, gradcam, occlusion
from modeling.fusion import experts
from modeling.predict import networks

RATE_HZ = 16_000
PATCH = (slice(2, 4), slice(8, 16), slice(16, 24))
"""What the made network looks at: some frames, and a place in them."""


def judge_patch(x):
    """Return posteriors of two emotions, (clip, 2): the second is how bright one patch is."""
    bright = x[(slice(None), *PATCH)].mean(axis=(1, 2, 3)) / 255
    return softmax(np.stack([0 * bright, 8 * bright - 4], axis=1), axis=1)


@pytest.fixture(scope="module")
def faces():
    faces = np.random.default_rng(0).uniform(0, 60, (6, 32, 32)).astype(np.float32)
    faces[PATCH] = 255
    return faces


def build_network(*, wraps=False, inside=False):
    """Return a network that looks at bright pixels of one place: 8 rows, 8 columns, all frames."""
    start = keras.Input((6, 32, 32, 1))
    x = layers.Rescaling(1 / 255)(start)
    if wraps:
        x = layers.TimeDistributed(layers.Conv2D(1, 1, name="seen"))(x)
    else:
        x = layers.ConvLSTM2D(1, 1, return_sequences=True, recurrent_activation="hard_sigmoid")(x)
    if inside:
        inner = keras.Model(start, x)
        start = keras.Input((6, 32, 32, 1))
        x = inner(start)
    mask = np.zeros((6, 32, 32, 1), np.float32)
    mask[PATCH] = 40 / mask[PATCH].size
    x = layers.Dense(2, "softmax")(layers.Flatten()(x))
    model = keras.Model(start, x)
    seen = next(own for own in gradcam.list_convolutions(model))
    if wraps:
        seen.set_weights([np.ones((1, 1, 1, 1)), np.zeros(1)])
    kernel = np.stack([0 * mask.ravel(), mask.ravel()], axis=1)
    model.layers[-1].set_weights([kernel, np.zeros(2)])
    return model


@pytest.mark.parametrize("inside", [False, True])
def test_map_points_at_the_frames_and_the_place_that_a_network_looks_at(faces, inside):
    model = build_network(wraps=True, inside=inside)
    x = faces[None, ..., None]
    (pooled,) = gradcam.map_evidence(model, x, 1)
    (placed,) = gradcam.map_evidence(model, x, 1, pool=False)
    assert pooled.shape == placed.shape == (6, 32, 32)
    assert set(np.flatnonzero(pooled.max(axis=(1, 2)))) == {2, 3}  # a weight for each frame
    assert placed[PATCH].sum() > 0.99 * placed.sum() > 0
    assert (gradcam.map_evidence(model, x, 0) == 0).all()


def test_each_frame_has_a_map_through_convlstm(faces):
    keras.utils.set_random_seed(1)
    model = build_network()
    (found,) = gradcam.map_evidence(model, faces[None, ..., None], 1, pool=False)
    other = gradcam.map_evidence(model, faces[None, ..., None], 0, pool=False)[0]
    whole = found + other  # one of the signs of a random cell speaks for, the other against
    assert whole[PATCH].sum() > 0.8 * whole.sum() > 0
    assert not whole[4:].any()  # later frames cannot be looked at


def test_a_map_over_frames_laid_into_the_clip_axis_and_over_a_spectrogram():
    keras.utils.set_random_seed(0)
    start = keras.Input((3, 16, 16))
    x = keras.ops.reshape(start, (-1, 16, 16, 1))
    x = layers.Conv2D(2, 3, strides=2, padding="same")(x)
    x = layers.Flatten()(keras.ops.reshape(x, (-1, 3, 8, 8, 2)))
    model = keras.Model(start, layers.Dense(3, "softmax")(x))
    x = np.random.default_rng(0).normal(size=(2, 3, 16, 16)).astype(np.float32)
    assert gradcam.map_evidence(model, x, [0, 2]).shape == (2, 3, 16, 16)
    start = keras.Input((20, 12))
    x = layers.Conv2D(2, 3, strides=2)(layers.Reshape((20, 12, 1))(start))
    model = keras.Model(start, layers.Dense(3, "softmax")(layers.Flatten()(x)))
    x = np.random.default_rng(0).normal(size=(2, 20, 12)).astype(np.float32)
    assert gradcam.map_evidence(model, x, 1).shape == (2, 20, 12)
    plain = keras.Model(start, layers.Dense(3, "softmax")(layers.Flatten()(start)))
    with pytest.raises(ValueError, match="no convolution"):
        gradcam.map_evidence(plain, x, 1)


def test_weights_drawn_anew_change_a_map_and_are_given_back(faces):
    model = build_network(wraps=True)
    x, before = faces[None, ..., None], model.get_weights()
    (learned,) = gradcam.map_evidence(model, x, 1, pool=False)
    with gradcam.redraw_weights(model, seed=0):
        (drawn,) = gradcam.map_evidence(model, x, 1, pool=False)
    for own, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(own, other)
    assert faithfulness.compare_maps(learned, drawn)["spearman"] < faithfulness.LEAST_CHANGE
    same = faithfulness.compare_maps(faces, faces)  # a map that ignores the weights
    assert same == pytest.approx({"spearman": 1, "ssim": 1})


def test_occlusion_finds_the_patch_and_its_frames(faces):
    fill = occlusion.choose_fill(faces)
    spread = occlusion.map_cells(judge_patch, faces, (1, 8, 8), 1, fill=fill)
    assert (spread[PATCH] > 1).all()
    outside = spread.copy()
    outside[PATCH] = 0
    assert np.abs(outside).max() < 1e-6
    everywhere = occlusion.map_cells(judge_patch, faces, (None, 8, 8), 1, fill=fill)
    assert (everywhere[0] == everywhere[-1]).all() and everywhere[0, 8, 16] > 2


def test_a_true_map_beats_random_and_centre_and_a_false_one_is_caught(faces):
    fill, sizes = occlusion.choose_fill(faces), (1, 8, 8)
    true = np.zeros(faces.shape)
    true[PATCH] = 1
    maps = {"true": true, "false": -true}
    maps["centre"] = faithfulness.prefer_centre(faces.shape, (1, 2))
    options = {"fill": fill, "rng": np.random.default_rng(0), "n_random": 4}
    tables = [
        faithfulness.measure_faithfulness(judge_patch, faces, maps, sizes, 1, **options)
        for _ in range(3)
    ]
    table = tables[0]
    assert table.loc["true", "deletion"] < 0.1 < table.loc["random", "deletion"]
    assert table.loc["true", "insertion"] > 0.9 > table.loc["random", "insertion"]
    summary = faithfulness.summarise(tables)
    held = summary.groupby("map")["holds"].agg(["all", "any"])
    assert held.loc["true", "all"] and not held.loc["false", "any"]
    passing, failing = faithfulness.list_verdicts(summary, {"true": 0.1, "false": 0.1})
    assert passing == "true: passes"
    assert failing.startswith("false: FAILS, deletion worse than random")
    (line, _) = faithfulness.list_verdicts(summary, {"true": 0.9})
    assert line == "true: FAILS, hardly changes when the weights are drawn anew (0.90)"


def test_curves_start_and_end_where_all_or_nothing_is_shown(faces):
    fill = np.zeros_like(faces)
    cells = occlusion.list_cells(faces.shape, (1, 8, 8))
    follow = partial(faithfulness.follow_order, judge_patch, faces, cells, 1, fill=fill)
    down, up = follow(way="deletion"), follow(way="insertion")
    ends = [judge_patch(own[None])[0, 1] for own in (faces, fill)]
    assert [down[0], down[-1]] == pytest.approx(ends)
    assert [up[-1], up[0]] == pytest.approx(ends)


def judge_voice(waveforms):
    """Return posteriors of the second emotion is how strong 1000 Hz is in the first second."""
    early = waveforms[:, :RATE_HZ]
    strength = np.abs(np.fft.rfft(early, axis=1))[:, 1000] / (RATE_HZ / 2)
    return softmax(np.stack([0 * strength, 10 * strength - 1], axis=1), axis=1)


def test_voice_is_explained_by_its_stretch_and_its_band():
    seconds = np.arange(2 * RATE_HZ) / RATE_HZ
    waveform = 0.3 * np.sin(2 * np.pi * 1000 * seconds) + 0.3 * np.sin(2 * np.pi * 3000 * seconds)
    found = occlusion.explain_waveform(
        judge_voice, waveform.astype(np.float32), 1, rate_hz=RATE_HZ, stretch_s=0.5
    )
    np.testing.assert_allclose(found["edges_s"], [0, 0.5, 1, 1.5, 2])
    assert (found["times"][:2] > 1).all() and np.abs(found["times"][2:]).max() < 0.2
    best = int(found["bands"].argmax())
    assert found["edges_hz"][best] <= 1000 < found["edges_hz"][best + 1]
    assert np.abs(np.delete(found["bands"], best)).max() < 1e-3
    assert found["edges_hz"][-1] == RATE_HZ / 2


def test_bands_add_up_to_the_waveform_and_stretches_do_not_click():
    waveform = np.random.default_rng(0).normal(0, 0.1, 4001).astype(np.float32)
    parts = [
        waveform - own for own in occlusion.remove_bands(waveform, (0, 500, 3000, 8001), RATE_HZ)
    ]
    np.testing.assert_allclose(sum(parts), waveform, atol=1e-5)
    constant = np.ones(8000, np.float32)
    for silent in occlusion.silence_stretches(constant, [0, 3000, 8000], RATE_HZ):
        assert silent.min() == 0 and np.abs(np.diff(silent)).max() < 0.02


posteriors = st.lists(st.floats(-30, 30), min_size=24, max_size=24).map(
    lambda logits: softmax(np.reshape(logits, (3, 8)), axis=1)
)


@given(posteriors, st.integers(0, 7), st.lists(st.floats(0.3, 3), min_size=3, max_size=3))
def test_shares_of_any_product_add_up_to_the_fused_log_odds(given, emotion, temperatures):
    logs = {
        name: np.log(own + 1e-7) / heat
        for name, own, heat in zip("abc", given, temperatures, strict=True)
    }

    def fuse(names):
        return softmax(sum(logs[name] for name in names))[None]

    shares = contributions.share_evidence(fuse, "abc", emotion, 8)
    whole = contributions.measure_log_odds(fuse("abc"), emotion)
    assert sum(own[0] for own in shares.values()) == pytest.approx(whole[0], abs=1e-6)
    assert shares["prior"] == pytest.approx(-np.log(7))
    rival = (emotion + 1) % 8
    alone = {name: fuse(name)[0] for name in "abc"}
    against = contributions.compare_rival(alone, emotion, rival)
    ratio = np.log(fuse("abc")[0, emotion] / fuse("abc")[0, rival])
    assert sum(against.values()) == pytest.approx(ratio, abs=1e-6)


def test_an_expert_that_says_nothing_adds_nothing_and_equals_share_equally():
    sure, blank = np.array([0.6, 0.3, 0.1]), np.full(3, 1 / 3)
    said = {"a": sure, "b": sure, "blank": blank, "absent": np.full(3, np.nan)}

    def fuse(names):
        return experts.multiply_experts([said[name][None] for name in names])

    shares = contributions.share_evidence(fuse, said, 0, 3)
    assert shares["a"] == pytest.approx(shares["b"])
    assert shares["blank"] == pytest.approx(0) and shares["absent"] == pytest.approx(0)
    (fused,) = contributions.measure_log_odds(fuse(list(said)), 0)
    assert fused == pytest.approx(np.log(0.36 / (0.09 + 0.01)))
    one = contributions.share_evidence(fuse, ["a"], 0, 3)
    assert one["prior"] + one["a"] == pytest.approx(np.log(0.6 / 0.4))


def test_shares_add_up_for_the_shipped_fusion():
    shipped = networks.load_networks()
    rng = np.random.default_rng(0)
    sides = {
        name: rng.dirichlet(np.full(8, 0.3), 5).astype(np.float32) for name in ("voice", "face")
    }
    sides["face"][0] = np.nan

    def fuse(names):
        return shipped.fuse(*(v if n in names else v * np.nan for n, v in sides.items()))

    emotions = fuse(list(sides)).argmax(axis=1)
    shares = contributions.share_evidence(fuse, sides, emotions, 8)
    whole = contributions.measure_log_odds(fuse(list(sides)), emotions)
    np.testing.assert_allclose(sum(shares.values()), whole, atol=1e-9)
    assert shares["face"][0] == 0


def test_what_predict_needs_starts_without_tensorflow():
    rooms = "occlusion, contributions, faithfulness"
    code = (
        f"import sys; from modeling.explain import {rooms}; import modeling.predict.explaining\n"
        "import modeling.plots.explaining\n"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'librosa')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
