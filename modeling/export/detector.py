"""The face detector as ONNX: the ResNet-10 SSD that OpenCV runs, for programs without OpenCV.

The Caffe form's words (``opencv_model/resnet_ssd.prototxt``) name its layers, and OpenCV gives
their weights. What the last layers do with priors (Liu et al. 2016) is part of the graph; what
overlaps is not sorted out: the surest box is the face.
"""

import re

import numpy as np

from opencv_model import resnet_ssd
from preprocessing.disk import arrays

SIZES = (38, 19, 10, 5, 3, 1)
"""Cells a side of the six maps on which faces are looked for, the finest first."""

OPSET = 18
VARIANCES = np.array([0.1, 0.1, 0.2, 0.2], np.float32)


def write_detector(path):
    """Write the detector, from ``picture`` to ``boxes`` and ``faces``.

    ``picture`` is float32 (1, 3, 300, 300): blue, green, red, 0 to 255, less
    ``resnet_ssd.CHANNEL_MEANS_BGR``; ``boxes`` float32 (box, 4): left, top, right, bottom as shares
    of the picture; ``faces`` float32 (box,): how surely each is a face.

    Raises:
        DetectorError: The detector's Caffe form cannot be had.
    """
    import onnx

    detector = resnet_ssd.open_detector("resnet_ssd_caffe", quiet=True)
    graph = _Graph(detector.network)
    priors = []
    for line in resnet_ssd.read_graph("prototxt").splitlines():
        if not line.startswith("layer"):
            continue
        kind = re.search(r'type: "(\w+)"', line)[1]
        if kind == "PriorBox":
            priors.append(make_priors(line, SIZES[len(priors)]))
        elif kind in WRITERS:
            WRITERS[kind](graph, line)
    _write_boxes(graph, np.concatenate(priors))
    with arrays.replace_file(path) as temporary:
        onnx.save(graph.finish(), str(temporary))


class _Graph:
    """An ONNX graph being written; layers that overwrite their input get names of their own."""

    def __init__(self, network):
        self.network, self.nodes, self.weights = network, [], []
        self.names = {"data": "picture"}

    def read_blobs(self, line, n_blobs):
        """Return the weights of a layer, float32 arrays."""
        layer = self.network.getLayerId(re.search(r'name: "(\w+)"', line)[1])
        return [np.array(self.network.getParam(layer, n)) for n in range(n_blobs)]

    def keep(self, values, dtype=np.float32):
        """Keep an array; return its name."""
        from onnx import numpy_helper

        name = f"weights_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def add(self, kind, inputs, output="", **attributes):
        """Write an operation; return the name of what it gives."""
        from onnx import helper

        output = output or f"made_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def put(self, line, kind, *others, **attributes):
        """Write an operation for a layer's line of text, which reads what the line says."""
        bottoms = [self.names[name] for name in re.findall(r'bottom: "(\w+)"', line)]
        made = self.add(kind, [*bottoms, *others], **attributes)
        self.names[re.search(r'top: "(\w+)"', line)[1]] = made

    def finish(self):
        """Return the ONNX model."""
        from onnx import TensorProto, checker, helper

        shapes = {"picture": [1, 3, 300, 300], "boxes": [None, 4], "faces": [None]}
        values = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in shapes.items()
        ]
        graph = helper.make_graph(self.nodes, "face", values[:1], values[1:], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = 9
        checker.check_model(model)
        return model


def _read_number(line, name, default):
    found = re.search(rf"\b{name}: (\d+)", line)
    return int(found[1]) if found else default


def _write_convolution(graph, line):
    has_bias = "bias_term: true" in line
    weights = graph.read_blobs(line, 1 + has_bias)
    kept = [graph.keep(weights[0]), *(graph.keep(own.ravel()) for own in weights[1:])]
    stride, pad = _read_number(line, "stride", 1), _read_number(line, "pad", 0)
    dilation = _read_number(line, "dilation", 1)
    options = {"strides": [stride] * 2, "pads": [pad] * 4, "dilations": [dilation] * 2}
    graph.put(line, "Conv", *kept, **options)


def _write_normalization(graph, line):
    mean, variance, factor = graph.read_blobs(line, 3)
    factor = factor.ravel()[0] or 1.0
    ones = np.ones(mean.size)
    kept = [graph.keep(own) for own in (ones, 0 * ones, mean.ravel() / factor)]
    graph.put(line, "BatchNormalization", *kept, graph.keep(variance.ravel() / factor))


def _write_scale(graph, line):
    scale, bias = (own.reshape(1, -1, 1, 1) for own in graph.read_blobs(line, 2))
    graph.put(line, "Mul", graph.keep(scale))
    top = re.search(r'top: "(\w+)"', line)[1]
    graph.names[top] = graph.add("Add", [graph.names[top], graph.keep(bias)])


def _write_pooling(graph, line):
    size, stride = _read_number(line, "kernel_size", 1), _read_number(line, "stride", 1)
    options = {"kernel_shape": [size] * 2, "strides": [stride] * 2, "ceil_mode": 1}
    graph.put(line, "MaxPool", **options)


def _write_length(graph, line):
    """Write the layer that brings each cell's vector to length one, times a scale."""
    (scale,) = graph.read_blobs(line, 1)
    start = graph.names[re.search(r'bottom: "(\w+)"', line)[1]]
    graph.put(line, "ReduceL2", graph.keep([1], np.int64), keepdims=1)
    top = re.search(r'top: "(\w+)"', line)[1]
    unit = graph.add("Div", [start, graph.names[top]])
    graph.names[top] = graph.add("Mul", [unit, graph.keep(scale.reshape(1, -1, 1, 1))])


def _write_flattening(graph, line):
    if "softmax" not in line:
        graph.put(line, "Flatten")


def _write_concatenation(graph, line):
    if "priorbox" not in line:
        graph.put(line, "Concat", axis=1)


WRITERS = {
    "Convolution": _write_convolution,
    "BatchNorm": _write_normalization,
    "Scale": _write_scale,
    "ReLU": lambda graph, line: graph.put(line, "Relu"),
    "Pooling": _write_pooling,
    "Eltwise": lambda graph, line: graph.put(line, "Add"),
    "Normalize": _write_length,
    "Permute": lambda graph, line: graph.put(line, "Transpose", perm=[0, 2, 3, 1]),
    "Flatten": _write_flattening,
    "Concat": _write_concatenation,
}


def make_priors(line, n_cells):
    """Return the boxes that one map starts from, float32 (box, 4): centre and size, in pixels."""
    smallest, largest = _read_number(line, "min_size", 0), _read_number(line, "max_size", 0)
    step = float(re.search(r"step: ([\d.]+)", line)[1])
    sizes = [(smallest, smallest), (np.sqrt(smallest * largest),) * 2]
    for ratio in map(float, re.findall(r"aspect_ratio: ([\d.]+)", line)):
        wide, high = smallest * np.sqrt(ratio), smallest / np.sqrt(ratio)
        sizes += [(wide, high), (high, wide)]
    rows, columns = np.mgrid[:n_cells, :n_cells]
    centres = (np.stack([columns, rows], axis=-1) + 0.5) * step
    priors = np.zeros((n_cells, n_cells, len(sizes), 4), np.float32)
    priors[..., :2], priors[..., 2:] = centres[:, :, None], np.array(sizes)
    return priors.reshape(-1, 4)


def _write_boxes(graph, priors):
    """Write what turns the maps' numbers into boxes and how surely each is a face."""
    found = graph.add("Reshape", [graph.names["mbox_loc"], graph.keep([-1, 4], np.int64)])
    moved = graph.add("Mul", [found, graph.keep(VARIANCES)])
    halves = graph.keep([2, 2], np.int64)
    from onnx import helper

    graph.nodes.append(helper.make_node("Split", [moved, halves], ["shift", "growth"], axis=1))
    centre, size = priors[:, :2] / resnet_ssd.INPUT_SIZE, priors[:, 2:] / resnet_ssd.INPUT_SIZE
    shifted = graph.add("Mul", ["shift", graph.keep(size)])
    middle = graph.add("Add", [shifted, graph.keep(centre)])
    half = graph.add("Mul", [graph.add("Exp", ["growth"]), graph.keep(size / 2)])
    corners = [graph.add("Sub", [middle, half]), graph.add("Add", [middle, half])]
    graph.add("Concat", corners, "boxes", axis=1)
    pairs = graph.add("Reshape", [graph.names["mbox_conf"], graph.keep([-1, 2], np.int64)])
    shares = graph.add("Softmax", [pairs], axis=1)
    graph.add("Gather", [shares, graph.keep(1, np.int64)], "faces", axis=1)
