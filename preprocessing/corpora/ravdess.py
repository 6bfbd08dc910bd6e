"""RAVDESS: 24 actors speak two sentences in eight emotions, 60 takes each, in face and voice.

A take is one clip, "01-06-01-02-01-12": its files' name without the modality code, which is 01 for
picture and sound, 02 for pictures (the sound track is silence and counts as none) and 03 for the
recording. Songs are passed over.
"""

import re
from itertools import product
from pathlib import Path, PurePosixPath

from preprocessing.corpora import EMOTIONS, zenodo
from preprocessing.corpora.corpus import Corpus, read_codes

RECORD = "1188976"
AUDIO_ZIP = "Audio_Speech_Actors_01-24.zip"
CHECKSUMS = {AUDIO_ZIP: "md5:bc696df654c87fed845eb13823edef8a"}
"""As several users of the corpus repeat it; of the rest Zenodo's record is asked."""

SENTENCES = {"kids": "Kids are talking by the door", "dogs": "Dogs are sitting by the door"}
ACTORS = tuple(f"{number:02}" for number in range(1, 25))
KINDS = {"01": "joint", "02": "video", "03": "audio"}
KNOWN = {
    "modality": KINDS,
    "vocal channel": ("01", "02"),
    "emotion": {f"{number:02}": emotion for number, emotion in enumerate(EMOTIONS, start=1)},
    "intensity": {"01": "normal", "02": "strong"},
    "statement": {"01": "kids", "02": "dogs"},
    "repetition": {"01": "1", "02": "2"},
    "actor": ACTORS,
    "ending": ("mp4", "wav", "flac"),
}
PATTERN = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)\.(mp4|wav|flac)", re.I)


def download(folder, *, actors=range(1, 25), what=("video", "audio"), base_url=zenodo.BASE_URL):
    """Fetch actors from Zenodo into a folder that can be indexed.

    Every zip is checked against its published checksum, then unpacked and deleted. Run it again
    after an interruption: what is whole is skipped, a broken-off zip goes on where it was.

    Args:
        folder: Where to; made if absent. Needs about 1.2 GB an actor while it runs.
        actors: Numbers from 1 to 24.
        what: "video" (audio-visual and video-only files), "audio" (the recordings, one zip of
            all actors, of which the chosen ones are unpacked), or both.
        base_url: Root of Zenodo's API, or of a mirror that speaks it.

    Returns:
        The folder, as a Path.

    Raises:
        ValueError: An unknown actor or kind, or a file that differs from its checksum.
        ConnectionError: The server cannot be reached; the message says how to do it by hand.
    """
    actors = [f"{int(actor):02}" for actor in actors]
    if unknown := sorted(set(actors) - set(ACTORS)) + sorted(set(what) - {"video", "audio"}):
        raise ValueError(f"Unknown: {unknown}; expected actors 1-24 and 'video' or 'audio'.")
    zips = {}
    if "audio" in what:
        zips[AUDIO_ZIP] = actors
    if "video" in what:
        zips |= {f"Video_Speech_Actor_{actor}.zip": [actor] for actor in actors}
    folder = Path(folder)
    for name, wanted in zips.items():
        parts = {
            folder / Path(name).stem / f"Actor_{actor}": re.compile(rf"\d.*-{actor}\.(mp4|wav)")
            for actor in wanted
        }
        checksum = CHECKSUMS.get(name) if base_url == zenodo.BASE_URL else None
        options = {"checksum": checksum, "by_hand": CORPUS.how_to_get}
        zenodo.fetch_parts(base_url, RECORD, name, folder, parts, **options)
    return folder


def list_clip_ids(actor):
    """Return the 60 clip ids of an actor's speech, such as "12": neutral has no strong takes."""
    takes = product(*(KNOWN[part] for part in ("emotion", "intensity", "statement", "repetition")))
    return [f"01-{'-'.join(take)}-{actor}" for take in takes if take[:2] != ("01", "02")]


def read_name(path):
    """Return what a path such as "Actor_12/03-01-06-01-02-01-12.wav" says; None for a song."""
    wanted = "a RAVDESS name like 03-01-06-01-02-01-12.wav"
    codes, row = read_codes(PATTERN, path.name, KNOWN, wanted)
    if codes["vocal channel"] == "02":
        return None
    modality, ending = codes["modality"], codes["ending"]
    if (modality == "03") == (ending == "mp4"):
        wanted = ".wav or .flac" if modality == "03" else ".mp4"
        raise ValueError(f"modality {modality} is a {wanted} file; found .{ending}")
    if (row["emotion"], row["intensity"]) == ("neutral", "strong"):
        raise ValueError("intensity 02 (strong) of emotion 01 (neutral) is not in the corpus")
    row["clip_id"] = path.stem.partition("-")[2]
    row["gender"] = "male" if int(row["actor"]) % 2 else "female"
    return KINDS[modality], row


def read_clip_id(clip_id):
    """Return what a clip id such as "01-06-01-02-01-12" says; ValueError if it is none."""
    return read_name(PurePosixPath(f"03-{clip_id}.wav"))[1]


CORPUS = Corpus(
    title="RAVDESS, the Ryerson Audio-Visual Database of Emotional Speech and Song",
    short="RAVDESS speech",
    licence="CC BY-NC-SA 4.0",
    citation=(
        "Livingstone, S. R. & Russo, F. A. (2018). The Ryerson Audio-Visual Database of Emotional "
        "Speech and Song (RAVDESS): A dynamic, multimodal set of facial and vocal expressions in "
        "North American English. PLoS ONE 13(5), e0196391. "
        "https://doi.org/10.1371/journal.pone.0196391"
    ),
    how_to_get=(
        "From https://zenodo.org/records/1188976 fetch Audio_Speech_Actors_01-24.zip (0.2 GB) and "
        "Video_Speech_Actor_01.zip ... _24.zip (0.55 GB each), unpack them into one folder and "
        "name it as DATA; or let ravdess.download(folder, actors=[1, 2]) do that. Part of the "
        "actors or the recordings alone are fine."
    ),
    protocol="luna5",
    expected="Actor_01/01-01-01-01-01-01-01.mp4 or 03-01-01-01-01-01-01.wav",
    extensions=(".mp4", ".wav", ".flac"),
    read_name=read_name,
    list_clip_ids=list_clip_ids,
    # A 03 recording starts one video frame after the pictures of its take: measured on ten takes of
    # actor 05 by correlation with the sound of their 01 files, 33.3 ms in each.
    audio_lag_s=0.0333,
)
