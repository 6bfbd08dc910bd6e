"""Grad-CAM: where in its input a Keras network found what speaks for an emotion.

Selvaraju et al. 2017, "Grad-CAM: visual explanations from deep networks via gradient-based
localization". A convolution's feature maps are weighted by how much the emotion's log-odds would
grow with each, and summed; what speaks against it is cut off. Here for each frame of a sequence by
itself, through ConvLSTM2D, ``TimeDistributed``, frames that a network lays into the clip axis, and
networks inside networks: the layer is overheard while the network runs, not looked up in a graph.
"""

from contextlib import contextmanager

import numpy as np

from data_augmentation.quiet_keras import keras

LAYERS = keras.layers
CONVOLUTIONS = (LAYERS.Conv2D, LAYERS.DepthwiseConv2D, LAYERS.SeparableConv2D, LAYERS.ConvLSTM2D)


def list_convolutions(model):
    """Return a network's convolutions over pictures or spectrograms in order, with those inside.

    Of ``TimeDistributed`` it is the layer itself that counts, not what it wraps.
    """
    found = []
    for layer in model.layers:
        inner = layer.layer if isinstance(layer, LAYERS.TimeDistributed) else layer
        if isinstance(inner, CONVOLUTIONS):
            found.append(layer)
        elif isinstance(layer, keras.Model):
            found += list_convolutions(layer)
        elif inner is not layer and isinstance(inner, keras.Model) and list_convolutions(inner):
            found.append(layer)
    return found


def map_evidence(model, x, emotion, *, layer=None, pool=True, size=None):
    """Return where the evidence for an emotion lies, float32 (clip, time, ...), not below 0.

    Args:
        model: Keras network from x to posteriors.
        x: Array (clip, time, height, width[, channel]) of faces, (clip, time, mel) of spectrograms,
            or anything else that the network reads, such as waveforms.
        emotion: Position of the emotion, or int (clip,).
        layer: The convolution to overhear, see ``list_convolutions``; by default the last one.
        pool: Weigh a feature map of a frame as a whole, by its mean gradient, as Grad-CAM does;
            False weighs every place by its own (HiResCAM, Draelos & Carin 2020).
        size: (height, width) of each map; by default that of the input, and the layer's own where
            the input is a waveform.

    Returns:
        For faces a map a frame, (clip, time, height, width); for spectrograms (clip, time, mel).

    Raises:
        ValueError: The network has no such convolution, or its maps do not fit the clips.
    """
    found = list_convolutions(model)
    if layer is None and not found:
        raise ValueError(f"{model.name} has no convolution over pictures: Grad-CAM needs one.")
    features, slopes = overhear(model, x, emotion, found[-1] if layer is None else layer)
    spread = tuple(range(features.ndim - 3, features.ndim - 1))  # height and width
    weights = slopes.mean(axis=spread, keepdims=True) if pool else slopes
    maps = np.maximum((weights * features).sum(axis=-1), 0)
    is_sequence = x.ndim >= 4
    if is_sequence and len(maps) == len(x) and maps.ndim == 3:  # time is gone: one for all frames
        maps = np.repeat(maps[:, None], x.shape[1], axis=1)
    if len(maps) % len(x):
        raise ValueError(f"{len(maps)} maps for {len(x)} clips; choose another layer.")
    maps = maps.reshape(len(x), -1, *maps.shape[-2:])
    if size is None:
        size = x.shape[2:4] if is_sequence else x.shape[1:3] if x.ndim == 3 else maps.shape[2:]
    flat = keras.ops.image.resize(maps.reshape(-1, *maps.shape[2:], 1), size)
    maps = np.reshape(flat, (*maps.shape[:2], *size))
    return maps if is_sequence else maps[:, 0]


def overhear(model, x, emotion, layer):
    """Return a layer's features and the slope of the emotion's log-odds over them, float32.

    Both are of the layer's own shape, (clip, ..., channel). Log-odds do not saturate, as a
    posterior near 1 would.
    """
    import tensorflow as tf

    with tf.GradientTape() as tape, _watch(layer, tape) as heard:
        posteriors = tf.cast(model(tf.cast(x, tf.float32), training=False), tf.float32)
        own = tf.one_hot(np.broadcast_to(emotion, len(x)), posteriors.shape[-1])
        logs = tf.math.log(posteriors + 1e-12)
        odds = tf.reduce_sum(logs * own, 1) - tf.reduce_logsumexp(logs - 1e9 * own, 1)
    if not heard:
        raise ValueError(f"{layer.name} was not run; choose one of list_convolutions({model.name})")
    return heard[-1].numpy(), tape.gradient(odds, heard[-1]).numpy()


@contextmanager
def _watch(layer, tape):
    """Give the list that a layer's outputs are put into while it runs; the tape watches them."""
    plain, heard = layer.call, []

    def call(*args, **kwargs):
        output = plain(*args, **kwargs)
        tape.watch(output)
        heard.append(output)
        return output

    layer.call = call
    try:
        yield heard
    finally:
        layer.call = plain


@contextmanager
def redraw_weights(model, *, seed):
    """Let a network stand with weights drawn anew: it has learned nothing; then give them back.

    The numbers of every kernel are shuffled, so that they are as large as before. What maps of it
    show comes from the input and the architecture (Adebayo et al. 2018, "Sanity checks for saliency
    maps").
    """
    rng, learned = np.random.default_rng(seed), model.get_weights()
    try:
        drawn = [rng.permuted(own) if np.ndim(own) > 1 else own for own in learned]
        model.set_weights(drawn)
        yield model
    finally:
        model.set_weights(learned)
