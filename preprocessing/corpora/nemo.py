"""nEMO: nine actors speak 90 Polish sentences in six emotions, 4,481 recordings; no pictures.

The corpus's data.tsv labels the recordings; it alone knows the actors' gender and the sentences.
Missing are its recordings of the actors who are there. ``statement`` is the sentence as written.
"""

from functools import partial
from pathlib import PurePosixPath

from preprocessing.clips import locations
from preprocessing.corpora import SYNONYMS, tables
from preprocessing.corpora.corpus import Corpus, find_code

WORDS = ("neutral", "happiness", "sadness", "anger", "fear", "surprised")
CODES = {word: SYNONYMS.get(word, word) for word in WORDS}
ACTORS = ("EB0", "IC0", "KD0", "KS0", "MK0", "MP0", "SM0", "TP0", "WR0")
TABLE = "data.tsv"
COLUMNS = ("file_id", "emotion", "raw_text", "speaker_id", "gender")


class _Nemo(Corpus):
    def make_reader(self, source):
        """Return ``read_name``, told what the table below a folder says."""
        return partial(read_name, labels=self._read_labels(source))

    def list_expected(self, source, takes):
        """Return the recordings in the table by actor, for the actors of ``takes``."""
        expected = {take.row["actor"]: [] for take in takes.values()}
        for row in self._read_labels(source).values():
            expected.get(row["actor"], []).append(row["clip_id"])
        return expected

    def _read_labels(self, source):
        """Return the rows of the index that the table gives, by clip id in lower case."""
        files = [file for file in self.list_files(source, TABLE) if _is_table(file)]
        advice, labels = self.how_to_get, {}
        if not files:
            raise FileNotFoundError(f"No {TABLE} in {source}. {advice}")
        for file in files:
            location = locations.join(source, file)
            for line, row in tables.read_table(location, required=COLUMNS, advice=advice):
                label = _read_label(file, line, row)
                labels[label["clip_id"].lower()] = label
        return labels


def read_name(path, labels):
    """Return what the table says of a path such as "samples/WR0_surprised_64.wav"."""
    if path.stem.lower() not in labels:
        raise ValueError(f"{TABLE} has no such recording")
    return "audio", labels[path.stem.lower()]


def _is_table(file):
    return PurePosixPath(file).name.lower() == TABLE


def _read_label(file, line, row):
    """Return a row of the table as a row of the index."""
    try:
        actor = find_code("speaker", row["speaker_id"], ACTORS)
        emotion = CODES[find_code("emotion", row["emotion"], CODES)]
    except ValueError as error:
        raise ValueError(f"{file}, line {line}: {error}") from error
    return {
        "clip_id": PurePosixPath(row["file_id"]).stem,
        "emotion": emotion,
        "actor": actor,
        "gender": row["gender"].lower(),
        "statement": row["raw_text"],
    }


CORPUS = _Nemo(
    title="nEMO, a dataset of emotional speech in Polish",
    short="nEMO",
    licence="CC BY-NC-SA 4.0",
    citation=(
        "Christop, I. (2024). nEMO: Dataset of Emotional Speech in Polish. LREC-COLING 2024. "
        "https://aclanthology.org/2024.lrec-main.1059"
    ),
    how_to_get=(
        "git clone https://github.com/amu-cai/nEMO and name the folder as DATA; data.tsv must lie "
        "anywhere in it, the folder samples too. A part of the recordings is fine, and so are "
        "copies in another format under the same names."
    ),
    protocol="nemo9",
    expected="samples/WR0_surprised_64.wav",
    extensions=(".wav", ".flac", ".opus", ".ogg", ".m4a", ".mp3"),
    modalities=("audio",),
    read_name=read_name,
)
