"""Keras networks as ONNX: the same answers, any number of clips, half the disk."""

import numpy as np
import onnxruntime

from data_augmentation.quiet_keras import keras
from modeling.export.onnx_form import write_onnx
from modeling.publishing import shipping


def test_onnx_answers_as_keras_does_for_any_number_of_clips_and_frames(tmp_path):
    rng = np.random.default_rng(0)
    start = keras.Input((None, 64), name="frames")
    x = keras.layers.Dense(512)(start)
    x = keras.ops.mean(keras.activations.gelu(x, approximate=False), axis=1)
    x = keras.layers.Normalization(mean=rng.normal(size=512), variance=rng.random(512) + 0.1)(x)
    model = keras.Model(start, [keras.layers.Softmax()(x[:, :8]), x])
    model.set_weights([shipping.round_weights(own) for own in model.get_weights()])
    path = tmp_path / "network.onnx"
    write_onnx(model, path)
    assert path.stat().st_size < 1.2 * 2 * 64 * 512 + 10_000, "weights are kept in 16 bits"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for n_clips, n_frames in [(1, 3), (5, 40)]:
        frames = rng.normal(size=(n_clips, n_frames, 64)).astype(np.float32)
        found = session.run(None, {session.get_inputs()[0].name: frames})
        for own, expected in zip(found, model(frames), strict=True):
            np.testing.assert_allclose(own, np.asarray(expected), atol=1e-5)
