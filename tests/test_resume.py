"""An extraction that is killed goes on where it was, and gives what an unbroken one gives."""

import os
import signal
import subprocess
import sys
import time

import av
import numpy as np
import pandas as pd
import pytest

from preprocessing import arrays, extract, indexing
from preprocessing.corpora.drawn.face import draw_face
from preprocessing.resumable import JOURNAL
from tests import broken_media

N_CLIPS, N_FILES = 16, 4
SLOW_RUN = """
import time
from preprocessing import extract
commit = extract.ResumableArrays.commit
extract.ResumableArrays.commit = lambda self: (commit(self), time.sleep(0.1))
extract.ROWS_PER_COMMIT = 1
choices = extract.Choices(n_frames=3, size=16, detector="haar")
extract.extract_corpus("folder", choices, n_jobs=2, progress=False)
"""


@pytest.fixture
def source(tmp_path):
    """Return the CSV of clips whose picture is a drawn face and whose voice is noise."""
    rng, face = np.random.default_rng(0), draw_face(1)
    for number in range(N_FILES):
        write_moving_picture(tmp_path / f"{number}.mp4", np.roll(face, 6 * number, axis=1))
        noise = rng.normal(0, 0.1, 6400).astype(np.float32)
        broken_media.write_wav(tmp_path / f"{number}.wav", noise, 16000)
    files = [f"{row % N_FILES}" for row in range(N_CLIPS)]
    rows = {"clip_id": [f"{row:02d}" for row in range(N_CLIPS)], "emotion": "sad", "actor": "1"}
    rows |= {"video": [f"{name}.mp4" for name in files], "audio": [f"{name}.wav" for name in files]}
    pd.DataFrame(rows).to_csv(tmp_path / "list.csv", index=False)
    return tmp_path / "list.csv"


def write_moving_picture(path, picture):
    """Write a film of four frames in which a picture moves to the right."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt, stream.codec_context.thread_count = "yuv420p", 1
        for number in range(4):
            moved = np.roll(picture, 4 * number, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(stream.encode(None))


def wait_for_lines(path, n_lines):
    """Wait, at most a minute, until a file has so many lines."""
    deadline = time.monotonic() + 60
    while not path.is_file() or path.read_bytes().count(b"\n") < n_lines:
        assert time.monotonic() < deadline, "the extraction did not begin"
        time.sleep(0.01)


def read_bytes(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_killed_and_started_again_it_gives_the_same_bytes(source, tmp_path, monkeypatch, capsys):
    choices = extract.Choices(n_frames=3, size=16, detector="haar")
    folders = {name: tmp_path / name / "data" / "folder" for name in ("whole", "killed")}
    for name in folders:
        monkeypatch.setenv("EMOTION_HOME", str(tmp_path / name))
        indexing.index_corpus("folder", source, n_jobs=1, progress=False)
        if name == "whole":
            extract.extract_corpus("folder", choices, n_jobs=1, progress=False)
    process = subprocess.Popen([sys.executable, "-c", SLOW_RUN], start_new_session=True)
    wait_for_lines(folders["killed"] / JOURNAL, 6)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folders["killed"] / "faces.json").exists()
    extract.extract_corpus("folder", choices, n_jobs=2, progress=False)
    n_before = int(capsys.readouterr().out.split("stopped: ")[1].split()[0])
    assert 5 <= n_before < N_CLIPS
    assert read_bytes(folders["killed"]) == read_bytes(folders["whole"])
    assert arrays.read_clips(folders["whole"])["has_face"].all()
