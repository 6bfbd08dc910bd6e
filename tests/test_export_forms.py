"""Exported networks: the same numbers in plainer words, in ONNX and in LiteRT without Flex."""

import numpy as np
import pytest

from data_augmentation.quiet_keras import keras
from modeling.export import detector, joining, litert_form, onnx_form, runtimes
from modeling.export.plain import rewrite_network
from modeling.expressions import expression_network
from modeling.training.layers import (
    ClipNormalization,
    RotaryAttention,
    StatisticsPooling,
    YamnetSpectrogram,
)
from opencv_model import resnet_ssd
from preprocessing.corpora.drawn import face

layers, ops = keras.layers, keras.ops


def build_convlstm():
    start = keras.Input((3, 8, 8), name="faces")
    x = layers.Reshape((3, 8, 8, 1))(start)
    there = ops.any(x != 0, axis=(2, 3, 4))
    x = layers.ConvLSTM2D(4, 3, padding="same", return_sequences=True)(
        ClipNormalization()(x), mask=there
    )
    x = ops.average_pool(x, (1, 4, 4))
    return keras.Model(start, StatisticsPooling()(layers.Reshape((3, -1))(x), mask=there))


def build_recurrent():
    start = keras.Input((4, 5), name="expressions")
    scale = layers.Normalization()
    scale.adapt(np.random.default_rng(1).normal(3, 2, (9, 4, 5)))
    x = layers.GRU(3, return_sequences=True)(scale(start), mask=ops.any(start != 0, axis=2))
    gates = layers.Dense(1)(x) + 100 * (ops.cast(ops.any(x != 0, 2, keepdims=True), "float32") - 1)
    return keras.Model(start, ops.sum(layers.Softmax(axis=1)(gates) * x, axis=1))


def build_yamnet():
    start = keras.Input((1600,), name="waveforms")
    return keras.Model(start, ops.mean(YamnetSpectrogram()(start), axis=1))


def build_branches():
    start = keras.Input((3, 6), name="embeddings")
    x = layers.EinsumDense("cbf,bfu->cbu", (3, 4), bias_axes="bu")(start)
    x = layers.MultiHeadAttention(2, 2)(x, x)
    return keras.Model(start, layers.Dense(5, "softmax")(layers.Flatten()(x)))


def build_voice():
    start = keras.Input((None, 16), name="frames")
    heard = RotaryAttention(2, 4)(start, mask=ops.any(start != 0, axis=-1))
    x = keras.activations.gelu(layers.Dense(16)(heard), approximate=False)
    return keras.Model(start, StatisticsPooling()(x))


NETWORKS = [build_convlstm, build_recurrent, build_yamnet, build_branches, build_voice]


def make_clips(model, rng, lengths=(9, 30)):
    """Return clips, one by one, of several lengths where that is free; one begins with zeros."""
    axes = model.input_shape[1:]
    shapes = [tuple(n if axis is None else axis for axis in axes) for n in lengths]
    clips = [rng.normal(0, 1, (1, *shape)) for shape in shapes]
    clips[0][:, 0] = 0
    return [clip.astype(np.float32) for clip in clips]


@pytest.mark.parametrize("build", NETWORKS)
@pytest.mark.parametrize("ending", ["onnx", "tflite"])
def test_exported_network_says_what_keras_says(build, ending, tmp_path):
    keras.utils.set_random_seed(4)
    model = build()
    path = tmp_path / f"network.{ending}"
    write = onnx_form.write_onnx if ending == "onnx" else litert_form.write_litert
    write(model, path)
    run = runtimes.open_exported(path)
    for clip in make_clips(model, np.random.default_rng(2)):
        found = run({model.inputs[0].name: clip})["posterior"]
        np.testing.assert_allclose(found, np.asarray(model(clip)), atol=1e-4)


def test_eight_bits_make_a_file_smaller_and_keep_the_answer_near(tmp_path):
    keras.utils.set_random_seed(5)
    start = keras.Input((64,), name="features")
    x = layers.Dense(256, activation="relu")(start)
    model = keras.Model(start, layers.Dense(4, "softmax")(x))
    row = {"features": np.random.default_rng(0).normal(size=(1, 64)).astype(np.float32)}
    for write, ending in [(onnx_form.write_onnx, "onnx"), (litert_form.write_litert, "tflite")]:
        paths = [tmp_path / f"{bits}.{ending}" for bits in ("whole", "int8")]
        for path, is_int8 in zip(paths, (False, True), strict=True):
            write(model, path, int8=is_int8)
        whole, eight = (runtimes.open_exported(path)(row)["posterior"] for path in paths)
        np.testing.assert_allclose(eight, whole, atol=0.05)
        assert paths[1].stat().st_size < 0.5 * paths[0].stat().st_size


def test_head_on_the_expression_network_reads_faces_as_the_corpus_was_read():
    rng = np.random.default_rng(6)
    faces = rng.integers(0, 255, (2, 3, 60, 60), dtype=np.uint8)
    faces[1, 2] = 0
    start = keras.Input((3, 3, 3, 256), name="expression_embeddings")
    x = layers.Dense(4, name="embedding")(ops.mean(start, axis=(1, 2, 3)))
    head = keras.Model(start, layers.Dense(5, "softmax", name="posterior")(x))
    whole = joining.put_encoder(head, "maps", {"size": 60, "grey": True})
    maps = expression_network.map_faces(joining.load_expressions(), faces).astype(np.float32)
    found = np.asarray(whole(faces.astype(np.float32))[0])
    np.testing.assert_allclose(found, np.asarray(head(maps)), atol=2e-3)  # maps are in 16 bits


def test_joint_head_on_its_branches_reads_their_scaled_embeddings():
    rng = np.random.default_rng(7)
    models, scales, stack = {}, {}, np.zeros((2, 2, 5), np.float32)
    values = {name: rng.normal(size=(2, 6)).astype(np.float32) for name in ("mels", "faces")}
    for n, (name, width) in enumerate({"mels": 5, "faces": 3}.items()):
        start = keras.Input((6,), name=name)
        x = layers.Dense(width)(start)
        models[name] = keras.Model(start, [layers.Dense(2)(x), x])
        scales[name] = rng.normal(size=width), rng.random(width) + 0.5
        own = np.asarray(models[name](values[name])[1])
        stack[:, n, :width] = (own - scales[name][0]) / scales[name][1]
    stack[1, 0] = 0
    start = keras.Input((2, 5), name="embeddings")
    head = keras.Model(start, layers.Dense(4, "softmax")(layers.Flatten()(start)))
    joined = joining.join_branches(models, scales, head, temperature=2.0)
    present = np.array([[1, 1], [0, 1]], np.float32)
    found = np.asarray(joined([values["mels"], values["faces"], present]))
    expected = np.sqrt(np.asarray(head(stack)))
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), atol=1e-5)


def test_detector_finds_the_face_that_opencv_finds(tmp_path):
    frame = face.draw_face(3)
    detector.write_detector(tmp_path / "detector.onnx")
    picture = {"picture": resnet_ssd.make_input(frame)}
    found = runtimes.open_exported(tmp_path / "detector.onnx")(picture)
    expected = resnet_ssd.open_detector("resnet_ssd_caffe").detect(frame)[0]
    best = found["faces"].argmax()
    height, width = frame.shape[:2]
    box = found["boxes"][best] * [width, height, width, height]
    np.testing.assert_allclose(box, expected[:4], atol=0.1)
    assert found["faces"][best] == pytest.approx(expected[4], abs=1e-4)


def test_what_was_trained_in_bfloat16_is_exported_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        start = keras.Input((6,), name="mels")
        x = layers.Dense(5, activation="relu", name="embedding")(start)
        model = keras.Model(start, layers.Dense(3, "softmax", dtype="float32")(x))
    finally:
        keras.config.set_dtype_policy("float32")
    plain = rewrite_network(model)
    assert {own.dtype_policy.name for own in plain.layers[1:]} == {"float32"}
    row = np.random.default_rng(1).normal(size=(4, 6)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(plain(row)), np.asarray(model(row)), atol=0.02)
    assert plain.get_layer("embedding").output.dtype == "float32"
