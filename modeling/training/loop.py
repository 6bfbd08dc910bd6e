"""What every training notebook does around its network: checks, early stopping, predictions."""

import math
import time

import numpy as np
import pandas as pd

from data_augmentation.quiet_keras import keras
from modeling.scores import metrics
from modeling.training import logs, starts
from modeling.training.inputs import PARTS, Part, make_batches, split_by_clip
from modeling.training.networks import read_both, run_network

SAVED_TOLERANCE = 1e-3
"""How far from one a network's posteriors may sum, before they are rounded for the table."""


def set_up(seed, *, precision="float32"):
    """Seed everything, choose the precision (Keras's name of it) and print the versions."""
    import tensorflow as tf

    set_seed(seed)
    keras.config.set_dtype_policy(precision)
    print(f"keras {keras.__version__}, tensorflow {tf.__version__}; seed {seed}, {precision}")


set_seed = keras.utils.set_random_seed
"""Seed Python, NumPy and Keras, so that a notebook run twice gives the same curves."""


def compile_model(model, optimizer, *, label_smoothing=0.0, **options):
    """Compile a network that ends in a softmax: cross-entropy, accuracy; options as in Keras."""
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing)
    model.compile(optimizer, loss=loss, metrics=["accuracy"], **options)


def make_optimizer(learning_rate, *, epochs, steps):
    """Return AdamW whose rate rises for an epoch, then falls for ``epochs`` along a cosine to zero.

    Loshchilov & Hutter 2017 (arXiv:1608.03983) and 2019 (arXiv:1711.05101). ``learning_rate`` is
    the highest; an epoch has ``steps`` batches.
    """
    rate = keras.optimizers.schedules.CosineDecay(
        0.01 * learning_rate, epochs * steps, warmup_target=learning_rate, warmup_steps=steps
    )
    return keras.optimizers.AdamW(rate, weight_decay=0.01, clipnorm=1.0)


def check_network(model, parts):
    """Print what an untrained network scores and whether it can learn one batch by heart.

    It stays as it is. Guessing is checked on validation clips, learning on training clips.
    """
    untrained, guessing = measure_untrained_loss(model, parts["val"])
    n_classes = len(parts["val"].emotions)
    print(f"untrained loss {untrained:.2f}; pure guessing gives ln {n_classes} = {guessing:.2f}")
    losses = overfit_batch(model, parts["train"])
    print(f"one batch: loss {losses[0]:.2f} at first, {losses[-1]:.3f} after {len(losses)} steps")


def measure_untrained_loss(model, part):
    """Return a fresh network's cross-entropy on a part, and the ln of its classes, in nats."""
    losses = [
        keras.losses.categorical_crossentropy(y, model(x, training=False))
        for x, y in make_batches(part)
    ]
    return float(np.concatenate(losses).mean()), math.log(len(part.emotions))


def overfit_batch(model, part, *, steps=40):
    """Return the losses, float64 (steps,), of a network trained on one batch, then put back."""
    rows = np.random.default_rng(0).permutation(len(part))[:8]
    before = model.get_weights()
    twin = keras.Model(model.inputs, model.outputs)  # the same layers, compiled by itself
    twin.compile(keras.optimizers.Adam(3e-3), loss="categorical_crossentropy")
    ((x, y),) = make_batches(part.take(rows))
    losses = []
    for _ in range(steps):
        twin.reset_metrics()  # Keras reports the mean of all batches since
        losses.append(float(twin.train_on_batch(x, y)))
    model.set_weights(before)
    return np.array(losses)


def train_model(
    model,
    batches,
    val,
    *,
    epochs,
    patience,
    steps=None,
    lines=8,
    metric="accuracy",
    watch="val_loss",
    is_tuning=False,
    log=None,
    callbacks=(),
):
    """Train with early stopping on the validation actors; keep the best epoch's weights.

    A model that was trained before starts from where it was before that: a cell that is run again
    does not go on. Interrupted (the stop button), training ends with the best epoch so far; before
    the end of the first, the model is as it was, and the interruption goes its way.

    Args:
        model, batches: A compiled model and its training batches.
        val: Validation ``Part``, or batches of one: never the test actors.
        epochs, patience: Most epochs, and epochs without a better one before it stops.
        steps: Batches an epoch, where that is not all of them.
        lines: About how many lines of progress to print.
        metric: Name of the model's accuracy; of several outputs one has it.
        watch: What decides which epoch is best: ``val_loss`` or ``loss``, least, or
            ``val_accuracy``, most.
        is_tuning: Start from the weights that there are, whatever was before.
        log: Folder for TensorBoard's curves, of ``logs.open_log``, or None.
        callbacks: Others of Keras, called after each epoch.

    Returns:
        DataFrame, one row an epoch: ``epoch`` from 1, losses and accuracies, ``best``. Where it was
        interrupted, its ``attrs["notes"]`` say so, and so does the run that keeps it.
    """
    if not is_tuning:
        starts.rewind(model)
    watched = f"val_{metric}" if watch == "val_accuracy" else watch
    mode = "max" if watch == "val_accuracy" else "min"
    stop = keras.callbacks.EarlyStopping(
        monitor=watched, mode=mode, patience=patience, restore_best_weights=True
    )
    every, started = max(1, epochs // lines), time.perf_counter()

    def show_progress(epoch, logs):
        if epoch == 0 or (epoch + 1) % every == 0:
            print(
                f"epoch {epoch + 1:3d}  loss {logs['loss']:.3f}  val {logs['val_loss']:.3f}  "
                f"accuracy {logs[metric]:.3f}  val {logs[f'val_{metric}']:.3f}  "
                f"{time.perf_counter() - started:4.0f} s"
            )

    shown = keras.callbacks.LambdaCallback(on_epoch_end=show_progress)
    model.optimizer.build(model.trainable_variables)
    starts.rewind(model.optimizer)
    before, interrupted = model.get_weights(), False
    try:
        model.fit(
            batches.repeat() if steps else batches,
            steps_per_epoch=steps,
            validation_data=make_batches(val, batch_size=32) if isinstance(val, Part) else val,
            epochs=epochs,
            verbose=0,
            shuffle=False,
            callbacks=[stop, shown, *logs.watch_training(log, model), *callbacks],
        )
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt) and stop.best_weights is not None
        model.set_weights(stop.best_weights if interrupted else before)
        if not interrupted:
            raise
    names = {metric: "accuracy", f"val_{metric}": "val_accuracy"}
    table = pd.DataFrame(model.history.history).rename(columns=names)
    table.insert(0, "epoch", np.arange(1, len(table) + 1))
    best = table[watch].idxmin() if mode == "min" else table[watch].idxmax()
    table["best"] = table.index == best
    best = table.loc[table["best"]].iloc[0]
    stopped = f"stopped after epoch {len(table)}"
    if interrupted:
        stopped = f"interrupted in epoch {len(table) + 1}"
        table.attrs["notes"] = [f"training {stopped}"]
    print(
        f"{stopped}; kept epoch {int(best['epoch'])} "
        f"(validation loss {best['val_loss']:.3f}, accuracy {best['val_accuracy']:.3f})"
    )
    return table


def train_parts(model, parts, *, n_clips, batch_size, seed, mix=None, first=None, **settings):
    """Train on a fold, rarer emotions drawn more often; or tune a network trained before.

    What an earlier tuning of the same network did to its weights is undone first.

    Args:
        model, parts: A compiled model, with ``first`` trained before, and the fold.
        n_clips: Clips an epoch, drawn from all: those that there are without copies.
        batch_size, seed, mix: As for ``inputs.make_batches``.
        first: History of the training before.
        **settings: ``epochs``, ``patience`` and ``log``, as for ``train_model``.

    Returns:
        DataFrame, one row an epoch; with ``first`` of both trainings in a row. Then the network has
        the weights of the better one: the second, unless its least validation loss is higher.
    """
    balanced = {"batch_size": batch_size, "balance": True, "seed": seed}
    batches = make_batches(parts["train"], mix=mix, **balanced)
    settings |= {"steps": -(-n_clips // batch_size)}
    if first is None:
        return train_model(model, batches, parts["val"], **settings)
    starts.undo_tuning(model)
    before = model.get_weights()
    second = train_model(model, batches, parts["val"], is_tuning=True, **settings)
    history, better = join_histories(first, second)
    if not better:
        model.set_weights(before)
    starts.remember_tuning(model, before)
    losses = (own["val_loss"].min() for own in (first, second))
    print(
        "validation loss {:.3f} before, {:.3f} after: ".format(*losses)
        + ("the tuned network is kept" if better else "the network is kept as it was before")
    )
    return history


def join_histories(first, second):
    """Return two histories as one, its ``best`` that of the better; and if the second is that."""
    better = bool(second["val_loss"].min() <= first["val_loss"].min())
    second = second.assign(epoch=second["epoch"] + len(first), best=second["best"] & better)
    first = first.assign(best=first["best"] & (not better))
    joined = pd.concat([first, second], ignore_index=True)
    joined.attrs["notes"] = [note for own in (first, second) for note in own.attrs.get("notes", [])]
    return joined, better


def predict_parts(model, parts, *, fold):
    """Return predictions and embeddings of every clip of a fold.

    Of a model with a softmax and a layer ``embedding``: the table of predictions and, row-aligned,
    float32 (clip, feature).
    """
    x = np.concatenate([parts[name].x for name in PARTS])
    posteriors, embeddings = run_network(read_both(model), x, batch_size=32)
    return _tabulate(parts, posteriors, fold), embeddings


def tabulate_parts(parts, posteriors, *, fold):
    """Return the table of predictions of posteriors, float (clip, emotion) by name of the part.

    Raises:
        ValueError: Posteriors hold NaN, do not sum to one, or have another shape.
    """
    return _tabulate(parts, np.concatenate([posteriors[name] for name in PARTS]), fold)


def _tabulate(parts, posteriors, fold):
    """Return the table of predictions of posteriors (clip, emotion) of all parts in their order."""
    clips, _ = split_by_clip(parts)
    emotions = parts["train"].emotions
    posteriors = posteriors.astype(np.float64)
    if posteriors.shape != (len(clips), len(emotions)):
        raise ValueError(
            f"posteriors have shape {posteriors.shape}; expected {(len(clips), len(emotions))}."
        )
    metrics.validate_posteriors(posteriors, tolerance=SAVED_TOLERANCE)
    table = clips[["clip_id", "actor", "part", "emotion"]].rename(columns={"emotion": "true"})
    table.insert(2, "fold", fold)
    table[[f"p_{emotion}" for emotion in emotions]] = posteriors.round(6)
    return table


def score_parts(predictions, emotions):
    """Return accuracy, UAR, macro-F1 and calibration of each part, a row each.

    Then come ``chance`` and ``majority`` on the test part.
    """
    by_part = {part: predictions[predictions["part"] == part] for part in PARTS}
    rows = {part: metrics.score_predictions(by_part[part], emotions) for part in PARTS}
    rows |= metrics.score_baselines(
        by_part["test"]["true"], emotions, true_train=by_part["train"]["true"]
    )
    return pd.DataFrame(rows).T[[*metrics.SCORES, "n_clips"]].astype({"n_clips": "Int64"})
