"""MELD: 13,708 utterances of 1,433 dialogues from the series Friends, in seven emotions."""

import re
from functools import partial

from preprocessing.clips import locations
from preprocessing.corpora import listing, tables

NAME = "meld"
TITLE = "MELD, the Multimodal EmotionLines Dataset"
LICENCE = "GPL-3.0 for the annotations; the clips are from a television series, for research only"
CITATION = (
    "Poria, S., Hazarika, D., Majumder, N., Naik, G., Cambria, E. & Mihalcea, R. (2019). MELD: A "
    "Multimodal Multi-Party Dataset for Emotion Recognition in Conversations. ACL 2019, 527-536. "
    "https://doi.org/10.18653/v1/P19-1050"
)
HOW_TO_GET = (
    "From https://affective-meld.github.io fetch MELD.Raw.tar.gz (about 10 GB), unpack it and the "
    "three tar.gz inside, and name the folder as DATA; train_sent_emo.csv, dev_sent_emo.csv and "
    "test_sent_emo.csv must lie anywhere in it. Part of the three is fine."
)
EMOTIONS = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
PROTOCOL = "group_kfold"
"""By speaker. The official split, by dialogue, has the same speakers in all its parts: it is the
protocol "meld", for comparison with published scores, and says nothing about strangers."""

EXTENSIONS = (".mp4", ".wav", ".flac")
CODES = {
    "neutral": "neutral",
    "joy": "happy",
    "sadness": "sad",
    "anger": "angry",
    "fear": "fearful",
    "disgust": "disgust",
    "surprise": "surprised",
}
PARTS = {
    "train_splits": "train",
    "dev_splits_complete": "dev",
    "output_repeated_splits_test": "test",
}
GENDERS = {
    "Chandler": "male",
    "Joey": "male",
    "Monica": "female",
    "Phoebe": "female",
    "Rachel": "female",
    "Ross": "male",
}
COLUMNS = ("dialogue_id", "utterance_id", "speaker", "emotion")
TABLE_END = "_sent_emo.csv"
PATTERN = re.compile(r"(final_videos_test)?dia(\d+)_utt(\d+)\.(mp4|wav|flac)", re.IGNORECASE)


def index(source):
    """Return the clips below a folder that the three tables label.

    ``actor`` is the character, or what the table says where several speak ("All"). ``statement``
    is the dialogue ("train_dia0"), so that a split can keep a scene together. Only the six main
    characters' gender is known here. A clip often shows others than its speaker, too.

    Args:
        source: A folder with ``train_splits/``, ``dev_splits_complete/`` or
            ``output_repeated_splits_test/`` anywhere below it, and their tables.

    Returns:
        DataFrame with ``corpora.COLUMNS``, sorted by ``clip_id`` ("train_dia0_utt3").

    Raises:
        FileNotFoundError: There is no clip, or no table.
        ValueError: A table is not usable.
        OSError: A folder cannot be listed.
    """
    return listing.index_takes(
        _list_takes(source, _read_labels(source)),
        source,
        title="MELD",
        expected="train_splits/dia0_utt0.mp4, ...",
    )


def validate(source):
    """List what is missing, unreadable, unknown or surplus, by name.

    Missing are labelled utterances of the parts that are there. The test part's second cuts
    (final_videos_test...) and clips without a label are unknown.

    Args:
        source: As for ``index``.

    Returns:
        DataFrame with the columns ``file``, ``problem`` and ``detail``.
    """
    labels = _read_labels(source)
    found = _list_takes(source, labels)
    present = {clip_id.split("_")[0] for clip_id in found.takes}
    expected = {}
    for clip_id, row in labels.items():
        if clip_id.split("_")[0] in present:
            expected.setdefault(row["actor"], []).append(clip_id)
    return listing.list_problems(found, source, expected_ids=lambda actor: expected[actor])


def read_path(path, labels):
    """Return what a path such as "train_splits/dia0_utt3.mp4" and its label say.

    Args:
        path: A PurePath of a media file.
        labels: Dict from clip id to the row of the tables.

    Returns:
        A ``listing.Name``.

    Raises:
        ValueError: The name has another form, or the tables do not label it.
    """
    match = PATTERN.fullmatch(path.name)
    parts = [PARTS[folder.lower()] for folder in path.parts if folder.lower() in PARTS]
    if not match or not parts:
        raise ValueError("not a MELD path; expected one like train_splits/dia0_utt3.mp4")
    if match[1]:
        raise ValueError("a second cut of a test clip; the one without this prefix is used")
    clip_id = f"{parts[-1]}_dia{int(match[2])}_utt{int(match[3])}"
    if clip_id not in labels:
        raise ValueError(f"{parts[-1]}{TABLE_END} has no such utterance")
    return listing.Name("joint" if match[4].lower() == "mp4" else "audio", labels[clip_id])


def _list_takes(source, labels):
    return listing.list_takes(
        source,
        read_name=partial(read_path, labels=labels),
        extensions=EXTENSIONS,
        title="MELD",
        by_path=True,
    )


def _read_labels(source):
    """Return the rows of the index that the tables below a folder give, by clip id."""
    files = listing.list_media(source, extensions=(TABLE_END,), title="MELD")
    if not files:
        raise FileNotFoundError(f"No train{TABLE_END} or the like in {source}. {HOW_TO_GET}")
    labels = {}
    for file in files:
        part = file.rpartition("/")[2].lower().removesuffix(TABLE_END)
        rows = tables.read_table(locations.join(source, file), required=COLUMNS, advice=HOW_TO_GET)
        labels |= dict(_read_label(part, file, line, row) for line, row in rows)
    return labels


def _read_label(part, file, line, row):
    """Return the clip id of a row of a table, and the row of the index."""
    try:
        dialogue, utterance = int(row["dialogue_id"]), int(row["utterance_id"])
        listing.check_codes(("emotion", row["emotion"].lower(), CODES))
    except ValueError as error:
        raise ValueError(f"{file}, line {line}: {error}") from error
    actor = " ".join(row["speaker"].split())
    clip_id = f"{part}_dia{dialogue}_utt{utterance}"
    return clip_id, {
        "clip_id": clip_id,
        "emotion": CODES[row["emotion"].lower()],
        "actor": actor,
        "gender": GENDERS.get(actor, ""),
        "statement": f"{part}_dia{dialogue}",
    }
