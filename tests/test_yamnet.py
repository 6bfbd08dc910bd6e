import numpy as np
import pytest

from data_augmentation.quiet_keras import keras
from modeling.borrowed.yamnet import BLOCKS, Yamnet, read_weights
from modeling.training.layers import YamnetSpectrogram


@pytest.fixture(scope="module")
def stand_in():
    return Yamnet()


@pytest.fixture(scope="module")
def filled(stand_in):
    """YAMNet with the same weights whenever its blocks are built."""
    values = stand_in.build_blocks(1, 14).get_weights()
    return Yamnet(list(zip(values[::2], values[1::2], strict=True)))


def test_blocks_put_together_are_the_network(filled):
    sound = np.random.default_rng(0).normal(-4, 1, (1, 96, 64, 1)).astype("float32")
    whole = filled.build_blocks(1, 14)(sound)
    assert whole.shape == (1, 3, 2, 1024)
    assert 0.01 < np.std(whole) < 100  # random weights neither swell nor fade on their way up
    for cut in (1, 6, 13):
        halves = filled.build_blocks(cut + 1, 14)(filled.build_blocks(1, cut)(sound))
        np.testing.assert_allclose(halves, whole, atol=1e-3)


def list_shapes():
    """Return the shapes of the kernels of Keras's MobileNet, in order."""
    network = keras.applications.MobileNet((96, 64, 1), include_top=False, weights=None)
    return [tuple(w.shape) for w in network.trainable_weights if len(w.shape) == 4]


def test_kernels_are_those_of_mobilenet(filled):
    assert [kernel.shape for kernel, _ in filled.weights] == list_shapes()


@pytest.mark.parametrize(("first", "last"), [(0, 3), (5, 4), (3, 15)])
def test_blocks_that_do_not_exist_are_refused(stand_in, first, last):
    with pytest.raises(ValueError, match="expected numbers from 1 to 14"):
        stand_in.build_blocks(first, last)


def test_the_stand_in_follows_the_seed_and_scores_nothing(stand_in):
    drawn = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        drawn.append(stand_in.build_blocks(2, 2).get_weights()[0])
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] != drawn[2]).any()
    assert stand_in.score_sound(np.zeros(16000, np.float32)) is None
    assert stand_in.read_class_names() == ()


def make_checkpoint(*, folded):
    """Return arrays as a checkpoint holds them, and the kernels and biases that they mean."""
    rng, values, meant = np.random.default_rng(3), {}, []
    for number, shape in enumerate(list_shapes()):
        kernel = rng.normal(size=shape).astype(np.float32)
        n = shape[2] if shape[3] == 1 else shape[3]
        if folded:
            bias = rng.normal(size=n).astype(np.float32)
            values |= {f"vars/{2 * number}/V": kernel, f"vars/{2 * number + 1}/V": bias}
            meant.append((kernel, bias))
            continue
        beta, mean = rng.normal(size=(2, n))
        variance = rng.uniform(0.5, 2, n)
        layer, norm = f"net/layer-{2 * number}", f"net/layer-{2 * number + 1}"
        values |= {f"{layer}/kernel": kernel, f"{norm}/beta": beta}
        values |= {f"{norm}/moving_mean": mean, f"{norm}/moving_variance": variance}
        scale = 1 / np.sqrt(variance + 1e-4)
        meant.append((kernel * (scale[:, None] if shape[3] == 1 else scale), beta - mean * scale))
    values |= {"vars/999/V": np.zeros((1024, 521)), "vars/9999/V": np.zeros(521)}
    return values, meant


@pytest.mark.parametrize("folded", [True, False])
def test_weights_are_read_with_their_normalization(folded):
    values, meant = make_checkpoint(folded=folded)
    for found, expected in zip(read_weights(values), meant, strict=True):
        for mine, its in zip(found, expected, strict=True):
            np.testing.assert_allclose(mine, its, rtol=1e-5, atol=1e-6)


def test_another_networks_weights_are_refused():
    values, _ = make_checkpoint(folded=True)
    values.pop("vars/4/V")
    with pytest.raises(ValueError, match="26 kernels are not YAMNet's 27"):
        read_weights(values)


def test_spectrogram_has_yamnets_windows_and_floor():
    layer = YamnetSpectrogram()
    assert layer(np.zeros((2, 15600), "float32")).shape == (2, 96, 64)
    assert layer(np.zeros((1, 100), "float32")).shape == (1, 1, 64)
    np.testing.assert_allclose(layer(np.zeros((1, 400), "float32")), np.log(0.001), rtol=1e-5)
    tone = np.sin(2 * np.pi * 1000 * np.arange(1600) / 16000).astype("float32")[None]
    low, high = (int(np.asarray(layer(t))[0, 0].argmax()) for t in (tone, np.sign(tone) * tone))
    assert low < high  # the rectified tone sounds an octave higher


def test_strides_multiply_to_32():
    assert np.prod([stride for stride, _ in BLOCKS]) == 32
