"""Exported files run as programs run them: onnxruntime and LiteRT, on one core, without Keras."""

from pathlib import Path

from modeling.export.litert_form import open_interpreter


def open_exported(path):
    """Return a function that runs an exported file.

    It takes arrays by input, float32 (1, ...), and gives the outputs, float32 (1, ...), by name.

    Raises:
        ValueError: The file is neither ``.onnx`` nor ``.tflite``.
    """
    path = Path(path)
    if path.suffix == ".onnx":
        return _open_onnx(path)
    if path.suffix == ".tflite":
        return _open_litert(path)
    raise ValueError(f"{path.name} is neither .onnx nor .tflite.")


def _open_onnx(path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return lambda values: dict(zip(names, session.run(names, values), strict=True))


def _open_litert(path):
    runner = open_interpreter(path).get_signature_runner()
    return lambda values: runner(**values)
