"""Clips that visitors give are read one after the other, each in a process of its own.

A clip's folder holds the upload until it is answered, then the answer until it expires.
"""

import json
import queue
import re
import secrets
import shutil
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import numpy as np

from modeling.predict.answers import Answers, list_people, name_person
from preprocessing.clips.containers import MediaError, probe
from preprocessing.corpora import EMOTIONS
from preprocessing.disk import files
from preprocessing.workers.isolation import Children, Limits, explain_error

PROGRESS_S = 0.2  # between two notes of how far a clip is read
SIDES = ("both", "voice", "face")


@dataclass(frozen=True)
class Allowed:
    """What visitors may ask for."""

    n_bytes: int = 500_000_000  # of an upload
    length_s: float = 600.0  # of a clip
    time_s: float = 900.0  # that an answer may take
    memory_gb: float = 6.0
    n_at_once: int = 2  # clips that are read at a time
    n_waiting: int = 8
    keep_s: float = 1800.0  # that an answer stays


class FullError(RuntimeError):
    """So many clips wait that no other is taken."""


class TooLongError(RuntimeError):
    """A clip is longer than the page reads."""


@dataclass
class Job:
    """A visitor's clip, from upload to answer."""

    name: str  # for people: the file's name
    folder: Path
    key: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: str = "uploading"  # then "waiting", "reading", "done" or "failed"
    reason: str = ""  # why it failed
    changed_s: float = field(default_factory=time.monotonic)

    def settle(self, state, reason=""):
        """Go to another state."""
        self.reason, self.changed_s, self.state = reason, time.monotonic(), state


class Jobs:
    """The queue, and those that work on it.

    Args:
        predictor: Function of a path and ``progress`` that gives a timeline, pickled by its name.
        allowed: `Allowed`.
    """

    def __init__(self, predictor, allowed):
        self.predictor, self.allowed = predictor, allowed
        self.folder = Path(tempfile.mkdtemp(prefix="emotion-page-"))
        self.known, self._queue = {}, queue.Queue()
        self._children = Children(Limits(time_s=allowed.time_s, memory_gb=allowed.memory_gb))
        for _ in range(allowed.n_at_once):
            threading.Thread(target=self._work, daemon=True).start()

    def open(self, name):
        """Return a new `Job`, whose upload may be written to ``find_upload``.

        Raises:
            FullError: Too many wait.
        """
        self.sweep()
        n_open = sum(job.state in ("uploading", "waiting") for job in list(self.known.values()))
        if n_open >= self.allowed.n_waiting + self.allowed.n_at_once:
            raise FullError(f"{n_open} clips are waiting; try again in a minute.")
        job = Job(clean_name(name), Path(tempfile.mkdtemp(dir=self.folder)))
        self.known[job.key] = job
        return job

    def submit(self, job):
        """Put a job whose upload is whole into the queue."""
        job.settle("waiting")
        self._queue.put(job)

    def describe(self, job):
        """Return what a visitor is told of a job, as JSON knows it."""
        told = {"key": job.key, "name": job.name, "state": job.state, "reason": job.reason}
        if job.state == "waiting":
            ahead = [j for j in list(self.known.values()) if j.state == "waiting"]
            told["ahead"] = sum(other.changed_s < job.changed_s for other in ahead)
        if job.state == "reading":
            told |= read_progress(job.folder)
        return told

    def forget(self, job):
        """Delete all that is left of a job; one that is being read goes when it is."""
        self.known.pop(job.key, None)
        if job.state != "reading":
            shutil.rmtree(job.folder, ignore_errors=True)

    def sweep(self):
        """Forget jobs that nobody has touched for long."""
        now = time.monotonic()
        for job in list(self.known.values()):
            is_at_work = job.state in ("waiting", "reading")
            if not is_at_work and now - job.changed_s > self.allowed.keep_s:
                self.forget(job)

    def close(self):
        """Stop, and delete everything."""
        for _ in range(self.allowed.n_at_once):
            self._queue.put(None)
        self._children.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _work(self):
        with suppress(Exception):  # whoever comes first does not wait for the code
            self._children.call(load_code, ())
        while (job := self._queue.get()) is not None:
            if job.key not in self.known:
                continue
            job.settle("reading")
            upload = find_upload(job)
            arguments = (str(upload), str(job.folder), job.name, self.predictor, self.allowed)
            try:
                self._children.call(answer_upload, arguments)
                job.settle("done")
            except Exception as error:  # whatever is wrong with a clip, others wait
                job.settle("failed", tell_reason(error))
            finally:
                upload.unlink(missing_ok=True)
                if job.key not in self.known:
                    shutil.rmtree(job.folder, ignore_errors=True)


def clean_name(name):
    """Return a file's name without what does not belong into one."""
    name = re.sub(r"[^\w .()+-]", "_", Path(name.replace("\\", "/")).name).strip(" .")[:80]
    return name or "clip"


def find_upload(job):
    """Return where the upload of a job lies; its suffix tells what kind of file it is."""
    suffix = Path(job.name).suffix.lower()
    return Path(job.folder, f"upload{suffix if re.fullmatch('[.][a-z0-9]{1,5}', suffix) else ''}")


def tell_reason(error):
    """Return in a sentence why a clip has no answer."""
    kind = type(error).__name__
    text = explain_error(error)
    if isinstance(error, MediaError):
        return f"This file cannot be read: {text}."
    if isinstance(error, TooLongError) or kind == "LostError":
        return text[:1].upper() + text[1:] + "."
    return f"Something went wrong: {kind}: {text}"


def load_code():
    """Load what takes a second or two, before it is needed."""
    for module in ("drawing", "prediction", "networks"):
        import_module(f"modeling.predict.{module}")


def answer_upload(upload, folder, name, predictor, allowed):
    """Read a clip and write its answer into the folder; runs in a process of its own."""
    from modeling.predict.drawing import draw_video

    check_length(max(measure_lengths(upload), default=0.0), allowed)
    timeline = predictor(upload, progress=Progress(folder, allowed))
    timeline.facts["file"] = name
    note_progress(folder, step="drawing")
    files.write_table(Path(folder, "answer.csv"), timeline.table.round(4))
    answer = describe_answer(timeline)
    try:
        report = draw_video(upload, timeline, Path(folder, "answer.mp4"))
        answer |= {"video": True, "sound": report.sound}
    except MediaError as error:
        answer |= {"video": False, "sound": "none"}
        if timeline.facts.get("fps"):  # of a still picture nobody expects a film
            answer["problems"].append(f"no film could be made: {explain_error(error)}")
    files.write_json(Path(folder, "answer.json"), answer)


def measure_lengths(upload):
    """Return how long a clip's tracks are by its header, where that says it, in seconds."""
    try:
        return [length for length in probe(Path(upload)).durations_s.values() if length]
    except MediaError:
        return []  # a still picture, or nothing at all: who reads it says which


def check_length(length_s, allowed):
    """Raise TooLongError for what lasts longer than the page reads."""
    if length_s > allowed.length_s:
        raise TooLongError(
            f"this clip is longer than {allowed.length_s / 60:.3g} minutes, which is what the page "
            "reads; the command reads any length: python -m modeling.predict FILE"
        )


class Progress:
    """Notes how far a clip is read, and stops at one whose header did not say how long it is."""

    def __init__(self, folder, allowed):
        self.folder, self.allowed, self.noted_s = folder, allowed, -np.inf

    def __call__(self, now_s, of_s):
        """Take the seconds that were read, and of how many, or None."""
        check_length(now_s, self.allowed)
        if time.monotonic() - self.noted_s >= PROGRESS_S:
            note_progress(self.folder, now_s=now_s, of_s=of_s)
            self.noted_s = time.monotonic()


def note_progress(folder, **facts):
    """Write how far a clip is, for ``read_progress`` in another process."""
    partial = Path(folder, "progress.partial")
    partial.write_text(json.dumps(facts), "utf-8")
    partial.replace(Path(folder, "progress.json"))


def read_progress(folder):
    """Return how far a clip is: ``step``, and while it is read ``now_s`` and ``of_s``."""
    try:
        facts = json.loads(Path(folder, "progress.json").read_text("utf-8"))
    except (OSError, ValueError):
        facts = {}
    return {"step": "reading"} | facts


def describe_answer(timeline):
    """Return what the page draws of a timeline, as JSON knows it."""
    from modeling.predict.drawing import find_end

    people = list_people(timeline.table)
    is_sound = timeline.facts.get("width") == 0
    return {
        "file": timeline.facts.get("file", ""),
        "duration_s": find_end(timeline),
        "problems": list(timeline.facts.get("problems", [])),
        "statement": timeline.facts.get("statement", ""),
        "emotions": list(EMOTIONS),
        "colours": list_colours(),
        "people": [describe_person(timeline.table, person, is_sound=is_sound) for person in people],
    }


def list_colours():
    """Return the colour of each emotion and of *unsure*, and that of text on it."""
    from modeling.predict.painting import find_colour, find_text_colour

    names = (*EMOTIONS, "unsure")
    return {name: [find_colour(name), find_text_colour(find_colour(name))] for name in names}


def describe_person(table, person, *, is_sound=False):
    """Return a person's answers, one after the other, and the share of each."""
    answers = Answers(table, person)
    lengths = (answers.to_s - answers.from_s).clip(1e-6)
    spans = []
    for k, emotion in enumerate(answers.emotions):
        span = {"from": answers.from_s[k], "to": answers.to_s[k], "emotion": emotion}
        span["confidence"] = tidy([answers.confidences[k]])
        span |= {side: tidy(answers.posteriors[side][k]) for side in SIDES}
        spans.append(span)
    read_s = sum(s for s, emotion in zip(lengths, answers.emotions, strict=True) if emotion)
    shares = {
        name: sum(s for s, e in zip(lengths, answers.emotions, strict=True) if e == name) / read_s
        for name in (*EMOTIONS, "unsure")
    }
    name = name_person(person, is_sound=is_sound)
    told = {"person": person, "name": name, "read_s": read_s, "spans": spans}
    return told | {"shares": {name: round(share, 4) for name, share in shares.items() if share}}


def tidy(values):
    """Return numbers with three digits, None where one is missing; a number for one alone."""
    if not np.isfinite(values).all():
        return None
    rounded = [round(float(value), 3) for value in values]
    return rounded[0] if len(rounded) == 1 else rounded
