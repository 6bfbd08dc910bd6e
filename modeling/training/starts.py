"""Where trainings began, so that a cell that is run again starts there and does not go on."""

from weakref import WeakKeyDictionary

import numpy as np

_starts = WeakKeyDictionary()  # by model or optimizer
_tunings = WeakKeyDictionary()  # by model


def rewind(thing):
    """Put the variables of a model or an optimizer back to what they were at the first call."""
    if thing in _starts:
        for variable, value in zip(thing.variables, _starts[thing], strict=True):
            variable.assign(value)
    else:
        _starts[thing] = [variable.numpy() for variable in thing.variables]


def remember_tuning(model, before):
    """Keep what tuning made of a model's weights, which were ``before``."""
    _tunings[model] = before, model.get_weights()


def undo_tuning(model):
    """Put back the weights that are still what the last tuning made of them.

    Others have been set since, such as those of a head that was trained again.
    """
    if model in _tunings:
        for variable, before, after in zip(model.weights, *_tunings[model], strict=True):
            if np.array_equal(variable.numpy(), after):
                variable.assign(before)
