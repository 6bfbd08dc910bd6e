"""FER2013: 35,887 grey faces of 48 x 48 pixels, their labels and the crowd's votes (FER+).

Goodfellow et al. 2013, "Challenges in representation learning"; votes: Barsoum et al. 2016,
"Training deep networks for facial expression recognition with crowd-sourced label distribution",
ICMI. Its terms forbid passing it on: get it from Kaggle (``msambare/fer2013``, a zip of folders, or
``fer2013.csv`` of the challenge) and name it in the variable ``EMOTION_FER2013``. The same
photograph stands in several parts of it: whoever does not remove that measures memory.
"""

import hashlib
import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

CLASSES = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
"""FER2013's seven expressions, in the project's order and words."""

VOTED = (*CLASSES, "contempt")
"""FER+'s eight."""

PARTS = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}
SIDE = 48
WORDS = {name: name for name in VOTED} | {
    "happiness": "happy",
    "sadness": "sad",
    "anger": "angry",
    "fear": "fearful",
    "surprise": "surprised",
}
CODES = ("angry", "disgust", "fearful", "happy", "sad", "surprised", "neutral")
"""What ``fer2013.csv`` means by 0 to 6."""


@dataclass(frozen=True)
class Faces:
    """One part of FER2013.

    Attributes:
        x: uint8 (face, height, width).
        labels: int64 (face,), positions in ``CLASSES``.
        votes: float32 (face, expression) in the order of ``VOTED``: shares of the crowd's votes;
            zeros for a face that has none or that most voters found to be no face.
        majority: int64 (face,), the position in ``VOTED`` that more than half of the voters chose;
            -1 where there is none.
    """

    x: np.ndarray
    labels: np.ndarray
    votes: np.ndarray
    majority: np.ndarray

    def __len__(self):
        """Return the number of faces."""
        return len(self.x)

    def take(self, rows):
        """Return some of the faces."""
        return Faces(self.x[rows], self.labels[rows], self.votes[rows], self.majority[rows])

    def join(self, others):
        """Return these faces and others after them."""
        pairs = zip(vars(self).values(), vars(others).values(), strict=True)
        return Faces(*(np.concatenate(own) for own in pairs))


def find_source(source=""):
    """Return the path of FER2013: the one named, or that of ``EMOTION_FER2013``; None without."""
    named = source or os.environ.get("EMOTION_FER2013", "")
    return Path(named).expanduser() if named else None


def read_parts(source):
    """Return the training, validation (PublicTest) and test (PrivateTest) faces.

    Exact copies are removed: a training face that stands again in the training, validation or
    test part, and a validation face that stands again in the test part.

    Args:
        source: The zip or folder of ``train/<emotion>/Training_1.jpg`` ..., ``fer2013.csv``, or a
            folder that holds one of these. Votes are read where they lie beside it:
            ``ferplus_votes.csv``, whose column ``image`` names the files, or, row by row as
            ``fer2013.csv``, Microsoft's ``fer2013new.csv``.

    Returns:
        dict of ``Faces`` by ``train``, ``val``, ``test``, and the number of copies removed.

    Raises:
        FileNotFoundError: There is no FER2013.
        ValueError: It is cut short or of another shape.
    """
    source = _locate(Path(source))
    if source.suffix.lower() == ".csv":
        faces, votes = _read_csv(source), source.parent / "fer2013new.csv"
    else:
        faces, votes = _read_files(source), source.parent / "ferplus_votes.csv"
    if not len(faces):
        raise ValueError(
            f"{source.name} holds no face named Training_..., PublicTest_... or PrivateTest_...; "
            "expected FER2013's own names."
        )
    if votes.is_file():
        shares, majority = _read_votes(votes, faces["image"])
    else:
        shares, majority = np.zeros((len(faces), len(VOTED)), np.float32), np.full(len(faces), -1)
    pixels = np.stack(faces["pixels"].to_list())
    labels = faces["emotion"].map(CLASSES.index).to_numpy(np.int64)
    everything = Faces(pixels, labels, shares, majority)
    kept = _drop_copies(pixels, faces["part"])
    parts = {
        part: everything.take(np.flatnonzero(kept & (faces["part"] == part).to_numpy()))
        for part in PARTS.values()
    }
    if empty := [part for part, own in parts.items() if not len(own)]:
        raise ValueError(f"{source.name} has no faces for {', '.join(empty)}; is it whole?")
    return parts, int((~kept).sum())


def digest_parts(parts):
    """Return the SHA-256 of each part's faces, labels and votes, by the part's name."""
    whole = {name: b"".join(v.tobytes() for v in vars(own).values()) for name, own in parts.items()}
    return {name: hashlib.sha256(data).hexdigest() for name, data in whole.items()}


def _locate(source):
    """Return the zip, the folder of parts or the CSV that a path means."""
    inside = [source / name for name in ("fer2013.zip", "fer2013.csv", "archive.zip")]
    for path in [source, *inside]:
        if path.is_file() or (path / "train").is_dir():
            return path
    raise FileNotFoundError(
        f"No FER2013 at {source}. Name the zip or folder from Kaggle (msambare/fer2013), or "
        "fer2013.csv, in the variable EMOTION_FER2013."
    )


def _read_files(source):
    """Return a row a face of a zip or a folder: ``image``, ``part``, ``emotion``, ``pixels``."""
    if source.is_dir():
        files, read = sorted(source.rglob("*.jpg")), Path.read_bytes
    else:
        archive = zipfile.ZipFile(source)
        files, read = sorted(n for n in archive.namelist() if n.endswith(".jpg")), archive.read
    rows = []
    for file in files:
        image, word = Path(file).name, Path(file).parent.name.lower()
        if part := PARTS.get(image.split("_")[0]):
            if word not in WORDS:
                raise ValueError(f"FER2013 has no emotion {word!r}; expected {', '.join(CODES)}.")
            rows.append((image, part, WORDS[word], _decode(image, read(file))))
    return pd.DataFrame(rows, columns=["image", "part", "emotion", "pixels"])


def _read_csv(path):
    """Return a row a face of ``fer2013.csv``."""
    table = pd.read_csv(path)
    if missing := {"emotion", "pixels", "Usage"} - set(table):
        raise ValueError(f"{path.name} lacks the columns {', '.join(sorted(missing))}.")
    pixels = [np.array(text.split(), np.uint8).reshape(SIDE, SIDE) for text in table["pixels"]]
    emotions = [CODES[code] for code in table["emotion"]]
    facts = {"image": table.index.astype(str), "part": table["Usage"].map(PARTS)}
    return pd.DataFrame(facts | {"emotion": emotions, "pixels": pixels})


def _decode(image, data):
    """Return the pixels of a JPEG, uint8 (48, 48)."""
    try:
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
    except OSError as error:
        raise ValueError(f"{image} cannot be read ({error}); fetch FER2013 anew.") from error
    if pixels.shape != (SIDE, SIDE):
        raise ValueError(f"{image} is {pixels.shape}; FER2013's faces are {SIDE} x {SIDE}.")
    return pixels


def _read_votes(path, images):
    """Return shares (face, expression) and majorities (face,), see ``Faces``.

    As Barsoum et al. prepare them: a single vote for an expression is taken for a slip, and an
    expression needs more than half of the votes left, "unknown" and "no face" included.
    """
    table = pd.read_csv(path)
    if "image" in table:
        table = table.drop_duplicates("image").set_index("image").reindex(images)
    elif len(table) != len(images):
        raise ValueError(
            f"{path.name} has {len(table)} rows for {len(images)} faces; Microsoft's table belongs "
            "to fer2013.csv, row by row."
        )
    named = {WORDS.get(column, column): column for column in table}
    if missing := {*VOTED, "unknown", "NF"} - set(named):
        raise ValueError(f"{path.name} has no votes for {', '.join(sorted(missing))}.")
    table = table[[*(named[name] for name in VOTED), "unknown", "NF"]].fillna(0)
    table = table.where(table > 1, 0).to_numpy(np.float32)
    counts, others = table[:, : len(VOTED)], table[:, len(VOTED) :].sum(axis=1)
    n_votes = counts.sum(axis=1)
    is_face = (n_votes > 0) & (n_votes >= others)
    shares = np.divide(counts, n_votes[:, None], out=np.zeros_like(counts), where=is_face[:, None])
    clear = is_face & (counts.max(axis=1) > 0.5 * (n_votes + others))
    return shares, np.where(clear, counts.argmax(axis=1), -1)


def _drop_copies(pixels, parts):
    """Return which faces stay, bool (face,).

    Of copies the one nearest to the test stays: test before validation before training.
    """
    digests = [hashlib.sha256(face.tobytes()).digest() for face in pixels]
    faces = pd.DataFrame({"digest": digests, "rank": parts.map({"test": 0, "val": 1, "train": 2})})
    copies = faces.sort_values("rank", kind="stable")["digest"].duplicated().sort_index()
    return (~copies | (parts == "test")).to_numpy()
