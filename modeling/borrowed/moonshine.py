"""Moonshine's encoder, layer by layer: a transformer that learned to write down English speech.

By Jeffries et al. 2024 (arXiv:2410.15608), MIT licence. Its last layers know which word is spoken;
its middle ones still know how. So a notebook takes it apart, into ``build_stem`` and any run of
layers. Between the parts, what is zero in every channel is padding.
"""

import os
from pathlib import Path

import numpy as np

from data_augmentation.quiet_keras import keras
from modeling.borrowed.readable import SHORTEST
from modeling.borrowed.weights import borrow_network, fetch_weights, read_file
from modeling.training.layers import ClearPadding, ClipNormalization, RotaryAttention

FRAME, HOP = SHORTEST, 384
HEARING = {"batch_size": 16, "shortest": FRAME}
"""How ``networks.run_network`` runs a network that reads waveforms."""

"""Samples that one frame hears, and from one frame to the next: 56 and 24 ms."""

SIZES = {"base": (416, 8), "tiny": (288, 6)}
"""Channels and layers of the two models."""

FILE = "encoder_model.onnx"
PACKAGE = "@usefulsensors/moonshine-js@0.1.15"
URL = f"https://cdn.jsdelivr.net/npm/{PACKAGE}/dist/model"
SHA256 = {
    "base": "1dd9ab0a7f987113d30affcba5a068d11c8f90fa0223caa3e491ade431ad9751",
    "tiny": "c6fc4b7bc5af75c0591fd157a1f3829b533d18e9769a888fd95a62e470dd4f4a",
}
"""The encoders in 8 bits, as their makers packed them for browsers; 20 and 8 MB."""

SHIPPED = Path(__file__).resolve().parents[1] / "shipped" / "voice.keras"
"""The shipped voice, which holds the tiny encoder's first layers."""


class Moonshine:
    """The encoder with its weights.

    Args:
        weights: Lists of arrays by name of the layer, as ``read_weights`` returns them; random
            ones without.
        size: Channels and number of layers, where there are no weights.
    """

    def __init__(self, weights=None, *, size=None):
        self.weights = weights
        if not size:
            n_layers = sum(name.startswith("attention_") for name in weights)
            size = weights["normalization"][0].size, n_layers
        self.n_channels, self.n_layers = size

    def build_stem(self):
        """Return the convolutions: a frame each 24 ms.

        Returns:
            Keras model from waveforms, float32 (clip, sample) at 16 kHz with zeros behind the end,
            ``FRAME`` samples or more, to float32 (clip, time, channel). Only frames that lie
            wholly inside are not zero, and the first.
        """
        layers, width = keras.layers, self.n_channels
        sound = keras.Input((None,), name="waveforms")
        x = keras.ops.expand_dims(sound, -1)
        x = layers.Conv1D(width, 127, 64, activation="tanh", use_bias=False, name="conv_1")(x)
        x = ClearPadding(window=127, hop=64, name="inside_1")([x, sound])
        x = ClipNormalization(name="normalization")(x)
        x = layers.Conv1D(2 * width, 7, 3, activation="gelu", name="conv_2")(x)
        x = layers.Conv1D(width, 3, 2, activation="gelu", name="conv_3")(x)
        x = ClearPadding(window=FRAME, hop=HOP, name="inside_3")([x, sound])
        return self._fill(keras.Model(sound, x, name="moonshine_stem"))

    def build_layers(self, first, last):
        """Return the layers from one number to another, which carry on where those before them end.

        Returns:
            Keras model from float32 (clip, time, channel) to the same shape, zeros where the input
            has zeros in every channel.
        """
        if not 1 <= first <= last <= self.n_layers:
            raise ValueError(f"layers {first} to {last}; expected numbers 1 to {self.n_layers}.")
        layers, ops, width = keras.layers, keras.ops, self.n_channels
        start = keras.Input((None, width), name="frames")
        inside = ops.any(start != 0, axis=-1)
        x = start
        for number in range(first, last + 1):
            y = layers.LayerNormalization(epsilon=1e-5, center=False, name=f"before_{number}")(x)
            attention = RotaryAttention(n_heads=8, n_rotated=32, name=f"attention_{number}")
            x = layers.Add(name=f"heard_{number}")([x, attention(y, mask=inside)])
            y = layers.LayerNormalization(epsilon=1e-5, center=False, name=f"between_{number}")(x)
            y = layers.Dense(4 * width, activation="gelu", name=f"up_{number}")(y)
            y = layers.Dense(width, name=f"down_{number}")(y)
            x = layers.Add(name=f"layer_{number}")([x, y])
        x = x * ops.cast(ops.expand_dims(inside, -1), x.dtype)
        return self._fill(keras.Model(start, x, name=f"moonshine_{first}_to_{last}"))

    def _fill(self, model):
        """Give each layer of a model its weights, in the order in which Keras lists them."""
        for layer in model.layers if self.weights else ():
            if layer.weights:
                layer.set_weights(self.weights[layer.name])
        return model


def load_moonshine(*, pretrained="if available", weights="base"):
    """Return Moonshine's encoder with its weights.

    Args:
        pretrained: ``True``, ``"if available"`` or ``False``; see the module ``weights``. Where
            they cannot be had, ``"if available"`` takes the tiny encoder's first layers out of the
            shipped voice, which are always there.
        weights: ``"base"`` or ``"tiny"``, in 8 bits: the file in the folder that the variable
            ``EMOTION_MOONSHINE`` names, else the one fetched before, else a download of 20 or 8 MB.
            Or the path of an ``encoder_model.onnx`` of Moonshine, in 8 bits or float.

    Returns:
        A ``Moonshine`` and a note: ``""``, "Moonshine tiny, as shipped" or "random init".

    Raises:
        PretrainedError: See ``borrow_network``.
    """
    size = "tiny" if weights == "tiny" else "base"
    named = None if weights in SHA256 else weights
    if not named and (folder := os.environ.get("EMOTION_MOONSHINE")):
        named = Path(folder, size, "quantized", FILE)

    url, sha256 = f"{URL}/{size}/quantized/{FILE}", SHA256[size]

    def load():
        what = f"Moonshine: the weights of the {size} model, {20 if size == 'base' else 8} MB"
        path = named or fetch_weights(f"moonshine_{size}_{FILE}", url, f"sha256:{sha256}", what)
        path = Path(path).expanduser()
        names = {"what": "Moonshine", "variable": "EMOTION_MOONSHINE", "default": "base"}
        encoder = read_file(path, _read_encoder, url=url, **names)
        print(
            f"Moonshine: {encoder.n_layers} layers of {encoder.n_channels} channels, {path.name}."
        )
        return encoder

    advice = (
        f"Fetch {url} (sha256 {sha256}; the same file is onnx/encoder_model_quantized.onnx in "
        f"onnx-community/moonshine-{size}-ONNX at Hugging Face) elsewhere and name it in WEIGHTS. "
        f"Or unpack what `npm pack {PACKAGE}` brings and name its folder dist/model in the "
        "environment variable EMOTION_MOONSHINE. Or set PRETRAINED = 'if available' to go on with "
        "the tiny encoder of the shipped voice."
    )
    options = {"pretrained": pretrained, "advice": advice, "stand_in": read_shipped}
    return borrow_network("Moonshine", load, draw=lambda: draw_encoder(*SIZES[size]), **options)


def read_shipped(reason):
    """Return the encoder inside the shipped voice, which has fewer layers, and a note."""
    voice = keras.models.load_model(SHIPPED, compile=False)
    parts = [part for part in voice.get_layer("frozen").layers if isinstance(part, keras.Model)]
    encoder = Moonshine(_collect_weights(parts))
    print(
        f"Moonshine: layers 1 to {encoder.n_layers} of the tiny model, {encoder.n_channels} "
        f"channels, out of {SHIPPED.name} ({reason}). PRETRAINED = True would stop and say what "
        "to do."
    )
    return encoder, "Moonshine tiny, as shipped"


def draw_encoder(n_channels, n_layers):
    """Return an encoder with random weights, which follow from the seed that Keras was given."""
    empty = Moonshine(size=(n_channels, n_layers))
    return Moonshine(_collect_weights([empty.build_stem(), empty.build_layers(1, n_layers)]))


def _collect_weights(models):
    """Return the weights of each layer of some models by its name."""
    layers = [layer for model in models for layer in model.layers if layer.weights]
    return {layer.name: layer.get_weights() for layer in layers}


def _read_encoder(path):
    """Return the encoder of a file, put together once to see that its weights fit."""
    encoder = Moonshine(read_weights(path))
    encoder.build_stem()
    encoder.build_layers(1, encoder.n_layers)
    return encoder


def read_weights(path):
    """Return the arrays of an encoder that Moonshine's makers exported to ONNX, in 8 bits or float.

    Returns:
        Lists of float32 arrays by name: ``conv_1``, ..., ``down_8``.

    Raises:
        ValueError: The graph is not such an encoder.
    """
    import onnx

    graph = onnx.load(path).graph
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    used = [node.input[1] for node in graph.node if node.op_type.startswith("MatMul")]
    kernels = [_restore(arrays, name) for name in used if name in arrays]
    kernels = [kernel for kernel in kernels if kernel.ndim == 2]
    n_layers, left_over = divmod(len(kernels), 6)  # query, key, value, output, up and down
    scales = [name for name in arrays if name.startswith(("onnx::Mul_", "onnx::Add_"))]
    if left_over or len(scales) != 2:
        raise ValueError(f"its {len(kernels)} kernels are not those of an encoder of Moonshine")
    found = {"normalization": [arrays[name].ravel() for name in sorted(scales)[::-1]]}
    try:
        for number in (1, 2, 3):
            kernel = _restore(arrays, f"conv{number}.weight")
            bias = [arrays[f"conv{number}.bias"]] if number > 1 else []
            found[f"conv_{number}"] = [kernel.transpose(2, 1, 0), *bias]
        for number in range(1, n_layers + 1):
            of = f"layers.{number - 1}"
            own = kernels[6 * number - 6 : 6 * number]
            found[f"before_{number}"] = [arrays[f"{of}.input_layernorm.weight"]]
            found[f"attention_{number}"] = own[:4]
            found[f"between_{number}"] = [arrays[f"{of}.post_attention_layernorm.weight"]]
            found[f"up_{number}"] = [own[4], arrays[f"{of}.mlp.fc1.bias"]]
            found[f"down_{number}"] = [own[5], arrays[f"{of}.mlp.fc2.bias"]]
    except KeyError as error:
        raise ValueError(f"it has no {error}, which an encoder of Moonshine has") from None
    return {name: [np.ascontiguousarray(v, np.float32) for v in found[name]] for name in found}


def _restore(arrays, name):
    """Return the float32 array behind a name, where it is kept in 8 bits as well."""
    name = name.removesuffix("_quantized")
    if name in arrays:
        return arrays[name]
    kept = arrays[f"{name}_quantized"].astype(np.float32)
    scale, zero = arrays[f"{name}_scale"], arrays[f"{name}_zero_point"]
    if np.issubdtype(zero.dtype, np.floating):
        return kept * scale + zero
    return (kept - zero.astype(np.float32)) * scale
