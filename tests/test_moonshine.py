import hashlib
import math

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from data_augmentation.quiet_keras import keras
from modeling.borrowed import moonshine
from modeling.borrowed.moonshine import (
    FRAME,
    HOP,
    Moonshine,
    draw_encoder,
    load_moonshine,
    read_weights,
)
from modeling.borrowed.weights import RANDOM_INIT, PretrainedError, find_weights
from modeling.training.layers import StatisticsPooling
from tests.test_pretrained import serve

WIDTH, N_LAYERS = 288, 2  # of the tiny model, with fewer layers


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    monkeypatch.delenv("EMOTION_MOONSHINE", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(moonshine, "URL", "http://127.0.0.1:9")


@pytest.fixture(scope="module")
def weights():
    drawn, rng = draw_encoder(WIDTH, N_LAYERS).weights, np.random.default_rng(1)
    for values in drawn.values():  # no bias is zero and no scale is one
        for value in values:
            if value.ndim == 1:
                value += rng.normal(0, 0.2, value.shape).astype(np.float32)
    return drawn


@pytest.fixture(scope="module")
def network(weights):
    return Moonshine(weights)


def draw_sounds(*lengths, seed=0):
    sounds = np.zeros((len(lengths), max(lengths)), np.float32)
    for sound, length in zip(sounds, lengths, strict=True):
        sound[:length] = np.random.default_rng(seed + length).normal(0, 0.1, length)
    return sounds


def apply_gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def convolve(x, kernel, stride):
    starts = range(0, len(x) - len(kernel) + 1, stride)
    return np.stack([np.einsum("kc,kcd->d", x[s : s + len(kernel)], kernel) for s in starts])


def normalize_rows(x, scale):
    x = x - x.mean(axis=1, keepdims=True)
    return x / np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-5) * scale


def turn(x, step):
    """Rotate the first 32 of a head's channels as complex numbers."""
    pairs = x[:32:2] + 1j * x[1:32:2]
    pairs = pairs * np.exp(1j * step * 10000.0 ** (-np.arange(16) / 16))
    return np.concatenate([np.stack([pairs.real, pairs.imag], axis=1).ravel(), x[32:]])


def attend(x, kernels):
    """Attention, step by step and head by head."""
    query, key, value, output = kernels
    width, heads = WIDTH // 8, []
    for head in range(8):
        own = slice(head * width, (head + 1) * width)
        queries = [turn(row, t) for t, row in enumerate((x @ query)[:, own])]
        keys = [turn(row, t) for t, row in enumerate((x @ key)[:, own])]
        scores = np.array([[q @ k for k in keys] for q in queries]) / math.sqrt(width)
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        heads.append(scores / scores.sum(axis=1, keepdims=True) @ (x @ value)[:, own])
    return np.concatenate(heads, axis=1) @ output


def encode_plainly(sound, weights):
    """The encoder as its paper has it, one clip without padding, in float64."""
    w = {name: [v.astype(np.float64) for v in values] for name, values in weights.items()}
    x = np.tanh(convolve(sound[:, None].astype(np.float64), w["conv_1"][0], 64))
    scale, offset = w["normalization"]
    x = (x - x.mean()) / np.sqrt(x.var() + 1e-5) * scale + offset
    for number, stride in ((2, 3), (3, 2)):
        kernel, bias = w[f"conv_{number}"]
        x = apply_gelu(convolve(x, kernel, stride) + bias)
    frames = x
    for number in range(1, N_LAYERS + 1):
        of = {part: w[f"{part}_{number}"] for part in ("attention", "up", "down")}
        x = x + attend(normalize_rows(x, w[f"before_{number}"][0]), of["attention"])
        y = normalize_rows(x, w[f"between_{number}"][0])
        y = apply_gelu(y @ of["up"][0] + of["up"][1])
        x = x + y @ of["down"][0] + of["down"][1]
    return frames, x


def test_encoder_is_that_of_its_paper(network, weights):
    sound = draw_sounds(FRAME + 9 * HOP)
    frames, encoded = encode_plainly(sound[0], weights)
    mine = network.build_stem()(sound)
    np.testing.assert_allclose(mine[0], frames, atol=2e-4)
    np.testing.assert_allclose(network.build_layers(1, N_LAYERS)(mine)[0], encoded, atol=2e-3)


def test_padding_changes_nothing_and_stays_zero(network):
    lengths = (FRAME, FRAME + 5 * HOP, FRAME + 12 * HOP - 1)
    sounds = draw_sounds(*lengths)
    stem, layers = network.build_stem(), network.build_layers(1, N_LAYERS)
    together = np.asarray(layers(stem(sounds)))
    for row, (length, n_frames) in enumerate(zip(lengths, (1, 6, 12), strict=True)):
        alone = np.asarray(layers(stem(sounds[row : row + 1, :length])))[0]
        assert len(alone) == n_frames
        np.testing.assert_allclose(together[row, :n_frames], alone, atol=2e-3)
        assert not together[row, n_frames:].any()


def test_layers_put_together_are_the_encoder(network):
    frames = network.build_stem()(draw_sounds(6000))
    whole = network.build_layers(1, 2)(frames)
    halves = network.build_layers(2, 2)(network.build_layers(1, 1)(frames))
    np.testing.assert_allclose(halves, whole, atol=1e-4)


@pytest.mark.parametrize(("first", "last"), [(0, 1), (2, 1), (1, 3)])
def test_layers_that_do_not_exist_are_refused(network, first, last):
    with pytest.raises(ValueError, match="expected numbers 1 to 2"):
        network.build_layers(first, last)


def test_a_network_on_top_is_saved_whole(network, tmp_path):
    sound = keras.Input((None,))
    x = network.build_layers(1, 1)(network.build_stem()(sound))
    pooled = StatisticsPooling()(x, mask=keras.ops.any(x != 0, axis=-1))
    model = keras.Model(sound, pooled)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    sounds = draw_sounds(4000, 6000)
    np.testing.assert_allclose(again(sounds), model(sounds), atol=1e-4)


def write_onnx(path, weights, *, bits):
    """Write an encoder as its makers export it, in 8 or 32 bits; only what is read of it."""
    kept, nodes = [], []

    def keep(name, value):
        kept.append(numpy_helper.from_array(np.ascontiguousarray(value), name))

    def keep_kernel(name, value):
        if bits == 32:
            keep(name, value)
            return name
        scale = np.float32((value.max() - value.min()) / 255)
        convolution = name.startswith("conv")
        zero = value.min() if convolution else np.uint8(np.rint(-value.min() / scale))
        steps = np.rint((value - zero) / scale if convolution else value / scale + zero)
        keep(f"{name}_quantized", np.clip(steps, 0, 255).astype(np.uint8))
        keep(f"{name}_scale", scale)
        keep(f"{name}_zero_point", zero)
        return f"{name}_quantized"

    for number in (1, 2, 3):
        kernel, *bias = weights[f"conv_{number}"]
        keep_kernel(f"conv{number}.weight", kernel.transpose(2, 1, 0))
        if bias:
            keep(f"conv{number}.bias", bias[0])
    for name, value in zip(("Mul_7", "Add_8"), weights["normalization"], strict=True):
        keep(f"onnx::{name}", value[:, None])
    for number in range(1, N_LAYERS + 1):
        of = f"layers.{number - 1}"
        own = {part: weights[f"{part}_{number}"] for part in ("attention", "up", "down")}
        keep(f"{of}.input_layernorm.weight", weights[f"before_{number}"][0])
        keep(f"{of}.post_attention_layernorm.weight", weights[f"between_{number}"][0])
        for place, part in (("fc1", "up"), ("fc2", "down")):
            keep(f"{of}.mlp.{place}.bias", own[part][1])
        for k, kernel in enumerate([*own["attention"], own["up"][0], own["down"][0]]):
            name = keep_kernel(f"onnx::MatMul_{1000 * number + k}", kernel)
            kind = "MatMul" if bits == 32 else "MatMulInteger"
            nodes.append(helper.make_node(kind, ["x", name], [f"y_{name}"]))
        nodes.append(helper.make_node("MatMul", ["q", "k"], [f"scores_{number}"]))
    graph = helper.make_graph(nodes, "encoder", [], [], initializer=kept[::-1])
    onnx.save(helper.make_model(graph), path)
    return path


@pytest.mark.parametrize("bits", [8, 32])
def test_weights_are_read_from_onnx(tmp_path, weights, bits):
    found = read_weights(write_onnx(tmp_path / "encoder.onnx", weights, bits=bits))
    assert found.keys() == weights.keys()
    for name, values in weights.items():
        for mine, its in zip(found[name], values, strict=True):
            step = np.ptp(its) / 255 if bits == 8 and its.ndim > 1 else 0
            np.testing.assert_allclose(mine, its, atol=step + 1e-7)


def test_another_networks_onnx_is_refused(tmp_path, weights):
    def write(changed):
        return write_onnx(tmp_path / "other.onnx", weights | changed, bits=32)

    graph = helper.make_graph([], "empty", [], [])
    onnx.save(helper.make_model(graph), tmp_path / "empty.onnx")
    with pytest.raises(ValueError, match="0 kernels are not those of an encoder"):
        read_weights(tmp_path / "empty.onnx")
    narrow = [weights["up_2"][0][:, :-1], weights["up_2"][1]]
    path = write({"up_2": narrow})
    with pytest.raises(PretrainedError, match="other.onnx cannot be read .*: Layer up_2"):
        load_moonshine(weights=path)


def test_the_stand_in_follows_the_seed():
    drawn = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        drawn.append(draw_encoder(WIDTH, 1).weights["conv_2"][0])
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] != drawn[2]).any()


@pytest.mark.parametrize("size", ["tiny", "base"])
def test_if_available_falls_back_and_says_so(size, capsys):
    network, note = load_moonshine(pretrained="if available", weights=size)
    assert (network.n_channels, network.n_layers) == (moonshine.SIZES["tiny"][0], 4)
    assert note == "Moonshine tiny, as shipped"
    said = capsys.readouterr().out
    assert "layers 1 to 4 of the tiny model, 288 channels, out of voice.keras" in said
    assert "RANDOM INIT" not in said


def test_the_shipped_encoder_hears_what_the_shipped_voice_hears():
    """Its stem and layers, put together, are the frozen part of the voice."""
    network, _ = load_moonshine(pretrained="if available")
    voice = keras.models.load_model(moonshine.SHIPPED, compile=False)
    sound = np.random.default_rng(0).normal(0, 0.1, (1, 16000)).astype(np.float32)
    heard, frames = [], network.build_stem()(sound)
    for number in range(1, 5):
        frames = network.build_layers(number, number)(frames)
        heard.append(frames)
    frozen = np.asarray(voice.get_layer("frozen")(sound)).reshape(-1)
    pooled = [np.asarray(StatisticsPooling()(x, mask=np.any(x != 0, axis=-1))) for x in heard]
    np.testing.assert_allclose(np.sort(np.ravel(pooled)), np.sort(frozen), atol=1e-4)


def test_random_on_purpose_asks_nobody(monkeypatch):
    monkeypatch.setattr(moonshine, "fetch_weights", lambda *_: pytest.fail("asked the network"))
    assert load_moonshine(pretrained=False, weights="tiny")[1] == RANDOM_INIT


def test_required_stops_with_what_to_do():
    with pytest.raises(PretrainedError) as caught:
        load_moonshine(pretrained=True)
    for words in (
        moonshine.SHA256["base"],
        "EMOTION_MOONSHINE",
        "npm pack @usefulsensors",
    ):
        assert words in str(caught.value)


def test_a_named_file_is_taken(tmp_path, weights, monkeypatch, capsys):
    path = tmp_path / "tiny" / "quantized" / "encoder_model.onnx"
    path.parent.mkdir(parents=True)
    write_onnx(path, weights, bits=8)
    network, note = load_moonshine(pretrained=True, weights=str(path))
    assert (network.n_channels, network.n_layers, note) == (WIDTH, N_LAYERS, "")
    monkeypatch.setenv("EMOTION_MOONSHINE", str(tmp_path))
    load_moonshine(weights="tiny")
    said = "2 layers of 288 channels, encoder_model.onnx"
    assert capsys.readouterr().out.count(said) == 2
    with pytest.raises(PretrainedError, match="No file of Moonshine at .*base"):
        load_moonshine(weights="base")


@pytest.mark.parametrize("name", ["absent.onnx", "text.onnx", "cut.onnx"])
def test_a_named_file_that_is_wrong_never_falls_back(tmp_path, weights, name):
    if name == "text.onnx":
        (tmp_path / name).write_text("no weights in here")
    if name == "cut.onnx":
        whole = write_onnx(tmp_path / name, weights, bits=8).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PretrainedError, match=name):
        load_moonshine(pretrained="if available", weights=tmp_path / name)


def test_it_is_downloaded_verified_and_kept(tmp_path, weights, monkeypatch):
    file = tmp_path / "site" / "tiny" / "quantized" / "encoder_model.onnx"
    file.parent.mkdir(parents=True)
    write_onnx(file, weights, bits=8)
    with serve(tmp_path / "site") as address:
        monkeypatch.setattr(moonshine, "URL", address)
        with pytest.raises(PretrainedError, match="hash"):  # what arrives is something else
            load_moonshine(pretrained=True, weights="tiny")
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        monkeypatch.setitem(moonshine.SHA256, "tiny", sha256)
        load_moonshine(pretrained=True, weights="tiny")
    network, note = load_moonshine(pretrained=True, weights="tiny")  # the server is gone
    assert (network.n_layers, note) == (N_LAYERS, "")
    assert find_weights("moonshine_tiny_encoder_model.onnx").read_bytes() == file.read_bytes()
