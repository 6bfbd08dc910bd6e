"""YAMNet over time: how it cuts a sound into patches, its embeddings of many clips, a stand-in.

``pretrained.load_yamnet`` returns the network itself.
"""

import math

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from data_augmentation.quiet_keras import keras

RATE_HZ = 16000
PATCH_S, STEP_S = 0.96, 0.48
"""YAMNet hears patches of 0.96 s, one every 0.48 s."""

WINDOW, HOP = 400, 160
"""Samples of a spectrogram frame (25 ms) and between frames (10 ms)."""
FIRST, STEP = round(PATCH_S * RATE_HZ) + WINDOW - HOP, round(STEP_S * RATE_HZ)
"""Samples that the first patch needs, and each further one."""


def count_patches(length_s):
    """Return how many patches YAMNet makes of a sound: one for up to 0.975 s, then each 0.48 s."""
    n_samples = round(length_s * RATE_HZ)
    return 1 + math.ceil(max(0, n_samples - FIRST) / STEP) if n_samples > 0 else 0


def read_class_names(yamnet):
    """Return the names of the sounds that YAMNet scores, in order.

    Args:
        yamnet: As ``pretrained.load_yamnet`` returns it.

    Returns:
        A tuple of 521 names; empty for the stand-in, which scores nothing.
    """
    if isinstance(yamnet, RandomYamnet):
        return ()
    return tuple(pd.read_csv(yamnet.class_map_path().numpy().decode())["display_name"])


def embed_waveforms(yamnet, waveforms, lengths_s, rate_hz, *, progress=True):
    """Return YAMNet's embeddings of clips over time.

    Args:
        yamnet: As ``pretrained.load_yamnet`` returns it.
        waveforms: float32 (clip, samples), in [-1, 1], zeros behind a shorter clip.
        lengths_s: Seconds of each clip that are sound, not padding.
        rate_hz: Samples per second; must be 16000.
        progress: Show a progress bar.

    Returns:
        float32 (clip, time, 1024), a row each 0.48 s, rows of zeros behind a shorter clip.

    Raises:
        ValueError: The waveforms have another rate or shape.
    """
    if rate_hz != RATE_HZ:
        raise ValueError(
            f"The waveforms have {rate_hz} Hz; YAMNet hears {RATE_HZ}. Set RATE_HZ = {RATE_HZ} in "
            "preprocessing/11_faces.ipynb and rerun it."
        )
    if np.ndim(waveforms) != 2 or len(waveforms) != len(lengths_s):
        raise ValueError(
            f"waveforms have shape {np.shape(waveforms)}, with {len(lengths_s)} lengths; "
            "expected (clip, samples) and one length a clip."
        )
    n_rows = count_patches(waveforms.shape[1] / rate_hz)
    embeddings = np.zeros((len(waveforms), n_rows, 1024), np.float32)
    clips = zip(embeddings, waveforms, lengths_s, strict=True)
    for rows, waveform, length_s in tqdm(
        clips, "YAMNet", len(waveforms), leave=False, unit="clip", disable=not progress
    ):
        n = min(count_patches(length_s), n_rows)
        rows[:n] = yamnet(np.asarray(waveform, np.float32))[1][:n]
    return embeddings


class RandomYamnet:
    """YAMNet's architecture, MobileNet v1 (Howard et al. 2017), with random weights.

    It hears the same patches and is called in the same way, but gives no scores. The weights are
    frozen and, drawn after He et al. 2015, the same in every process.

    Args:
        seed: Which weights are drawn.
    """

    def __init__(self, *, seed=0):
        import tensorflow as tf

        network = keras.applications.MobileNet(
            input_shape=(96, 64, 1), include_top=False, weights=None, pooling="avg"
        )
        rng = np.random.default_rng(seed)
        for weight in network.trainable_weights:
            if len(weight.shape) == 4:  # kernels; the scales and shifts between them stay 1 and 0
                depthwise = weight.shape[-1] == 1
                fan_in = math.prod(weight.shape[: 2 if depthwise else 3])
                weight.assign(rng.normal(0, math.sqrt(2 / fan_in), weight.shape))
        network.trainable = False

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def embed(waveform):
            mel = log_mel(waveform)
            patches = tf.signal.frame(mel, 96, 48, axis=0)
            return network(patches[..., None], training=False), mel

        self._embed = embed

    def __call__(self, waveform):
        """Return ``None``, embeddings (patch, 1024) and spectrogram (time, 64) of a waveform."""
        return None, *self._embed(waveform)


def log_mel(waveform):
    """Return YAMNet's own log-mel spectrogram of a waveform that is padded to whole patches.

    Args:
        waveform: float32 tensor (samples,) at 16 kHz.

    Returns:
        float32 tensor (time, 64), natural logarithm of magnitudes, a row each 10 ms.
    """
    import tensorflow as tf

    n_samples = tf.shape(waveform)[0]
    n_more = tf.maximum(0, n_samples - FIRST + STEP - 1) // STEP
    waveform = tf.pad(waveform, [[0, FIRST + n_more * STEP - n_samples]])
    magnitude = tf.abs(tf.signal.stft(waveform, WINDOW, HOP, 512))
    bands = tf.signal.linear_to_mel_weight_matrix(64, 257, RATE_HZ, 125.0, 7500.0)
    return tf.math.log(magnitude @ bands + 0.001)
