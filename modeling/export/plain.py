"""Networks said in plainer words, so that LiteRT's built-in operations and ONNX can hold them.

The same numbers come out (up to rounding); what is replaced:

    ConvLSTM2D, GRU, LSTM    a step after the other, not a loop: a loop needs Flex in LiteRT;
                             of a ConvLSTM2D with one convolution a step, not eight
    pooling over frames      of each frame by itself: LiteRT pools in two dimensions alone
    Normalization            by constants: tf2onnx leaves those that Keras keeps as inputs
    YamnetSpectrogram        its Fourier transform by convolutions: tf2onnx cannot write it
    ops.add                  without its short cut, which LiteRT does not understand
    bfloat16                 in float32
"""

import numpy as np

from data_augmentation.quiet_keras import keras
from modeling.training.layers import YamnetSpectrogram

ops = keras.ops

FFT = 512
WINDOW, HOP = 400, 160
"""Samples of YAMNet's Fourier transform, of its window, and from one window to the next."""


def rewrite_network(model):
    """Return a Keras model, functional, that gives what a model gives, in plainer words.

    Layers that need no other words are shared with the model.
    """
    renewed = []

    def replace(layer):
        if type(layer).__name__ in REPLACEMENTS:
            plainer = REPLACEMENTS[type(layer).__name__](layer)
            if plainer is not None:
                return plainer
        if not isinstance(layer, keras.layers.Layer):
            return layer
        config = layer.get_config()
        wanted = {"unroll": True} if "unroll" in config else {}
        if layer.dtype_policy.name != "float32":
            wanted["dtype"] = "float32"
        if not wanted:
            return layer
        own = type(layer).from_config(config | wanted)
        renewed.append((layer, own))
        return own

    plain = keras.models.clone_model(model, clone_function=replace, recursive=True)
    for before, after in renewed:
        after.set_weights(before.get_weights())
    return plain


class Computed(keras.Operation):
    """An operation that computes a function of its inputs."""

    def __init__(self, compute, *, name=None):
        super().__init__(name=name)
        self.compute = compute

    def call(self, *inputs, **named):
        """Return the function's value."""
        return self.compute(*inputs, **named)


def _step_through(layer):
    """Return a ConvLSTM2D (Shi et al. 2015) step by step, the four gates in one convolution."""
    usual = (layer.activation, layer.recurrent_activation, layer.padding, layer.go_backwards)
    usual += (tuple(layer.strides), tuple(layer.dilation_rate), layer.use_bias)
    known = (keras.activations.tanh, keras.activations.sigmoid, "same", False, (1, 1), (1, 1), True)
    if usual != known:
        return None
    kernel, recurrent, bias = (np.asarray(weights) for weights in layer.get_weights())

    def step(x, mask=None):
        seen = ops.conv(ops.reshape(x, (-1, *x.shape[2:])), kernel, padding="same") + bias
        seen = ops.reshape(seen, (-1, x.shape[1], *seen.shape[1:]))
        outputs, cell = [], None
        for time in range(x.shape[1]):
            gates = seen[:, time]
            if outputs:
                gates = gates + ops.conv(outputs[-1], recurrent, padding="same")
            let_in, keep, new, let_out = ops.split(gates, 4, axis=-1)
            state = ops.sigmoid(let_in) * ops.tanh(new)
            state = state if cell is None else ops.sigmoid(keep) * cell + state
            output = ops.sigmoid(let_out) * ops.tanh(state)
            if mask is not None:  # a step that is not there leaves all as it was
                there = ops.reshape(ops.cast(mask[:, time], "float32"), (-1, 1, 1, 1))
                before = (cell, outputs[-1]) if outputs else (0 * state, 0 * output)
                state = there * state + (1 - there) * before[0]
                output = there * output + (1 - there) * before[1]
            cell = state
            outputs.append(output)
        return ops.stack(outputs, axis=1) if layer.return_sequences else outputs[-1]

    return Computed(step, name=layer.name)


def _scale_by_constants(layer):
    """Return Keras's Normalization with its mean and deviation as constants."""
    mean, deviation = (np.asarray(value, np.float32) for value in (layer.mean, layer.variance))
    deviation = np.maximum(np.sqrt(deviation), keras.backend.epsilon())
    return Computed(lambda x: (x - mean) / deviation, name=layer.name)


def _pool_frames(pooling):
    """Return an average over (1, rows, columns) of clips as an average of single frames."""
    size = tuple(np.atleast_1d(pooling.pool_size).tolist())
    if len(size) != 3 or size[0] != 1:
        return None

    def pool(x):
        frames = ops.reshape(x, (-1, *x.shape[2:]))
        frames = ops.average_pool(frames, size[1:])
        return ops.reshape(frames, (-1, x.shape[1], *frames.shape[1:]))

    return Computed(pool, name="pooled_frames")


def _hear_by_convolutions(layer):
    """Return YAMNet's spectrogram with the Fourier transform as two convolutions."""
    angles = 2 * np.pi * np.outer(np.arange(WINDOW), np.arange(FFT // 2 + 1)) / FFT
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    waves = [np.cos(angles), np.sin(angles)]
    kernels = [(window[:, None] * wave)[:, None].astype(np.float32) for wave in waves]
    bands = np.asarray(layer.bands, np.float32)

    def hear(waveforms):
        sound = waveforms[..., None]
        real, imaginary = (ops.conv(sound, kernel, strides=HOP) for kernel in kernels)
        magnitudes = ops.sqrt(ops.square(real) + ops.square(imaginary))
        return ops.log(ops.conv(magnitudes, bands[None]) + 0.001)  # no product: stays in float

    return Computed(hear, name=layer.name)


def _add(operation):
    """Return ``ops.add`` without its short cut, which takes a clip of one for a bias."""
    if isinstance(operation, keras.layers.Layer):
        return None
    return Computed(lambda a, b: ops.subtract(a, ops.negative(b)), name=operation.name)


REPLACEMENTS = {
    "Add": _add,
    "ConvLSTM2D": _step_through,
    "Normalization": _scale_by_constants,
    "AveragePool": _pool_frames,
    YamnetSpectrogram.__name__: _hear_by_convolutions,
}
"""By the class of a layer, what makes the plainer one of it; of None it stays."""
