"""Keras layers that more than one notebook uses, saved and loaded with ``model.keras``.

Importing this module registers them, so ``keras.models.load_model`` needs no ``custom_objects``;
``**kwargs`` (Keras wants this name) are Keras's own options, such as ``name``.
"""

import numpy as np

from data_augmentation.quiet_keras import keras

ops = keras.ops


@keras.saving.register_keras_serializable(package="emotion")
class StatisticsPooling(keras.layers.Layer):
    """Mean and standard deviation over time (Snyder et al. 2018, x-vectors, ICASSP).

    Steps that a mask hides count for nothing, so a padded clip and the clip itself give the same.

    Input: float (clip, time, ..., channel); mask: bool (clip, time) or none.
    Output: float (clip, ..., 2 * channel), the means, then the deviations. A clip without any
    visible step gives zeros.

    Args:
        epsilon: Added to the variance, so that the gradient stays finite where nothing changes.
    """

    def __init__(self, *, epsilon=1e-6, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.supports_masking = True

    def call(self, inputs, mask=None):
        if mask is None:
            mean = ops.mean(inputs, axis=1)
            variance = ops.var(inputs, axis=1)
            return ops.concatenate([mean, ops.sqrt(variance + self.epsilon)], axis=-1)
        shape = (-1, ops.shape(inputs)[1]) + (1,) * (len(inputs.shape) - 2)
        weights = ops.cast(ops.reshape(mask, shape), inputs.dtype)
        n_steps = ops.sum(weights, axis=1)
        mean = ops.sum(inputs * weights, axis=1) / ops.maximum(n_steps, 1)
        squares = ops.square(inputs - ops.expand_dims(mean, 1)) * weights
        variance = ops.sum(squares, axis=1) / ops.maximum(n_steps, 1)
        deviation = ops.sqrt(variance + self.epsilon) * ops.minimum(n_steps, 1)
        return ops.concatenate([mean, deviation], axis=-1)

    def compute_mask(self, inputs, mask=None):
        return  # the time axis is gone


@keras.saving.register_keras_serializable(package="emotion")
class ModalityDropout(keras.layers.Layer):
    """Hides whole branches of a clip in training, never all (Neverova et al. 2016, ModDrop).

    A head trained so still works when a modality is missing, and leans on no branch alone.

    Input and output: float (clip, branch, feature); a missing branch is zero in every feature.

    Args:
        rate: Chance that a branch is hidden.
        seed: Of the draws.
    """

    def __init__(self, rate, *, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate, self.seed = rate, seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        if not training or not self.rate:
            return inputs
        there = ops.any(ops.not_equal(inputs, 0), axis=2)
        draws = keras.random.uniform(ops.shape(there), seed=self.generator)
        kept = ops.logical_and(there, draws >= self.rate)
        safest = ops.argmax(ops.where(there, draws, -1.0), axis=1)
        kept = ops.logical_or(kept, ops.one_hot(safest, inputs.shape[1], dtype="bool"))
        return inputs * ops.cast(kept, inputs.dtype)[:, :, None]


@keras.saving.register_keras_serializable(package="emotion")
class YamnetSpectrogram(keras.layers.Layer):
    """YAMNet's log-mel spectrogram (Plakal & Ellis, TensorFlow Models).

    Windows of 25 ms, a row each 10 ms, 64 bands from 125 to 7500 Hz, the natural logarithm of
    magnitudes; silence is ln 0.001.

    Input: float (clip, sample) in [-1, 1] at 16 kHz; a clip shorter than one window is filled up.
    Output: float32 (clip, time, 64).
    """

    def build(self, input_shape):
        import tensorflow as tf

        bands = tf.signal.linear_to_mel_weight_matrix(64, 257, 16000, 125.0, 7500.0)
        self.bands = np.asarray(bands)

    def call(self, waveforms):
        import tensorflow as tf

        short = max(0, 400 - (waveforms.shape[1] or 400))
        waveforms = tf.pad(waveforms, [[0, 0], [0, short]])
        return tf.math.log(tf.abs(tf.signal.stft(waveforms, 400, 160, 512)) @ self.bands + 0.001)


@keras.saving.register_keras_serializable(package="emotion")
class ClearPadding(keras.layers.Layer):
    """Sets to zero what lies behind a clip's end.

    The end is the waveform's last sample that is not zero. So what is zero at every band and
    channel is padding, and ``StatisticsPooling`` can be given ``any(x != 0)`` as its mask.

    Input: float (clip, time, ...), and the waveforms (clip, sample) that they were computed from.
    Output: like the first.

    Args:
        window: Samples that one step hears. With it, only steps that lie wholly inside a clip stay,
            and the first; without, all steps that begin inside, taken as evenly spread.
        hop: Samples from one step to the next.
    """

    def __init__(self, *, window=None, hop=None, **kwargs):
        super().__init__(**kwargs)
        self.window, self.hop = window, hop

    def call(self, inputs):
        x, waveforms = inputs
        n_samples, n_times = ops.shape(waveforms)[1], ops.shape(x)[1]
        places = ops.arange(1, n_samples + 1)
        lengths = ops.max(ops.where(waveforms != 0, places, 0), axis=1)
        if self.window is None:
            least = ops.arange(n_times) * n_samples // n_times + 1
        else:
            least = ops.arange(n_times) * self.hop + self.window
        first = ops.arange(n_times) == 0
        inside = ops.logical_or(least[None] <= lengths[:, None], first[None])
        shape = (-1, n_times) + (1,) * (len(x.shape) - 2)
        return x * ops.reshape(ops.cast(inside, x.dtype), shape)


@keras.saving.register_keras_serializable(package="emotion")
class ClipNormalization(keras.layers.Layer):
    """Normalizes each clip over all but its channels' scales, steps that are not there left out.

    Group normalization with one group (Wu & He 2018, arXiv:1803.08494). A step of zeros (padding,
    a frame without a face) stays zeros.

    Input and output: float (clip, time, ..., channel).
    """

    def __init__(self, *, epsilon=1e-5, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        shape = (input_shape[-1],)
        self.scale = self.add_weight(shape=shape, initializer="ones", name="scale")
        self.offset = self.add_weight(shape=shape, initializer="zeros", name="offset")

    def call(self, inputs):
        axes = tuple(range(1, len(inputs.shape)))
        inside = ops.cast(ops.any(inputs != 0, axis=axes[1:], keepdims=True), inputs.dtype)
        n_steps = ops.maximum(ops.sum(inside, axis=axes, keepdims=True), 1)
        n_values = n_steps * float(np.prod(inputs.shape[2:]))
        mean = ops.sum(inputs, axis=axes, keepdims=True) / n_values
        squares = ops.square(inputs - mean) * inside
        variance = ops.sum(squares, axis=axes, keepdims=True) / n_values
        normalized = (inputs - mean) / ops.sqrt(variance + self.epsilon)
        return (normalized * self.scale + self.offset) * inside


@keras.saving.register_keras_serializable(package="emotion")
class RotaryAttention(keras.layers.Layer):
    """Self-attention whose heads know how far apart two steps are (Su et al. 2021, RoFormer).

    Pairs of channels of queries and keys are turned by an angle that grows with the step's number,
    faster in the first pairs (arXiv:2104.09864).

    Input: float (clip, time, channel); mask: bool (clip, time) or none, steps that nobody looks at.
    Output: float (clip, time, channel).

    Args:
        n_heads: Heads that the channels are shared among.
        n_rotated: Channels of a head that are turned, an even number; the others are not.
    """

    def __init__(self, n_heads, n_rotated, **kwargs):
        super().__init__(**kwargs)
        self.n_heads, self.n_rotated = n_heads, n_rotated
        self.supports_masking = True

    def build(self, input_shape):
        shape = (input_shape[-1], input_shape[-1])
        self.query, self.key, self.value, self.merge = (
            self.add_weight(shape=shape, initializer="glorot_uniform", name=name)
            for name in ("query", "key", "value", "output")
        )

    def call(self, inputs, mask=None):
        n_times, n_channels = ops.shape(inputs)[1], inputs.shape[-1]
        width = n_channels // self.n_heads

        def cut(kernel):
            return ops.reshape(inputs @ kernel, (-1, n_times, self.n_heads, width))

        query, key = self._turn(cut(self.query)), self._turn(cut(self.key))
        weights = ops.einsum("bqhc,bkhc->bhqk", query, key) / width**0.5
        if mask is not None:
            hidden = 1 - ops.cast(mask, weights.dtype)
            weights = weights - 1e9 * ops.expand_dims(hidden, (1, 2))  # LiteRT knows this one
        mixed = ops.einsum("bhqk,bkhc->bqhc", ops.softmax(weights), cut(self.value))
        return ops.reshape(mixed, (-1, n_times, n_channels)) @ self.merge

    def _turn(self, heads):
        """Turn pairs of channels of (clip, time, head, channel) by their angles."""
        pairs = ops.arange(0, self.n_rotated, 2, dtype="float32")
        speeds = 10000.0 ** (-pairs / self.n_rotated)
        angles = ops.arange(ops.shape(heads)[1], dtype="float32")[:, None] * speeds
        cosine, sine = (ops.cast(f(angles)[None, :, None], heads.dtype) for f in (ops.cos, ops.sin))
        even, odd = heads[..., : self.n_rotated : 2], heads[..., 1 : self.n_rotated : 2]
        turned = ops.stack([even * cosine - odd * sine, odd * cosine + even * sine], axis=-1)
        turned = ops.reshape(turned, (*ops.shape(heads)[:-1], self.n_rotated))
        return ops.concatenate([turned, heads[..., self.n_rotated :]], axis=-1)


@keras.saving.register_keras_serializable(package="emotion")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization (Ioffe & Szegedy 2015) by TensorFlow's fused kernel in training.

    Keras computes mean and variance by separate operations, which on a CPU cost more than the
    convolution before them: a small network trains two times slower. The weights are those of
    ``keras.layers.BatchNormalization``, in the same order, so a trained network can be rebuilt
    with that one.

    Input and output: float (clip, height, width, channel).
    """

    def call(self, inputs, training=False, mask=None):
        if not (training and self.trainable):
            return super().call(inputs, training=False)
        import tensorflow as tf

        scale, offset = (tf.cast(weight, tf.float32) for weight in (self.gamma, self.beta))
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, scale, offset, epsilon=self.epsilon, is_training=True
        )
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + value * (1 - self.momentum))
        return outputs
