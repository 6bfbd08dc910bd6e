"""Networks put on top of each other, from what a program can prepare to the answer."""

from functools import cache

import numpy as np

from data_augmentation.quiet_keras import keras
from modeling.expressions import expression_network
from modeling.expressions.fer2013 import SIDE
from modeling.fusion import experts
from modeling.training import networks

ops, layers = keras.ops, keras.layers


@cache
def load_expressions():
    """Return the shipped expression network."""
    return expression_network.load_network(expression_network.SHIPPED)


def put_encoder(head, layer, faces):
    """Return a head of notebook 32 on the expression network: from faces to posteriors.

    It does what ``expression_network.describe_faces`` or ``map_faces`` and the head do; faces are
    brought to size by convolutions, which every runtime knows.

    Args:
        head: Keras model that reads what the network makes of a clip's frames.
        layer: Of the expression network: ``maps``, ``embedding`` or ``fer2013``.
        faces: How the faces were made: ``size``, in pixels, and ``grey``.

    Returns:
        Keras model from ``faces``, float32 (clip, time, size, size[, 3]), 0 to 255, to posterior
        and embedding.
    """
    n_times, size = head.input_shape[1], faces["size"]
    shape = (size, size) if faces.get("grey", True) else (size, size, 3)
    start = keras.Input((n_times, *shape), name="faces")
    network = load_expressions()
    reader = keras.Model(network.inputs, network.get_layer(layer).output, name="expressions")
    x = ops.reshape(start, (-1, *shape))
    seen = ops.any(x != 0, axis=tuple(range(1, len(x.shape))), keepdims=True)
    if len(shape) == 3:
        x = ops.squeeze(x @ np.array(expression_network.GREY, np.float32)[:, None], -1)
    if size != SIDE:
        smaller = make_resizer(size, SIDE)
        for _ in range(2):  # columns, then rows, as convolutions: 8 bits leave these alone
            x = ops.transpose(ops.conv(x, smaller.T[None]), (0, 2, 1))
    x = reader(ops.expand_dims(x, -1))
    if layer == "maps":  # the mean of 2 x 2 places, as map_faces gives them
        x = layers.AveragePooling2D(2)(x)
    seen = ops.cast(ops.reshape(seen, (-1, *[1] * (len(x.shape) - 1))), "float32")
    n_times = ops.shape(start)[1] if n_times is None else n_times
    x = ops.reshape(x * seen, (-1, n_times, *x.shape[1:]))
    posterior, embedding = networks.read_both(head)(x)
    return keras.Model(start, [posterior, embedding], name=head.name)


def rename_input(model, name):
    """Return a model of one input that calls it by what it reads; an empty name leaves it."""
    if not name or model.inputs[0].name == name:
        return model
    start = keras.Input(model.inputs[0].shape[1:], name=name)
    return keras.Model(start, model(start), name=model.name)


def make_resizer(size, wanted):
    """Return float32 (wanted, size): what brings rows of pixels to another number, smoothed."""
    rows = np.eye(size, dtype=np.float32)[None, :, :, None]
    return np.asarray(ops.image.resize(rows, (wanted, size), antialias=True))[0, :, :, 0]


def join_branches(models, scales, head, temperature):
    """Return a joint head on its branches: one network from their inputs to posteriors.

    Args:
        models: Keras model by branch, to its posterior and its embedding, from one input that is
            named by what it reads; branches may read the same.
        scales: By branch, mean and deviation of its embeddings (``heads.stack_embeddings``).
        head: It reads (clip, branch, feature).
        temperature: At which its log-posteriors are honest.

    Returns:
        Keras model whose inputs are those of the branches, by name, and ``present``, float32
        (clip, branch): 0 where a branch's side of the clip is missing.
    """
    width, starts, stacked = head.input_shape[2], {}, []
    for name, model in models.items():
        own = model.inputs[0]
        if own.name not in starts:
            starts[own.name] = keras.Input(own.shape[1:], name=own.name)
        mean, deviation = scales[name]
        embedding = (model(starts[own.name])[1] - mean) / deviation
        stacked.append(ops.pad(embedding, [(0, 0), (0, width - len(mean))]))
    starts["present"] = keras.Input((len(models),), name="present")
    stack = ops.stack(stacked, axis=1) * ops.expand_dims(starts["present"], -1)
    logs = ops.log(ops.maximum(head(stack), experts.FLOOR)) / float(temperature)
    posterior = layers.Softmax(name="posterior")(logs)
    return keras.Model(list(starts.values()), posterior, name=head.name)
