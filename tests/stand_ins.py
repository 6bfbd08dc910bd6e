"""Functions that do to a worker what a damaged clip can do to a decoder."""

import ctypes
import os
import sys
import time

import numpy as np


def double(number):
    return 2 * number


def name_process(_):
    return os.getpid()


def crash(_):
    """Read from address 0: a segmentation fault in native code."""
    ctypes.string_at(0)


def hang(_):
    """Never return from native code, with Python's lock held."""
    ctypes.PyDLL(None).pause()


def allocate(gigabytes):
    return np.ones(int(gigabytes * 2**27)).sum()


def refuse(_):
    raise KeyError("refused")


class OddError(Exception):
    """Cannot be made anew from its message, as another process must."""

    def __init__(self, what, why):
        super().__init__(f"{what}, {why}")


def raise_odd_error(_):
    raise OddError("odd", "very")


class StubbornError(Exception):
    """Comes out of its pickle as whatever it was told to, or not at all."""

    def __init__(self, message, reader, *arguments):
        super().__init__(message)
        self.reader = reader, arguments

    def __reduce__(self):
        return self.reader


class SilentError(Exception):
    """Cannot say what it is."""

    def __str__(self):
        raise ZeroDivisionError


def misbehave(kind):
    """Raise, or return, what does not pass from one process to another as it is."""
    if kind == "class of the child alone":
        made = type("ChildsError", (Exception,), {"__module__": __name__})
        globals()["ChildsError"] = made
        raise made("seen by nobody else")
    if kind == "result of the child alone":
        globals()["ChildsResult"] = made = type("ChildsResult", (), {"__module__": __name__})
        return made()
    if kind == "exit when unpickled":
        raise StubbornError("true words", sys.exit, 3)
    if kind == "exit when unpickled by the parent":
        raise StubbornError("true words", _exit_outside, os.getpid())
    if kind == "lie":
        raise StubbornError("true words", str, "all is well")
    if kind == "huge":
        raise ValueError("x" * 3_000_000)
    if kind == "silent":
        raise SilentError
    if kind == "recursion":
        return misbehave(kind)
    raise {"exit": SystemExit, "interrupt": KeyboardInterrupt, "generator": GeneratorExit}[kind](7)


def _exit_outside(process):
    """Return the error in the process that raised it; end any other."""
    if os.getpid() != process:
        sys.exit(3)
    return StubbornError("true words", _exit_outside, process)


def answer_unpicklable(_):
    return lambda: None


def chatter(number):
    """Write to the very file descriptors that answers go through, as C libraries do."""
    os.write(1, b"decoder: something is wrong\n")
    os.write(2, b"decoder: something is wrong\n")
    print("and so on")
    return number


def sleep(seconds):
    time.sleep(seconds)
    return seconds


def behave(kind, number):
    """Do what is asked for."""
    return {"crash": crash, "hang": hang, "allocate": allocate, "double": double}[kind](number)


def report_loss(reason, kind, number):
    return f"lost: {reason}"


def extract_with_faults(row, base, clip, *rest):
    """Extract a clip, but crash, hang or allocate where its file is named so."""
    from preprocessing import extract

    for word, fault in (("crash", crash), ("hang", hang), ("allocate", allocate)):
        if word in clip["video"]:
            fault(30)
    return extract._extract_clip(row, base, clip, *rest)


def extract_slowly(*arguments):
    """Extract a clip and take so long about it that a worker is likely to be killed meanwhile."""
    from preprocessing import extract

    time.sleep(0.4)
    return extract._extract_clip(*arguments)
