"""On a Dask cluster everything is as it is here: the same bytes, the same listed failures."""

import os
import threading
import time

import psutil
import pytest
from distributed import Client, LocalCluster

from preprocessing import analyse, extract, index
from preprocessing.disk import arrays
from preprocessing.workers import isolation
from preprocessing.workers.parallel import collect_results
from tests import stand_ins
from tests.test_resume import CHOICES, N_CLIPS, read_bytes, source  # noqa: F401

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster


def run(source, home, monkeypatch, **options):  # noqa: F811
    monkeypatch.setenv("EMOTION_HOME", str(home))
    options = {"progress": False} | options
    index.index_corpus("folder", source, **options)
    extract.extract_corpus("folder", CHOICES, **options)
    analyse.analyse_corpus("folder", n_mels=32, **options)
    return read_bytes(arrays.corpus_folder("folder"))


def test_a_cluster_gives_the_same_bytes(cluster, source, tmp_path, monkeypatch):  # noqa: F811
    here = run(source, tmp_path / "here", monkeypatch, n_jobs=0)
    there = run(source, tmp_path / "there", monkeypatch, scheduler=cluster.scheduler_address)
    assert here == there
    assert {"faces.npy", "waveforms.npy", "mels.npy", "features.csv"} <= set(here)


def test_a_worker_killed_half_way_does_not_lose_the_run(
    cluster,
    source,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    whole = run(source, tmp_path / "whole", monkeypatch, n_jobs=0)
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path / "broken"))
    journal = tmp_path / "broken" / "data" / "folder" / "extraction.journal"
    killed = []

    def kill_a_worker():
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not killed:
            if journal.is_file() and journal.read_bytes().count(b"\n") > N_CLIPS // 4:
                with Client(cluster.scheduler_address, set_as_default=False) as client:
                    pid = next(iter(client.run(stand_ins.name_process, 0).values()))
                psutil.Process(pid).kill()
                killed.append(pid)
            time.sleep(0.01)

    killer = threading.Thread(target=kill_a_worker)
    killer.start()
    broken = run(source, tmp_path / "broken", monkeypatch, scheduler=cluster.scheduler_address)
    killer.join()
    assert killed
    assert broken == whole


def test_what_is_lost_on_a_worker_is_listed(cluster):
    tasks = [("double", 1), ("crash", 1), ("hang", 1), ("double", 2)]
    results = collect_results(
        stand_ins.behave,
        tasks,
        lost=stand_ins.report_loss,
        scheduler=cluster.scheduler_address,
        limits=isolation.Limits(time_s=2, memory_gb=1),
        progress=False,
    )
    assert (results[0], results[3]) == (2, 4)
    assert "SIGSEGV" in results[1]
    assert "limit of 2 s" in results[2]


def test_a_scheduler_that_does_not_answer_is_a_clear_error(monkeypatch):
    monkeypatch.setattr("preprocessing.workers.parallel.CONNECT_S", 1)
    with pytest.raises(ConnectionError, match="No Dask scheduler answers at .*dask scheduler"):
        collect_results(
            stand_ins.double, [(1,)], lost=stand_ins.report_loss, scheduler="tcp://127.0.0.1:9"
        )


def test_a_scheduler_without_workers_is_a_clear_error():
    with (
        LocalCluster(n_workers=0, dashboard_address=None, silence_logs=50) as empty,
        pytest.raises(ConnectionError, match="has no workers"),
    ):
        collect_results(
            stand_ins.double,
            [(1,)],
            lost=stand_ins.report_loss,
            scheduler=empty.scheduler_address,
            progress=False,
        )


def test_workers_with_other_libraries_are_refused(cluster, monkeypatch):
    own = {"numpy": "0.1"}  # each process names its own number: all differ
    monkeypatch.setattr(
        "preprocessing.workers.parallel.list_versions", lambda: own | {"av": str(os.getpid())}
    )
    with pytest.raises(RuntimeError, match="other versions than this process"):
        collect_results(
            stand_ins.double,
            [(1,)],
            lost=stand_ins.report_loss,
            scheduler=cluster.scheduler_address,
            progress=False,
        )
