"""How fast the branches train and judge clips: ours beside two usual video networks, in one run.

    python benchmarks/modeling.py [--json FILE] [--rounds 5] [--turns 9] [--accuracy EPOCHS]

The networks are the notebooks' own: their cells are run up to the first check, on the embedded
corpus, so nothing is written twice. In every round all contenders run in turn; ratios are the
medians of the rounds' ratios, since the machine may do other things meanwhile.

- *training*, *judging*: clips a second of ``fit`` and of ``predict_on_batch``, warm. VGG19
  trains its head and YAMNet its upper blocks on what the frozen layers have found once; both judge
  from the spectrogram or the waveform on. Linear heads (44) are fitted at once, without steps.
- *input*: the share of a training step that it would take to make its batch, were nothing else to
  do: below 100% the input pipeline is not the bottleneck, for it runs beside the training.
- *full-resolution ConvLSTM2D*: the usual video network, the ConvLSTM2D on every pixel: notebook 30
  with ``STEM = "none"``.
- *CNN + LSTM*: the other usual one, a small CNN on each frame and an LSTM over time.

``--accuracy`` also trains our video branch and the full-resolution one for so many epochs and
compares their validation accuracy. ``video_speedup`` says how many times faster our video branch
trains than the full-resolution ConvLSTM2D, measured by itself after the rounds: the two in turn,
``--turns`` times, the median turn. By the clock, and in processor time, which does not depend on
how many of the cores other programs leave free.
"""

import argparse
import contextlib
import io
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[0] = str(REPOSITORY)  # not this folder, in which this file bears the package's name
os.environ.setdefault("MPLBACKEND", "agg")

import matplotlib.pyplot as plt  # noqa: E402
import nbformat  # noqa: E402
import pandas as pd  # noqa: E402

from data_augmentation.quiet_keras import keras  # noqa: E402
from modeling.pipeline import arguments, command  # noqa: E402
from modeling.training import inputs, loop  # noqa: E402
from preprocessing.disk import arrays  # noqa: E402

FIRST_CHECKS = ("check_network(", "measure_untrained_loss(")
"""The cell that holds one, and all after it, are left out of a notebook."""

RIVAL = "full-resolution ConvLSTM2D"
OURS = "30 video_convlstm"


@dataclass
class Contender:
    """A network with what it trains on and what it judges.

    Attributes:
        title: Of the row.
        trained: Compiled Keras model that is trained.
        batches: Its training batches.
        whole: Keras model from the array to the posteriors.
        x: Array (clip, ...) that it judges.
        batch_size: Clips a step.
        val: Validation batches, where they are wanted.
    """

    title: str
    trained: keras.Model
    batches: object
    whole: keras.Model
    x: object
    batch_size: int
    val: object = None


def main(arguments=None):
    """Run the benchmark, print its tables; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", help="file for the figures")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--turns", type=int, default=9, help="of our video branch and its rival")
    parser.add_argument("--accuracy", type=int, default=0, help="epochs; 0 leaves it out")
    options = parser.parse_args(arguments)
    prepare_corpus()
    contenders = make_contenders()
    rounds = [measure_all(contenders, options.seconds) for _ in range(options.rounds)]
    table = summarise(rounds)
    print(table.to_string())
    turns = race(contenders, OURS, RIVAL, turns=options.turns, seconds=options.seconds)
    facts = {"video_speedup": turns.median().to_dict(), "turns": turns.to_dict("list")}
    facts["contenders"] = table.to_dict("index")
    print(f"\n{OURS} trains faster than the {RIVAL}, median of {len(turns)} turns:")
    for name, own in turns.items():
        print(f"  {name}: {own.median():.1f} times ({own.min():.1f} to {own.max():.1f})")
    facts["effects"] = {}
    for title in (f"{OURS}, mixed_bfloat16", f"{OURS}, 8 steps a call"):
        facts["effects"][title] = find_ratio(rounds, title, OURS)
        print(f"{title}: {facts['effects'][title]:.2f} times the default's clips a second.")
    title = "41 audio_conv2d, mixed_bfloat16"
    facts["effects"][title] = find_ratio(rounds, title, "41 audio_conv2d")
    print(f"{title}: {facts['effects'][title]:.2f} times the default's clips a second.")
    if options.accuracy:
        facts["validation_accuracy"] = compare_accuracy(options.accuracy)
        print(f"validation accuracy after at most {options.accuracy} epochs:")
        for name, accuracy in facts["validation_accuracy"].items():
            print(f"  {name}: {accuracy:.3f}")
    if options.json:
        arrays.write_json(Path(options.json), facts)
    return 0


def prepare_corpus():
    """Make the embedded corpus's arrays, unless they are there.

    Raises:
        RuntimeError: A notebook failed.
    """
    folder = arrays.corpus_folder("drawn")
    if (folder / "expressions.json").is_file() and (folder / "augmented.json").is_file():
        return
    if status := command.main(["--only", "10,11,12,21,31"]):
        raise RuntimeError(f"The embedded corpus could not be made: exit status {status}.")


def open_notebook(number, **parameters):
    """Run a notebook's cells up to its first check; return its names.

    Args:
        number: First digits of its name.
        **parameters: In the place of those in its parameters cell.
    """
    (path,) = arguments.find_notebooks(number)
    names = {"display": lambda *_: None, "__name__": path.stem}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        if any(check in cell.source for check in FIRST_CHECKS):
            break
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(cell.source, path.name, "exec"), names)
        if "parameters" in cell.metadata.get("tags", []):
            names |= parameters
    plt.close("all")
    keras.config.set_dtype_policy("float32")
    return names


def make_contenders():
    """Return all contenders, compiled."""
    made = [
        open_plain(OURS, "30"),
        open_plain(f"{OURS}, mixed_bfloat16", "30", PRECISION="mixed_bfloat16"),
        open_plain(f"{OURS}, 8 steps a call", "30", STEPS_PER_CALL=8),
        open_plain(RIVAL, "30", STEM="none"),
    ]
    made.append(build_cnn_lstm(made[0]))
    made.append(open_plain("41 audio_conv2d", "41"))
    made.append(open_plain("41 audio_conv2d, mixed_bfloat16", "41", PRECISION="mixed_bfloat16"))
    made.append(open_vgg19())
    made.append(open_frozen("43 audio_yamnet, tuned blocks", "43"))
    made.append(open_expressions())
    return made


def open_plain(title, number, **parameters):
    """Return the contender of a notebook that trains one network from its array on."""
    names = open_notebook(number, **parameters)
    model, x = names["model"], names["parts"]["train"].x
    batches, val = names["train_batches"], names["parts"]["val"]
    return Contender(title, model, batches, model, x, names["BATCH_SIZE"], val)


def build_cnn_lstm(ours):
    """Return the CNN + LSTM on the batches of our video branch."""
    layers = keras.layers
    clip = keras.Input(ours.x.shape[1:], name="faces")
    x = layers.Rescaling(1 / 255)(layers.Reshape((*clip.shape[1:4], -1))(clip))
    for filters in (32, 64, 64):
        x = layers.TimeDistributed(layers.Conv2D(filters, 3, padding="same", activation="relu"))(x)
        x = layers.TimeDistributed(layers.MaxPooling2D(2))(x)
    x = layers.TimeDistributed(layers.Flatten())(x)
    x = layers.LSTM(128)(x)
    model = keras.Model(clip, layers.Dense(8, "softmax")(x), name="cnn_lstm")
    model.compile("adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return Contender("CNN + LSTM", model, ours.batches, model, ours.x, ours.batch_size, ours.val)


def open_vgg19():
    """Return VGG19: its head trains on what the frozen layers found."""
    names = open_notebook("42")
    head, features = names["head"], names["features"]["train"]
    head.compile("adam", loss="categorical_crossentropy", metrics=["accuracy"])
    batch_size = names["BATCH_SIZE"]
    batches = inputs.make_batches(features, batch_size=batch_size, seed=0)
    x = names["parts"]["train"].x
    return Contender("42 audio_vgg19, head", head, batches, names["model"], x, batch_size)


def open_frozen(title, number):
    """Return a network whose upper part trains on what its frozen lower part heard."""
    names = open_notebook(number)
    model, frozen = names["model"], names["frozen"]
    model.compile("adam", loss="categorical_crossentropy", metrics=["accuracy"])
    batch_size = names["BATCH_SIZE"]
    batches = inputs.make_batches(names["heard"]["train"], batch_size=batch_size, seed=0)
    whole = keras.Model(frozen.input, model(frozen.output))
    x = names["parts"]["train"].x
    return Contender(title, model, batches, whole, x, batch_size)


def open_expressions():
    """Return the convolution over time on our expression network's embeddings."""
    names = open_notebook("32", HEADS=["convolution"])
    part = names["data"]["convolution"]["train"]
    model = names["build_network"]("convolution")
    model.compile("adam", loss="categorical_crossentropy", metrics=["accuracy"])
    batch_size = names["BATCH_SIZE"]
    batches = inputs.make_batches(part, batch_size=batch_size, seed=0)
    return Contender("32 video_expression", model, batches, model, part.x, batch_size)


def measure_all(contenders, seconds):
    """Return one round: by title the clips a second and the input's share."""
    found = {}
    for own in contenders:
        step_s, _ = time_training(own, seconds)
        batch_s = time_input(own, seconds / 3)
        found[own.title] = {
            "training, clips/s": own.batch_size / step_s,
            "judging, clips/s": time_judging(own, seconds),
            "input, % of a step": 100 * batch_s / step_s,
        }
    return found


def time_training(own, seconds):
    """Return seconds and processor seconds a training step, warm."""
    steps = 8
    while True:
        batches = own.batches.repeat()
        own.trained.fit(
            batches, steps_per_epoch=8, epochs=1, verbose=0, shuffle=False
        )  # warm, buffers filled
        started = time.perf_counter(), time.process_time()
        own.trained.fit(batches, steps_per_epoch=steps, epochs=1, verbose=0, shuffle=False)
        elapsed, busy = time.perf_counter() - started[0], time.process_time() - started[1]
        if elapsed > seconds / 2:
            return elapsed / steps, busy / steps
        steps = 8 * max(1, round(steps * seconds / elapsed / 8))


def time_input(own, seconds):
    """Return seconds that a batch takes to be made, with nothing else to do."""
    iterator = iter(own.batches.repeat())
    next(iterator)
    started, n_batches = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        next(iterator)
        n_batches += 1
    return (time.perf_counter() - started) / n_batches


def time_judging(own, seconds):
    """Return the clips a second that are judged in batches."""
    rows = own.x[: own.batch_size].astype("float32")
    own.whole.predict_on_batch(rows)
    started, n_clips = time.perf_counter(), 0
    while time.perf_counter() - started < seconds / 2:
        own.whole.predict_on_batch(rows)
        n_clips += len(rows)
    return n_clips / (time.perf_counter() - started)


def summarise(rounds):
    """Return the medians over the rounds, one row a contender."""
    table = {
        title: {
            name: statistics.median(found[title][name] for found in rounds)
            for name in rounds[0][title]
        }
        for title in rounds[0]
    }
    return pd.DataFrame(table).T.round(1)


def find_ratio(rounds, first, second):
    """Return the median over the rounds of how much faster the first trains than the second."""
    name = "training, clips/s"
    return statistics.median(found[first][name] / found[second][name] for found in rounds)


def race(contenders, first, second, *, turns, seconds):
    """Return how many times faster the first trains than the second.

    Returns:
        DataFrame, one row a turn, ``by the clock`` and ``in processor time``.
    """
    own = {contender.title: contender for contender in contenders}
    rows = []
    for _ in range(turns):
        fast, slow = (time_training(own[title], seconds) for title in (first, second))
        rows.append([b / a for a, b in zip(fast, slow, strict=True)])
    return pd.DataFrame(rows, columns=["by the clock", "in processor time"])


def compare_accuracy(epochs):
    """Return the best validation accuracy of our video branch and of the rival, by title."""
    best = {}
    for title, stem in ((OURS, "strided"), (RIVAL, "none")):
        own = open_plain(title, "30", STEM=stem)
        history = loop.train_model(
            own.trained, own.batches, own.val, epochs=epochs, patience=epochs
        )
        best[title] = float(history["val_accuracy"][history["best"]].iloc[0])
    return best


if __name__ == "__main__":
    sys.exit(main())
