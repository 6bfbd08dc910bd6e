"""VGG19, which learned from ImageNet's pictures (Simonyan & Zisserman 2015, arXiv:1409.1556)."""

import os
from pathlib import Path

import numpy as np

from data_augmentation.quiet_keras import keras
from modeling.borrowed.weights import (
    PretrainedError,
    borrow_network,
    fetch_weights,
    find_weights,
    read_file,
)

FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
URL = f"https://storage.googleapis.com/tensorflow/keras-applications/vgg19/{FILE}"
MD5 = "253f8cb515780f3b799900260a226db6"
MEANS = (103.939, 116.779, 123.68)
"""Mean blue, green and red of ImageNet in 0..255, which VGG19 wants subtracted from its input."""


def load_vgg19(input_shape, *, layer="block3_pool", pretrained="if available", weights="imagenet"):
    """Return VGG19 up to one of its layers.

    Args:
        input_shape: (height, width, 3), at least 32 × 32. Pixels are blue, green, red in 0..255
            less ``MEANS``.
        layer: Name of the last layer: ``block1_conv1`` to ``block5_pool``.
        pretrained: ``True``, ``"if available"`` or ``False``; see the module ``weights``.
        weights: ``"imagenet"``: the file that the variable ``EMOTION_VGG19`` names, else the one in
            Keras's cache, else a download of 80 MB. Or a path, read by ``read_weights``.

    Returns:
        A Keras model from images to the layer's output, and a note: ``""`` or "random init".

    Raises:
        PretrainedError: See ``borrow_network``; or a named file does not reach as far as ``layer``.
        ValueError: VGG19 has no such layer.
    """
    whole = keras.applications.VGG19(include_top=False, weights=None, input_shape=input_shape)
    names = [each.name for each in whole.layers[1:]]
    if layer not in names:
        raise ValueError(f"LAYER = {layer!r} is not in VGG19; expected one of {', '.join(names)}.")
    base = keras.Model(whole.inputs, whole.get_layer(layer).output, name="vgg19")
    named = os.environ.get("EMOTION_VGG19") if weights == "imagenet" else weights

    def load():
        path = named or fetch_weights(FILE, URL, f"md5:{MD5}", "VGG19: the ImageNet weights, 80 MB")
        path = Path(path).expanduser()
        names = {"what": "VGG19 weights", "variable": "EMOTION_VGG19", "default": "imagenet"}
        assign_weights(base, read_file(path, read_weights, url=URL, **names), source=path.name)
        print(f"VGG19: ImageNet weights up to {layer} from {path.name}.")
        return base

    advice = (
        f"Fetch {URL} (md5 {MD5}) elsewhere and put it at {find_weights(FILE)} (Keras itself "
        "deletes a file there that has another md5), or name it in WEIGHTS or in the environment "
        "variable EMOTION_VGG19. Or set PRETRAINED = 'if available' to go on with random weights."
    )
    return borrow_network("VGG19", load, pretrained=pretrained, advice=advice, draw=lambda: base)


def read_weights(path):
    """Return the kernels and biases that a file of VGG19 weights holds, by name.

    Args:
        path: A ``.h5`` as Keras distributes it, or a ``.npz`` whose arrays are named
            ``<layer>/kernel``, (height, width, channel in, channel out), and ``<layer>/bias``,
            such as ``block1_conv1/kernel``. Either may hold the first layers only.

    Raises:
        ValueError: The file is another network's.
    """
    found = dict(np.load(path)) if path.suffix.lower() == ".npz" else _read_h5(path)
    if "block1_conv1/kernel" not in found:
        shown = ", ".join(sorted(found)[:4]) or "nothing"
        raise ValueError(
            f"it holds {shown}; expected block1_conv1/kernel, block1_conv1/bias and so on (.npz), "
            "or the layers of Keras's own file (.h5)"
        )
    return found


def _read_h5(path):
    import h5py

    found = {}
    with h5py.File(path) as file:
        for layer, group in file.items():
            names = group.attrs.get("weight_names", ())
            for kind, name in zip(("kernel", "bias"), names, strict=False):
                found[f"{layer}/{kind}"] = group[name][()]
    return found


def assign_weights(base, found, *, source):
    """Give VGG19, up to any layer, the arrays that ``read_weights`` found in a file ``source``.

    Raises:
        PretrainedError: A layer's weights are missing or have another shape.
    """
    wanted = {e: (f"{e.name}/kernel", f"{e.name}/bias") for e in base.layers if e.weights}
    missing = [each for each in wanted if not found.keys() >= set(wanted[each])]
    if missing:
        last = base.layers[base.layers.index(missing[0]) - 1].name
        raise PretrainedError(
            f"{base.layers[-1].name} needs {missing[0].name} to {missing[-1].name}; {source} ends "
            f"at {last}. Set LAYER = {last!r}, or name a whole file such as {FILE}."
        )
    for each, names in wanted.items():
        try:
            each.set_weights([found[name] for name in names])
        except ValueError as error:
            raise PretrainedError(f"{source} is not VGG19's: {error}") from error
