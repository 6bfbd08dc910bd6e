"""YAMNet's network, block by block: MobileNet v1 (Howard et al. 2017) that learned AudioSet.

Its last layers know what dogs and doorbells sound like; its middle ones know what changes between a
shout and a whisper. So a notebook takes it apart, into any run of its fourteen blocks.
"""

import hashlib
import math
import os
import re
import socket
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from data_augmentation.quiet_keras import keras
from modeling.borrowed.saved_models import check_saved_model
from modeling.borrowed.weights import borrow_network

HANDLE = "https://tfhub.dev/google/yamnet/1"
FIRST_PATCH = 15600
"""Samples of one of YAMNet's patches: 96 spectra."""

BLOCKS = (
    *((2, 32), (1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512)),
    *((1, 512),) * 5,
    *((2, 1024), (1, 1024)),
)
"""Stride and filters of each block: a convolution, then thirteen separable ones."""

N_KERNELS = 2 * len(BLOCKS) - 1


class Yamnet:
    """YAMNet with its weights.

    Args:
        weights: Kernels and biases of the 27 convolutions, in order; random without.
        model: The SavedModel, which scores sounds; ``None`` where there is none.
        folder: That of the SavedModel.
    """

    def __init__(self, weights=(), model=None, folder=None):
        self.weights, self.model, self.folder = weights, model, folder

    def build_blocks(self, first, last):
        """Return the blocks from one number to another, which carry on where those before them end.

        Returns:
            Keras model from the block's input, float32 (clip, time, band, channel), to the last
            block's output. Block 1 reads (clip, time, 64, 1), see ``layers.YamnetSpectrogram``.
        """
        if not 1 <= first <= last <= len(BLOCKS):
            raise ValueError(f"blocks {first} to {last}; expected numbers from 1 to {len(BLOCKS)}.")
        total = math.prod(stride for stride, _ in BLOCKS[: first - 1])
        n_channels = BLOCKS[first - 2][1] if first > 1 else 1
        start = keras.Input((None, math.ceil(64 / total), n_channels), name="sound")
        x, own = start, []
        for number, (stride, filters) in enumerate(BLOCKS[first - 1 : last], first):
            for layer in _make_block(number, stride, filters):
                x = keras.layers.ReLU()(layer(x))
                own.append(layer)
        used = 2 * first - 3 if first > 1 else 0
        for layer, values in zip(own, self.weights[used:], strict=False):
            layer.set_weights(values)
        return keras.Model(start, x, name=f"yamnet_{first}_to_{last}")

    def score_sound(self, waveform):
        """Return how much a sound, float32 (samples,), is of each kind: float32 (patch, 521).

        A row each 0.48 s; ``None`` for random weights, which know no kinds.
        """
        return None if self.model is None else np.asarray(self.model(waveform)[0])

    def read_class_names(self):
        """Return the names of the 521 kinds of sound; empty for random weights."""
        if self.model is None:
            return ()
        return tuple(pd.read_csv(self.folder / "assets" / "yamnet_class_map.csv")["display_name"])


def load_yamnet(*, pretrained="if available", handle=HANDLE):
    """Return YAMNet, which was trained on AudioSet's 521 classes of sound.

    By Plakal and Ellis (TensorFlow Models); AudioSet: Gemmeke et al. 2017, ICASSP.

    Args:
        pretrained: ``True``, ``"if available"`` or ``False``; see the module ``weights``.
        handle: Address at TF-Hub, found in ``$TFHUB_CACHE_DIR`` or downloaded (17 MB); or the
            folder of a SavedModel. Either is read before it is loaded, see ``saved_models``.

    Returns:
        A ``Yamnet`` and a note: ``""`` or "random init".

    Raises:
        PretrainedError: See ``borrow_network``; or the model could do more than compute.
    """
    named, handle = "://" not in str(handle), str(handle)
    if named:
        handle = str(Path(handle).expanduser())
        pretrained = True if pretrained == "if available" else pretrained
        advice = (
            f"No YAMNet in {handle}. Expected a folder with YAMNet's saved_model.pb; correct "
            f"HANDLE, or set HANDLE = {HANDLE!r}."
        )
    else:
        key = hashlib.sha1(handle.encode(), usedforsecurity=False).hexdigest()
        cache = os.environ.get("TFHUB_CACHE_DIR") or "not set"
        advice = (
            f"Fetch {handle}?tf-hub-format=compressed elsewhere and unpack it into "
            f"$TFHUB_CACHE_DIR/{key}/ (TFHUB_CACHE_DIR is {cache}), or into any folder that HANDLE "
            "names. Or set PRETRAINED = 'if available' to go on with random weights."
        )
    # TF-Hub lets errors of urllib, tarfile and TensorFlow through.
    options = {"pretrained": pretrained, "advice": advice, "errors": Exception}
    return borrow_network("YAMNet", lambda: _load_hub(handle), draw=Yamnet, **options)


def _load_hub(handle):
    """Return YAMNet from TF-Hub; its blocks must hear in a sound what the SavedModel hears."""
    with _limit_waiting(seconds=10), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        import tensorflow as tf
        import tensorflow_hub

        folder = Path(tensorflow_hub.resolve(handle))
    check_saved_model(folder)
    model = tf.saved_model.load(str(folder))
    sound = np.random.default_rng(0).normal(0, 0.1, FIRST_PATCH).astype(np.float32)
    _, embeddings, mel = (np.asarray(output) for output in model(sound))
    reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    yamnet = Yamnet(read_weights(arrays), model, folder)
    heard = np.asarray(yamnet.build_blocks(1, 14)(mel[None, :, :, None])).mean(axis=(1, 2))
    if not np.allclose(heard, embeddings[:1], atol=0.01):
        raise ValueError("its blocks, put together, do not give its embeddings")
    print("YAMNet: AudioSet weights from TF-Hub.")
    return yamnet


@contextmanager
def _limit_waiting(seconds):
    """Give up on a silent network after some seconds: urllib alone would wait for minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _make_block(number, stride, filters):
    """Return the convolutions of a block; random kernels (He et al. 2015) until they are filled."""
    layers, options = keras.layers, {"strides": stride, "padding": "same"}
    if number == 1:
        drawn = {"kernel_initializer": "he_normal", "name": "conv_1"}
        return [layers.Conv2D(filters, 3, **options, **drawn)]
    narrow = keras.initializers.RandomNormal(stddev=math.sqrt(2 / 9))  # a channel sees 9 cells
    depthwise, pointwise = f"depthwise_{number}", f"pointwise_{number}"
    return [
        layers.DepthwiseConv2D(3, **options, depthwise_initializer=narrow, name=depthwise),
        layers.Conv2D(filters, 1, kernel_initializer="he_normal", name=pointwise),
    ]


def read_weights(values):
    """Return kernels and biases of a checkpoint of YAMNet, batch normalization folded in.

    Args:
        values: Arrays by name: kernels, in natural order of their names, each with a bias, or with
            ``beta``, ``moving_mean`` and ``moving_variance`` of a normalization (epsilon 1e-4, no
            scale), as YAMNet was trained.

    Raises:
        ValueError: The kernels are not YAMNet's.
    """
    # Numbers in names are compared as such, so that 10 comes after 9.
    parts = {name: re.split(r"(\d+)", name) for name in values}
    names = sorted(parts, key=lambda n: [int(p) if p.isdigit() else p for p in parts[n]])
    kernels = [values[name] for name in names if values[name].ndim == 4]
    if len(kernels) != N_KERNELS:
        raise ValueError(f"its {len(kernels)} kernels are not YAMNet's {N_KERNELS}")
    vectors = {name: values[name] for name in names if values[name].ndim == 1}
    if not any("moving_mean" in name for name in vectors):
        return list(zip(kernels, vectors.values(), strict=False))
    kinds = [
        [value for name, value in vectors.items() if kind in name]
        for kind in ("beta", "moving_mean", "moving_variance")
    ]
    folded = []
    for kernel, beta, mean, variance in zip(kernels, *kinds, strict=True):
        scale = 1 / np.sqrt(variance + 1e-4)
        over = scale[:, None] if kernel.shape[3] == 1 else scale
        folded.append((kernel * over, beta - mean * scale))
    return folded
