"""Networks looked at, joined, and run over many clips in batches."""

import numpy as np
import pandas as pd

from data_augmentation.quiet_keras import keras

INDENT = "   "
NESTED = 8


def list_layers(*models, longest=24):
    """Return what each layer makes of the one before: its output's shape and its weights.

    Layers inside a network or ``TimeDistributed`` stand indented below it, whose weights are the
    sum of theirs. Of a long list only the first and the last three are shown.

    Args:
        *models: Keras models, such as what is frozen and what reads it.
        longest: Most layers of a model itself that are all shown; of one inside it ``NESTED``.

    Returns:
        DataFrame, one row a layer: ``layer``, ``output`` (clip axis left out), ``weights``; the
        last row counts all weights.
    """
    rows = [row for model in models for row in _list_rows(model.layers, longest)]
    n_weights = sum(model.count_params() for model in models)
    return pd.DataFrame([*rows, _name_row("all together", n_weights)])


def _list_rows(layers, longest):
    """Return the rows of layers, folded where they are more than ``longest``."""
    if len(layers) > longest:
        hidden = layers[3:-3]
        n_weights = sum(layer.count_params() for layer in hidden)
        folded = _name_row(f"… {len(hidden)} more layers", n_weights)
        return [*_list_rows(layers[:3], longest), folded, *_list_rows(layers[-3:], longest)]
    rows = []
    for layer in layers:
        shapes = [output.shape[1:] for output in keras.tree.flatten(layer.output)]
        rows.append(_name_row(_name_layer(layer), layer.count_params(), *shapes))
        below = []
        if isinstance(layer, keras.Model):
            inside = [own for own in layer.layers if not isinstance(own, keras.layers.InputLayer)]
            below = _list_rows(inside, NESTED)
        elif isinstance(layer, keras.layers.TimeDistributed):
            below = [_name_row(_name_layer(layer.layer), layer.count_params(), shapes[0][1:])]
        rows += [row | {"layer": f"{INDENT}{row['layer']}"} for row in below]
    return rows


def _name_layer(layer):
    """Return a layer's name and class; pandas cuts what is longer, so then the name alone."""
    name = f"{layer.name} ({type(layer).__name__})"
    return name if len(name) < pd.get_option("display.max_colwidth") - len(INDENT) else layer.name


def _name_row(layer, n_weights, *shapes):
    output = ", ".join(" x ".join(map(str, shape)) for shape in shapes)
    return {"layer": layer, "output": output, "weights": n_weights}


def scale_features(features):
    """Return a layer that scales features by their mean and deviation over the training clips.

    Of float (clip, feature). A hundredth of the mean variance is added to each, so that what hardly
    varies stays small.
    """
    mean, variance = features.mean(axis=0, dtype="float32"), features.var(axis=0, dtype="float32")
    return keras.layers.Normalization(mean=mean, variance=variance + 0.01 * variance.mean())


def make_posterior(n_classes):
    """Return a last layer: a softmax whose small weights guess until they have learned."""
    small = keras.initializers.RandomNormal(stddev=0.01)
    return keras.layers.Dense(n_classes, "softmax", kernel_initializer=small, name="posterior")


def encode_part(model, part, *, dtype="float16", **options):
    """Return a part whose x is what a frozen network makes of it; float16 halves the memory."""
    return part.with_x(run_network(model, part.x, dtype=dtype, **options))


def read_both(model):
    """Return a model from the same inputs to its posterior and its layer ``embedding``."""
    return keras.Model(model.inputs, [model.outputs[0], model.get_layer("embedding").output])


def run_network(model, x, *, batch_size=64, dtype="float32", shortest=None):
    """Return what a network makes of its input, batch by batch.

    Args:
        model: A Keras model with any outputs.
        x: Array (clip, ...), or any structure of such arrays; the model reads float32 of it.
        batch_size: Clips a step.
        dtype: Of the result.
        shortest: For a network that reads waveforms of any length: clips are taken in the order of
            their length, and zeros that end all clips of a batch are left out, but for so many
            samples. It must give the same with zeros and without.

    Returns:
        Array (clip, ...), or arrays in the structure of the model's outputs.
    """
    n_clips = len(keras.tree.flatten(x)[0])
    made = keras.tree.map_structure(
        lambda output: np.zeros((n_clips, *output.shape[1:]), dtype), model.output
    )
    order = np.arange(n_clips)
    if shortest:
        lengths = x.shape[1] - (x[:, ::-1] != 0).argmax(axis=1)
        order = np.argsort(lengths, kind="stable")
    for start in range(0, n_clips, batch_size):
        rows = order[start : start + batch_size]
        # A last batch as large as the others: TensorFlow traces a network once more for another.
        filled = np.resize(rows, batch_size) if start else rows
        batch = keras.tree.map_structure(lambda a, r=filled: a[r].astype("float32"), x)
        if shortest:
            batch = batch[:, : max(shortest, lengths[rows[-1]])]
        found = model.predict_on_batch(batch)
        for whole, values in zip(*map(keras.tree.flatten, (made, found)), strict=True):
            whole[rows] = values[: len(rows)]
    return made


def join_models(encoder, head, *, name):
    """Return one network from an encoder's input to a head's posteriors.

    The head has a layer ``embedding`` and a last layer ``posterior`` that reads it (dropout may lie
    between); both, and the encoder by its name, stay layers of the whole.
    """
    upper = keras.Model(head.inputs, head.get_layer("embedding").output, name="encoder")
    start = keras.Input(encoder.input_shape[1:], name=encoder.inputs[0].name)
    embedding = keras.layers.Identity(name="embedding")(upper(encoder(start)))
    return keras.Model(start, head.get_layer("posterior")(embedding), name=name)


def average_models(models, *, name):
    """Return one model that gives the mean of several models' posteriors; of one, this itself.

    They are of one shape of input and have layers as a head of ``join_models``; the layer
    ``embedding`` of the whole holds all their embeddings side by side.
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
