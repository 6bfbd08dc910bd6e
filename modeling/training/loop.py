"""What every training notebook does around its network: seeds, checks, early stopping, curves."""

import math
import time

import numpy as np
import pandas as pd

from data_augmentation.quiet_keras import keras
from modeling.scores import metrics
from modeling.training import runs
from modeling.training.inputs import PARTS, join_parts, make_batches, split_by_clip


def set_seed(seed):
    """Seed Python, NumPy and Keras, so that a notebook run twice gives the same curves."""
    keras.utils.set_random_seed(seed)


def measure_untrained_loss(model, part, *, batch_size=32):
    """Return the cross-entropy of a fresh network and what pure guessing would give.

    Args:
        model: A compiled Keras model that ends in a softmax.
        part: A ``Part``.
        batch_size: Clips a batch.

    Returns:
        (measured loss, ln of the number of classes), in nats.
    """
    loss = model.evaluate(make_batches(part, batch_size=batch_size), verbose=0, return_dict=True)
    return float(loss["loss"]), math.log(len(part.emotions))


def list_layers(model):
    """Return what each layer makes of the one before: its output's shape and its weights.

    Args:
        model: A Keras model.

    Returns:
        DataFrame, one row a layer: ``layer``, ``output`` (clip axis left out), ``weights``.
    """
    rows = [
        {
            "layer": f"{layer.name} ({type(layer).__name__})",
            "output": " x ".join(map(str, layer.output.shape[1:])),
            "weights": layer.count_params(),
        }
        for layer in model.layers
    ]
    return pd.DataFrame(rows)


def overfit_batch(model, part, *, n_clips=8, steps=40, learning_rate=3e-3, seed=0):
    """Train a network on one batch, as a check that it can learn at all.

    Args:
        model: A Keras model; its weights are put back afterwards.
        part: The training ``Part``.
        n_clips: Clips in the batch.
        steps: Gradient steps.
        learning_rate: Adam's step size.
        seed: Which clips are taken.

    Returns:
        float64 (steps,), the loss after each step. It should fall towards zero.
    """
    rows = np.random.default_rng(seed).permutation(len(part))[:n_clips]
    before = model.get_weights()
    twin = keras.Model(model.inputs, model.outputs)  # the same layers, compiled by itself
    twin.compile(keras.optimizers.Adam(learning_rate), loss="categorical_crossentropy")
    batches = make_batches(part.take(rows), batch_size=n_clips).repeat(steps)
    losses = []
    record = keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: losses.append(logs))
    callbacks = [_PerStep(), record]
    twin.fit(batches, steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=callbacks)
    model.set_weights(before)
    return np.array([logs["loss"] for logs in losses])


class _PerStep(keras.callbacks.Callback):
    """Reports each step's own loss: Keras reports the mean since the epoch began."""

    def on_train_batch_begin(self, batch, logs=None):
        self.model.reset_metrics()


class ProgressLines(keras.callbacks.Callback):
    """Prints one short line every few epochs instead of a bar for each."""

    def __init__(self, every, metric="accuracy"):
        super().__init__()
        self.every, self.metric = every, metric

    def on_train_begin(self, logs=None):
        """Start the clock."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Print the epoch's losses and accuracies."""
        if epoch == 0 or (epoch + 1) % self.every == 0:
            elapsed = time.perf_counter() - self.started
            print(
                f"epoch {epoch + 1:3d}  loss {logs['loss']:.3f}  val {logs['val_loss']:.3f}  "
                f"accuracy {logs[self.metric]:.3f}  val {logs[f'val_{self.metric}']:.3f}  "
                f"{elapsed:4.0f} s"
            )


def train_model(
    model,
    batches,
    val_batches,
    *,
    epochs,
    patience,
    steps=None,
    lines=8,
    metric="accuracy",
    watch="val_loss",
):
    """Train with early stopping on the validation actors; keep the best epoch's weights.

    Args:
        model: A compiled model.
        batches: Training batches.
        val_batches: Validation batches: never the test actors.
        epochs: Most epochs.
        patience: Epochs without a better validation loss before it stops.
        steps: Batches an epoch, where that is not all of them: with several copies of each clip
            an epoch can be as many batches as there are clips alone, drawn from all.
        lines: About how many lines of progress to print.
        metric: Name of the model's accuracy; of several outputs one has it.
        watch: What decides which epoch is best: ``val_loss``, least, or ``val_accuracy``, most.

    Returns:
        DataFrame, one row an epoch: ``epoch`` from 1, losses and accuracies, ``best``.
    """
    watched = {"val_loss": "val_loss", "val_accuracy": f"val_{metric}"}[watch]
    mode = "min" if watch == "val_loss" else "max"
    stop = keras.callbacks.EarlyStopping(
        monitor=watched, mode=mode, patience=patience, restore_best_weights=True
    )
    history = model.fit(
        batches.repeat() if steps else batches,
        steps_per_epoch=steps,
        validation_data=val_batches,
        epochs=epochs,
        verbose=0,
        shuffle=False,
        callbacks=[stop, ProgressLines(max(1, epochs // lines), metric)],
    )
    names = {metric: "accuracy", f"val_{metric}": "val_accuracy"}
    table = pd.DataFrame(history.history).rename(columns=names)
    table.insert(0, "epoch", np.arange(1, len(table) + 1))
    best = table[watch].idxmin() if mode == "min" else table[watch].idxmax()
    table["best"] = table.index == best
    best = table.loc[table["best"]].iloc[0]
    print(
        f"stopped after epoch {len(table)}; kept epoch {int(best['epoch'])} "
        f"(validation loss {best['val_loss']:.3f}, accuracy {best['val_accuracy']:.3f})"
    )
    return table


def join_histories(first, second):
    """Return two trainings of one network as one, and whether the second made it better.

    Args:
        first: DataFrame of ``train_model``.
        second: That of the training that went on from there.

    Returns:
        DataFrame, the epochs counted on, its ``best`` that of the better training; and whether the
        second is that: it is unless its least validation loss is higher.
    """
    better = bool(second["val_loss"].min() <= first["val_loss"].min())
    second = second.assign(epoch=second["epoch"] + len(first), best=second["best"] & better)
    first = first.assign(best=first["best"] & (not better))
    return pd.concat([first, second], ignore_index=True), better


def encode_part(model, part, *, batch_size=64, dtype="float16", shortest=None):
    """Return a part whose x is what a frozen network makes of it.

    Args:
        model: A Keras model that reads the part's x.
        part: A ``Part``.
        batch_size: Clips a step.
        dtype: Of the result; half of ``float32``'s memory is enough for activations.
        shortest: See ``run_network``.
    """
    encoded = run_network(model, part.x, batch_size=batch_size, dtype=dtype, shortest=shortest)
    return part.with_x(encoded)


def run_network(model, x, *, batch_size=64, dtype="float32", shortest=None):
    """Return what a network makes of its input, batch by batch.

    Args:
        model: A Keras model with one output.
        x: Array (clip, ...), or any structure of such arrays that the model reads.
        batch_size: Clips a step.
        dtype: Of the result.
        shortest: For a network that reads waveforms of any length: clips are taken in the order of
            their length, and zeros that end all clips of a batch are left out, but for so many
            samples. It must give the same with zeros and without.
    """
    n_clips = len(keras.tree.flatten(x)[0])
    made, order = np.zeros((n_clips, *model.output_shape[1:]), dtype), np.arange(n_clips)
    if shortest:
        lengths = x.shape[1] - (x[:, ::-1] != 0).argmax(axis=1)
        order = np.argsort(lengths, kind="stable")
    for start in range(0, n_clips, batch_size):
        rows = order[start : start + batch_size]
        batch = keras.tree.map_structure(lambda a, r=rows: a[r].astype("float32"), x)
        if shortest:
            batch = batch[:, : max(shortest, lengths[rows[-1]])]
        made[rows] = model.predict_on_batch(batch)
    return made


def average_models(models, *, name):
    """Return one model that gives the mean of several models' posteriors.

    Args:
        models: Keras models of one shape of input, each with a layer ``embedding`` and a last
            layer ``posterior`` that reads it (dropout may lie between).
        name: Its name.

    Returns:
        A Keras model whose layer ``embedding`` holds all their embeddings side by side; the model
        itself where there is one.
    """
    if len(models) == 1:
        return models[0]
    start, embeddings, heads = keras.Input(models[0].input_shape[1:]), [], []
    for number, model in enumerate(models, 1):
        layer = model.get_layer("embedding")
        encoder = keras.Model(model.inputs, layer.output, name=f"encoder_{number}")
        embeddings.append(encoder(start))
        own = keras.Input(layer.output.shape[1:])
        posterior = model.get_layer("posterior")(own)
        heads.append(keras.Model(own, posterior, name=f"head_{number}"))
    joined = keras.layers.Concatenate(name="embedding")(embeddings)
    width = embeddings[0].shape[-1]
    posteriors = [
        head(joined[:, number * width : (number + 1) * width]) for number, head in enumerate(heads)
    ]
    return keras.Model(start, keras.layers.Average(name="posterior")(posteriors), name=name)


def predict_parts(model, parts, *, fold, batch_size=32, layer="embedding"):
    """Return predictions and embeddings of every clip of a fold.

    Args:
        model: A trained Keras model with a softmax and a layer named ``layer``.
        parts: ``Part`` by name.
        fold: Number of the fold.
        batch_size: Clips a batch.
        layer: Name of the layer whose output is the clip's embedding.

    Returns:
        The table of predictions and float32 (clip, feature) embeddings, row-aligned.
    """
    both = keras.Model(model.inputs, [model.outputs[0], model.get_layer(layer).output])
    x, clips, names = join_parts(parts)
    pieces = [
        both.predict_on_batch(x[start : start + batch_size].astype("float32"))
        for start in range(0, len(x), batch_size)
    ]
    posteriors, embeddings = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
    emotions = parts["train"].emotions
    table = runs.tabulate_predictions(clips, names, posteriors, emotions=emotions, fold=fold)
    return table, embeddings


def tabulate_parts(parts, posteriors, *, fold):
    """Return the table of predictions of a model that gives its posteriors part by part.

    Args:
        parts: ``Part`` by name.
        posteriors: float (clip, emotion) by name of the part.
        fold: Number of the fold.
    """
    clips, names = split_by_clip(parts)
    stacked = np.concatenate([posteriors[name] for name in PARTS])
    return runs.tabulate_predictions(
        clips, names, stacked, emotions=parts["train"].emotions, fold=fold
    )


def score_parts(predictions, emotions):
    """Return accuracy, UAR, macro-F1 and calibration of each part, beside chance and majority.

    Args:
        predictions: A run's table of predictions.
        emotions: Names of the classes in order.

    Returns:
        DataFrame, one row a part, then ``chance`` and ``majority`` on the test part.
    """
    by_part = {part: predictions[predictions["part"] == part] for part in PARTS}
    rows = {part: metrics.score_predictions(by_part[part], emotions) for part in PARTS}
    rows |= metrics.score_baselines(
        by_part["test"]["true"], emotions, true_train=by_part["train"]["true"]
    )
    return pd.DataFrame(rows).T[[*metrics.SCORES, "n_clips"]].astype({"n_clips": "Int64"})
