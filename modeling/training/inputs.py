"""Arrays and a fold become the training, validation and test data of a model.

Scaling is fitted and augmentation applied on training clips only: ``make_batches`` refuses
augmentation for any other part.
"""

import textwrap
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from data_augmentation.quiet_keras import keras
from modeling.split.protocol import PARTS, choose_protocol, split_clips
from preprocessing.disk import arrays

NEEDS = {"faces": "has_face", "waveforms": "has_voice", "mels": "has_voice", "mfcc": "has_voice"}
"""The column of ``clips.csv`` that says whether a clip has a row worth reading; of any other array
a row is worth reading unless it is all zeros."""


@dataclass(frozen=True)
class Part:
    """One part of a fold.

    Attributes:
        name: ``train``, ``val`` or ``test``.
        x: Array (clip, ...), one row a clip; for several modalities a dictionary of them.
        labels: int64 (clip,), positions in ``emotions``.
        clips: DataFrame, one row a clip.
        emotions: Names of the classes in the project's order.
    """

    name: str
    x: np.ndarray
    labels: np.ndarray
    clips: pd.DataFrame
    emotions: tuple

    def __len__(self):
        """Return the number of clips."""
        return len(self.labels)

    def with_x(self, x):
        """Return the part with another array in place of ``x``."""
        return replace(self, x=x)

    def find_firsts(self):
        """Return the row of the first clip of each emotion that the part holds, int64, in order."""
        return np.unique(self.labels, return_index=True)[1]

    def take(self, rows):
        """Return the part reduced to some of its rows."""
        clips = self.clips.iloc[rows].reset_index(drop=True)
        return replace(self, x=self.x[rows], labels=self.labels[rows], clips=clips)


class Parts(dict):
    """The parts of a fold by name; a notebook shows them as a table.

    Attributes:
        origin: What a run says about them: ``corpus``, ``protocol``, ``fold``, and ``inputs``, the
            facts of the stages that made the array and its copies, by their names.
        array: Name of the array that was read.
    """

    def __init__(self, parts, *, origin, array):
        super().__init__(parts)
        self.origin, self.array = origin, array

    @property
    def emotions(self):
        """Return the names of the classes in the project's order."""
        return self["train"].emotions

    @property
    def facts(self):
        """Return the facts of the stage that made the array."""
        return self.origin["inputs"][arrays.STAGE_OF[self.array]]

    def change(self, change, **others):
        """Return what a function makes of each part, some parts replaced before."""
        parts = {name: change(part) for name, part in (self | others).items()}
        return Parts(parts, origin=self.origin, array=self.array)

    def describe(self):
        """Return a table, one row a part: clips, shape of one clip, who speaks."""
        rows = {}
        for name, part in self.items():
            actors = sorted(set(part.clips["actor"]))
            shape = " x ".join(map(str, part.x.shape[1:]))
            names = textwrap.shorten(" ".join(actors), 60, placeholder=" …")
            rows[name] = (len(part), f"{shape} {part.x.dtype}", len(actors), names)
        columns = ["clips", "one clip", "actors", "who"]
        title = "{protocol}, fold {fold}".format(**self.origin)
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis(title)

    def __repr__(self):
        """Return the table as text."""
        return self.describe().to_string()

    def _repr_html_(self):
        return self.describe().to_html()


def read_parts(corpus, name, *, protocol="auto", fold=1, only=PARTS):
    """Return the training, validation and test parts of a fold for one array.

    Args:
        corpus: A name of ``corpora.NAMES``.
        name: Name of the array, a key of ``arrays.AXES``.
        protocol: Name of a protocol, or ``auto`` for the corpus's own.
        fold: Number of the fold, from 1.
        only: Names of the parts that are read: rows of others are never touched.

    Returns:
        ``Parts``. Clips without this modality are left out.

    Raises:
        FileNotFoundError: The array has not been made.
        NotEnoughClipsError: A part holds no clip with this modality, or the training part clips
            of one emotion only.
        ValueError: The array does not match the clips.
    """
    folder = arrays.corpus_folder(corpus)
    values, clips = arrays.read_array(folder, name), arrays.read_clips(folder)
    if "has_face" not in clips:
        arrays.read_facts(folder, "faces")  # says what has not been run
    protocol = choose_protocol(clips, corpus, protocol)
    clips["part"] = split_clips(clips, protocol=protocol, fold=fold)
    emotions = arrays.list_emotions(clips[clips["part"] != ""])
    parts = {}
    for part in only:
        rows = np.flatnonzero(clips["part"] == part)
        rows = rows[_find_usable(clips, name, values, rows)]
        chosen = clips.iloc[rows].reset_index(drop=True)
        labels = chosen["emotion"].map(emotions.index).to_numpy(np.int64)
        parts[part] = Part(part, values[rows], labels, chosen, emotions)
    kind = {"has_face": "a face", "has_voice": "a voice"}.get(NEEDS.get(name), name)
    if empty := [part for part in only if not len(parts[part])]:
        counts = [f"{p} {len(own)} of {(clips['part'] == p).sum()}" for p, own in parts.items()]
        raise arrays.NotEnoughClipsError(
            f"Clips with {kind}: {', '.join(counts)}; so {' and '.join(empty)} would be empty. "
            f"This branch needs {kind} in every part; the other branches run without."
        )
    met = set(parts["train"].clips["emotion"])
    if len(met) < 2:
        raise arrays.NotEnoughClipsError(
            f"All {len(parts['train'])} training clips with {kind} of {protocol}, fold {fold}, "
            f"show one emotion ({', '.join(met)}): there is nothing to tell apart. Set another "
            "FOLD, or add clips of other emotions."
        )
    stage = arrays.STAGE_OF[name]
    origin = {"corpus": corpus, "protocol": protocol, "fold": fold}
    origin["inputs"] = {stage: arrays.read_facts(folder, stage)}
    return Parts(parts, origin=origin, array=name)


def _find_usable(clips, name, values, rows):
    """Return which of some rows of an array are worth reading, bool (row,): see ``NEEDS``."""
    if name in NEEDS:
        return clips[NEEDS[name]].to_numpy(bool)[rows]
    return values[rows].reshape(len(rows), -1).any(axis=1)


def read_examples(corpus, name):
    """Return the clips that every notebook shows, with a ``title``, and an array's rows of them.

    In the place of one that lacks this modality stands another.
    """
    folder = arrays.corpus_folder(corpus)
    clips, values = arrays.read_clips(folder), arrays.read_array(folder, name)
    usable = _find_usable(clips, name, values, np.arange(len(clips)))
    ids = arrays.choose_examples(clips[usable])
    chosen = clips[clips["clip_id"].isin(ids)]
    titles = chosen["clip_id"] + " (" + chosen["emotion"] + ")"
    return chosen.assign(title=titles).reset_index(drop=True), np.array(values[chosen.index])


def name_corpora(corpus, actors):
    """Return of which corpus each actor is, text (clip,): of a joined corpus, of which part."""
    if corpus != "ravdess_nemo":
        return np.full(len(actors), corpus, dtype=object)
    from preprocessing.corpora import ravdess_nemo  # loads what looks for files

    return np.array([ravdess_nemo.name_corpus(actor) for actor in actors], dtype=object)


def add_copies(parts, *, n_copies):
    """Return the training part with its augmented copies behind the clips themselves.

    The origin of the parts says afterwards that copies were read.

    Args:
        parts: ``Parts``, read from an array whose copies ``<array>_augmented.npy`` holds, (clip,
            copy, ...); all become of the copies' dtype.
        n_copies: Copies of each clip; 0 for none.

    Raises:
        FileNotFoundError: The copies have not been made.
        ValueError: There are fewer copies than asked for.
    """
    part, name = parts["train"], f"{parts.array}_augmented"
    print(f"{len(part)} training clips and {n_copies * len(part)} copies of them")
    if not n_copies:
        return part
    folder = arrays.corpus_folder(parts.origin["corpus"])
    copies = arrays.read_array(folder, name)
    if n_copies > copies.shape[1]:
        raise ValueError(
            f"{name}.npy holds {copies.shape[1]} copies a clip; this notebook asks for {n_copies}. "
            f"Lower it or rerun {arrays.MADE_BY['augmented']}."
        )
    parts.origin["inputs"]["augmented"] = arrays.read_facts(folder, "augmented")
    rows = pd.Index(arrays.read_clips(folder)["clip_id"]).get_indexer(part.clips["clip_id"])
    chosen = np.moveaxis(copies[rows, :n_copies], 1, 0)
    return replace(
        part,
        x=np.concatenate([part.x.astype(chosen.dtype), *chosen]),
        labels=np.tile(part.labels, n_copies + 1),
        clips=pd.concat([part.clips] * (n_copies + 1), ignore_index=True),
    )


def make_batches(part, *, batch_size=16, augment=None, mix=None, balance=False, seed=None):
    """Return batches of a part as a ``tf.data.Dataset`` of (x, one-hot labels).

    Args:
        part, batch_size: A ``Part``, and clips a batch.
        augment: Layer or model from a batch of x to a batch of x; training part only.
        mix: Layer from (x, one-hot labels) to the same, such as ``MixClips``; training part only.
        balance: Let clips of rarer emotions come several times; training part only.
        seed: Shuffle with this seed; ``None`` keeps the order.

    Raises:
        ValueError: Augmentation, mixing or balance is asked for on validation or test clips.
    """
    if (augment or mix or balance) and part.name != "train":
        raise ValueError(f"Augmentation is for training clips; this part is {part.name!r}.")
    targets = keras.utils.to_categorical(part.labels, len(part.emotions)).astype("float32")
    rows = balance_rows(part.labels) if balance else np.arange(len(part))
    settings = {"batch_size": batch_size, "seed": seed, "augment": augment, "mix": mix}
    return draw_batches((part.x, targets), rows, **settings).prefetch(2)


def draw_batches(data, rows, *, batch_size, seed, augment, mix):
    """Return batches, float32, of some rows of x and y, each any structure of arrays."""
    import tensorflow as tf

    data = keras.tree.map_structure(tf.constant, data)
    chosen = tf.data.Dataset.from_tensor_slices(rows)
    if seed is not None:
        chosen = chosen.shuffle(len(rows), seed=seed, reshuffle_each_iteration=True)

    def gather(chosen):
        return keras.tree.map_structure(
            lambda values: tf.cast(tf.gather(values, chosen), tf.float32), data
        )

    batches = chosen.batch(batch_size).map(gather, num_parallel_calls=2)
    # One call at a time, so that the same seed gives the same draws.
    if augment:
        batches = batches.map(lambda x, y: (augment(x, training=True), y))
    if mix:
        batches = batches.map(lambda x, y: mix(x, y, training=True))
    return batches


def balance_rows(labels):
    """Return rows, int64, those of rarer labels several times: classes come about equally often.

    As many times as the most frequent label has rows for each of theirs, rounded.
    """
    counts = np.bincount(labels)
    times = np.rint(counts.max() / np.maximum(counts, 1)).astype(int)
    return np.repeat(np.arange(len(labels)), times[labels])


def split_by_clip(parts):
    """Return all clips of a fold in one table and the part of each, for ``plot_folds``."""
    clips = pd.concat([parts[name].clips for name in PARTS], ignore_index=True)
    return clips, clips["part"].to_numpy()
