"""Expressions of faces over time: by our own network, or as another program has left them.

The arrays: ``expressions`` (clip, time, class), posteriors over ``fer2013.CLASSES``, zeros where no
face is; ``expression_times`` (clip, time), seconds in the clip's window, the clock of the voice;
``expression_embeddings`` (clip, time, feature) where our own network made them;
``expression_summary`` (clip, feature), what they come to; ``action_units`` (clip, unit), means over
a clip. Notebook 31 writes them, 32 reads them.
"""

import hashlib
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from data_augmentation.quiet_keras import keras
from modeling.expressions.fer2013 import CLASSES, SIDE, VOTED, WORDS
from modeling.scores import bootstrap
from modeling.training import runs
from preprocessing.disk import arrays

SHIPPED = Path(__file__).resolve().parents[1] / "shipped" / "expression.keras"
"""The network that this repository brings along; notebook 31 trains it."""

RAVDESS_FPS = 29.97

LEAST_FRAMES = 3
"""A silence before or after the window has at least so many frames of the clip."""

FLOOR = 1e-3
"""Smallest posterior that is told from zero."""

TURN_DEG = 6.0
"""How far a single face is turned to either side for more views of it."""

BRANCHES = {
    "expressions": "face_expression",
    "expression_embeddings": "video_expression",
    "expression_summary": "face_summary",
    "action_units": "face_action_units",
}
"""The branch that reads each array."""


def load_network(start):
    """Return an expression network: of a ``.keras`` file, or of the ``newest`` run of notebook 31.

    Raises:
        FileNotFoundError: There is no such file or run.
    """
    if start == "newest":
        folder = runs.find_run("fer2013", "expression", protocol="official", fold=1)["folder"]
        start = folder / "model.keras"
    if not Path(start).is_file():
        raise FileNotFoundError(
            f"START = {str(start)!r} is no file; name a .keras file or 'newest'."
        )
    return keras.models.load_model(start, compile=False)


def describe_faces(network, faces, *, batch_size=256):
    """Return what the expression network sees in face sequences.

    Args:
        network: Keras model from faces (face, 48, 48, 1), 0 to 255, with an output ``fer2013`` and
            a layer ``embedding``.
        faces: uint8 (clip, time, height, width) or (clip, time, height, width, 3), of any size.
        batch_size: Faces a step.

    Returns:
        float32 posteriors (clip, time, class) and embeddings (clip, time, feature); zeros for a
        face that is black.
    """
    return _look_at_faces(network, ("fer2013", "embedding"), faces, batch_size, np.float32)


def map_faces(network, faces, *, batch_size=256):
    """Return the network's last feature maps, float16 (clip, time, height, width, channel).

    Args:
        network: As for ``describe_faces``; its layer ``maps`` is read.
        faces: uint8 (clip, time, height, width[, 3]).
        batch_size: Faces a step.
    """
    return _look_at_faces(network, ("maps",), faces, batch_size, np.float16)[0]


def _look_at_faces(network, names, faces, batch_size, dtype):
    """Return what some of the network's layers make of face sequences, (clip, time, ...) each.

    Zeros for a face that is black.
    """
    looking = keras.Model(network.inputs, [network.get_layer(name).output for name in names])
    rows = faces.reshape(-1, *faces.shape[2:])
    pieces = []
    for start in range(0, len(rows), batch_size):
        seen = looking.predict_on_batch(fit_faces(rows[start : start + batch_size]))
        pieces.append([own.astype(dtype) for own in keras.tree.flatten(seen)])
    black = ~rows.reshape(len(rows), -1).any(axis=1)
    found = []
    for own in map(np.concatenate, zip(*pieces, strict=True)):
        own[black] = 0
        found.append(own.reshape(*faces.shape[:2], *own.shape[1:]))
    return tuple(found)


def choose_input(folder, name="auto"):
    """Return the array that ``INPUT`` means: ``auto`` takes embeddings where there are any.

    Raises:
        FileNotFoundError: There are no expressions, or not this array.
        ValueError: The name is unknown.
    """
    names = {"expressions": "expressions", "embeddings": "expression_embeddings"}
    names |= {"summary": "expression_summary", "action_units": "action_units"}
    if name != "auto" and name not in names:
        raise ValueError(f"INPUT = {name!r}; expected auto, {', '.join(names)}.")
    if name == "action_units":
        arrays.read_facts(folder, "action_units")
        return name
    there = arrays.read_facts(folder, "expressions")["shapes"]
    if name == "embeddings" and names[name] not in there:
        raise FileNotFoundError(
            "expressions.json has no embeddings: another network made these expressions. Set "
            "INPUT = 'expressions'."
        )
    if name == "auto":
        name = "embeddings" if "expression_embeddings" in there else "expressions"
    return names[name]


def measure_step(folder):
    """Return the usual time between two frames of a corpus's expressions, in seconds."""
    times = arrays.read_array(folder, "expression_times")
    steps = np.diff(times, axis=1)
    return float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0


def name_origin(facts):
    """Return in words what made the expressions or action units of these facts."""
    made = facts["parameters"]
    return made["program"] if "program" in made else f"the network {made['network']}"


def note_origin(facts):
    """Return the note that must stand beside scores that rest on somebody else's network."""
    made = facts["parameters"]
    if "program" in made:
        return f"{made['program']}'s action units"
    return "" if made["network"].startswith("ours") else "another network's expressions"


def compare_with_scratch(test, emotions, *, corpus, protocol, fold, rival="video_convlstm"):
    """Return test scores beside those of the ConvLSTM2D that notebook 30 trained, if it did.

    Args:
        test: Table of predictions of the test part.
        emotions: Names of the classes in order.
        corpus, protocol, fold: Of the runs.
        rival: The other branch.

    Returns:
        DataFrame: a row for each of both, on the clips that both judged, and the difference with
        its 95% interval (``bootstrap.compare_predictions``); the first alone where there is no
        other run.
    """
    columns = ["accuracy", "unweighted_recall", "macro_f1"]
    try:
        found = runs.find_run(corpus, rival, protocol=protocol, fold=fold)
    except FileNotFoundError:
        print(f"no run of {rival} for this fold: run notebook 30 to compare")
        return pd.DataFrame()
    other = runs.read_predictions(found["folder"])
    other = other[other["part"] == "test"]
    paired = bootstrap.compare_predictions(other, test, emotions, rng=np.random.default_rng(0))
    tables = {"expressions": test, rival: other}
    shared = set(test["clip_id"]) & set(other["clip_id"])
    rows = {
        name: bootstrap.score_predictions(own[own["clip_id"].isin(shared)], emotions)
        for name, own in tables.items()
    }
    rows |= {
        title: {column: paired[f"{column}_difference{end}"] for column in columns}
        for title, end in (("difference", ""), ("95% from", "_low"), ("to", "_high"))
    }
    return pd.DataFrame(rows).T[columns].astype(float).round(3)


def make_batches(part, *, votes=0.5, batch_size=128, augment=None, mix=None, seed=None):
    """Return batches of FER2013's faces with both targets, as a ``tf.data.Dataset``.

    Args:
        part: ``fer2013.Faces``.
        votes: Weight of the crowd's votes in the targets of ``fer2013``; the labels have the rest.
        batch_size: Faces a batch.
        augment: Layer or model for face sequences (clip, time, height, width); training part only.
        mix: Layer from (faces, targets) to the same, such as ``MixClips``; training part only.
        seed: Shuffle with this seed; ``None`` keeps the order.

    Returns:
        Batches of float32 faces (face, 48, 48, 1), 0 to 255, targets by output and weights by
        output. A face without votes weighs nothing for ``ferplus``; targets of zeros alone would
        not do, since TensorFlow takes for granted that they sum to one: their loss is zero, its
        gradient is not, and pushes the outputs away without end.
    """
    import tensorflow as tf

    n_seven = len(CLASSES)
    labels = np.eye(n_seven, dtype=np.float32)[part.labels]
    own = part.votes[:, :n_seven]
    sums = own.sum(axis=1, keepdims=True)
    shares = np.divide(own, sums, out=labels.copy(), where=sums > 0.2)
    targets = np.concatenate([(1 - votes) * labels + votes * shares, part.votes], axis=1)
    faces, targets = tf.constant(part.x), tf.constant(targets)
    rows = tf.data.Dataset.range(len(part))
    if seed is not None:
        rows = rows.shuffle(len(part), seed=seed, reshuffle_each_iteration=True)

    def gather(chosen):
        return tf.cast(tf.gather(faces, chosen), tf.float32), tf.gather(targets, chosen)

    batches = rows.batch(batch_size).map(gather, num_parallel_calls=2)
    # One call at a time, so that the same seed gives the same draws.
    if augment:
        batches = batches.map(lambda x, y: (augment(x[:, None], training=True)[:, 0], y))
    if mix:
        batches = batches.map(lambda x, y: mix(x, y, training=True))
    split = {"fer2013": slice(0, n_seven), "ferplus": slice(n_seven, n_seven + len(VOTED))}

    def weigh(faces, targets):
        own, weights = {}, {}
        for name, columns in split.items():
            values = targets[:, columns]
            sums = tf.reduce_sum(values, axis=1, keepdims=True)
            own[name] = tf.where(sums > 0, values / sums, 1 / values.shape[1])
            weights[name] = sums[:, 0]
        return faces[..., None], own, weights

    return batches.map(weigh).prefetch(2)


def judge_faces(network, faces):
    """Return posteriors of single faces, each the mean of six views of it.

    The views: upright and turned by ``TURN_DEG`` to either side, and the mirror images of these.

    Args:
        network: The expression network.
        faces: uint8 (face, height, width).

    Returns:
        float32 (face, 7) of the output ``fer2013`` and (face, 8) of ``ferplus``.
    """
    level = {"axes": (2, 1), "reshape": False, "order": 1, "mode": "nearest", "output": np.float32}
    left, right = (ndimage.rotate(faces, degrees, **level) for degrees in (-TURN_DEG, TURN_DEG))
    turned, found = (left, faces, right), []
    for view in (*turned, *(view[:, :, ::-1] for view in turned)):
        pieces = [
            network.predict_on_batch(fit_faces(view[start : start + 256]))
            for start in range(0, len(view), 256)
        ]
        found.append([np.concatenate([p[n] for p in pieces]) for n in ("fer2013", "ferplus")])
    return tuple(np.mean(views, axis=0) for views in zip(*found, strict=True))


def tabulate_faces(labels, posteriors, classes, *, fold):
    """Return the table of predictions of FER2013's test faces; who they are is not known.

    Args:
        labels: int (face,); a face with a label below 0 has none and is left out.
        posteriors: float (face, class).
        classes: Names of the classes.
        fold: Number of the fold.
    """
    rows = np.flatnonzero(labels >= 0)
    return pd.DataFrame(
        {
            "clip_id": [f"{row:05d}" for row in rows],
            "actor": "",
            "fold": fold,
            "part": "test",
            "true": [classes[labels[row]] for row in rows],
        }
        | {f"p_{name}": posteriors[rows, i].round(6) for i, name in enumerate(classes)}
    )


def fit_faces(faces):
    """Return faces as the network wants them: float32 (face, 48, 48, 1), grey, 0 to 255."""
    faces = np.asarray(faces, np.float32)
    if faces.ndim == 4:
        faces = faces @ np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
    faces = faces[..., None]
    if faces.shape[1:3] != (SIDE, SIDE):
        faces = keras.ops.image.resize(faces, (SIDE, SIDE), antialias=True)
    return np.asarray(faces, np.float32)


def measure_speed(network, *, n_faces=64, repeats=5):
    """Return milliseconds a face, on the threads that TensorFlow is given; the median."""
    faces = np.zeros((n_faces, SIDE, SIDE, 1), np.float32)
    network.predict_on_batch(faces)
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        network.predict_on_batch(faces)
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times)) / n_faces


def read_posteriors(path, clips, *, fps=RAVDESS_FPS):
    """Return the expressions that another network saw in the clips' videos, frame by frame.

    Frames inside each clip's window are kept one by one, so that face and voice are of the same
    seconds. Of the silence before and after it the mean is kept.

    Args:
        path: ``.npz`` with ``clip_id`` (clip,), ``offsets`` (clip + 1,) into ``frame`` (row,),
            counted from 1, and ``posterior`` (row, class), and ``classes`` (class,).
        clips: DataFrame of ``clips.csv`` with ``start_s`` and ``window_s``. A RAVDESS file's whole
            name, modality and all, counts as its clip's.
        fps: Frames a second of the videos.

    Returns:
        float32 ``expressions`` (clip, time, class) in the order of ``CLASSES``,
        ``expression_times`` (clip, time), zeros behind a clip's last frame, and the silences (clip,
        2, class): mean log-posteriors before and after the window, of three frames at least.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It lacks an array or a class, or knows none of the clips.
    """
    with _open_npz(path) as found:
        try:
            ids, offsets, frames, posteriors, classes = (
                found[name] for name in ("clip_id", "offsets", "frame", "posterior", "classes")
            )
        except KeyError as error:
            raise ValueError(f"{Path(path).name} has no array {error}.") from error
    words = [WORDS.get(str(word), str(word)) for word in classes]
    if missing := set(CLASSES) - set(words):
        raise ValueError(f"{Path(path).name} has no posteriors of {', '.join(sorted(missing))}.")
    posteriors = posteriors[:, [words.index(name) for name in CLASSES]].astype(np.float32)
    spans = dict(zip(map(str, ids), zip(offsets, offsets[1:], strict=False), strict=True))
    known = match_clips(spans, clips["clip_id"], Path(path).name)
    cut, silences = {}, np.zeros((len(clips), 2, len(CLASSES)), np.float32)
    for row, name in known.items():
        first, last = spans[name]
        own = posteriors[first:last]
        times = (frames[first:last] - 1) / fps - clips["start_s"][row]
        inside = (times >= 0) & (times <= clips["window_s"][row])
        cut[row] = own[inside], times[inside]
        if len(own):
            n_before = max(LEAST_FRAMES, int((times < 0).sum()))
            n_after = max(LEAST_FRAMES, int((times > clips["window_s"][row]).sum()))
            for end, frames_of in enumerate((own[:n_before], own[-n_after:])):
                silences[row, end] = np.log(np.maximum(frames_of, FLOOR)).mean(axis=0)
    longest = max(1, *(len(own) for own, _ in cut.values()))
    expressions = np.zeros((len(clips), longest, len(CLASSES)), np.float32)
    at = np.zeros((len(clips), longest), np.float32)
    for row, (own, times) in cut.items():
        expressions[row, : len(own)], at[row, : len(own)] = own, times
    return expressions, at, silences


def summarize_expressions(expressions, silences=None, units=None):
    """Return one row of numbers a clip: its expressions over time, in a few statistics.

    Args:
        expressions: float32 (clip, time, class), zeros where no face is.
        silences: float32 (clip, 2, class), mean log-posteriors before and after the window; None
            where they are not known.
        units: float32 (clip, unit), action units; None where there are none.

    Returns:
        float32 (clip, feature): mean and deviation of the log-posteriors and of the posteriors in
        the window, the silences, the action units and their square roots (most are near zero); a
        row of zeros for a clip without a face in the window.
    """
    there = expressions.any(axis=2)[..., None]
    n_frames = np.maximum(there.sum(axis=1), 1)
    pieces = []
    for values in (np.log(np.maximum(expressions, FLOOR)), expressions):
        mean = (values * there).sum(axis=1) / n_frames
        variance = (np.square(values - mean[:, None]) * there).sum(axis=1) / n_frames
        pieces += [mean, np.sqrt(variance)]
    if silences is not None:
        pieces.append(silences.reshape(len(silences), -1))
    if units is not None:
        pieces += [units, np.sqrt(np.maximum(units, 0))]
    summary = np.concatenate(pieces, axis=1).astype(np.float32)
    summary[~there.any(axis=(1, 2))] = 0
    return summary


def read_action_units(path, clips):
    """Return OpenFace's action units of the clips, means over each video.

    Baltrušaitis et al. 2018, "OpenFace 2.0", FG. Ekman & Friesen's units: how strongly (``_r``)
    and how often (``_c``) each is seen.

    Args:
        path: CSV with a column ``name`` and columns ``AU01_r``, ``AU01_c`` ...; commas or
            semicolons between them.
        clips: DataFrame of ``clips.csv``; a RAVDESS file's whole name counts as its clip's.

    Returns:
        float32 (clip, unit), zeros for a clip that the file lacks, and the units' names.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It has no action units or knows none of the clips.
    """
    table = pd.read_csv(path, sep=None, engine="python", dtype={"name": str})
    units = tuple(name for name in table if name.startswith("AU"))
    if not units or "name" not in table:
        raise ValueError(f"{Path(path).name} has no column 'name' or none that begins with 'AU'.")
    table = table.drop_duplicates("name").set_index("name")
    known = match_clips(table.index, clips["clip_id"], Path(path).name)
    values = np.zeros((len(clips), len(units)), np.float32)
    values[list(known)] = table.loc[list(known.values()), list(units)].to_numpy(np.float32)
    return np.nan_to_num(values), units


def sign_file(path):
    """Return the SHA-256 of a file, shortened: what arrays were made from."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


def sign_network(network, facts):
    """Return what made a corpus's expressions: the network and the state of the faces.

    Args:
        network: The expression network.
        facts: Facts of the stage ``faces``.
    """
    weights = hashlib.sha256(b"".join(w.tobytes() for w in network.get_weights()))
    return {
        "network": "ours, trained on FER2013",
        "weights": weights.hexdigest()[:16],
        "faces": facts["digest"],
    }


def match_clips(names, clip_ids, source):
    """Return by row of ``clip_ids`` the name that a file has for it.

    Raises:
        ValueError: The file knows none of the clips.
    """
    own = {name.split("-", 1)[1]: name for name in names if name.count("-") == 6}  # RAVDESS
    own |= {name: name for name in names}
    known = {row: own[clip] for row, clip in enumerate(clip_ids) if clip in own}
    if not known:
        example = next(iter(names), "nothing")
        raise ValueError(
            f"{source} knows none of the {len(clip_ids)} clips: it names {example}, clips.csv "
            f"{clip_ids.iloc[0]}."
        )
    return known


def write_expressions(corpus, expressions, times, *, source, embeddings=None, summary=None):
    """Write a corpus's expressions, with what made them beside them.

    Args:
        corpus: Name of the corpus.
        expressions: float32 (clip, time, class).
        times: float32 (clip, time), seconds in the window.
        source: What made them: facts in a dictionary, such as the network's name and digest.
        embeddings: float32 (clip, time, feature), if there are any.
        summary: float32 (clip, feature), if there is one.
    """
    made = {"expressions": expressions, "expression_times": times}
    if embeddings is not None:
        made["expression_embeddings"] = embeddings
    if summary is not None:
        made["expression_summary"] = summary
    arrays.write_stage(
        arrays.corpus_folder(corpus),
        "expressions",
        parameters=source,
        arrays=made,
        classes=CLASSES,
    )


def write_action_units(corpus, values, units, *, source):
    """Write a corpus's action units, with their names and what made them beside them."""
    folder = arrays.corpus_folder(corpus)
    made = {"action_units": values}
    arrays.write_stage(folder, "action_units", parameters=source, arrays=made, units=units)


def _open_npz(path):
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise FileNotFoundError(f"No file of posteriors at {path}.") from error
        raise ValueError(f"{Path(path).name} cannot be read as .npz: {error}.") from error
