"""How well a stranger's long recording is read, window by window, plain and adapted.

    EMOTION_TEST_DATA=/path/to/data python benchmarks/long_recordings.py [--clips 60]

Sentences of TESS's two actresses, whom no shipped network has met, are joined with pauses of half a
second, and read as a recording of one person: ``predict_clip`` with windows and by utterance, with
and without ``adapt``. *mixed*: the emotions come as they come; *blocks*: one after the other;
*one*: the mean over recordings of one emotion each. Percent of the windows with speech whose voice
is named right: the emotion that fills most of the window, calm counted as neutral.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[0] = str(REPOSITORY)  # not this folder, whose files bear names of packages

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import soundfile  # noqa: E402

from modeling.predict import networks, predict_clip  # noqa: E402
from modeling.predict.windows import measure_overlap  # noqa: E402
from preprocessing.corpora import EMOTIONS, tess  # noqa: E402
from preprocessing.disk import arrays  # noqa: E402

PAUSE_S = 0.5
WAYS = {
    "windows": {},
    "windows, adapted": {"adapt": True},
    "utterances": {"by": "utterance"},
    "utterances, adapted": {"by": "utterance", "adapt": True},
}


def find_sentences(folder):
    """Return TESS's clips as a table: ``path``, ``actor``, ``emotion``."""
    paths = sorted(path for kind in ("wav", "flac") for path in folder.rglob(f"*.{kind}"))
    rows = [{"path": path} | tess.read_name(path)[1] for path in paths]
    return pd.DataFrame(rows)


def choose_sentences(own, kind, n_clips, rng):
    """Return a person's sentences in the order of the recording."""
    if kind in EMOTIONS:
        return own[own["emotion"] == kind].sample(n_clips, replace=True, random_state=rng)
    drawn = own.sample(n_clips, random_state=rng)
    if kind == "blocks":
        order = rng.permutation(drawn["emotion"].unique()).tolist()
        drawn = drawn.sort_values("emotion", key=lambda column: column.map(order.index))
    return drawn


def join_sentences(sentences, path):
    """Write sentences as one recording; return ``start_s``, ``end_s``, ``emotion`` of each."""
    parts, spans, at_s = [], [], 0.0
    for sentence in sentences.itertuples():
        waveform, rate_hz = soundfile.read(sentence.path, dtype="float32")
        length_s = len(waveform) / rate_hz
        spans.append((at_s, at_s + length_s, sentence.emotion))
        parts += [waveform, np.zeros(round(PAUSE_S * rate_hz), np.float32)]
        at_s = sum(map(len, parts)) / rate_hz
    soundfile.write(path, np.concatenate(parts), rate_hz)
    return spans


def score_windows(table, spans):
    """Return the share of windows with a voice that is named right."""
    right = []
    for row in table[table["voice_neutral"].notna()].itertuples():
        shares = dict.fromkeys(EMOTIONS, 0.0)
        for start_s, end_s, emotion in spans:
            shares[emotion] += measure_overlap((start_s, end_s), (row.start_s, row.end_s))
        said = {emotion: getattr(row, f"voice_{emotion}") for emotion in EMOTIONS}
        said["neutral"] += said.pop("calm")
        right.append(max(said, key=said.get) == max(shares, key=shares.get))
    return float(np.mean(right))


def measure(sentences, n_clips, seed=3):
    """Return the table of shares, a row a kind of recording and person."""
    rng, shipped, rows = np.random.default_rng(seed), networks.load_networks(), []
    for actor, own in sentences.groupby("actor"):
        for kind in ("mixed", "blocks", *own["emotion"].unique()):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "recording.wav"
                spans = join_sentences(choose_sentences(own, kind, n_clips, rng), path)
                found = {
                    name: score_windows(predict_clip(path, networks=shipped, **way).table, spans)
                    for name, way in WAYS.items()
                }
            kinds = {"person": actor, "recording": "one" if kind in EMOTIONS else kind}
            rows.append(kinds | found)
    table = pd.DataFrame(rows)
    return table.groupby(["recording", "person"], sort=False).mean()


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=60, help="sentences a recording")
    parser.add_argument("--json", type=Path, help="write the table to this file too")
    arguments = parser.parse_args()
    folder = Path(os.environ.get("EMOTION_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    table = measure(find_sentences(folder / "tess"), arguments.clips)
    print((100 * table).round(0).astype(int).to_string())
    if arguments.json:
        arrays.write_json(arguments.json, table.reset_index().to_dict("records"))


if __name__ == "__main__":
    main()
