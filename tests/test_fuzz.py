"""Damaged files of every kind: each ends as done or as a listed failure, and nothing else happens.

``EMOTION_FUZZ_FILES=10000 EMOTION_FUZZ_SEED=5 pytest tests/test_fuzz.py`` runs more, and others.
"""

import os
import struct
from fractions import Fraction

import numpy as np
import pandas as pd
import psutil
import pytest

from preprocessing import analyse, extract, index
from preprocessing.corpora.drawn.face import draw_face
from preprocessing.disk import arrays
from preprocessing.workers import isolation
from tests import broken_media
from tests.test_resume import write_moving_picture

N_FILES = (
    [int(os.environ["EMOTION_FUZZ_FILES"])]
    if "EMOTION_FUZZ_FILES" in os.environ
    else [60, pytest.param(500, marks=pytest.mark.slow)]
)
SEED = int(os.environ.get("EMOTION_FUZZ_SEED", 1))
LIMITS = isolation.Limits(time_s=20, memory_gb=2)
EXTREMES = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
HEAD_BYTES = 600
SOUND_ALONE = (".wav", ".flac", ".sph", ".caf", ".amr")


def write_originals(folder):
    """Write a sound file of every kind that is damaged."""
    folder.mkdir()
    short = {"duration_s": 0.6, "size": (64, 48)}
    write_moving_picture(folder / "face.mp4", draw_face(1))
    broken_media.write_clip(folder / "a.mp4", **short, b_frames=2)
    broken_media.write_faststart_mp4(folder / "b.mp4", **short)
    broken_media.write_clip(folder / "c.avi", **short, video="mjpeg", audio="pcm_s16le")
    broken_media.write_clip(folder / "d.avi", **short, video="mpeg4", audio="mp3")
    broken_media.write_clip(folder / "e.flv", **short, video="flv1", audio="mp3")
    broken_media.write_clip(folder / "f.flac", duration_s=0.6, video=None, audio="flac")
    noise = np.random.default_rng(0).normal(0, 0.1, 9600)
    pcm = (noise * 2**15).astype(np.int16)
    broken_media.write_wav(folder / "g.wav", pcm, 16000)
    broken_media.write_wav(folder / "h.wav", noise.astype(np.float32), 16000)
    broken_media.write_sphere(folder / "i.sph", pcm, 16000)
    sound = {"duration_s": 0.6, "video": None}
    broken_media.write_clip(folder / "j.caf", **sound, audio="pcm_s16be")
    broken_media.write_clip(folder / "k.amr", **sound, audio="libopencore_amrnb", rate_hz=8000)
    broken_media.write_clip(folder / "l.mpg", **short, video="mpeg1video", audio="mp2")
    broken_media.write_clip(folder / "m.gif", **short, video="gif", audio=None)
    broken_media.write_clip(folder / "n.mp4", **short, stretch=Fraction(4, 3))
    broken_media.set_matrix(folder / "n.mp4", (0, 1), (1, 0))
    return sorted(folder.iterdir())


def set_number(data, rng):
    """Return data with an extreme number in its header, where sizes and counts stand."""
    at = int(rng.integers(0, min(HEAD_BYTES, len(data) - 4)))
    kind = "<I" if rng.integers(2) else ">I"
    number = struct.pack(kind, int(rng.choice(EXTREMES)))
    return data[:at] + number + data[at + 4 :]


def damage(data, rng):
    """Return data damaged in one of five ways, header or body."""
    how = int(rng.integers(5))
    if how == 0:
        return set_number(data, rng)
    if how == 1:
        return set_number(set_number(set_number(data, rng), rng), rng)
    if how == 2:
        head = broken_media.damage(data[:HEAD_BYTES], rng, 5)
        return head + data[HEAD_BYTES:]
    if how == 3:
        first, n_bytes = int(rng.integers(len(data))), int(rng.integers(1, 2000))
        return data[:first] + bytes(n_bytes) + data[first + n_bytes :]
    return broken_media.damage(data, rng, int(rng.integers(1, 200)))


@pytest.fixture(params=N_FILES)
def damaged(request, tmp_path):
    """Return the CSV of a corpus of damaged files, every tenth with its sound in another file."""
    folder, rng = tmp_path / "damaged", np.random.default_rng(SEED)
    folder.mkdir()
    originals, rows = write_originals(folder / "originals"), []
    for number in range(request.param):
        original = originals[number % len(originals)]
        name = f"{number:05d}{original.suffix}"
        (folder / name).write_bytes(damage(original.read_bytes(), rng))
        has_picture = original.suffix not in SOUND_ALONE
        sound = name if number % 10 or not has_picture else "originals/g.wav"
        row = {"clip_id": f"{number:05d}", "video": name if has_picture else "", "audio": sound}
        rows.append(row | {"emotion": "sad", "actor": "1"})
    pd.DataFrame(rows).to_csv(folder / "list.csv", index=False)
    return folder / "list.csv"


def test_every_damaged_file_ends_as_done_or_as_a_listed_failure(damaged, tmp_path, monkeypatch):
    home = tmp_path / "home"
    monkeypatch.setenv("EMOTION_HOME", str(home))
    before = {path: path.stat().st_mtime_ns for path in damaged.parent.rglob("*")}
    options = {"limits": LIMITS, "progress": False}
    index.index_corpus("folder", damaged, **options)
    choices = extract.Choices(n_frames=4, size=16, detector="haar")
    extract.extract_corpus("folder", choices, **options)
    clips = analyse.analyse_corpus("folder", n_mels=32, **options)
    assert len(clips) == len(pd.read_csv(damaged))
    assert set(clips["status"]) <= {"ok", "partial", "failed"}
    assert (clips["reason"][clips["status"] != "ok"] != "").all()
    assert 0.02 < (clips["status"] == "failed").mean() < 0.9  # the damage is neither nil nor total
    lost = clips["reason"].str.contains("crashed|longer than its limit|more than its limit")
    assert not lost.any(), clips[lost][["clip_id", "video", "reason"]].to_string()
    for name, column in (("faces", "has_face"), ("waveforms", "has_voice")):
        array = arrays.read_array(arrays.corpus_folder("folder"), name)
        assert not array[~clips[column].to_numpy()].any()
        assert np.isfinite(array).all()
    assert not clips["reason"].str.contains(str(damaged.parent)).any()
    assert {path: path.stat().st_mtime_ns for path in damaged.parent.rglob("*")} == before
    assert not [path for path in home.rglob("*") if "partial" in path.name]
    assert not [path for path in home.rglob("*") if "journal" in path.name]
    commands = [" ".join(child.cmdline()) for child in psutil.Process().children()]
    assert not [command for command in commands if "isolation" in command]
