"""eNTERFACE'05: 43 people react in English to six stories, five sentences an emotion, on video.

The folders' names are believed, not the files': those of subject 11 say 12, and others are
mistyped. Of a whole download three clips of subject 23 are missing. ``statement`` is empty: every
emotion has sentences of its own, so the words alone give the emotion away, and a score here does
not compare with one on a corpus of equal sentences. Gender and folds are not published.
"""

import re

from preprocessing.corpora import SYNONYMS
from preprocessing.corpora.corpus import Corpus, read_codes

WORDS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
CODES = {word: SYNONYMS.get(word, word) for word in WORDS}
SENTENCES = ("1", "2", "3", "4", "5")
KNOWN = {"subject": tuple(map(str, range(1, 45))), "emotion": CODES, "sentence": SENTENCES}
PATTERN = re.compile(r"subject[ _-]*0*(\d+)/([a-z]+)/sentence[ _-]*0*(\d+)/[^/]+", re.IGNORECASE)


def list_clip_ids(actor):
    """Return the 30 clip ids of a subject, such as "01"."""
    return [f"{actor}_{emotion}_{number}" for emotion in CODES for number in SENTENCES]


def read_name(path):
    """Return what a path such as "subject 1/anger/sentence 1/s1_an_1.avi" says."""
    if any(re.fullmatch(r"subject[ _-]*0*6", part, re.I) for part in path.parts):
        raise ValueError("subject 6 was never cut into sentences: a whole session per emotion")
    wanted = "in a folder like 'subject 1/anger/sentence 1'"
    codes, row = read_codes(PATTERN, "/".join(path.parts[-4:]), KNOWN, wanted)
    row["actor"] = codes["subject"].zfill(2)
    row["clip_id"] = f"{row['actor']}_{codes['emotion']}_{codes['sentence']}"
    return "joint", row


CORPUS = Corpus(
    title="The eNTERFACE'05 Audio-Visual Emotion Database",
    short="eNTERFACE'05",
    licence="MIT, as its page states; cite the paper",
    citation=(
        "Martin, O., Kotsia, I., Macq, B. & Pitas, I. (2006). The eNTERFACE'05 Audio-Visual "
        "Emotion Database. 22nd International Conference on Data Engineering Workshops. "
        "https://doi.org/10.1109/ICDEW.2006.145"
    ),
    how_to_get=(
        "From https://enterface.net/enterface05/ fetch the database of project 2 (0.8 GB), unpack "
        "it and name the folder with 'subject 1', 'subject 2', ... as DATA. Keep the folders: the "
        "names of the files are not reliable."
    ),
    protocol="group_kfold",
    expected="subject 1/anger/sentence 1/s1_an_1.avi",
    extensions=(".avi", ".mp4"),
    read_name=read_name,
    list_clip_ids=list_clip_ids,
)
