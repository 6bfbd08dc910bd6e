"""A call that crashes, hangs or eats the memory costs only itself."""

import os
import pickle
import subprocess
import sys
import time
from contextlib import closing

import psutil
import pytest

from preprocessing.workers.isolation import Children, Limits, LostError
from preprocessing.workers.parallel import collect_results, stream_results
from tests import stand_ins

LIMITS = Limits(time_s=1.5, memory_gb=1.0)


@pytest.fixture(scope="module")
def children():
    with closing(Children(LIMITS)) as children:
        yield children


@pytest.mark.parametrize(
    ("function", "argument", "reason"),
    [
        (stand_ins.crash, 0, r"its worker crashed 3 times \(SIGSEGV\)"),
        (stand_ins.hang, 0, r"took longer than its limit of 1.5 s"),
        (stand_ins.allocate, 30, r"needed more than its limit of 1 GB of memory"),
    ],
)
def test_a_lost_call_says_why_and_the_next_one_works(children, function, argument, reason):
    with pytest.raises(LostError, match=reason):
        children.call(function, (argument,))
    assert children.call(stand_ins.double, (21,)) == 42


def test_what_a_function_raises_is_raised_here(children):
    with pytest.raises(KeyError, match="refused"):
        children.call(stand_ins.refuse, (0,))
    with pytest.raises(RuntimeError, match="OddError: odd, very"):
        children.call(stand_ins.raise_odd_error, (0,))
    with pytest.raises(TypeError, match="cannot be pickled"):
        children.call(stand_ins.answer_unpicklable, (0,))


@pytest.mark.parametrize(
    ("kind", "expected", "words"),
    [
        ("class of the child alone", RuntimeError, "^ChildsError: seen by nobody else$"),
        ("result of the child alone", TypeError, "an answer cannot be unpickled: .*ChildsResult"),
        ("exit when unpickled", RuntimeError, "^StubbornError: true words$"),
        ("exit when unpickled by the parent", RuntimeError, "^StubbornError: true words$"),
        ("lie", RuntimeError, "^StubbornError: true words$"),
        ("huge", RuntimeError, "^ValueError: x{1000}$"),
        ("silent", RuntimeError, "^SilentError: its message cannot be read$"),
        ("recursion", RecursionError, "maximum recursion depth"),
        ("exit", RuntimeError, "^SystemExit: 7$"),
        ("interrupt", RuntimeError, "^KeyboardInterrupt: 7$"),
        ("generator", RuntimeError, "^GeneratorExit: 7$"),
    ],
)
def test_the_true_error_is_kept_and_so_is_its_child(kind, expected, words):
    before = set(psutil.Process().children())
    with closing(Children(LIMITS)) as children:
        first = children.call(stand_ins.name_process, (0,))
        with pytest.raises(expected, match=words):
            children.call(stand_ins.misbehave, (kind,))
        assert children.call(stand_ins.name_process, (0,)) == first
    assert set(psutil.Process().children()) <= before


def test_a_call_that_cannot_be_sent_leaves_no_child():
    before = set(psutil.Process().children())
    children = Children(LIMITS)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        children.call(lambda: None, ())
    assert set(psutil.Process().children()) <= before


def test_what_a_library_prints_does_not_get_among_the_answers(children, capfd):
    assert children.call(stand_ins.chatter, (7,)) == 7
    assert capfd.readouterr() == ("", "")


def test_children_are_used_again_and_end_with_their_owner():
    with closing(Children(LIMITS)) as children:
        first = children.call(stand_ins.name_process, (0,))
        assert children.call(stand_ins.name_process, (0,)) == first != os.getpid()
    assert not psutil.pid_exists(first)
    with pytest.raises(LostError, match="stopped"):
        children.call(stand_ins.double, (1,))


def test_a_child_killed_for_anothers_sake_is_tried_again(children):
    victim = children.call(stand_ins.name_process, (0,))
    psutil.Process(victim).kill()
    assert children.call(stand_ins.double, (4,)) == 8


def test_children_end_when_their_parent_is_killed():
    code = (
        "import time; from preprocessing.workers.isolation import *; from tests import stand_ins\n"
        "children = Children(Limits())\n"
        "print(children.call(stand_ins.name_process, (0,)), flush=True)\n"
        "time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    child.wait(timeout=30)


@pytest.mark.parametrize("limits", [{"time_s": 0}, {"memory_gb": -1}, {"time_s": float("nan")}])
def test_impossible_limits_are_refused(limits):
    with pytest.raises(ValueError, match="expected a positive number"):
        Limits(**limits)


def test_limits_can_be_pickled_and_are_one_key():
    assert pickle.loads(pickle.dumps(LIMITS)) == LIMITS
    assert {LIMITS: 1}[Limits(time_s=1.5, memory_gb=1.0)] == 1


def test_a_stream_goes_on_past_what_is_lost():
    kinds = ["double", "crash", "double", "hang", "allocate", "double"]
    tasks = [(kind, 30) for kind in kinds]
    options = {"limits": LIMITS, "n_jobs": 2, "progress": False}
    results = collect_results(stand_ins.behave, tasks, lost=stand_ins.report_loss, **options)
    assert [result == 60 for result in results] == [kind == "double" for kind in kinds]
    assert "SIGSEGV" in results[1]
    assert "1.5 s" in results[3]
    assert "1 GB" in results[4]


def test_an_error_stops_a_stream_and_leaves_no_process():
    before = set(psutil.Process().children())
    results = stream_results(
        stand_ins.refuse, [(i,) for i in range(9)], lost=stand_ins.report_loss, progress=False
    )
    with pytest.raises(KeyError, match="refused"):
        list(results)
    assert set(psutil.Process().children()) <= before


def test_a_stream_that_is_left_early_stops_its_work():
    before, started = set(psutil.Process().children()), time.monotonic()
    tasks = [(0.0,), (60.0,), (60.0,)]
    results = stream_results(
        stand_ins.sleep, tasks, lost=stand_ins.report_loss, n_jobs=2, progress=False
    )
    assert next(results) == (0, 0.0)
    results.close()
    assert time.monotonic() - started < 30
    assert set(psutil.Process().children()) <= before
