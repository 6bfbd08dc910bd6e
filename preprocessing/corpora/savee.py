"""SAVEE: four men speak 120 British English sentences each in seven emotions, face and voice.

``statement`` is empty: most sentences are spoken in one emotion only, so the number means nothing
across emotions.
"""

import re

from preprocessing.corpora.corpus import Corpus, read_codes

ACTORS = ("DC", "JE", "JK", "KL")
CODES = dict(n="neutral", h="happy", sa="sad", a="angry", f="fearful", d="disgust", su="surprised")
KNOWN = {"actor": ACTORS, "emotion": CODES, "sentence": None, "ending": ("avi", "wav")}
PATTERN = re.compile(r"(.*)_([a-z]+)0*(\d+)\.(avi|wav)", re.IGNORECASE)


def list_clip_ids(actor):
    """Return the 120 clip ids of an actor, such as "DC"."""
    return [
        f"{actor}_{code}{number:02}"
        for code in CODES
        for number in range(1, 31 if code == "n" else 16)  # 30 neutral, 15 of each other emotion
    ]


def read_name(path):
    """Return what a path such as "DC/sa01.wav", "DC/sa1.avi" or "DC_sa01.wav" says."""
    name = path.name if "_" in path.name else f"{path.parent.name}_{path.name}"
    codes, row = read_codes(PATTERN, name, KNOWN, "a SAVEE name like DC/sa01.wav")
    row["clip_id"] = f"{row['actor']}_{codes['emotion']}{codes['sentence'].zfill(2)}"
    if row["clip_id"] not in list_clip_ids(row["actor"]):
        raise ValueError(f"sentence {codes['sentence']} of this emotion is not in the corpus")
    row["gender"] = "male"
    return "audio" if codes["ending"] == "wav" else "joint", row


CORPUS = Corpus(
    title="SAVEE, the Surrey Audio-Visual Expressed Emotion database",
    short="SAVEE",
    licence="Free for research, after registration",
    citation=(
        "Haq, S. & Jackson, P. J. B. (2010). Multimodal Emotion Recognition. In W. Wang (ed.), "
        "Machine Audition: Principles, Algorithms and Systems, 398-423. IGI Global. "
        "https://doi.org/10.4018/978-1-61520-919-4.ch017"
    ),
    how_to_get=(
        "Register at http://kahlan.eps.surrey.ac.uk/savee/, fetch AudioData.zip and "
        "AudioVisualClip.zip, unpack both into one folder and name it as DATA. Either of them "
        "alone is fine, and so are recordings renamed to DC_a01.wav and the like."
    ),
    protocol="savee4",
    expected="AudioVisualClip/DC/a1.avi or AudioData/DC/a01.wav",
    extensions=(".avi", ".wav"),
    read_name=read_name,
    list_clip_ids=list_clip_ids,
)
