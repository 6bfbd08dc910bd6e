"""TESS: a younger and an older woman say 200 words in seven emotions; recordings alone.

``statement`` is the word. Missing are recordings of words that occur in another emotion or of the
other speaker.
"""

import re

from preprocessing.corpora import SYNONYMS
from preprocessing.corpora.corpus import Corpus, read_codes

WORDS = ("neutral", "happy", "sad", "angry", "fear", "disgust")
CODES = {word: SYNONYMS.get(word, word) for word in WORDS}
CODES["ps"] = "surprised"  # pleasant surprise
KNOWN = {
    "actor": {"OAF": "OAF", "OA": "OAF", "YAF": "YAF"},  # OA_bite_neutral.wav, as published
    "statement": None,
    "emotion": CODES,
}
PATTERN = re.compile(r"([a-z]+)_([a-z]+)_([a-z]+)\.(?:wav|flac)", re.IGNORECASE)


class _Tess(Corpus):
    def list_expected(self, source, takes):
        """Return the ids of each word that occurs, in each emotion, by actor."""
        actors = {take.row["actor"] for take in takes.values()}
        words = {take.row["statement"] for take in takes.values()}
        return {
            actor: [f"{actor}_{word}_{code}" for word in words for code in CODES]
            for actor in actors
        }


def read_name(path):
    """Return what a path such as "YAF_sad/YAF_dog_sad.wav" says; its folders do not matter."""
    codes, row = read_codes(PATTERN, path.name, KNOWN, "a TESS name like YAF_dog_ps.wav")
    row["clip_id"] = f"{row['actor']}_{row['statement']}_{codes['emotion']}"
    row["gender"] = "female"
    return "audio", row


CORPUS = _Tess(
    title="TESS, the Toronto Emotional Speech Set",
    short="TESS",
    licence="CC BY-NC-ND 4.0",
    citation=(
        "Pichora-Fuller, M. K. & Dupuis, K. (2020). Toronto emotional speech set (TESS). "
        "Borealis, V1. https://doi.org/10.5683/SP2/E8H2MF"
    ),
    how_to_get=(
        "From https://doi.org/10.5683/SP2/E8H2MF fetch all WAV files (0.3 GB), unpack them and "
        "name the folder as DATA."
    ),
    protocol="tess2",
    expected="OAF_angry/OAF_back_angry.wav",
    extensions=(".wav", ".flac"),
    modalities=("audio",),
    read_name=read_name,
)
