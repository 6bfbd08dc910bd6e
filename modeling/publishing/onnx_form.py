"""Keras networks as ONNX, which onnxruntime runs without TensorFlow."""

import numpy as np

from preprocessing.disk import arrays

OPSET = 18
LEAST_HALVED = 1024
"""Weights of fewer numbers are kept in 32 bits."""


def write_onnx(model, path):
    """Write a Keras model of one input; clip and time axes stay free.

    Weights are kept in 16 bits and read as 32. Outputs stand in the model's order.
    """
    import onnx
    import tf2onnx

    handlers = {"Erfc": (_write_erfc, [])}
    graph, _ = tf2onnx.convert.from_keras(model, opset=OPSET, custom_op_handlers=handlers)
    halve_weights(graph)
    with arrays.replace_file(path) as temporary:
        onnx.save(graph, str(temporary))
    print(f"{path.name}: {path.stat().st_size:,} bytes")


def halve_weights(model):
    """Keep an ONNX model's large weights in 16 bits, read as 32."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weights in model.graph.initializer:
        values = numpy_helper.to_array(weights)
        if values.dtype != np.float32 or values.size < LEAST_HALVED:
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
