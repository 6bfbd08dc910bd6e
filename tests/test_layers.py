import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_augmentation.quiet_keras import keras
from modeling.training.layers import (
    ClearPadding,
    ClipNormalization,
    FusedBatchNormalization,
    ModalityDropout,
    StatisticsPooling,
    YamnetSpectrogram,
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_statistics_are_mean_and_deviation_over_time():
    x = draw(3, 7, 4)
    pooled = np.asarray(StatisticsPooling()(x))
    expected = np.concatenate([x.mean(axis=1), x.std(axis=1)], axis=-1)
    np.testing.assert_allclose(pooled, expected, atol=1e-3)


def test_axes_between_time_and_channel_are_kept():
    pooled = StatisticsPooling()(draw(2, 6, 5, 3))
    assert pooled.shape == (2, 5, 6)
    assert StatisticsPooling()(keras.Input((6, 5, 3))).shape == (None, 5, 6)
    assert YamnetSpectrogram()(keras.Input((48000,))).shape == (None, 298, 64)


@settings(max_examples=20, deadline=None)
@given(steps=st.integers(1, 6), padding=st.integers(0, 5), seed=st.integers(0, 9))
def test_padding_behind_a_mask_changes_nothing(steps, padding, seed):
    x = draw(2, steps, 3, seed=seed)
    padded = np.concatenate([x, draw(2, padding, 3, seed=seed + 1)], axis=1)
    mask = np.arange(steps + padding) < steps
    pooled = StatisticsPooling()(padded, mask=np.stack([mask, mask]))
    np.testing.assert_allclose(pooled, StatisticsPooling()(x), atol=1e-5)


def test_a_clip_without_visible_steps_gives_zeros():
    pooled = StatisticsPooling()(draw(1, 4, 3), mask=np.zeros((1, 4), bool))
    np.testing.assert_array_equal(pooled, np.zeros((1, 6)))


def test_the_mask_of_a_masking_layer_reaches_the_pooling():
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, StatisticsPooling()(keras.layers.Masking()(inputs)))
    x = draw(1, 4, 3)
    padded = np.pad(x, ((0, 0), (0, 2), (0, 0)))
    np.testing.assert_allclose(model.predict(padded, verbose=0), StatisticsPooling()(x), atol=1e-5)


def test_gradient_is_finite_where_nothing_changes():
    tf = pytest.importorskip("tensorflow")
    x = tf.ones((1, 5, 2))
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(StatisticsPooling()(x))
    assert np.isfinite(tape.gradient(total, x).numpy()).all()


def test_a_saved_model_loads_without_custom_objects(tmp_path):
    inputs = keras.Input((5, 3))
    model = keras.Model(inputs, StatisticsPooling(epsilon=1e-4)(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = draw(2, 5, 3)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert loaded.layers[-1].epsilon == 1e-4


def test_modality_dropout_hides_whole_branches_but_never_all():
    layer = ModalityDropout(0.5, seed=1)
    x = np.random.default_rng(0).normal(size=(200, 3, 4)).astype("float32")
    x[:50, 1:] = 0
    out = np.asarray(layer(x, training=True))
    kept = (out != 0).all(axis=2)
    assert ((out == x) | ~kept[:, :, None]).all()
    assert kept.any(axis=1).all()
    assert kept[:50, 0].all()
    assert 0.4 < kept[50:].mean() < 0.7
    assert (np.asarray(layer(x, training=False)) == x).all()


def test_fused_normalization_is_batch_normalization():
    x = 3 * draw(8, 5, 5, 4) + 1
    fused, plain = (
        FusedBatchNormalization(momentum=0.8),
        keras.layers.BatchNormalization(momentum=0.8),
    )
    for training in (True, True, False):  # the fused kernel's moving variance is the unbiased one
        np.testing.assert_allclose(
            fused(x, training=training), plain(x, training=training), atol=2e-2
        )
    plain.set_weights(fused.get_weights())
    np.testing.assert_allclose(fused(x), plain(x), atol=1e-5)


def test_fused_normalization_learns_like_batch_normalization():
    tf = pytest.importorskip("tensorflow")
    x, gradients = tf.constant(draw(8, 5, 5, 4)), []
    for layer in (FusedBatchNormalization(), keras.layers.BatchNormalization()):
        layer.build(x.shape)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(layer(x, training=True) ** 3)
        gradients.append(tape.gradient(total, [x, *layer.trainable_variables]))
    for mine, its in zip(*gradients, strict=True):
        np.testing.assert_allclose(mine, its, atol=2e-2)


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 3000), total=st.integers(3000, 4000))
def test_what_lies_behind_a_clips_end_is_cleared(n, total):
    waveforms = np.zeros((2, total), "float32")
    waveforms[0, :n] = 0.1
    waveforms[1] = 0.1
    x = np.ones((2, 10, 3, 2), "float32")
    cleared = np.asarray(ClearPadding()([x, waveforms]))
    kept = cleared.any(axis=(2, 3)).sum(axis=1)
    assert kept[1] == 10
    assert kept[0] == max(1, -(-n * 10 // total))
    assert (cleared[0, : kept[0]] == 1).all()


def test_a_network_from_the_waveform_on_is_saved_whole(tmp_path):
    sound = keras.Input((4000,))
    x = YamnetSpectrogram()(sound)
    x = ClearPadding()([x, sound])
    there = keras.ops.any(x != 0, axis=2)
    model = keras.Model(sound, StatisticsPooling()(x, mask=there))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    sounds = np.pad(draw(2, 3000), ((0, 0), (0, 1000)))
    np.testing.assert_allclose(
        model.predict(sounds, verbose=0), again.predict(sounds, verbose=0), atol=1e-5
    )


def test_normalized_frames_do_not_depend_on_frames_that_are_not_there():
    rng = np.random.default_rng(0)
    clip = rng.uniform(1, 255, (1, 5, 6, 6, 1)).astype(np.float32)
    longer = np.concatenate([clip[:, :2], np.zeros((1, 3, 6, 6, 1), np.float32), clip[:, 2:]], 1)
    layer = ClipNormalization()
    alone, among = np.array(layer(clip)), np.array(layer(longer))
    np.testing.assert_allclose(among[:, [0, 1, 5, 6, 7]], alone, atol=1e-4)
    assert not among[:, 2:5].any()
    np.testing.assert_allclose([alone.mean(), alone.std()], [0, 1], atol=1e-3)
