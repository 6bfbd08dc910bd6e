"""A run that is killed in any way, at any instant, gives what an unbroken one gives."""

import multiprocessing
import os
import random
import signal
import time

import av
import numpy as np
import pandas as pd
import psutil
import pytest

from preprocessing import extract, index
from preprocessing.corpora.drawn.face import draw_face
from preprocessing.disk import arrays, resumable
from preprocessing.workers import isolation
from tests import broken_media, stand_ins

N_CLIPS, N_FILES = 40, 4
CHOICES = extract.Choices(n_frames=3, size=16, detector="haar")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Return the CSV of clips whose picture is a drawn face and whose voice is noise."""
    folder = tmp_path_factory.mktemp("source")
    for number in range(N_FILES):
        face = np.roll(draw_face(1), 6 * number, axis=1)
        write_moving_picture(folder / f"{number}.mp4", face)
        noise = np.random.default_rng(number).normal(0, 0.1, 6400).astype(np.float32)
        broken_media.write_wav(folder / f"{number}.wav", noise, 16000)
    return write_list(folder, [f"{row % N_FILES}" for row in range(N_CLIPS)])


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


def write_list(folder, files):
    rows = {"clip_id": [f"{row:02d}" for row in range(len(files))], "emotion": "sad", "actor": "1"}
    rows |= {"video": [f"{file}.mp4" for file in files], "audio": [f"{file}.wav" for file in files]}
    pd.DataFrame(rows).to_csv(folder / "list.csv", index=False)
    return folder / "list.csv"


def run(source, home, monkeypatch, *, n_jobs=2, limits=None):
    """Index and extract into a home of its own; return the corpus's folder."""
    monkeypatch.setenv("EMOTION_HOME", str(home))
    index.index_corpus("folder", source, n_jobs=0, progress=False)
    extract.extract_corpus("folder", CHOICES, n_jobs=n_jobs, limits=limits, progress=False)
    return arrays.corpus_folder("folder")


@pytest.fixture(scope="module")
def unbroken(source, tmp_path_factory):
    """Return the bytes of every file of a run that nothing disturbed."""
    with pytest.MonkeyPatch.context() as patch:
        folder = run(source, tmp_path_factory.mktemp("unbroken"), patch, n_jobs=0)
        assert arrays.read_clips(folder)["has_face"].all()
        return read_bytes(folder)


def read_bytes(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def extract_slowly():
    """Extract in this process; started in a process of its own, so that it can be killed."""
    write_row = extract.ResumableArrays.write_row

    def write_row_slowly(*arguments):
        write_row(*arguments)
        time.sleep(0.05)

    extract.ResumableArrays.write_row = write_row_slowly
    extract.extract_corpus("folder", CHOICES, n_jobs=0, progress=False)


def list_arrays(folder):
    """Return the arrays that a reader would take for whole."""
    return [path.name for path in folder.glob("*.npy")]


@pytest.mark.parametrize("n_kills", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_many_times_it_gives_the_same_bytes(
    source, unbroken, tmp_path, monkeypatch, n_kills
):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    index.index_corpus("folder", source, n_jobs=0, progress=False)
    folder, rng = arrays.corpus_folder("folder"), random.Random(3)
    context, n_killed, n_before = multiprocessing.get_context("fork"), 0, 0
    while n_killed < n_kills:
        process = context.Process(target=extract_slowly)
        process.start()
        wait_for_rows(folder, min(n_before + rng.choice([0, 0, 0, 1, 2]), N_CLIPS - 8))
        time.sleep(rng.uniform(0, 0.03))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, "it was not killed: make it slower"
        n_killed += 1
        assert not (folder / "faces.json").exists()
        assert not list_arrays(folder)
        n_done = count_rows(folder)
        assert n_done >= n_before  # nothing that was finished is lost
        n_before = n_done
        if n_killed % 5 == 3:
            cut_a_file(folder, rng)
            n_before = 0  # what was cut off may be made anew
    assert 0 < n_done < N_CLIPS, "the kills came too early or too late to mean anything"
    run(source, tmp_path, monkeypatch)
    assert read_bytes(folder) == unbroken


def count_rows(folder):
    """Return how many rows the journal names."""
    journal = folder / "extraction.journal"
    return journal.read_bytes().count(b'{"row"') if journal.is_file() else 0


def wait_for_rows(folder, n_rows):
    """Wait, a minute at most, until the journal names so many rows."""
    deadline = time.monotonic() + 60
    while count_rows(folder) < n_rows and time.monotonic() < deadline:
        time.sleep(0.002)


def cut_a_file(folder, rng):
    """Cut a few bytes off a file, as a power cut does."""
    path = folder / rng.choice(["extraction.journal", "faces.npy.partial", "waveforms.npy.partial"])
    path.write_bytes(path.read_bytes()[: -rng.randrange(1, 900)])


def test_killed_workers_cost_nothing(source, unbroken, tmp_path, monkeypatch):
    monkeypatch.setattr(extract, "_extract_clip", stand_ins.extract_slowly)
    context = multiprocessing.get_context("fork")
    n_killed = context.Value("i", 0)
    journal = tmp_path / "data" / "folder" / "extraction.journal"
    killer = context.Process(target=kill_children, args=(os.getpid(), journal, n_killed))
    killer.start()
    try:
        folder = run(source, tmp_path, monkeypatch)
    finally:
        killer.kill()
        killer.join()
    assert n_killed.value >= 2
    assert read_bytes(folder) == unbroken


def kill_children(parent, journal, n_killed):
    """Kill the older worker of a process, each time when some more clips are done."""
    rng, n_done = random.Random(1), 0
    while True:
        time.sleep(0.005)
        lines = journal.read_bytes().count(b"\n") if journal.is_file() else 0
        workers = [c for c in psutil.Process(parent).children() if is_worker(c)]
        if lines >= n_done + 4 and len(workers) == 2:
            n_done = lines
            time.sleep(rng.uniform(0, 0.4))
            min(workers, key=lambda worker: worker.create_time()).kill()  # never one clip thrice
            n_killed.value += 1


def is_worker(process):
    """Say whether a process calls clips: other tests may have left helpers of Python's own."""
    try:
        return isolation.START in process.cmdline()
    except psutil.Error:  # it has ended meanwhile
        return False


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_any_number_of_workers_gives_the_same_bytes(
    source, unbroken, tmp_path, monkeypatch, n_jobs
):
    assert read_bytes(run(source, tmp_path, monkeypatch, n_jobs=n_jobs)) == unbroken


def test_clips_that_crash_hang_or_eat_memory_are_listed_and_the_rest_is_done(
    source, tmp_path, monkeypatch
):
    for name in ("crash", "hang", "allocate"):
        for ending in ("mp4", "wav"):
            (tmp_path / f"{name}.{ending}").write_bytes(
                (source.parent / f"0.{ending}").read_bytes()
            )
    (tmp_path / "good.mp4").write_bytes((source.parent / "0.mp4").read_bytes())
    (tmp_path / "good.wav").write_bytes((source.parent / "0.wav").read_bytes())
    listed = write_list(tmp_path, ["good", "crash", "good", "hang", "allocate", "good"])
    monkeypatch.setattr(extract, "_extract_clip", stand_ins.extract_with_faults)
    limits = isolation.Limits(time_s=8, memory_gb=1)
    folder = run(listed, tmp_path / "home", monkeypatch, limits=limits)
    clips = arrays.read_clips(folder)
    assert clips["status"].tolist() == ["ok", "failed", "ok", "failed", "failed", "ok"]
    assert "its worker crashed 3 times (SIGSEGV)" in clips["reason"][1]
    assert "longer than its limit of 8 s" in clips["reason"][3]
    assert "more than its limit of 1 GB of memory" in clips["reason"][4]
    faces = arrays.read_array(folder, "faces")
    assert faces[[0, 2, 5]].any(axis=(1, 2, 3)).all()
    assert not faces[[1, 3, 4]].any()
    assert len(extract.list_failures(clips)) == 3


def test_a_file_that_changes_or_goes_while_the_run_is_on_is_listed(source, tmp_path, monkeypatch):
    for name in ("stays", "changes", "goes"):
        for ending in ("mp4", "wav"):
            data = (source.parent / f"1.{ending}").read_bytes()
            (tmp_path / f"{name}.{ending}").write_bytes(data)
    listed = write_list(tmp_path, ["stays", "changes", "goes"])
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path / "home"))
    index.index_corpus("folder", listed, n_jobs=0, progress=False)
    (tmp_path / "changes.mp4").write_bytes((source.parent / "2.mp4").read_bytes() + b"\0" * 64)
    (tmp_path / "goes.mp4").unlink()
    clips = extract.extract_corpus("folder", CHOICES, n_jobs=0, progress=False)
    assert clips["status"].tolist() == ["ok", "ok", "partial"]
    assert "video file has changed since it was indexed" in clips["reason"][1]
    assert "o such file" in clips["reason"][2]


def test_a_full_disk_stops_the_run_and_the_finished_clips_stay(
    source, unbroken, tmp_path, monkeypatch
):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    index.index_corpus("folder", source, n_jobs=0, progress=False)
    write_all, n_left = resumable._write_all, [60]

    def write_until_full(handle, data):
        n_left[0] -= 1
        if n_left[0] < 0:
            handle.write(memoryview(data)[: len(data) // 2])  # a full disk takes a part of it
            raise OSError(28, "No space left on device")
        write_all(handle, data)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(resumable, "_write_all", write_until_full)
        extract.extract_corpus("folder", CHOICES, n_jobs=0, progress=False)
    folder = arrays.corpus_folder("folder")
    assert not list_arrays(folder)
    assert (folder / "extraction.journal").read_bytes().count(b'{"row"') >= 10
    assert read_bytes(run(source, tmp_path, monkeypatch)) == unbroken


def extract_as_nobody(answers):
    """Extract without the right to write; put what is raised into a queue."""
    if os.getuid() == 0:
        os.setuid(65534)
    try:
        extract.extract_corpus("folder", CHOICES, n_jobs=0, progress=False)
        answers.put("nothing was raised")
    except Exception as error:
        answers.put(f"{type(error).__name__}: {error}")


def test_a_folder_that_cannot_be_written_is_a_clear_error(source, tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    index.index_corpus("folder", source, n_jobs=0, progress=False)
    folder = arrays.corpus_folder("folder")
    before = read_bytes(folder)
    for path in (folder, *folder.parents):
        if "pytest-of-" in path.as_posix():
            path.chmod(0o555 if path == folder else 0o755)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=extract_as_nobody, args=(answers,))
    process.start()
    answer = answers.get(timeout=60)
    process.join()
    folder.chmod(0o755)
    assert answer.startswith("PermissionError")
    assert "faces.npy.partial" in answer
    assert read_bytes(folder) == before
