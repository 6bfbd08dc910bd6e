"""Keras networks as LiteRT (once TensorFlow Lite), of its built-in operations alone.

One clip at a time. A free axis of time stays free: who asks brings the length with the clip.
"""

import os
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import lru_cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from data_augmentation.quiet_keras import keras
from modeling.export.onnx_form import name_outputs
from modeling.export.plain import rewrite_network
from preprocessing.disk import arrays


def write_litert(model, path, *, lengths=None, int8=False):
    """Write a Keras model for one clip at a time.

    Args:
        model: A functional model with named inputs.
        path: Of the file.
        lengths: What stands for free axes of an input, by its name; those of others stay free.
        int8: Keep weights in 8 bits ("dynamic range"); what is computed stays in float32.

    Raises:
        ValueError: It needs operations that LiteRT does not have built in.
    """
    data = convert_model(model, lengths=lengths or {}, int8=int8)
    foreign = sorted(name for name in list_operations(data) if name.startswith("Flex"))
    if foreign:
        raise ValueError(f"LiteRT has no {', '.join(foreign)} built in; plain.py may replace it.")
    with arrays.replace_file(path) as temporary:
        temporary.write_bytes(data)


def convert_model(model, *, lengths, int8):
    """Return a Keras model as the bytes of a LiteRT model."""
    import tensorflow as tf

    saved = _save_model(model, tuple(sorted(lengths.items())))
    converter = tf.lite.TFLiteConverter.from_saved_model(saved.name)
    if int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        return converter.convert()


@lru_cache(maxsize=1)
def _save_model(model, lengths):
    """Return the temporary folder of a model, of one clip, as TensorFlow saves it."""
    import tensorflow as tf

    plain, signature = rewrite_network(model), []
    for each in plain.inputs:
        length = dict(lengths).get(each.name)
        shape = (1, *(length if axis is None else axis for axis in each.shape[1:]))
        signature.append(tf.TensorSpec(shape, each.dtype, each.name))
    answer = tf.function(lambda *x: name_outputs(plain, x), autograph=False)
    folder = TemporaryDirectory()
    archive = keras.export.ExportArchive(verbose=False)
    archive.track(plain)
    archive.add_endpoint("serve", answer, input_signature=signature)
    archive.write_out(folder.name, verbose=False)
    return folder


def list_operations(model):
    """Return the names of the operations of a LiteRT model, bytes or a path, as a set.

    Those that are not built in begin with ``Flex``.
    """
    interpreter = open_interpreter(model)
    return {each["op_name"] for each in interpreter._get_ops_details()} - {"DELEGATE"}


def open_interpreter(model):
    """Return a LiteRT interpreter of a model, bytes or a path, that uses one thread."""
    from ai_edge_litert.interpreter import Interpreter

    data = Path(model).read_bytes() if isinstance(model, (str, Path)) else model
    with _hush():
        interpreter = Interpreter(model_content=data, num_threads=1)
        interpreter.allocate_tensors()
    return interpreter


@contextmanager
def _hush():
    """Let native code write nothing to the terminal: LiteRT names what it computes with."""
    sys.stderr.flush()
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(nowhere)
        os.close(before)
