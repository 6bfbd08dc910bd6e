"""The network that reads expressions, and what it sees in faces, one by one or in sequences.

A Keras model from faces (face, 48, 48, 1), 0 to 255, with the layers ``maps`` and ``embedding`` and
the outputs ``fer2013`` and ``ferplus``.
"""

import timeit
from pathlib import Path

import numpy as np
from scipy import ndimage

from data_augmentation.quiet_keras import keras
from modeling.expressions.fer2013 import SIDE
from modeling.expressions.stored import Seen, sign_bytes
from modeling.training import loop, runs
from preprocessing.disk import arrays

SHIPPED = Path(__file__).resolve().parents[1] / "shipped" / "expression.keras"
"""The network that this repository brings along; notebook 31 trains it."""

GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601)."""

TURN_DEG = 6.0
"""How far a single face is turned to either side for more views of it."""


def find_newest():
    """Return the facts of the newest run of notebook 31; FileNotFoundError where there is none."""
    return runs.find_run("fer2013", "expression", protocol="official", fold=1)


def load_network(start):
    """Return an expression network: of a ``.keras`` file, or of the ``newest`` run of notebook 31.

    Raises:
        FileNotFoundError: There is no such file or run.
    """
    if start == "newest":
        start = find_newest()["folder"] / "model.keras"
    if not Path(start).is_file():
        raise FileNotFoundError(f"START = '{start}' is no file; name a .keras file or 'newest'.")
    return keras.models.load_model(start, compile=False)


def check_faces(faces):
    """Raise ValueError unless faces are numbers from 0 to 255 (and not scaled to 0 to 1)."""
    low, high = (faces.min(), faces.max()) if faces.size else (0, 0)
    if not (low >= 0 and high <= 255):  # also of NaN
        raise ValueError(f"faces lie between {low:g} and {high:g}; expected 0 to 255, as uint8.")
    if faces.dtype.kind == "f" and 0 < high <= 1:
        raise ValueError(f"faces reach {high:g} at most; expected 0 to 255. Multiply them by 255.")


def describe_faces(network, faces):
    """Return what the expression network sees in face sequences.

    Args:
        network: The expression network.
        faces: uint8 (clip, time, height, width[, 3]), of any size.

    Returns:
        float32 posteriors (clip, time, class) and embeddings (clip, time, feature); zeros for a
        face that is black.

    Raises:
        ValueError: The faces' numbers lie outside of 0 to 255, or between 0 and 1.
    """
    return _look_at_clips(network, ("fer2013", "embedding"), faces)


def look_at_corpus(network, corpus):
    """Return what the expression network sees in a corpus's faces, as ``stored.Seen``."""
    folder = arrays.corpus_folder(corpus)
    facts = arrays.read_facts(folder, "faces")
    expressions, embeddings = describe_faces(network, arrays.read_array(folder, "faces"))
    source = {
        "network": "ours, trained on FER2013",
        "weights": sign_weights(network),
        "faces": facts["digest"],
    }
    times = np.array(arrays.read_array(folder, "face_times"))
    return Seen(expressions, times, source, embeddings, detector=facts["detector"])


def sign_weights(network):
    """Return the digest of a network's weights, by which it is known again."""
    return sign_bytes(b"".join(weights.tobytes() for weights in network.get_weights()))


def map_faces(network, faces):
    """Return the network's last feature maps, each number the mean of 2 x 2 places of the map.

    Returns:
        float16 (clip, time, 3, 3, channel); zeros for a black face.
    """
    (maps,) = _look_at_clips(network, ("maps",), faces, dtype="float16")
    n_clips, n_frames, height, width, n_channels = maps.shape
    squares = maps.reshape(n_clips, n_frames, height // 2, 2, width // 2, 2, n_channels)
    return squares.mean(axis=(3, 5))


def judge_faces(network, faces):
    """Return posteriors of single faces, uint8 (face, height, width), the mean of six views of it.

    The views: upright and turned by ``TURN_DEG`` to either side, and the mirror images of these.

    Returns:
        float32 (face, 7) of the output ``fer2013`` and (face, 8) of ``ferplus``.
    """
    level = {"axes": (2, 1), "reshape": False, "order": 1, "mode": "nearest", "output": np.float32}
    left, right = (ndimage.rotate(faces, degrees, **level) for degrees in (-TURN_DEG, TURN_DEG))
    reader = read_layers(network, ("fer2013", "ferplus"), faces.shape[1:])
    views = [view[:, :, ::step] for step in (1, -1) for view in (left, faces, right)]
    found = [loop.run_network(reader, view, batch_size=256) for view in views]
    return tuple(np.mean(views, axis=0) for views in zip(*found, strict=True))


def read_layers(network, names, shape):
    """Return a network from faces as they come to what layers of the network make of them.

    A face is of ``shape`` (height, width) or (height, width, 3), of any size, 0 to 255.
    """
    faces = x = keras.Input(shape)
    if len(shape) == 3:
        x = x @ keras.ops.convert_to_tensor(GREY)
    x = keras.ops.expand_dims(x, -1)
    if tuple(shape[:2]) != (SIDE, SIDE):
        x = keras.ops.image.resize(x, (SIDE, SIDE), antialias=True)
    reader = keras.Model(network.inputs, [network.get_layer(name).output for name in names])
    return keras.Model(faces, reader(x))


def measure_speed(network):
    """Return milliseconds a face, on the threads that TensorFlow is given; the median of five."""
    faces = np.zeros((64, SIDE, SIDE, 1), np.float32)
    network.predict_on_batch(faces)
    times = timeit.repeat(lambda: network.predict_on_batch(faces), number=1, repeat=5)
    return 1000 * float(np.median(times)) / len(faces)


def _look_at_clips(network, names, clips, dtype="float32"):
    """Return what layers make of face sequences, (clip, time, ...) each; zeros for a black face."""
    check_faces(clips)
    faces = clips.reshape(-1, *clips.shape[2:])
    reader = read_layers(network, names, faces.shape[1:])
    found = loop.run_network(reader, faces, batch_size=256, dtype=dtype)
    black = ~faces.any(axis=tuple(range(1, faces.ndim)))
    for own in found:
        own[black] = 0
    return [own.reshape(*clips.shape[:2], *own.shape[1:]) for own in found]
