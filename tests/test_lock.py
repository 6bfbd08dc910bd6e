"""Two writers in one folder: the second waits, or is told who the first is."""

import json
import multiprocessing
import os
import re
import signal
import threading
import time

import numpy as np
import pytest

from data_augmentation import copies
from modeling.expressions import stored
from preprocessing import analyse, extract, index
from preprocessing.disk import arrays, lock
from preprocessing.disk.lock import LockedError, lock_corpus, lock_folder

START = multiprocessing.get_context("spawn")


def hold(folder, told):
    """Hold a folder's lock until a file appears; runs in a process of its own."""
    with lock_folder(folder, "extracting"):
        while not told.exists():
            time.sleep(0.02)


@pytest.fixture
def holder(tmp_path):
    """Yield another process that holds the lock of ``tmp_path``, and a function that ends it."""
    told = tmp_path / "end"
    process = START.Process(target=hold, args=(tmp_path, told))
    process.start()
    until = time.monotonic() + 60
    while not (tmp_path / lock.NAME).exists() or not (tmp_path / lock.NAME).read_text():
        assert time.monotonic() < until
        time.sleep(0.02)
    yield process, told.touch
    told.touch()
    process.join()


def test_a_second_writer_is_refused_and_told_who_writes(tmp_path, holder):
    process, _ = holder
    said = rf"by process {process.pid} on .+, since \d{{4}}-.+, extracting\. Wait until"
    with pytest.raises(LockedError, match=said) as error, lock_folder(tmp_path, "x", wait_s=0):
        pytest.fail("two writers")
    assert "\n" not in str(error.value)


def test_a_second_writer_waits_for_one_that_ends(tmp_path, holder):
    process, end = holder
    threading.Timer(0.3, end).start()
    with lock_folder(tmp_path, "analysing", wait_s=30):
        process.join(30)
        assert not process.is_alive()


def test_what_a_killed_writer_left_is_taken_over(tmp_path, holder):
    process, _ = holder
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert json.loads((tmp_path / lock.NAME).read_text())["pid"] == process.pid
    with lock_folder(tmp_path, "analysing", wait_s=0):
        assert json.loads((tmp_path / lock.NAME).read_text())["pid"] == os.getpid()
    assert (tmp_path / lock.NAME).read_text() == ""


def test_what_a_writer_on_another_machine_left_is_refused_with_what_to_do(tmp_path):
    facts = {"pid": 1, "host": "another", "since": "2026-01-01 00:00:00", "stage": "extracting"}
    (tmp_path / lock.NAME).write_text(json.dumps(facts))
    said = f"process 1 on another.*delete {re.escape(str(tmp_path / lock.NAME))}"
    for _ in range(2):  # the refusal leaves the facts where they are
        with pytest.raises(LockedError, match=said), lock_folder(tmp_path, "x", wait_s=0):
            pytest.fail("two writers")


def test_a_stage_may_call_another_and_the_lock_ends_with_the_first(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    folder = arrays.corpus_folder("made")
    folder.mkdir(parents=True)
    inner = lock_corpus("inner")(lambda corpus: (folder / lock.NAME).read_text())
    outer = lock_corpus("outer")(lambda corpus: inner(corpus) + inner(corpus))
    assert outer("made").count('"outer"') == 2
    assert (folder / lock.NAME).read_text() == ""


def test_two_threads_do_not_write_at_once(tmp_path):
    refused = []

    def try_it():
        try:
            with lock_folder(tmp_path, "x", wait_s=0):
                pass
        except LockedError as error:
            refused.append(error)

    with lock_folder(tmp_path, "extracting"):
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert len(refused) == 1


def test_locks_of_other_names_do_not_wait_for_each_other(tmp_path, holder):
    with lock_folder(tmp_path, "copying voices", name="augmented", wait_s=0):
        assert json.loads((tmp_path / ".augmented.lock").read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("name", ["", "augmented", "expressions"])
def test_no_stage_writes_beside_another_that_writes_the_same(tmp_path, monkeypatch, name):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    monkeypatch.setattr(lock, "WAIT_S", 0)
    folder = arrays.corpus_folder("folder")
    folder.mkdir(parents=True)
    (tmp_path / "a.wav").touch()
    (tmp_path / "list.csv").write_text("video,audio,emotion,actor\n,a.wav,sad,1\n")
    seen = stored.Seen(np.zeros((1, 2, 7), np.float32), np.zeros((1, 2), np.float32), {})
    stages = {
        "": (
            lambda: index.index_corpus("folder", tmp_path / "list.csv", n_jobs=0, progress=False),
            lambda: extract.extract_corpus("folder", extract.Choices()),
            lambda: analyse.analyse_corpus("folder"),
        ),
        "augmented": (lambda: copies.copy_corpus("folder"),),
        "expressions": (lambda: stored.write_expressions("folder", seen),),
    }
    stop = threading.Event()
    ready = threading.Event()

    def hold_here():
        with lock_folder(folder, "something", name=name):
            ready.set()
            stop.wait(60)

    thread = threading.Thread(target=hold_here)
    thread.start()
    assert ready.wait(60)
    try:
        for stage in stages[name]:
            with pytest.raises(LockedError, match=f"process {os.getpid()} .*, something"):
                stage()
    finally:
        stop.set()
        thread.join()
    assert not list(folder.glob("[!.]*"))
