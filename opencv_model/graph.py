"""The ResNet-10 SSD face network as a table of facts, and its text graph in two languages.

The weight files hold numbers under names; OpenCV reads beside them a *graph*, a text that says
which layers there are and how they are joined. Here the network is listed once (``list_layers``)
and written out for either weight file: TensorFlow's (``write_tensorflow_graph``) or Caffe's
(``write_caffe_graph``). Both languages are the text form of protocol buffers.

The network is the Single Shot Detector of Liu et al. (2016, ECCV) with a narrowed residual trunk
(He et al. 2016, "Identity mappings", ECCV: normalise and rectify before the convolution).
"""

from typing import NamedTuple

INPUT_SIZE = 300
"""Height and width of the network's input, in pixels."""

CLOSE_INPUT_SIZE = 144
"""The same of a reduced form for large faces, a third of the work."""

CLOSE_HEADS = 4
"""Heads of that form: the others would look at less than one pixel."""

CHANNEL_MEANS_BGR = (104.0, 177.0, 123.0)
"""Subtracted from the blue, green and red channel (0 to 255) before the first layer."""

BLOCKS = (
    # prefix, norm 1, expanding conv, conv 1, norm 2, conv 2; width, outputs, stride, dilation
    ("layer_64_1_", None, None, "conv1_h", "bn2_h", "conv2_h", 32, 32, 1, 1),
    ("layer_128_1_", "bn1_h", "conv_expand_h", "conv1_h", "bn2", "conv2", 128, 128, 2, 1),
    ("layer_256_1_", "bn1", "conv_expand", "conv1", "bn2", "conv2", 256, 256, 2, 1),
    ("layer_512_1_", "bn1", "conv_expand_h", "conv1_h", "bn2_h", "conv2_h", 128, 256, 1, 2),
)
"""Residual blocks: out = conv 2(relu(norm 2(conv 1(x)))) + expanding conv(x), x = relu(norm 1)."""

EXTRA_PAIRS = (
    # name, outputs of the 1×1 convolution, of the 3×3 one, its stride, its padding
    ("conv6", 128, 256, 2, 1),
    ("conv7", 64, 128, 2, 1),
    ("conv8", 64, 128, 1, 0),
    ("conv9", 64, 128, 1, 0),
)
"""Pairs of convolutions that follow the trunk and look at ever larger areas."""

HEADS = (
    # name, layer it reads, smallest and largest prior (pixels of the input), ratios, step (pixels)
    ("conv4_3_norm", "conv4_3_norm", 30, 60, (2.0,), 8),
    ("fc7", "fc7", 60, 111, (2.0, 3.0), 16),
    ("conv6_2", "conv6_2_relu", 111, 162, (2.0, 3.0), 32),
    ("conv7_2", "conv7_2_relu", 162, 213, (2.0, 3.0), 64),
    ("conv8_2", "conv8_2_relu", 213, 264, (2.0,), 100),
    ("conv9_2", "conv9_2_relu", 264, 315, (2.0,), 300),
)
"""Six detection heads, each with its prior boxes; every ratio is used upright and lying too."""

PRIOR = {"flip": True, "clip": False, "offset": 0.5}
VARIANCES = (0.1, 0.1, 0.2, 0.2)
DETECTION = {"num_classes": 2, "share_location": True, "background_label_id": 0}
SUPPRESSION = {"nms_threshold": 0.45, "top_k": 400}
KEPT = {"keep_top_k": 200, "confidence_threshold": 0.01}
EPSILON = 1.001e-5
"""Added to the variance in the TensorFlow form; Caffe's own default is 1e-5."""


class Layer(NamedTuple):
    """One row of the network: what it is, its name, the layers it reads, its numbers."""

    kind: str
    name: str
    inputs: tuple
    options: dict


class Word(str):
    """A word of the protocol buffer language, written without quotation marks."""


def list_layers(n_heads=6):
    """List the network's layers in order.

    Args:
        n_heads: Detection heads, from the one for the smallest faces on; at least 2.

    Returns:
        List of ``Layer``, their options in Caffe's words; a norm is a batch normalisation, a scale
        and a shift.
    """
    layers = []

    def add(kind, name, *inputs, **options):
        layers.append(Layer(kind, name, inputs, options))
        return name

    def convolve(name, source, outputs, size, stride=1, pad=0, dilation=1, bias=False):
        options = {"num_output": outputs, "kernel_size": size, "bias_term": bias}
        return add("conv", name, source, **options, stride=stride, pad=pad, dilation=dilation)

    def activate(norm, source):
        norm = add("norm", norm, source)
        return add("relu", norm.replace("bn", "relu"), norm)

    x = add("norm", "data_bn", "data")
    x = convolve("conv1_h", x, 32, 7, 2, 3, bias=True)
    x = add("pool", "conv1_pool", activate("conv1_bn_h", x))
    for prefix, norm1, expand, conv1, norm2, conv2, width, outputs, stride, dilation in BLOCKS:
        x = shortcut = activate(prefix + norm1, x) if norm1 else x
        if expand:
            shortcut = convolve(prefix + expand, x, outputs, 1, stride)
        x = convolve(prefix + conv1, x, width, 3, stride, 1)
        x = activate(prefix + norm2, x)
        x = convolve(prefix + conv2, x, outputs, 3, 1, dilation, dilation)
        x = add("sum", f"{prefix}sum", x, shortcut)
    x = add("relu", "fc7", add("norm", "last_bn_h", x))
    for name, narrow, wide, stride, pad in EXTRA_PAIRS[: n_heads - 2]:
        x = add("relu", f"{name}_1_relu", convolve(f"{name}_1_h", x, narrow, 1, bias=True))
        x = convolve(f"{name}_2_h", x, wide, 3, stride, pad, bias=True)
        x = add("relu", f"{name}_2_relu", x)
    add("l2norm", "conv4_3_norm", "layer_256_1_relu1")
    for name, source, smallest, largest, ratios, step in HEADS[:n_heads]:
        n_priors = 2 + 2 * len(ratios)
        for suffix, n_numbers in (("mbox_loc", 4), ("mbox_conf", 2)):
            head, outputs = f"{name}_{suffix}", n_priors * n_numbers
            convolve(head, source, outputs, 3, pad=1, bias=True)
            add("flatten", f"{head}_flat", head)
        sizes = {"min_size": smallest, "max_size": largest, "step": float(step)}
        add("prior", f"{name}_mbox_priorbox", source, "data", **sizes, aspect_ratio=ratios)
    for joined, suffix in (("loc", "loc_flat"), ("conf", "conf_flat"), ("prior", "priorbox")):
        add("concat", f"mbox_{joined}", *(f"{head[0]}_mbox_{suffix}" for head in HEADS[:n_heads]))
    add("softmax", "mbox_conf_softmax", "mbox_conf")
    add("detect", "detection_out", "mbox_loc", "mbox_conf_softmax", "mbox_prior")
    return layers


def write_message(fields, indent=""):
    """Write nested fields in the text form of protocol buffers.

    Args:
        fields: Dict of name to number, bool, str (quoted), ``Word`` (bare), dict (nested) or a
            list or tuple of these (the field repeats).
        indent: Blanks before each line.

    Returns:
        The text, each line ended.
    """
    lines = []
    for name, values in fields.items():
        for value in values if isinstance(values, list | tuple) else [values]:
            if isinstance(value, dict):
                inner = write_message(value, indent + "  ")
                lines.append(f"{indent}{name} {{\n{inner}{indent}}}\n")
            else:
                lines.append(f"{indent}{name}: {_write_scalar(value)}\n")
    return "".join(lines)


def _write_scalar(value):
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) and not isinstance(value, Word) else str(value)


def write_tensorflow_graph(n_heads=6):
    """Write the graph (``.pbtxt``) that goes with ``opencv_face_detector_uint8.pb``.

    The weights are looked up in the ``.pb`` under the names given here as inputs
    (``conv1_h/weights``). In it, a normalisation behind a convolution without bias is already
    folded into that convolution and only its offset is left. The 3×3 convolutions of conv8 and
    conv9 are not padded, which OpenCV's own text gets wrong: see the README.

    Args:
        n_heads: As for ``list_layers``.
    """
    layers = list_layers(n_heads)
    unbiased = {row.name for row in layers if not row.options.get("bias_term", True)}
    nodes = [
        _node("data", "Placeholder", dtype={"type": Word("DT_FLOAT")}),
        _node("last_axis", "Const", value=_tensor("INT32", "int_val", (-1,))),
        _node("two_classes", "Const", value=_tensor("INT32", "int_val", (0, -1, 2))),
    ]
    for row in layers:
        nodes += _tensorflow_nodes(*row, folded=row.inputs[0] in unbiased)
    return write_message({"node": nodes})


def _tensorflow_nodes(kind, name, inputs, options, *, folded):
    """Return the TensorFlow nodes of a layer; the last one bears the layer's name."""
    source = inputs[0]
    match kind:
        case "conv":
            return _convolution_nodes(name, source, **options)
        case "norm":
            scale = name.replace("bn", "scale")
            if folded:
                first = _node(f"{name}/norm", "BiasAdd", source, f"{source}/Conv2D_bn_offset")
            else:
                known = [f"{name}/{part}" for part in ("gamma", "beta", "mean", "std")]
                first = _node(f"{name}/norm", "FusedBatchNorm", source, *known, epsilon=EPSILON)
            scaled = _node(f"{name}/scaled", "Mul", f"{name}/norm", f"{scale}/mul")
            return [first, scaled, _node(name, "BiasAdd", f"{name}/scaled", f"{scale}/add")]
        case "pool":
            window = {"ksize": (1, 3, 3, 1), "strides": (1, 2, 2, 1)}
            return [_node(name, "MaxPool", source, padding="SAME", **window)]
        case "l2norm":
            direction = _node(f"{name}/direction", "L2Normalize", source, "last_axis")
            return [direction, _node(name, "Mul", f"{name}/direction", f"{name}/mul")]
        case "concat":
            return [_node(name, "ConcatV2", *inputs, "last_axis")]
        case "softmax":
            pairs = _node(f"{name}/pairs", "Reshape", source, "two_classes")
            shares = _node(f"{name}/shares", "Softmax", f"{name}/pairs", axis=2)
            return [pairs, shares, _node(name, "Flatten", f"{name}/shares")]
        case "prior":
            ratios = _tensor("FLOAT", "float_val", options["aspect_ratio"])
            spread = _tensor("FLOAT", "float_val", VARIANCES)
            numbers = {**options, "aspect_ratio": ratios, "variance": spread, **PRIOR}
            return [_node(name, "PriorBox", *inputs, **numbers)]
        case "detect":
            numbers = {**DETECTION, **SUPPRESSION, **KEPT, "code_type": "CENTER_SIZE"}
            return [_node(name, "DetectionOutput", *inputs, **numbers)]
    return [_node(name, {"relu": "Relu", "sum": "Add", "flatten": "Flatten"}[kind], *inputs)]


def _convolution_nodes(name, source, *, kernel_size, stride, pad, dilation, bias_term, **_):
    # "SAME" puts an odd pixel of padding behind, the network one on either side: where a stride
    # makes that differ, the padding is written out. OpenCV takes a dilation only in the form in
    # which early TensorFlow wrote it: take apart, convolve, put together.
    weights, strides = f"{name}/weights", (1, stride, stride, 1)
    if bias_term:
        biased = _node(name, "BiasAdd", f"{name}/sum", f"{name}/bias")
        name = f"{name}/sum"
    if dilation > 1:
        apart = f"{name}/convolution/SpaceToBatchND"
        return [
            _node(apart, "SpaceToBatchND", source, f"{apart}/block_shape", f"{apart}/paddings"),
            _node(f"{name}/parts", "Conv2D", apart, weights, padding="VALID", strides=strides),
            _node(name, "BatchToSpaceND", f"{name}/parts"),
        ]
    padding = {"padding": "SAME" if pad == kernel_size // 2 else "VALID"}
    if pad and stride > 1:
        padding = {"padding": "EXPLICIT", "explicit_paddings": (0, 0, pad, pad, pad, pad, 0, 0)}
    summed = _node(name, "Conv2D", source, weights, strides=strides, **padding)
    return [summed, biased] if bias_term else [summed]


def _node(name, operation, *inputs, **attributes):
    pairs = [{"key": key, "value": _write_value(value)} for key, value in attributes.items()]
    return {"name": name, "op": operation, "input": inputs, "attr": pairs}


def _write_value(value):
    if isinstance(value, tuple):
        return {"list": {"i": value}}
    fields = {bool: "b", int: "i", float: "f", str: "s"}
    return value if isinstance(value, dict) else {fields[type(value)]: value}


def _tensor(data_type, field, numbers):
    shape = {"dim": {"size": len(numbers)}}
    return {"tensor": {"dtype": Word(f"DT_{data_type}"), "tensor_shape": shape, field: numbers}}


def write_caffe_graph(n_heads=6, *, input_size=INPUT_SIZE):
    """Write the graph (``.prototxt``) for ``res10_300x300_ssd_iter_140000.caffemodel``.

    Args:
        n_heads: As for ``list_layers``.
        input_size: Height and width of the input, in pixels.
    """
    shape = {"dim": (1, 3, input_size, input_size)}
    layers = [layer for row in list_layers(n_heads) for layer in _caffe_layers(*row)]
    return write_message({"input": "data", "input_shape": shape, "layer": layers})


def _caffe_layers(kind, name, inputs, options):
    """Return the Caffe layers of a layer; the last one bears the layer's name on top."""
    match kind:
        case "conv":
            return [_layer(name, "Convolution", inputs, convolution_param=options)]
        case "norm":
            normalise = _layer(name, "BatchNorm", inputs)
            scale = name.replace("bn", "scale")
            scaled = _layer(scale, "Scale", (name,), scale_param={"bias_term": True})
            return [normalise, {**scaled, "top": name}]
        case "pool":
            window = {"pool": Word("MAX"), "kernel_size": 3, "stride": 2}
            return [_layer(name, "Pooling", inputs, pooling_param=window)]
        case "l2norm":
            per_place = {"across_spatial": False, "channel_shared": False}
            return [_layer(name, "Normalize", inputs, norm_param=per_place)]
        case "flatten":
            order = {"order": (0, 2, 3, 1)}
            channels_last = _layer(f"{name}_perm", "Permute", inputs, permute_param=order)
            return [channels_last, _layer(name, "Flatten", (f"{name}_perm",))]
        case "concat":
            axis = {"axis": 2 if name == "mbox_prior" else 1}
            return [_layer(name, "Concat", inputs, concat_param=axis)]
        case "softmax":
            pairs = {"shape": {"dim": (0, -1, 2)}}
            return [
                _layer(f"{name}_pairs", "Reshape", inputs, reshape_param=pairs),
                _layer(f"{name}_shares", "Softmax", (f"{name}_pairs",), softmax_param={"axis": 2}),
                _layer(name, "Flatten", (f"{name}_shares",)),
            ]
        case "prior":
            numbers = {**options, "variance": VARIANCES, **PRIOR}
            return [_layer(name, "PriorBox", inputs, prior_box_param=numbers)]
        case "detect":
            numbers = {**DETECTION, "nms_param": SUPPRESSION, **KEPT}
            numbers["code_type"] = Word("CENTER_SIZE")
            return [_layer(name, "DetectionOutput", inputs, detection_output_param=numbers)]
    return [_layer(name, {"relu": "ReLU", "sum": "Eltwise"}[kind], inputs)]


def _layer(name, kind, inputs, **parameters):
    return {"name": name, "type": kind, "bottom": inputs, "top": name, **parameters}
