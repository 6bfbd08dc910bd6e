"""What an exported network costs and whether it says the same: size, time, difference, points.

Clips are of training and validation actors of a corpus; what 8 bits cost is measured on the
validation actors alone. Times are of one clip after the other on one core.
"""

import time

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from data_augmentation.quiet_keras import keras
from modeling.export import bundle, clips, runtimes, sources
from modeling.training import networks

FORMS = ("ONNX", "LiteRT")
BITS = {"": False, " int8": True}
N_TIMED = 25
LEAST_SAME, MOST_POINTS = 0.95, 2.5
"""What 8 bits must keep to be usable: share of the answers, and percentage points lost at most."""

FORMATS = {"MB": "{:.3g}", "ms": "{:.3g}", "difference": "{:.0e}"}
FORMATS |= {"same": "{:.0%}", "points": "{:+.1f}", "length": "{}"}
MOST_DIFFERENT = 1e-4
"""What a float network may differ from Keras in a posterior."""


def use_one_core():
    """Let TensorFlow compute on one core; only before anything was computed."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def export_sources(found, folder, *, forms=FORMS, int8=True, n_jobs=2):
    """Write sources in each form, a bundle each, several side by side.

    Args:
        found: List of ``sources.Source``.
        folder: Where the bundles go; ``bundle.find_file`` says where each is.
        forms, int8: Which forms, and whether with weights in 8 bits too.
        n_jobs: Processes.

    Returns:
        Seconds that each took, by origin.
    """
    largest = sorted(found, key=lambda own: -own.model.count_params())
    tasks = [delayed(_export)(own.origin, folder, forms, int8) for own in largest]
    took = Parallel(n_jobs=n_jobs)(tasks) if n_jobs != 1 else [task(*own) for task, own, _ in tasks]
    return dict(zip([own.origin for own in largest], took, strict=True))


def _export(origin, folder, forms, int8):
    started, source = time.perf_counter(), sources.find_source(origin)
    for form in forms:
        for is_int8 in (False, True) if int8 else (False,):
            path = bundle.find_file(folder, source, form, int8=is_int8)
            bundle.write_bundle(source, path.parent, to=form.lower(), int8=is_int8)
    return time.perf_counter() - started


def compare_source(source, corpus, folder, *, n_clips):
    """Compare what was exported of a source with Keras; return a row a form.

    Args:
        source: ``sources.Source``.
        corpus: Whose clips are read.
        folder: As for ``export_sources``.
        n_clips: So many clips at most.

    Returns:
        DataFrame with ``network``, ``form``, ``MB``, ``ms`` (median of a clip), ``difference`` (the
        largest of a posterior), ``same`` (share of clips with the same answer), ``points``
        (accuracy lost on the validation actors, in percent; NaN without such clips) and ``length``.
    """
    rows, n_val, true = clips.choose_clips(source, corpus, n_clips)
    values = clips.read_inputs(source, corpus, rows)
    expected = ask_keras(source.model, values)
    own = expected, time_calls(compile_keras(source.model, values), values)
    size = source.model.count_params() * 4 / 1e6
    table = [describe("Keras", source, size, *own, expected, true, n_val)]
    for form in FORMS:
        for bits, is_int8 in BITS.items():
            path = bundle.find_file(folder, source, form, int8=is_int8)
            if not path.is_file():
                continue
            run = runtimes.open_exported(path)
            found = np.concatenate([first(run(one)) for one in split(values)])
            own = found, time_calls(run, values), expected, true, n_val
            table.append(describe(form + bits, source, path.stat().st_size / 1e6, *own))
    return pd.DataFrame(table)


def ask_keras(model, values):
    """Return a Keras model's first output for clips, float32 (clip, class)."""
    given = keras.tree.map_structure(lambda own: values[own.name], model.input)
    return first(networks.run_network(model, given))


def compile_keras(model, values):
    """Return a Keras model as a compiled function of one clip, its quickest form."""
    import tensorflow as tf

    shapes = {own.name: (1, *values[own.name].shape[1:]) for own in model.inputs}
    specs = {name: tf.TensorSpec(shape, tf.float32, name) for name, shape in shapes.items()}

    @tf.function(input_signature=[specs])
    def answer(given):
        return model(keras.tree.map_structure(lambda own: given[own.name], model.input))

    return lambda one: keras.tree.map_structure(np.asarray, answer(one))


def time_calls(run, values):
    """Return the median time of a call with one clip, in milliseconds."""
    ones = split(values)[:N_TIMED]
    run(ones[0])
    times = []
    for one in ones:
        started = time.perf_counter()
        run(one)
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times))


def split(values):
    """Return arrays of clips by input as a list, a clip each, (1, ...)."""
    n_clips = len(next(iter(values.values())))
    return [{name: own[n : n + 1] for name, own in values.items()} for n in range(n_clips)]


def first(found):
    """Return the first of outputs, in the order of a model or by name; or the only one."""
    if isinstance(found, dict):
        return np.asarray(found.get("posterior", found.get("fer2013")))
    return np.asarray(found[0] if isinstance(found, list) else found)


def describe(form, source, size, found, ms, expected, true, n_val):
    """Return one row of ``compare_source``."""
    emotions = next(iter(source.classes.values()))
    same = found.argmax(axis=1) == expected.argmax(axis=1)
    right = [(np.array(emotions)[own.argmax(axis=1)] == true)[:n_val] for own in (expected, found)]
    free = any(None in shape[1:] for shape in source.inputs.values())
    return {
        "network": source.name if source.facts else source.origin,
        "form": form,
        "MB": size,
        "ms": ms,
        "difference": float(np.abs(found - expected).max()),
        "same": float(same.mean()),
        "points": 100 * float(right[0].mean() - right[1].mean()) if n_val else np.nan,
        "length": "any" if free else "fixed",
    }


def find_unusable(table):
    """Return the rows of 8 bits that lose too much: see ``LEAST_SAME`` and ``MOST_POINTS``."""
    table = table[table["form"].str.endswith("int8")]
    return table[(table["same"] < LEAST_SAME) | (table["points"] > MOST_POINTS)]


def show_forms(table, forms, columns):
    """Return columns of a table of measurements as text, a row a network, forms side by side."""
    own = table[table["form"].isin(forms)].set_index(["network", "form"])[columns]
    order = list(dict.fromkeys(table["network"]))
    wide = own.unstack().swaplevel(axis=1).reindex(order)
    shown = [(form, column) for form in forms for column in columns if (form, column) in wide]
    texts = {own: wide[own].map(FORMATS[own[1]].format, na_action="ignore") for own in shown}
    return pd.DataFrame(texts).fillna("")
