"""Masked spectrograms and mixed clips, made while training.

Both are Keras layers for whole batches, at home in ``tf.data.Dataset.map``. Only calls with
``training=True`` change anything.
"""

from data_augmentation.quiet_keras import keras, ops


class MaskSpectrogram(keras.layers.Layer):
    """Hide a few random spans of time and of frequency (SpecAugment, Park et al. 2019).

    The hidden part takes the mean of the clip's spectrogram. Each mask's width is drawn evenly
    from 0 to the largest, then its place. Time warping, which the paper finds to matter least, is
    left out.

    Args:
        time_width: Largest width of a time mask, as a share of the clip; 0 for none.
        frequency_width: Largest width of a frequency mask, as a share of the bands; 0 for none.
        n_masks: Number of masks of each kind.
        padding: Value of all bands behind a clip's end, which is left as it is; ``None`` where
            clips are not padded.
        seed: What the draws follow; the same seed and order of clips give the same masks.
    """

    def __init__(
        self, *, time_width=0.1, frequency_width=0.15, n_masks=2, padding=None, seed=None, **kwargs
    ):
        super().__init__(dtype="float32", **kwargs)
        self.time_width, self.frequency_width = time_width, frequency_width
        self.n_masks, self.padding = n_masks, padding
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, mels, training=False):
        """Return spectrograms (clip, time, mel) or (clip, time, mel, channel), float32."""
        mels = ops.cast(mels, "float32")
        if not training:
            return mels
        n_clips, n_frames, n_mels = ops.shape(mels)[:3]
        hidden_times = self._draw_masks(n_clips, n_frames, self.time_width)
        hidden_bands = self._draw_masks(n_clips, n_mels, self.frequency_width)
        hidden = ops.logical_or(hidden_times[:, :, None], hidden_bands[:, None, :])
        if self.padding is not None:
            bands = tuple(range(2, len(mels.shape)))
            there = ops.any(mels > self.padding, axis=bands)
            hidden = ops.logical_and(hidden, there[:, :, None])
        hidden = ops.reshape(hidden, (*ops.shape(hidden), *[1] * (len(mels.shape) - 3)))
        means = ops.mean(mels, axis=tuple(range(1, len(mels.shape))), keepdims=True)
        return ops.where(hidden, means, mels)

    def _draw_masks(self, n_clips, length, width):
        """Return what the masks of one axis hide, bool (clip, length)."""
        shape = (n_clips, self.n_masks, 1)
        widths = keras.random.uniform(shape, 0, width * length, seed=self.generator)
        starts = keras.random.uniform(shape, seed=self.generator) * (length - widths)
        places = ops.arange(length, dtype="float32") + 0.5
        inside = ops.logical_and(places >= starts, places < starts + widths)
        return ops.any(inside, axis=1)


class MixClips(keras.layers.Layer):
    """Blend each clip of a batch with another, labels too (mixup, Zhang et al. 2018).

    The share of each clip is drawn from Beta(alpha, alpha), one per pair, and applied to everything
    that belongs to the clip: all its modalities and its label.

    Args:
        alpha: 0.2 leaves most clips nearly pure, 1 draws all shares evenly; 0 mixes nothing.
        seed: What the draws follow; the same seed and order of clips give the same pairs.
    """

    def __init__(self, alpha=0.2, *, seed=None, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.alpha = alpha
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, labels, training=False):
        """Return a batch mixed, float32, in the same structure.

        Inputs are an array (clip, ...), or a tuple or dict of them, one per modality; labels are
        float (clip, class), one-hot or smoothed, and each row keeps its sum.
        """
        inputs, labels = keras.tree.map_structure(
            lambda array: ops.cast(array, "float32"), (inputs, labels)
        )
        if not (training and self.alpha):
            return inputs, labels
        n_clips = ops.shape(labels)[0]
        partners = keras.random.shuffle(ops.arange(n_clips), seed=self.generator)
        shares = keras.random.beta((n_clips,), self.alpha, self.alpha, seed=self.generator)

        def mix(array):
            share = ops.reshape(shares, (n_clips, *[1] * (len(array.shape) - 1)))
            return share * array + (1 - share) * ops.take(array, partners, axis=0)

        return keras.tree.map_structure(mix, (inputs, labels))
