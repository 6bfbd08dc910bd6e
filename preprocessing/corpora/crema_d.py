"""CREMA-D: 7,442 clips of 91 actors, twelve sentences in six emotions.

``repetition`` is empty: every take is the only one. Missing is judged by the corpus's own
SentenceFilenames.csv; where that is not at hand, by the full plan of 82 clips an actor, of which
20 in all were never published.
"""

import re
from contextlib import suppress

from preprocessing.clips import locations
from preprocessing.corpora import tables
from preprocessing.corpora.corpus import Corpus, read_codes

CODES = dict(NEU="neutral", HAP="happy", SAD="sad", ANG="angry", FEA="fearful", DIS="disgust")
INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high", "XX": "", "X": ""}
STATEMENTS = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
ACTORS = tuple(str(number) for number in range(1001, 1092))
KNOWN = dict(actor=ACTORS, statement=STATEMENTS, emotion=CODES, intensity=INTENSITIES, ending=None)
PATTERN = re.compile(r"(\d+)_([A-Z]+)_([A-Z]+)_([A-Z]+)\.(flv|mp4|wav)", re.IGNORECASE)


class _CremaD(Corpus):
    def index(self, source):
        """Return the clips at a source, as every corpus does; gender is the actors' table's."""
        clips = super().index(source)
        rows = _read_table(source, "VideoDemographics.csv", ("actorid", "sex"))
        genders = {row["actorid"]: row["sex"].lower() for row in rows}
        return clips.assign(gender=[genders.get(actor, "") for actor in clips["actor"]])

    def list_expected(self, source, takes):
        """Return the clip ids that were published, by actor."""
        rows = _read_table(source, "SentenceFilenames.csv", ("filename",))
        published = {re.sub(r"_X$", "_XX", row["filename"]) for row in rows}
        return {
            actor: [clip for clip in planned if not published or clip in published]
            for actor, planned in super().list_expected(source, takes).items()
        }


def list_clip_ids(actor):
    """Return the 82 clip ids of the corpus's plan for an actor, such as "1001"."""
    return [
        f"{actor}_{statement}_{emotion}_{level}"
        for statement in STATEMENTS
        for emotion in CODES
        for level in (("LO", "MD", "HI") if statement == "IEO" and emotion != "NEU" else ("XX",))
    ]


def read_name(path):
    """Return what a path such as "VideoFlash/1001_DFA_ANG_XX.flv" says."""
    codes, row = read_codes(PATTERN, path.name, KNOWN, "a CREMA-D name like 1001_DFA_ANG_XX.wav")
    *parts, level, ending = codes.values()
    level = "XX" if level == "X" else level  # one WAV was first published as 1040_ITH_SAD_X
    row["clip_id"] = "_".join([*parts, level])
    return "audio" if ending == "wav" else "joint", row


def _read_table(source, name, columns):
    """Return the rows of a CSV that comes with the corpus, in the source or just above it."""
    for folder in (source, locations.get_parent(source)):
        path = locations.join(folder, name)
        if locations.is_file(path):
            with suppress(ValueError):  # a pointer of Git LFS, say: the clips are there without it
                return [row for _, row in tables.read_table(path, required=columns)]
    return []


CORPUS = _CremaD(
    title="CREMA-D, the Crowd-sourced Emotional Multimodal Actors Dataset",
    short="CREMA-D",
    licence="Open Database License 1.0, contents under the Database Contents License 1.0",
    citation=(
        "Cao, H., Cooper, D. G., Keutmann, M. K., Gur, R. C., Nenkova, A. & Verma, R. (2014). "
        "CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset. IEEE Transactions on "
        "Affective Computing 5(4), 377-390. https://doi.org/10.1109/TAFFC.2014.2336244"
    ),
    how_to_get=(
        "git lfs install, then git clone https://github.com/CheyneyComputerScience/CREMA-D. The "
        "folders VideoFlash and AudioWAV are used, VideoDemographics.csv gives the actors' gender, "
        "SentenceFilenames.csv says which clips there are. Without Git LFS (or as GitHub's zip) "
        "every clip is a pointer of some 130 bytes; validate() says so."
    ),
    protocol="cremad5",
    expected="VideoFlash/1001_DFA_ANG_XX.flv",
    extensions=(".flv", ".mp4", ".wav"),
    read_name=read_name,
    list_clip_ids=list_clip_ids,
)
