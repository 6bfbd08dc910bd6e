"""One trial of a search: a network trained with some settings, in a process of its own.

A trial reads the training and the validation part of a fold and nothing else: what it returns
cannot depend on the test actors. It needs no connection to the study: the trials that ended before
it travel with it, and Optuna's own rule says from them whether it is worth going on.
"""

import math
import os
import pickle
import time
from contextlib import suppress
from functools import cache

import optuna

from data_augmentation.quiet_keras import keras
from modeling.training import inputs

KNOWN = ("train", "val")
"""The parts of a fold that a search may read."""

DONE, PRUNED, LATE = "done", "pruned", "late"


def read_known(corpus, array, *, protocol="auto", fold=1):
    """Return the training and validation part of a fold, as ``inputs.read_parts`` does."""
    return inputs.read_parts(corpus, array, protocol=protocol, fold=fold, only=KNOWN)


def run_trial(packed, home, task, settings, n_threads=1, before=(), pruner=None, limit_s=None):
    """Train with some settings and return how that went.

    Args:
        packed: A pickled function ``train(parts, settings, callbacks)``, which returns a model and
            its history.
        home: Folder that holds ``data/``.
        task: Arguments of ``read_known`` by name.
        settings: The network's and the training's parameters by name.
        n_threads: Threads that TensorFlow may use.
        before, pruner: Optuna's trials that have ended, and its rule for giving up; None: never.
        limit_s: Seconds after which the trial ends, wherever it is; None for no limit.

    Returns:
        dict: ``outcome``, one of ``DONE``, ``PRUNED`` and ``LATE``; ``losses`` and ``accuracies``
        of the validation actors, a list each, one number an epoch; ``seconds``.
    """
    started, watch = time.monotonic(), Watch(before, pruner, limit_s)
    os.environ["EMOTION_HOME"] = str(home)  # of this child process
    _limit_threads(n_threads)
    train = pickle.loads(packed)
    _, history = train(read_known(**task), settings, [watch])
    keras.backend.clear_session()
    return {
        "outcome": watch.outcome,
        "losses": history["val_loss"].tolist(),
        "accuracies": history["val_accuracy"].tolist(),
        "seconds": round(time.monotonic() - started, 1),
    }


class Watch(keras.callbacks.Callback):
    """Ends a training that is worse than those before it, or that takes too long.

    Args:
        before, pruner, limit_s: As for ``run_trial``.
    """

    def __init__(self, before, pruner, limit_s):
        super().__init__()
        self.outcome = DONE
        self._ends = math.inf if limit_s is None else time.monotonic() + limit_s
        self._parent = os.getppid()
        self._trial = None
        if pruner is not None:
            own = optuna.create_study(pruner=pruner)  # in memory, of this process alone
            own.add_trials(before)
            self._trial = own.ask()

    def on_epoch_end(self, epoch, logs=None):
        """Report the epoch's validation loss; stop where there is reason to."""
        if self._trial is not None:
            self._trial.report(logs["val_loss"], epoch + 1)
            if self._trial.should_prune():
                self.outcome, self.model.stop_training = PRUNED, True
        if time.monotonic() > self._ends or os.getppid() != self._parent:
            self.outcome, self.model.stop_training = LATE, True


@cache
def _limit_threads(n_threads):
    """Let TensorFlow use so many threads; a child that has begun with others stays with them."""
    import tensorflow as tf

    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(n_threads)
        tf.config.threading.set_inter_op_parallelism_threads(n_threads)
