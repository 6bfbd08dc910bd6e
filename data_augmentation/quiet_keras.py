"""Keras, imported without the lines that TensorFlow writes to the terminal on import.

TensorFlow's native code prints to file descriptor 2 whatever its log level, so the descriptor
itself is pointed elsewhere while the import runs. Python's own errors still come through. So do
TensorFlow's warnings, but for the one about retracing, a paragraph for every smaller last batch.
"""

import logging
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.stderr.flush()
_stderr = os.dup(2)
_nowhere = os.open(os.devnull, os.O_WRONLY)
os.dup2(_nowhere, 2)
try:
    import keras
finally:
    os.dup2(_stderr, 2)
    os.close(_nowhere)
    os.close(_stderr)

logging.getLogger("tensorflow").addFilter(
    lambda record: "tf.function retracing" not in record.getMessage()
)
layers, ops = keras.layers, keras.ops
