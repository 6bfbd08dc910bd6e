"""What is learned across branches: a logistic regression on posteriors, joint heads on embeddings.

``found`` are the facts of runs of one fold by branch, as ``find_branches`` gives them; tables,
posteriors and ``emotions`` are those of ``experts``.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from data_augmentation.quiet_keras import keras
from modeling.fusion import experts
from modeling.scores import metrics
from modeling.training import freshness, layers, runs
from modeling.training.inputs import PARTS, Part
from preprocessing.disk import arrays

STRENGTHS = (0.03, 0.1, 0.3, 1.0)
"""How freely a logistic regression over the modalities may fit."""

LEAST_ACTORS = 5
"""With fewer validation actors there is no choosing among them."""

COPIES = "augmented"
"""The stage that training alone reads: runs of which each had other copies can be fused."""


def find_branches(corpus, branches, *, protocol, fold):
    """Return the facts of each branch's newest run in the order given; say which have none.

    ``branches`` are names with spaces between them.

    Raises:
        FileNotFoundError: No branch has a run.
        ValueError: A run was made from other arrays than those on disk, or than another run.
    """
    found = {}
    for name in branches.split():
        try:
            found[name] = runs.find_run(corpus, name, protocol=protocol, fold=fold)
        except FileNotFoundError as error:
            missing = error
            other = "" if "of other clips" not in str(error) else ", only of other clips"
            print(f"no run of {name} for this protocol and fold{other}: fused without it")
    if not found:
        raise missing
    for name, facts in found.items():
        if stale := [stage for stage in freshness.list_stale(facts) if stage != COPIES]:
            raise ValueError(
                f"{freshness.name_runs([facts])} was made from other {' and '.join(stale)} than "
                f"{arrays.shorten_path(arrays.corpus_folder(corpus))} holds now. Rerun "
                f"{freshness.find_notebook(name)}."
            )
    join_inputs(found)
    return found


def read_tables(found):
    """Return the table of predictions of each run by branch, all parts.

    ``val`` are the clips that a fusion may be fitted on, those that no run has trained on: where
    all runs judged the training clips out of fold, these are ``val`` too.
    """
    tables = {name: runs.read_predictions(facts["folder"]) for name, facts in found.items()}
    if all("train" in facts.get("out_of_fold", ()) for facts in found.values()):
        named = {"train": "val"}
        tables = {n: table.assign(part=table["part"].replace(named)) for n, table in tables.items()}
        print("all runs judged the training clips out of fold: these clips validate too")
    return tables


def join_inputs(found):
    """Return the digest of each stage that runs judge by, as ``runs.Run`` takes ``inputs``.

    Raises:
        ValueError: Two runs have read a stage in different states.
    """
    inputs = {}
    for name, facts in found.items():
        for stage, digest in facts["inputs"].items():
            if stage == COPIES:
                continue
            first, known = inputs.setdefault(stage, (name, digest))
            if known != digest:
                raise ValueError(
                    f"The runs of {first} and {name} were made from different {stage}. Rerun "
                    f"{freshness.find_notebook(first)} and {freshness.find_notebook(name)}."
                )
    return {stage: {"digest": digest} for stage, (_, digest) in inputs.items()}


def group_branches(found):
    """Return the names of branches by their runs' modality.

    Raises:
        ValueError: A run is older than modalities are.
    """
    groups = {}
    for name, facts in found.items():
        if "modality" not in facts:
            raise ValueError(
                f"The run of {name} in {arrays.shorten_path(facts['folder'])} does not say whether "
                "it judges face or voice. Run the notebook of that branch again."
            )
        groups.setdefault(facts["modality"], []).append(name)
    return groups


def join_modalities(found):
    """Return the modality of a fusion of runs: ``face``, ``voice`` or ``face and voice``."""
    single = {part for modality in group_branches(found) for part in modality.split(" and ")}
    return " and ".join(sorted(single))


def fit_on_validation(tables, emotions):
    """Return the fusing function of a logistic regression fitted on the validation clips.

    On RAVDESS (LUNA5) the 120 clips of two validation actors are too few for it, and the product of
    ``experts`` is better; it is for runs that judged all who are not tested out of fold.

    How freely it may fit is chosen among ``STRENGTHS`` by cross-validation over the validation
    actors; where these are fewer than ``LEAST_ACTORS``, or one emotion would be left to fit on, it
    is the smallest. The function, see ``fit_logistic``, is for ``experts.fuse_predictions`` of
    tables in the same order. Where the validation clips show one emotion, it prints so and returns
    ``None``.
    """
    clips, posteriors = experts.align_predictions(tables, emotions)
    val = (clips["part"] == "val").to_numpy()
    actors, posteriors = clips.loc[val, "actor"].to_numpy(), [p[val] for p in posteriors]
    labels = metrics.encode_labels(clips.loc[val, "true"], emotions)
    if len(set(labels)) < 2:
        n, shown = len(labels), emotions[labels[0]]
        print(f"no logistic regression: all {n} validation clips show one emotion, {shown}")
        return None
    best = min(STRENGTHS)
    if len(set(actors)) >= LEAST_ACTORS:
        best = min(STRENGTHS, key=lambda c: _cross_validate(posteriors, labels, actors, c))
    return fit_logistic(posteriors, labels, inverse_l2=best)


def fit_logistic(posteriors, labels, *, inverse_l2):
    """Return a logistic regression from all modalities' log-posteriors to the emotion.

    Log-posteriors are centred in each clip, so a missing modality is a row of zeros, no evidence.

    Args:
        posteriors: List of those of validation clips.
        labels: int (clip,).
        inverse_l2: Freedom of the weights; larger needs more validation clips.

    Returns:
        A function from such a list to fused posteriors, see ``predict_all``.

    Raises:
        ValueError: Fewer than two emotions among the labels.
    """
    features, there = _centre(posteriors)
    labels, n_emotions = np.asarray(labels), features.shape[1] // len(posteriors)
    if len(np.unique(labels[there])) < 2:
        raise ValueError(
            f"{there.sum()} validation clips of fewer than 2 emotions; fuse by multiply_experts."
        )
    model = LogisticRegression(C=inverse_l2, max_iter=2000)
    with threadpool_limits(1):  # so small a problem is slower on many threads
        model.fit(features[there], labels[there])

    def fuse(others):
        rows, judged = _centre(others)
        fused = predict_all(model, rows, n_emotions)
        fused[~judged] = np.nan
        return fused

    return fuse


def predict_all(model, features, n_emotions):
    """Return a fitted scikit-learn classifier's posteriors; its labels are positions.

    An emotion without a training clip gets ``experts.FLOOR``.
    """
    posteriors = np.full((len(features), n_emotions), experts.FLOOR)
    posteriors[:, model.classes_] = np.maximum(model.predict_proba(features), experts.FLOOR)
    return posteriors / posteriors.sum(axis=1, keepdims=True)


def _cross_validate(posteriors, labels, actors, inverse_l2):
    """Return the cross-entropy of a late fusion on actors that it was not fitted on, in nats."""
    total = 0.0
    for train, held in GroupKFold(LEAST_ACTORS).split(labels, groups=actors):
        if len(set(labels[train])) < 2:
            return np.inf
        fuse = fit_logistic([p[train] for p in posteriors], labels[train], inverse_l2=inverse_l2)
        fused = experts.take_log(fuse([p[held] for p in posteriors]))
        total -= np.nansum(fused[np.arange(len(held)), labels[held]])
    return total


def _centre(posteriors):
    """Return centred log-posteriors (clip, modality x emotion), and which clips have any."""
    stack, there = experts.stack_posteriors(posteriors)
    logs = experts.take_log(stack)
    logs -= logs.mean(axis=2, keepdims=True)  # a gap, the same number throughout, becomes zeros
    return np.concatenate(list(logs), axis=1), there.any(axis=0)


def list_without_embeddings(found):
    """Return the branches whose runs hold no embeddings, such as those adapted to a person."""
    return [name for name, f in found.items() if not (f["folder"] / "embeddings.npy").is_file()]


def stack_embeddings(found, emotions):
    """Return the parts of a fold with all branches' embeddings side by side.

    Each feature is scaled by the mean and deviation of the training clips. A branch narrower than
    the widest is padded with zeros; a branch that did not judge a clip is all zeros.

    Returns:
        ``Part`` by name, x float32 (clip, branch, feature); and by branch the pair of mean and
        deviation that it was scaled with.

    Raises:
        LeakError: A clip is in one part for one run and in another for the next.
    """
    tables = {name: runs.read_predictions(facts["folder"]) for name, facts in found.items()}
    clips, _ = experts.align_predictions(list(tables.values()), emotions)
    scaled, scales = [], {}
    for name, table in tables.items():
        embeddings = runs.read_embeddings(found[name]["folder"])
        train = embeddings[(table["part"] == "train").to_numpy()]
        mean, deviation = scales[name] = train.mean(axis=0), train.std(axis=0) + 1e-3
        own = pd.DataFrame((embeddings - mean) / deviation, index=table["clip_id"])
        scaled.append(own.reindex(clips["clip_id"], fill_value=0).to_numpy(np.float32))
    width = max(own.shape[1] for own in scaled)
    padded = [np.pad(own, ((0, 0), (0, width - own.shape[1]))) for own in scaled]
    labels = metrics.encode_labels(clips["true"], emotions)
    clips = clips.rename(columns={"true": "emotion"})
    everything = Part("", np.stack(padded, axis=1), labels, clips, emotions)
    rows = {part: np.flatnonzero(clips["part"] == part) for part in PARTS}
    return {part: replace(everything.take(rows[part]), name=part) for part in PARTS}, scales


def hide_branches(part, branches):
    """Return a part of ``stack_embeddings`` with some branches, by position, missing everywhere."""
    x = part.x.copy()
    x[:, list(branches)] = 0
    return part.with_x(x)


def load_network(folder):
    """Return the network of a run, for predicting."""
    assert layers  # registers the layers that saved networks hold
    return keras.models.load_model(Path(folder) / "model.keras", compile=False)


def build_joint_model(found, scales, head):
    """Return one network from the branches' own inputs to the head's posteriors.

    It reads what ``read_inputs`` gives; its weights are the branches' and the head's own.

    Args:
        found: Facts of runs whose networks read arrays.
        scales: By branch the mean and deviation of its embeddings, from ``stack_embeddings``.
        head: The trained head, which reads (clip, branch, feature).
    """
    width = head.input_shape[2]
    present = keras.Input((len(found),), name="present")
    joint_inputs, embeddings = {"present": present}, []
    for name, facts in found.items():
        model = load_network(facts["folder"])
        embedding = model.get_layer("embedding").output
        encoder = keras.Model(model.inputs, embedding, name=f"{name}_encoder")
        own = keras.Input(encoder.input_shape[1:], name=name)
        mean, deviation = scales[name]
        embedding = (encoder(own) - mean) / deviation
        embeddings.append(keras.ops.pad(embedding, [(0, 0), (0, width - len(mean))]))
        joint_inputs[name] = own
    stack = keras.ops.stack(embeddings, axis=1) * present[:, :, None]
    return keras.Model(joint_inputs, head(stack), name="fusion_fine_tuned")


def read_inputs(found, part):
    """Return a part of ``stack_embeddings`` with other x: what each branch's network reads.

    A dictionary: an array (clip, ...) by branch, and ``present``, float32 (clip, branch).
    """
    folder = arrays.corpus_folder(next(iter(found.values()))["corpus"])
    rows = pd.Index(arrays.read_clips(folder)["clip_id"]).get_indexer(part.clips["clip_id"])
    x = {name: arrays.read_array(folder, facts["array"])[rows] for name, facts in found.items()}
    return part.with_x(x | {"present": (part.x != 0).any(axis=2).astype(np.float32)})


def score_test(predictions, emotions):
    """Return the accuracy of a table's test part."""
    test = predictions[predictions["part"] == "test"]
    return metrics.score_predictions(test, emotions)["accuracy"]
