"""Several branches' runs become the input of one joint head."""

from pathlib import Path

import numpy as np

from data_augmentation.quiet_keras import keras
from modeling.fusion import experts
from modeling.scores import metrics
from modeling.training import runs
from modeling.training.inputs import PARTS, Part
from modeling.training.layers import ModalityDropout, StatisticsPooling
from preprocessing.disk import arrays


def find_branches(corpus, branches, *, protocol, fold):
    """Return the newest run of each branch; say which branches have none.

    Args:
        corpus: Name of the corpus.
        branches: Names of the branches, as one text with spaces or a sequence.
        protocol: Name of the protocol.
        fold: Number of the fold.

    Returns:
        The runs' facts by branch, in the order given.

    Raises:
        FileNotFoundError: No branch has a run.
    """
    names = branches.split() if isinstance(branches, str) else list(branches)
    found = {}
    for name in names:
        try:
            found[name] = runs.find_run(corpus, name, protocol=protocol, fold=fold)
        except FileNotFoundError as error:
            missing = error
            print(f"no run of {name} for this protocol and fold: fused without it")
    if not found:
        raise missing
    return found


def list_without_embeddings(found):
    """Return the branches whose runs hold no embeddings: committees."""
    return [name for name, f in found.items() if not (f["folder"] / "embeddings.npy").is_file()]


def stack_embeddings(found, emotions):
    """Return the parts of a fold with all branches' embeddings side by side.

    Each feature is scaled by the mean and deviation of the training clips. A branch narrower than
    the widest is padded with zeros; a branch that did not judge a clip is all zeros.

    Args:
        found: Facts of runs of one fold by branch, as ``find_branches`` gives them.
        emotions: Names of the classes in order.

    Returns:
        ``Part`` by name, x float32 (clip, branch, feature); and by branch the pair of mean and
        deviation that it was scaled with.

    Raises:
        LeakError: A clip is in one part for one run and in another for the next.
    """
    tables = {name: runs.read_predictions(facts["folder"]) for name, facts in found.items()}
    clips, _ = experts.align_predictions(list(tables.values()), emotions)
    scaled, scales = {}, {}
    for name, table in tables.items():
        embeddings = runs.read_embeddings(found[name]["folder"])
        train = embeddings[(table["part"] == "train").to_numpy()]
        scales[name] = train.mean(axis=0), train.std(axis=0) + 1e-3
        scaled[name] = (embeddings - scales[name][0]) / scales[name][1]
    width = max(values.shape[1] for values in scaled.values())
    stacked = np.zeros((len(clips), len(found), width), np.float32)
    position = {clip: row for row, clip in enumerate(clips["clip_id"])}
    for branch, (name, values) in enumerate(scaled.items()):
        rows = [position[clip] for clip in tables[name]["clip_id"]]
        stacked[rows, branch, : values.shape[1]] = values
    labels = clips["true"].map(emotions.index).to_numpy(np.int64)
    clips = clips.rename(columns={"true": "emotion"})
    parts = {}
    for part in PARTS:
        rows = np.flatnonzero(clips["part"] == part)
        chosen = clips.iloc[rows].reset_index(drop=True)
        parts[part] = Part(part, stacked[rows], labels[rows], chosen, emotions)
    return parts, scales


def group_branches(names):
    """Return the names of branches by what they judge: ``face``, ``voice``, else their own name."""
    kinds = {"audio": "voice", "video": "face", "face": "face"}
    groups = {}
    for name in names:
        groups.setdefault(kinds.get(name.split("_")[0], name), []).append(name)
    return groups


def score_test(predictions, emotions):
    """Return the accuracy of a table's test part."""
    test = predictions[predictions["part"] == "test"]
    return metrics.score_predictions(test, emotions)["accuracy"]


def hide_branches(part, branches):
    """Return a part with some branches missing in every clip.

    Args:
        part: A part of ``stack_embeddings``.
        branches: Positions of the branches to hide.
    """
    x = part.x.copy()
    x[:, list(branches)] = 0
    return part.with_x(x)


def load_encoder(facts):
    """Return a run's network up to its layer ``embedding``.

    Raises:
        ValueError: The run's model does not read an array on disk, so it cannot be fine-tuned.
    """
    if not facts.get("array"):
        raise ValueError(
            f"{facts['branch']} reads features of a frozen network, not an array: it cannot be "
            "fine-tuned. Set FINE_TUNE_EPOCHS = 0 or leave it out of BRANCHES."
        )
    own = {layer.__name__: layer for layer in (StatisticsPooling, ModalityDropout)}
    model = keras.models.load_model(Path(facts["folder"]) / "model.keras", custom_objects=own)
    encoder = keras.Model(model.inputs, model.get_layer("embedding").output)
    encoder.name = f"{facts['branch']}_encoder"
    return encoder


def build_joint_model(found, scales, head):
    """Return one network from the branches' own inputs to the head's posteriors.

    Args:
        found: Facts of the runs by branch.
        scales: By branch the mean and deviation of its embeddings, from ``stack_embeddings``.
        head: The trained head, which reads (clip, branch, feature).

    Returns:
        A Keras model that reads what ``read_inputs`` gives; its weights are the branches' and
        the head's own.
    """
    width = head.input_shape[2]
    present = keras.Input((len(found),), name="present")
    joint_inputs, embeddings = {"present": present}, []
    for name, facts in found.items():
        encoder = load_encoder(facts)
        own = keras.Input(encoder.input_shape[1:], name=name)
        mean, deviation = scales[name]
        embedding = (encoder(own) - mean) / deviation
        embeddings.append(keras.ops.pad(embedding, [(0, 0), (0, width - len(mean))]))
        joint_inputs[name] = own
    stack = keras.ops.stack(embeddings, axis=1) * present[:, :, None]
    return keras.Model(joint_inputs, head(stack), name="fusion_fine_tuned")


def read_inputs(found, part):
    """Return a part whose x holds each branch's own array and which branches are there.

    Args:
        found: Facts of the runs by branch.
        part: A part of ``stack_embeddings``.

    Returns:
        ``Part`` with x a dictionary: an array (clip, ...) by branch, and ``present``, float32
        (clip, branch).
    """
    folder = arrays.corpus_folder(next(iter(found.values()))["corpus"])
    position = {clip: row for row, clip in enumerate(arrays.read_clips(folder)["clip_id"])}
    rows = [position[clip] for clip in part.clips["clip_id"]]
    x = {name: arrays.read_array(folder, facts["array"])[rows] for name, facts in found.items()}
    return part.with_x(x | {"present": (part.x != 0).any(axis=2).astype(np.float32)})
