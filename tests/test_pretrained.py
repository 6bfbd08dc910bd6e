import functools
import hashlib
import http.server
import socket
import threading
from contextlib import contextmanager

import h5py
import numpy as np
import pytest

from modeling.borrowed import vgg19, weights, yamnet
from modeling.borrowed.vgg19 import load_vgg19
from modeling.borrowed.weights import RANDOM_INIT, PretrainedError
from modeling.borrowed.yamnet import load_yamnet
from modeling.training.layers import YamnetSpectrogram

SHAPE = (32, 32, 3)
CLOSED = "http://127.0.0.1:9"  # nothing listens on the discard port: refused at once


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """Caches are empty and every address is refused, whatever this machine has."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    monkeypatch.delenv("EMOTION_VGG19", raising=False)
    monkeypatch.setattr(vgg19, "URL", f"{CLOSED}/{vgg19.FILE}")


@pytest.fixture(scope="module")
def first_block():
    """VGG19's first block with made weights, as the arrays of an .npz."""
    rng = np.random.default_rng(0)
    shapes = {"block1_conv1": (3, 3, 3, 64), "block1_conv2": (3, 3, 64, 64)}
    kernels = {f"{k}/kernel": rng.normal(0, 0.1, s).astype("float32") for k, s in shapes.items()}
    return kernels | {f"{k}/bias": rng.normal(size=64).astype("float32") for k in shapes}


@pytest.fixture
def npz(tmp_path, first_block):
    np.savez(tmp_path / "first.npz", **first_block)
    return tmp_path / "first.npz"


def write_h5(path, values):
    """Write weights as Keras's applications distribute them."""
    with h5py.File(path, "w") as file:
        for layer in sorted({name.split("/")[0] for name in values}):
            names = [f"{layer}_W_1:0", f"{layer}_b_1:0"]
            group = file.create_group(layer)
            group[names[0]], group[names[1]] = values[f"{layer}/kernel"], values[f"{layer}/bias"]
            group.attrs["weight_names"] = [name.encode() for name in names]
    return path


def test_vgg19_if_available_falls_back_and_says_so(capsys):
    base, note = load_vgg19(SHAPE, pretrained="if available")
    assert note == RANDOM_INIT
    assert "RANDOM INIT (not loaded: ConnectionError)" in capsys.readouterr().out
    assert base.output_shape == (None, 4, 4, 256)
    assert base.count_params() == 2_325_568  # of VGG19's first eight convolutions


def test_vgg19_required_stops_with_what_to_do(tmp_path):
    with pytest.raises(PretrainedError) as caught:
        load_vgg19(SHAPE, pretrained=True)
    message = str(caught.value)
    for words in (vgg19.MD5, str(tmp_path / "keras" / "models"), "EMOTION_VGG19"):
        assert words in message
    assert "deletes" in message


def test_random_on_purpose_asks_nobody(monkeypatch, capsys):
    monkeypatch.setattr(vgg19, "fetch_weights", lambda *_: pytest.fail("asked the network"))
    monkeypatch.setattr(yamnet, "_load_hub", lambda _: pytest.fail("asked the network"))
    assert load_vgg19(SHAPE, pretrained=False)[1] == RANDOM_INIT
    assert load_yamnet(pretrained=False)[1] == RANDOM_INIT
    assert capsys.readouterr().out.count("RANDOM INIT (PRETRAINED = False)") == 2


@pytest.mark.parametrize("load", [lambda **k: load_vgg19(SHAPE, **k), load_yamnet])
def test_an_unknown_choice_is_refused(load):
    with pytest.raises(ValueError, match="PRETRAINED = 'maybe'; expected True, 'if available'"):
        load(pretrained="maybe")


def test_an_unknown_layer_is_refused():
    with pytest.raises(ValueError, match="'block9_pool' is not in VGG19; .* block3_pool"):
        load_vgg19(SHAPE, layer="block9_pool", pretrained=False)


@pytest.mark.parametrize("choice", [True, "if available"])
def test_vgg19_takes_a_named_npz(npz, first_block, choice, capsys):
    base, note = load_vgg19(SHAPE, layer="block1_pool", pretrained=choice, weights=str(npz))
    assert note == ""
    assert "ImageNet weights up to block1_pool from first.npz" in capsys.readouterr().out
    for layer in ("block1_conv1", "block1_conv2"):
        kernel, bias = base.get_layer(layer).get_weights()
        np.testing.assert_array_equal(kernel, first_block[f"{layer}/kernel"])
        np.testing.assert_array_equal(bias, first_block[f"{layer}/bias"])


def test_vgg19_takes_the_file_in_the_environment(npz, first_block, monkeypatch):
    monkeypatch.setenv("EMOTION_VGG19", str(npz))
    base, note = load_vgg19(SHAPE, layer="block1_conv1", pretrained=True)
    assert note == ""
    np.testing.assert_array_equal(base.get_weights()[1], first_block["block1_conv1/bias"])


def test_h5_and_npz_give_the_same(tmp_path, npz, first_block):
    from_h5 = vgg19.read_weights(write_h5(tmp_path / "first.h5", first_block))
    from_npz = vgg19.read_weights(npz)
    assert from_h5.keys() == from_npz.keys()
    for name, values in from_npz.items():
        np.testing.assert_array_equal(from_h5[name], values)


@pytest.mark.parametrize("choice", [True, "if available"])
def test_a_layer_beyond_the_file_is_an_error(npz, choice):
    expected = "block2_pool needs block2_conv1 to block2_conv2; first.npz ends at block1_pool"
    with pytest.raises(PretrainedError, match=expected):
        load_vgg19(SHAPE, layer="block2_pool", pretrained=choice, weights=npz)


def test_a_bias_missing_from_the_file_is_an_error(tmp_path, first_block):
    np.savez(tmp_path / "a.npz", **{k: v for k, v in first_block.items() if "conv2/b" not in k})
    with pytest.raises(PretrainedError, match="a.npz ends at block1_conv1"):
        load_vgg19(SHAPE, layer="block1_pool", weights=tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["absent.npz", "text.npz", "text.h5", "text.txt"])
def test_a_named_file_that_is_wrong_never_falls_back(tmp_path, name):
    if name != "absent.npz":
        (tmp_path / name).write_text("no weights in here")
    with pytest.raises(PretrainedError, match=name):
        load_vgg19(SHAPE, pretrained="if available", weights=tmp_path / name)


def test_a_truncated_npz_is_an_error(npz):
    npz.write_bytes(npz.read_bytes()[:5000])
    with pytest.raises(PretrainedError, match="first.npz cannot be read"):
        load_vgg19(SHAPE, layer="block1_pool", weights=npz)


def test_another_networks_npz_is_an_error(tmp_path, first_block):
    np.savez(tmp_path / "other.npz", dense=np.zeros(3))
    with pytest.raises(PretrainedError, match="holds dense; expected block1_conv1/kernel"):
        load_vgg19(SHAPE, weights=tmp_path / "other.npz")
    np.savez(tmp_path / "thin.npz", **first_block | {"block1_conv1/bias": np.zeros(32)})
    with pytest.raises(PretrainedError, match="thin.npz is not VGG19's: Layer block1_conv1"):
        load_vgg19(SHAPE, layer="block1_pool", weights=tmp_path / "thin.npz")


def test_a_cached_file_with_another_checksum_is_named_and_kept(tmp_path, capsys):
    cached = tmp_path / "keras" / "models" / vgg19.FILE
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"my own weights")
    md5 = hashlib.md5(b"my own weights", usedforsecurity=False).hexdigest()
    assert load_vgg19(SHAPE, pretrained="if available")[1] == RANDOM_INIT
    assert md5 in capsys.readouterr().out
    with pytest.raises(PretrainedError, match=md5):
        load_vgg19(SHAPE, pretrained=True)
    assert cached.read_bytes() == b"my own weights"


def test_vgg19_is_downloaded_verified_and_kept(tmp_path, monkeypatch, first_block):
    (tmp_path / "site").mkdir()
    file = write_h5(tmp_path / "site" / vgg19.FILE, first_block)
    md5 = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
    with serve(tmp_path / "site") as address:
        monkeypatch.setattr(vgg19, "URL", f"{address}/{file.name}")
        with pytest.raises(PretrainedError, match="hash"):  # what arrives is not what was asked for
            load_vgg19(SHAPE, layer="block1_pool", pretrained=True)
        assert not list((tmp_path / "keras" / "models").iterdir())
        monkeypatch.setattr(vgg19, "MD5", md5)
        load_vgg19(SHAPE, layer="block1_pool", pretrained=True)
    base, note = load_vgg19(SHAPE, layer="block1_pool", pretrained=True)  # the server is gone
    assert note == ""
    np.testing.assert_array_equal(base.get_weights()[1], first_block["block1_conv1/bias"])


@contextmanager
def serve(folder):
    """Serve a folder on a free local port."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_yamnet_if_available_falls_back_and_says_so(capsys):
    stand_in, note = load_yamnet(pretrained="if available", handle=f"{CLOSED}/yamnet/1")
    assert note == RANDOM_INIT
    assert "YAMNet: RANDOM INIT" in capsys.readouterr().out
    assert stand_in.score_sound(np.zeros(40000, np.float32)) is None
    assert stand_in.build_blocks(1, 9).output_shape == (None, None, 4, 512)


def test_yamnet_required_stops_with_what_to_do():
    with pytest.raises(PretrainedError, match="TFHUB_CACHE_DIR.*'if available'"):
        load_yamnet(pretrained=True, handle=f"{CLOSED}/yamnet/1")


def test_a_named_folder_without_yamnet_never_falls_back(tmp_path):
    with pytest.raises(PretrainedError, match="No YAMNet in .*absent. Expected a folder with"):
        load_yamnet(pretrained="if available", handle=str(tmp_path / "absent"))


def test_another_saved_model_is_not_taken_for_yamnet(tmp_path):
    import tensorflow as tf

    other = tf.Module()
    signature = [tf.TensorSpec([None], tf.float32)]
    other.__call__ = tf.function(lambda w: (w[None], w[None], w[None]), input_signature=signature)
    tf.saved_model.save(other, str(tmp_path / "other"))
    with pytest.raises(PretrainedError, match="No YAMNet in .*other"):
        load_yamnet(pretrained="if available", handle=str(tmp_path / "other"))


def test_waiting_for_the_network_is_limited_only_while_loading():
    with yamnet._limit_waiting(3):
        assert socket.getdefaulttimeout() == 3
    assert socket.getdefaulttimeout() is None


@pytest.mark.real_data
def test_real_vgg19_sees_what_its_kernels_say(real_data):
    path = real_data / "vgg19" / "vgg19_imagenet_block1-3.npz"
    image = np.random.default_rng(0).uniform(-100, 130, (1, 32, 32, 3)).astype("float32")
    first, _ = load_vgg19(SHAPE, layer="block1_conv1", pretrained=True, weights=path)
    with np.load(path) as file:
        kernel, bias = file["block1_conv1/kernel"], file["block1_conv1/bias"]
    padded = np.pad(image[0], ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    expected = np.maximum(np.einsum("yxcij,ijck->yxk", windows, kernel) + bias, 0)
    np.testing.assert_allclose(first.predict(image, verbose=0)[0], expected, atol=1e-2)


@pytest.mark.real_data
def test_real_vgg19_reaches_block3_pool_and_no_further(real_data):
    path = real_data / "vgg19" / "vgg19_imagenet_block1-3.npz"
    image = np.random.default_rng(0).uniform(-100, 130, (1, 32, 32, 3)).astype("float32")
    base, note = load_vgg19(SHAPE, layer="block3_pool", pretrained=True, weights=path)
    again, _ = load_vgg19(SHAPE, layer="block3_pool", pretrained=True, weights=path)
    random, _ = load_vgg19(SHAPE, layer="block3_pool", pretrained=False)
    features = base.predict(image, verbose=0)
    assert note == ""
    assert features.shape == (1, 4, 4, 256)
    np.testing.assert_array_equal(features, again.predict(image, verbose=0))
    assert np.corrcoef(features.ravel(), random.predict(image, verbose=0).ravel())[0, 1] < 0.5
    with pytest.raises(PretrainedError, match="Set LAYER = 'block3_pool'"):
        load_vgg19(SHAPE, layer="block4_pool", pretrained=True, weights=path)


@pytest.mark.real_data
def test_real_vgg19_finds_edges_in_its_first_layer(real_data):
    """A flat image moves no first-layer kernel that sums to nothing; an edge moves most of them."""
    path = real_data / "vgg19" / "vgg19_imagenet_block1-3.npz"
    base, _ = load_vgg19(SHAPE, layer="block1_conv1", pretrained=True, weights=path)
    flat = np.full((1, 32, 32, 3), 60, "float32")
    edge = flat.copy()
    edge[:, :, 16:] = -60
    rise = (
        base.predict(edge, verbose=0)[0, 16].max(axis=0) - base.predict(flat, verbose=0)[0, 16, 5]
    )
    assert (rise > 1).mean() > 0.5


@pytest.fixture(scope="module")
def real_yamnet(real_data):
    folder = real_data / "tfhub" / "9616fd04ec2360621642ef9455b84f4b668e219e"
    network, note = load_yamnet(pretrained=True, handle=str(folder))
    assert note == ""
    return network


def read_speech(real_data):
    import soundfile

    path = real_data / "ravdess" / "Actor_05" / "03-01-03-01-01-01-05.flac"
    return soundfile.read(path, dtype="float32")


@pytest.mark.real_data
def test_real_yamnet_hears_speech(real_data, real_yamnet):
    waveform, rate_hz = read_speech(real_data)
    weights.check_rate(rate_hz)
    names = real_yamnet.read_class_names()
    assert len(names) == 521
    assert names[real_yamnet.score_sound(waveform).mean(axis=0).argmax()] == "Speech"


@pytest.mark.real_data
def test_real_yamnet_is_found_in_the_cache_of_tf_hub(real_data, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(real_data / "tfhub"))
    assert load_yamnet(pretrained=True)[1] == ""


@pytest.mark.real_data
def test_our_spectrogram_and_blocks_hear_what_yamnet_hears(real_data, real_yamnet):
    waveform, _ = read_speech(real_data)
    waveform = waveform[16000 : 16000 + yamnet.FIRST_PATCH]
    _, embeddings, mel = (np.asarray(output) for output in real_yamnet.model(waveform))
    mine = np.asarray(YamnetSpectrogram()(waveform[None]))
    assert np.abs(mine[0] - mel).max() < 0.1  # of a range of about 8 nepers
    heard = np.asarray(real_yamnet.build_blocks(1, 14)(mine[..., None])).mean(axis=(1, 2))
    assert np.corrcoef(heard[0], embeddings[0])[0, 1] > 0.99


@pytest.mark.real_data
def test_a_model_whose_blocks_hear_something_else_is_refused(real_data, monkeypatch):
    folder = real_data / "tfhub" / "9616fd04ec2360621642ef9455b84f4b668e219e"
    read = yamnet.read_weights
    monkeypatch.setattr(yamnet, "read_weights", lambda v: [(-k, bias) for k, bias in read(v)])
    with pytest.raises(PretrainedError, match="put together, do not give its embeddings"):
        load_yamnet(pretrained="if available", handle=str(folder))


def test_another_rate_is_refused():
    with pytest.raises(ValueError, match="have 8000 Hz; YAMNet hears 16000"):
        weights.check_rate(8000)
