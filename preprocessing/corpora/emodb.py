"""EMO-DB: ten actors speak ten German sentences; recordings alone, boredom left out.

Nothing is called missing: the published recordings are those that listeners recognised, so the
corpus has no plan to be complete by.
"""

import re
from string import ascii_lowercase

from preprocessing.corpora.corpus import Corpus, read_codes

CODES = dict(N="neutral", F="happy", T="sad", W="angry", A="fearful", E="disgust", L="")
"""First letters of the German words. L (Langeweile, boredom) is none of the project's emotions;
it is not calm, either: 81 of the 535 recordings are passed over."""

WOMEN = ("08", "09", "13", "14", "16")
MEN = ("03", "10", "11", "12", "15")
ACTORS = tuple(sorted(WOMEN + MEN))
KNOWN = {
    "actor": ACTORS,
    "statement": ("a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10"),
    "emotion": CODES,
    "repetition": ("", *ascii_lowercase),
}
PATTERN = re.compile(r"(\d\d)([ab]\d\d)([A-Z])([a-z]?)\.(?:wav|flac)", re.IGNORECASE)


def read_name(path):
    """Return what a path such as "wav/03a01Fa.wav" says; None for boredom."""
    codes, row = read_codes(PATTERN, path.name, KNOWN, "an EMO-DB name like 03a01Fa.wav")
    if not row["emotion"]:
        return None
    row["clip_id"] = "".join(codes.values())
    row["gender"] = "female" if row["actor"] in WOMEN else "male"
    return "audio", row


CORPUS = Corpus(
    title="EMO-DB, the Berlin Database of Emotional Speech",
    short="EMO-DB",
    licence="Free of charge; its authors ask to cite the paper",
    citation=(
        "Burkhardt, F., Paeschke, A., Rolfes, M., Sendlmeier, W. F. & Weiss, B. (2005). A database "
        "of German emotional speech. Interspeech 2005, 1517-1520. "
        "https://doi.org/10.21437/Interspeech.2005-446"
    ),
    how_to_get=(
        "From http://emodb.bilderbar.info fetch download.zip (40 MB), unpack it and name the "
        "folder as DATA; its folder wav is used."
    ),
    protocol="emodb10",
    expected="wav/03a01Fa.wav",
    extensions=(".wav", ".flac"),
    modalities=("audio",),
    read_name=read_name,
)
