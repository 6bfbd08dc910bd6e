"""A SavedModel is a program: what it would do is read before it is loaded."""

import hashlib

import numpy as np
import pytest
import tensorflow as tf

from modeling.borrowed import yamnet
from modeling.borrowed.saved_models import check_saved_model
from modeling.borrowed.weights import PretrainedError


def read_secret(sound):
    return tf.strings.to_number(tf.io.read_file("/etc/hostname"), tf.float32) + sound


def call_python(sound):
    return tf.py_function(lambda x: x, [sound], tf.float32)


def multiply(sound):
    return tf.nn.relu(sound * 2.0)


def write_saved_model(folder, function):
    module = tf.Module()
    module.weight = tf.Variable(1.0)
    signature = [tf.TensorSpec([None], tf.float32)]
    module.heard = tf.function(function, input_signature=signature)
    tf.saved_model.save(module, str(folder))
    return folder


@pytest.mark.parametrize("way", ["own folder", "cache", "download"])
@pytest.mark.parametrize(
    ("function", "operation"), [(read_secret, "ReadFile"), (call_python, "Py")]
)
def test_a_model_that_reaches_outside_is_refused_before_it_is_loaded(
    tmp_path, monkeypatch, function, operation, way
):
    import tensorflow_hub

    key = hashlib.sha1(yamnet.HANDLE.encode()).hexdigest()
    folder = write_saved_model(tmp_path / key, function)
    handle = str(folder) if way == "own folder" else yamnet.HANDLE
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    if way == "download":
        monkeypatch.setattr(tensorflow_hub, "resolve", lambda _: str(folder))
    monkeypatch.setattr(tf.saved_model, "load", lambda *_: pytest.fail("it was loaded"))
    with pytest.raises(PretrainedError, match=operation):
        yamnet.load_yamnet(handle=handle)


def test_a_model_that_only_computes_passes(tmp_path):
    check_saved_model(write_saved_model(tmp_path / "model", multiply))


@pytest.mark.real_data
def test_the_real_model_passes_and_hears_speech(real_data, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(real_data / "tfhub"))
    network, note = yamnet.load_yamnet(pretrained=True)
    assert note == ""
    assert network.score_sound(np.zeros(16000, np.float32)).shape[1] == 521
