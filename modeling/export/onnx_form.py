"""Keras networks as ONNX, which onnxruntime runs without TensorFlow."""

from functools import lru_cache

import numpy as np

from data_augmentation.quiet_keras import keras
from modeling.export.plain import rewrite_network
from preprocessing.disk import arrays

OPSET = 18
LEAST_HALVED = 1024
"""Weights of fewer numbers are kept in 32 bits."""

MOST_LOST = 1e-6
"""What 16 bits may change of a weight, as a share of the largest of its kind."""


def write_onnx(model, path, *, int8=False):
    """Write a Keras model; clip axes stay free, and time axes where the model's are.

    Weights that lose nothing by it, such as those shipped, are kept in 16 bits and read as 32.
    Outputs stand in the model's order, under their names in it where it has names.

    Args:
        model: A functional model with named inputs, one or several, or a dictionary of them.
        path: Of the file.
        int8: Keep the weights of matrix products in 8 bits, by channel.
    """
    import onnx

    graph = onnx.ModelProto.FromString(convert_model(model))
    if not int8:
        halve_weights(graph)
    with arrays.replace_file(path) as temporary:
        onnx.save(graph, str(temporary))
        if int8:
            _quantize(temporary)


@lru_cache(maxsize=1)
def convert_model(model):
    """Return a Keras model as the bytes of an ONNX model, weights in 32 bits."""
    import tensorflow as tf
    import tf2onnx

    plain = rewrite_network(model)
    signature = [tf.TensorSpec(each.shape, each.dtype, each.name) for each in plain.inputs]

    @tf.function(input_signature=signature, autograph=False)
    def answer(*values):
        return name_outputs(plain, values)

    handlers = {"Erfc": (_write_erfc, [])}
    options = {"input_signature": signature, "opset": OPSET, "custom_op_handlers": handlers}
    graph, _ = tf2onnx.convert.from_function(answer, **options)
    outputs = sorted(graph.graph.output, key=lambda own: own.name == "embedding")
    del graph.graph.output[:]  # TensorFlow has sorted them
    graph.graph.output.extend(outputs)
    return graph.SerializeToString()


def name_outputs(model, values):
    """Return what a model makes of tensors in the order of its inputs, by the names of outputs."""
    named = dict(zip([each.name for each in model.inputs], values, strict=True))
    given = keras.tree.map_structure(lambda own: named[own.name], model.input)
    found = model(given, training=False)
    if isinstance(found, dict):
        return found
    found = found if isinstance(found, (list, tuple)) else [found]
    return dict(zip(["posterior", "embedding"], found, strict=False))


def _quantize(path):
    """Keep the weights of a file's matrix products in 8 bits, by channel.

    Of products of more than two dimensions onnxruntime cannot read them so.
    """
    import logging

    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load(path).graph
    flat = {own.name for own in graph.initializer if len(own.dims) == 2}
    products = [own for own in graph.node if own.op_type == "MatMul" and own.input[1] in flat]
    if not products:
        return
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # else it advises to preprocess
    options = {"nodes_to_quantize": [own.name for own in products], "per_channel": True}
    try:
        quantize_dynamic(path, path, weight_type=QuantType.QInt8, **options)
    finally:
        logger.setLevel(level)


def halve_weights(model):
    """Keep an ONNX model's large weights in 16 bits, read as 32, where nothing is lost by it."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weights in model.graph.initializer:
        values = numpy_helper.to_array(weights)
        if values.dtype != np.float32 or values.size < LEAST_HALVED:
            continue
        lost = np.abs(values.astype(np.float16) - values).max()
        if not lost <= MOST_LOST * np.abs(values).max():
            continue
        name = weights.name
        half = numpy_helper.from_array(values.astype(np.float16), f"{name}_half")
        weights.CopyFrom(half)
        casts.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _write_erfc(graph, node, name, arguments):
    """Write 1 − Erf(x), since ONNX has no Erfc; the arguments are tf2onnx's."""
    shapes, dtypes = node.output_shapes, node.output_dtypes
    graph.remove_node(node.name)
    erf = graph.make_node("Erf", [node.input[0]])
    one = graph.make_const(f"{name}_one", np.array(1, np.float32))
    inputs = [one.output[0], erf.output[0]]
    graph.make_node("Sub", inputs, name=name, outputs=node.output, shapes=shapes, dtypes=dtypes)
