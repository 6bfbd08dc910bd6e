"""MELD: 13,708 utterances of 1,433 dialogues from the series Friends, in seven emotions.

Three tables label the clips. ``actor`` is the character, or what the table says where several
speak ("All"); ``statement`` is the dialogue ("train_dia0"), so that a split can keep a scene
together. A clip often shows others than its speaker, too. The official split has the same speakers
in all its parts: the protocol "meld" is for comparison with published scores alone.
"""

import re
from functools import partial

from preprocessing.clips import locations
from preprocessing.corpora import SYNONYMS, tables
from preprocessing.corpora.corpus import Corpus, find_code, read_codes

WORDS = ("neutral", "joy", "sadness", "anger", "fear", "disgust", "surprise")
CODES = {word: SYNONYMS.get(word, word) for word in WORDS}
PARTS = {
    "train_splits": "train",
    "dev_splits_complete": "dev",
    "output_repeated_splits_test": "test",
}
GENDERS = dict.fromkeys(("Chandler", "Joey", "Ross"), "male")
GENDERS |= dict.fromkeys(("Monica", "Phoebe", "Rachel"), "female")  # others' are not known here
COLUMNS = ("dialogue_id", "utterance_id", "speaker", "emotion")
TABLE_END = "_sent_emo.csv"
KNOWN = dict.fromkeys(("second cut", "dialogue", "utterance", "ending"))
PATTERN = re.compile(r"(final_videos_test|)dia(\d+)_utt(\d+)\.(mp4|wav|flac)", re.IGNORECASE)


class _Meld(Corpus):
    def make_reader(self, source):
        """Return ``read_name``, told what the tables below a folder say."""
        return partial(read_name, labels=self._read_labels(source))

    def list_expected(self, source, takes):
        """Return the labelled utterances of the parts and the speakers that are there."""
        present, expected = {clip_id.split("_")[0] for clip_id in takes}, {}
        speakers = {take.row["actor"] for take in takes.values()}
        for clip_id, row in self._read_labels(source).items():
            if clip_id.split("_")[0] in present and row["actor"] in speakers:
                expected.setdefault(row["actor"], []).append(clip_id)
        return expected

    def _read_labels(self, source):
        """Return the rows of the index that the tables below a folder give, by clip id."""
        files, advice, labels = self.list_files(source, TABLE_END), self.how_to_get, {}
        if not files:
            raise FileNotFoundError(f"No train{TABLE_END} or the like in {source}. {advice}")
        for file in files:
            part = file.rpartition("/")[2].lower().removesuffix(TABLE_END)
            location = locations.join(source, file)
            rows = tables.read_table(location, required=COLUMNS, advice=advice)
            labels |= dict(_read_label(part, file, line, row) for line, row in rows)
        return labels


def read_name(path, labels):
    """Return what a path such as "train_splits/dia0_utt3.mp4" and its row of the tables say."""
    wanted = "a MELD path like train_splits/dia0_utt3.mp4"
    codes, _ = read_codes(PATTERN, path.name, KNOWN, wanted)
    parts = [PARTS[folder.lower()] for folder in path.parts if folder.lower() in PARTS]
    if not parts:
        raise ValueError(f"not {wanted}")
    if codes["second cut"]:
        raise ValueError("a second cut of a test clip; the one without this prefix is used")
    clip_id = f"{parts[-1]}_dia{int(codes['dialogue'])}_utt{int(codes['utterance'])}"
    if clip_id not in labels:
        raise ValueError(f"{parts[-1]}{TABLE_END} has no such utterance")
    return "joint" if codes["ending"] == "mp4" else "audio", labels[clip_id]


def _read_label(part, file, line, row):
    """Return the clip id of a row of a table, and the row of the index."""
    try:
        dialogue, utterance = int(row["dialogue_id"]), int(row["utterance_id"])
        emotion = CODES[find_code("emotion", row["emotion"], CODES)]
    except ValueError as error:
        raise ValueError(f"{file}, line {line}: {error}") from error
    actor = " ".join(row["speaker"].split())
    clip_id = f"{part}_dia{dialogue}_utt{utterance}"
    return clip_id, {
        "clip_id": clip_id,
        "emotion": emotion,
        "actor": actor,
        "gender": GENDERS.get(actor, ""),
        "statement": f"{part}_dia{dialogue}",
    }


CORPUS = _Meld(
    title="MELD, the Multimodal EmotionLines Dataset",
    short="MELD",
    licence=(
        "GPL-3.0 for the annotations; the clips are from a television series, for research only"
    ),
    citation=(
        "Poria, S., Hazarika, D., Majumder, N., Naik, G., Cambria, E. & Mihalcea, R. (2019). MELD: "
        "A Multimodal Multi-Party Dataset for Emotion Recognition in Conversations. ACL 2019, "
        "527-536. https://doi.org/10.18653/v1/P19-1050"
    ),
    how_to_get=(
        "From https://affective-meld.github.io fetch MELD.Raw.tar.gz (about 10 GB), unpack it and "
        "the three tar.gz inside, and name the folder as DATA; train_sent_emo.csv, "
        "dev_sent_emo.csv and test_sent_emo.csv must lie anywhere in it. Part of the three is fine."
    ),
    protocol="group_kfold",
    expected="train_splits/dia0_utt0.mp4",
    extensions=(".mp4", ".wav", ".flac"),
    read_name=read_name,
)
