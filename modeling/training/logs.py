"""Curves of a training, written while it runs, for TensorBoard.

They lie beside the runs, in ``results/<corpus>-<branch>/tensorboard/<timestamp>/<network>/``: a run
exists only when it is whole, and curves are there from the first epoch.
"""

from datetime import datetime

from data_augmentation.quiet_keras import keras
from modeling.training import runs

WRITERS = ("", "tensorboard")


def open_log(log, corpus, branch):
    """Return the folder for the curves of a notebook's trainings, or None: nothing is written.

    Args:
        log: The notebook's parameter, one of ``WRITERS``.
        corpus, branch: As for the run.

    Raises:
        ValueError: ``log`` is something else.
    """
    if log not in WRITERS:
        raise ValueError(f"LOG = {log!r}; expected one of {', '.join(map(repr, WRITERS))}.")
    folder = runs.results_folder() / f"{corpus}-{branch}" / "tensorboard"
    return folder / datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3] if log else None


def watch_training(log, model):
    """Return the callbacks that write a network's losses and scores, one point an epoch.

    Args:
        log: What ``open_log`` returned. Each training has a folder of its own in it, by the name of
            the network: ``head``, and ``head-2`` for another of that name.
        model: The compiled model.
    """
    if log is None:
        return []
    folder, number = log / model.name, 1
    while folder.exists():
        number += 1
        folder = log / f"{model.name}-{number}"
    return [keras.callbacks.TensorBoard(folder, write_graph=False)]
