"""Two writers in one folder: the second waits, or is told who the first is."""

import json
import multiprocessing
import os
import re
import signal
import threading

import pandas as pd
import pytest

from data_augmentation import copies
from modeling.expressions import stored
from preprocessing import analyse, extract, index
from preprocessing.disk import arrays, lock
from preprocessing.disk.lock import LockedError, lock_corpus, lock_folder

START = multiprocessing.get_context("spawn")


def hold(folder, ready, go_on):
    """Hold a folder's lock until told to go on; runs in a process of its own."""
    with lock_folder(folder, "extracting"):
        ready.set()
        go_on.wait(60)


@pytest.fixture
def holder(tmp_path):
    """Yield another process that holds the lock of ``tmp_path``, and the event that ends it."""
    ready, go_on = START.Event(), START.Event()
    process = START.Process(target=hold, args=(tmp_path, ready, go_on))
    process.start()
    assert ready.wait(60)
    yield process, go_on
    go_on.set()
    process.join()


def test_a_second_writer_is_refused_and_told_who_writes(tmp_path, holder):
    process, _ = holder
    said = rf"by process {process.pid} on .+, since \d{{4}}-.+, extracting\. Wait until"
    with pytest.raises(LockedError, match=said) as error, lock_folder(tmp_path, "x", wait_s=0):
        pytest.fail("two writers")
    assert "\n" not in str(error.value)


def test_a_second_writer_waits_for_one_that_ends(tmp_path, holder):
    process, go_on = holder
    threading.Timer(0.3, go_on.set).start()
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


def test_no_stage_writes_beside_another(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    monkeypatch.setattr(lock, "WAIT_S", 0)
    folder = arrays.corpus_folder("folder")
    folder.mkdir(parents=True)
    (tmp_path / "a.wav").touch()
    (tmp_path / "list.csv").write_text("video,audio,emotion,actor\n,a.wav,sad,1\n")
    ready, go_on = START.Event(), START.Event()
    process = START.Process(target=hold, args=(folder, ready, go_on))
    process.start()
    assert ready.wait(60)
    stages = {
        "index": lambda: index.index_corpus("folder", tmp_path / "list.csv", progress=False),
        "extract": lambda: extract.extract_corpus("folder", extract.Choices()),
        "analyse": lambda: analyse.analyse_corpus("folder"),
        "copy": lambda: copies.copy_corpus("folder"),
        "look": lambda: stored.write_expressions("folder", stored.Seen(None, None, {})),
        "units": lambda: stored.write_action_units("folder", pd.DataFrame()),
        "write": lambda: arrays.write_stage(folder, "faces", parameters={}, arrays={}),
    }
    for name, stage in stages.items():
        with pytest.raises(LockedError, match=f"process {process.pid}"):
            stage()
            pytest.fail(name)
    assert [path.name for path in folder.iterdir()] == [lock.NAME]
    go_on.set()
    process.join()
