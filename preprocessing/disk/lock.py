"""One writer at a time in a folder: two stages at once would mix their rows.

The lock is the kernel's and ends with its process, however that ends. Its file says who has it, for
people, and for machines between which the kernel's lock does not reach. Readers never wait.
"""

import errno
import functools
import json
import os
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from preprocessing.disk.folders import corpus_folder, shorten_path

WAIT_S = 10  # for a writer that is about to end
POLL_S = 0.2
NAME = ".lock"
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)

_thread_locks = {}  # by lock's file: the kernel tells processes apart, not threads
_held = set()  # files of the locks that this process has


class LockedError(RuntimeError):
    """Somebody else writes in the folder."""


@contextmanager
def lock_folder(folder, stage, *, name="", wait_s=None):
    """Let nobody else write in a folder; the stage that has it may call another.

    Args:
        folder: One that is absent, or that cannot be written in, is not locked.
        stage: What is about to write, for those who have to wait.
        name: Of the lock. Stages that write other files may run side by side: with other names.
        wait_s: Seconds to wait for another writer; None for ``WAIT_S``.

    Raises:
        LockedError: Another writer has not ended; the message says which.
    """
    folder, wait_s = Path(folder).resolve(), WAIT_S if wait_s is None else wait_s
    path = folder / (f".{name}{NAME}" if name else NAME)
    with ExitStack() as after:
        own = _thread_locks.setdefault(path, threading.RLock())
        if not own.acquire(timeout=wait_s):
            raise LockedError(_describe(path, _read_facts(path)))
        after.callback(own.release)
        if path not in _held and folder.is_dir() and os.access(folder, os.W_OK):
            file = after.enter_context(path.open("a+b", buffering=0))
            _wait_for(file, path, wait_s)
            _held.add(path)
            after.callback(_held.remove, path)
            after.callback(file.truncate, 0)
            file.truncate(0)
            file.write(json.dumps(_describe_self(stage)).encode())
        yield


def lock_corpus(stage, *, name=""):
    """Return a decorator for functions of a corpus that write in its folder: ``lock_folder``."""

    def decorate(function):
        @functools.wraps(function)
        def write_alone(corpus, *arguments, **options):
            with lock_folder(corpus_folder(corpus), stage, name=name):
                return function(corpus, *arguments, **options)

        return write_alone

    return decorate


def _wait_for(file, path, wait_s):
    """Take the kernel's lock of an open file."""
    until = time.monotonic() + wait_s
    while not _take(file, path):
        if time.monotonic() > until:
            raise LockedError(_describe(path, _read_facts(path)))
        time.sleep(POLL_S)
    left = _read_facts(path)  # by one that was killed
    if left and left["host"] != socket.gethostname():
        advice = f" If it has ended without a word, delete {shorten_path(path)}."
        raise LockedError(_describe(path, left) + advice)


def _describe_self(stage):
    since = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": since, "stage": stage}


def _describe(path, facts):
    """Return who writes in a folder and what to do."""
    who = "process {pid} on {host}, since {since}, {stage}" if facts else "another process"
    busy = f"{shorten_path(path.parent)} is being written to by {who.format(**facts)}."
    return f"{busy} Wait until it has ended, or stop it."


def _read_facts(path):
    """Return what the lock's file says, nothing where that is nothing yet."""
    try:
        facts = json.loads(path.read_text("utf-8"))
        return {name: facts[name] for name in _describe_self("")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _take(file, path):
    """Return whether the kernel gives this process the lock of a file."""
    try:
        _lock_now(file)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        said = f"{shorten_path(path.parent)} cannot be locked ({error.strerror})"
        print(f"{said}: let nothing else write in it.")
    return True


if os.name == "nt":
    import msvcrt

    def _lock_now(file):
        file.seek(1 << 30)  # behind the text, which others must be able to read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock_now(file):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
