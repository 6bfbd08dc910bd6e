"""Trainings for tests of the search: in a module, as children import it."""

import os
import time
from pathlib import Path

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from data_augmentation.quiet_keras import keras, layers
from modeling.training import inputs, loop

SPACE = {
    "LEARNING_RATE": FloatDistribution(1e-4, 1e-1, log=True),
    "UNITS": IntDistribution(2, 16),
    "COPIES": CategoricalDistribution([False, True]),
}
START = {"LEARNING_RATE": 1e-2, "UNITS": 8, "COPIES": True}
FIXED = {"EPOCHS": 3, "SEED": 1}


def train_small(parts, settings, callbacks):
    """Train one layer on made mels."""
    loop.set_seed(settings["SEED"])
    train = inputs.add_copies(parts, n_copies=2 if settings["COPIES"] else 0)
    clip = keras.Input(train.x.shape[1:])
    x = layers.Flatten()(layers.Rescaling(1 / 50)(clip))
    x = layers.Dense(settings["UNITS"], activation="relu", name="embedding")(x)
    model = keras.Model(clip, layers.Dense(len(parts.emotions), "softmax")(x))
    loop.compile_model(model, keras.optimizers.Adam(settings["LEARNING_RATE"]))
    lengths = {"epochs": settings["EPOCHS"], "patience": 9, "callbacks": callbacks}
    batches = inputs.make_batches(train, seed=settings["SEED"])
    return model, loop.train_model(model, batches, parts["val"], **lengths)


def train_and_sign(parts, settings, callbacks):
    """Leave a file that bears this process's number; take long enough to be killed."""
    folder = Path(os.environ["SIGNED"])
    folder.mkdir(exist_ok=True)
    (folder / f"{os.getpid()}-{time.monotonic_ns()}").touch()
    time.sleep(0.3)
    return train_small(parts, settings, callbacks)


def refuse(parts, settings, callbacks):
    """Fail for most settings."""
    if settings["UNITS"] != START["UNITS"]:
        raise ArithmeticError("too many units")
    return train_small(parts, settings, callbacks)
