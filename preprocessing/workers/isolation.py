"""Calls in child processes: one that crashes, hangs or eats the memory costs only itself.

A child is this interpreter with the same search path and one thread a library. It reads pickled
calls from its standard input and answers on its standard output, so it works alike below a
notebook, a script and a Dask worker, and ends by itself when its parent does.

An answer is a pickle within a pickle: the outer one, of plain bytes and text, can always be read;
where the inner one cannot, its text says what it was, and the child can be used again.
"""

import faulthandler
import os
import pickle
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

START = f"from {__name__} import serve; serve()"
ATTEMPTS = 3  # a child may have been killed for another's sake, when memory ran out
ORPHAN_GRACE_S = 30  # how much longer than its limit a call may run when its parent has died
ONE_THREAD = {
    f"{library}_THREADS": "1"
    for library in ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "VECLIB_MAXIMUM", "NUMBA_NUM")
}
DIED = (EOFError, OSError, pickle.UnpicklingError)  # raised where a child ends in a call
MAX_ERROR_BYTES = 1 << 20  # of an error that is larger only the start of its message is kept
MAX_WORDS = 1000  # letters of that


@dataclass(frozen=True)
class Limits:
    """What one call may cost, counted from the moment when its code is loaded.

    Memory is address space; its limit is kept by the kernel on Linux, not on Windows and macOS.
    """

    time_s: float = 120.0
    memory_gb: float = 4.0

    def __post_init__(self):
        """Refuse limits that no call could keep."""
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"limit {name} = {value}; expected a positive number.")


NO_LIMITS = Limits(time_s=7 * 86400, memory_gb=1e6)
"""A training may take days, and TensorFlow reserves address space freely."""


class LostError(RuntimeError):
    """A call gave no result; the message is a short reason for people."""


def explain_error(error):
    """Return an error's message on one line, without the folder it happened in."""
    reason = getattr(error, "strerror", None)
    text = reason[:1].lower() + reason[1:] if reason else str(error)
    return " ".join(text.split()) or type(error).__name__


class Children:
    """Child processes, of the same limits, started when needed and used again; for threads."""

    def __init__(self, limits):
        self.limits = limits
        self._lock = threading.Lock()
        self._idle, self._all, self._closed = [], set(), False

    def call(self, function, arguments):
        """Return what a function of a module returns in a child; all is pickled.

        Raises:
            LostError: It took too long or too much memory, or crashed ``ATTEMPTS`` times.
            RuntimeError: It raised what cannot be made anew here, or SystemExit and its like,
                which end a process: the message names its type and its words.
            Exception: Whatever else it raises.
        """
        for _ in range(ATTEMPTS):
            child = self._borrow()
            try:
                answer = child.ask(function, arguments, self.limits)
            except DIED:
                crash = self._bury(child)
                continue
            except BaseException:
                self._bury(child)
                raise
            if child.is_late:
                self._bury(child)
            else:
                self._idle.append(child)
            return _read_answer(*answer)
        raise LostError(f"its worker crashed {ATTEMPTS} times ({crash})")

    def close(self):
        """Stop all children; a call in progress is lost."""
        with self._lock:
            self._closed, children = True, list(self._all)
        for child in children:
            self._bury(child)

    def _borrow(self):
        with self._lock:
            if self._closed:
                raise LostError("stopped")
            child = self._idle.pop() if self._idle else _Child()
            self._all.add(child)
        return child

    def _bury(self, child):
        """Forget a child and make sure that it is dead; return how it ended."""
        with self._lock:
            self._all.discard(child)
        return child.stop()


def call_isolated(limits, function, arguments):
    """Call a function in a child of this process, see ``Children.call``; for Dask workers."""
    return _open_children(limits).call(function, arguments)


_open_children = cache(Children)


class _Child:
    """One child process and the two pipes to it."""

    def __init__(self):
        paths = [path or str(Path.cwd()) for path in sys.path]
        self.is_late = False
        self.process = subprocess.Popen(
            [sys.executable, "-c", START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(paths)},
        )

    def ask(self, function, arguments, limits):
        """Return an answer, see ``_make_answer``; raise where the child died."""
        pickle.dump((pickle.dumps((function, arguments)), limits), self.process.stdin)
        self.process.stdin.flush()
        pickle.load(self.process.stdout)  # the code is loaded: from now on the time counts
        timer = threading.Timer(limits.time_s, self._stop_late)
        timer.daemon = True
        timer.start()
        try:
            return pickle.load(self.process.stdout)
        except DIED:
            if not self.is_late:
                raise
            late = LostError(f"took longer than its limit of {limits.time_s:g} s")
            return _make_answer(False, late)
        finally:
            timer.cancel()

    def stop(self):
        """Kill the process; return how it ended, for people."""
        self.process.kill()
        code = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):  # the rest of a call that nobody reads any more
                pipe.close()
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"

    def _stop_late(self):
        self.is_late = True
        self.process.kill()


def serve():
    """Answer calls until the parent ends; what a library prints goes nowhere."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    calls, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    silence = os.open(os.devnull, os.O_RDWR)
    os.dup2(silence, 1)
    while True:
        try:
            call, limits = pickle.load(calls)
        except EOFError:
            return
        try:
            function, arguments = pickle.loads(call)
        except BaseException as error:  # also of a module that exits when it is imported
            function, arguments = _fail_with, (error,)
        _limit_memory(limits.memory_gb)
        _send(answers, "started")
        faulthandler.dump_traceback_later(limits.time_s + ORPHAN_GRACE_S, exit=True, file=silence)
        answer = _make_answer(*_call(function, arguments, limits))
        faulthandler.cancel_dump_traceback_later()
        _send(answers, answer)


def _call(function, arguments, limits):
    """Return (True, result) or (False, exception)."""
    try:
        return True, function(*arguments)
    except MemoryError:
        limit = f"its limit of {limits.memory_gb:g} GB of memory"
        return False, LostError(f"needed more than {limit}")
    except BaseException as error:  # SystemExit, too, is an answer
        return False, error


def _make_answer(is_done, value):
    """Return whether a call was done, its pickled result or error (b"" for none), and words for it.

    An error is sent as it is where it is no larger than ``MAX_ERROR_BYTES``, does not end processes
    and comes out of its pickle as it went in.
    """
    words = "" if is_done else _describe_error(value)
    try:
        data = pickle.dumps(value)
        if not is_done and not (len(data) <= MAX_ERROR_BYTES and _is_same(data, value)):
            data = b""
    except BaseException as error:
        data, words = b"", words or f"an answer cannot be pickled: {_describe_error(error)}"
    return is_done, data, words


def _is_same(data, error):
    copy = pickle.loads(data)
    return isinstance(error, Exception) and type(copy) is type(error) and str(copy) == str(error)


def _read_answer(is_done, data, words):
    """Return the result, or raise the error, of a call as ``_make_answer`` packed it."""
    try:
        value = pickle.loads(data) if data else None
    except BaseException as error:  # a class that only the child knows, a reader that raises
        value, words = None, words or f"an answer cannot be unpickled: {_describe_error(error)}"
    if is_done and not words:
        return value
    if is_done:
        raise TypeError(words)
    raise value if isinstance(value, Exception) else RuntimeError(words)


def _describe_error(error):
    """Return an error's type and the start of its message, also where it has none to give."""
    try:
        message = str(error)[:MAX_WORDS]
    except BaseException:
        message = "its message cannot be read"
    return f"{type(error).__name__}: {message}".removesuffix(": ")


def _send(answers, value):
    answers.write(pickle.dumps(value))
    answers.flush()


def _fail_with(error):
    raise error


@cache
def _limit_memory(memory_gb):
    """Let this process's address space grow by so much from the first call on, where possible."""
    try:
        import resource  # not on Windows

        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except (ImportError, OSError):
        return
    limit = pages * resource.getpagesize() + int(memory_gb * 2**30)
    _, highest = resource.getrlimit(resource.RLIMIT_AS)
    if highest != resource.RLIM_INFINITY:
        limit = min(limit, highest)
    resource.setrlimit(resource.RLIMIT_AS, (limit, highest))
