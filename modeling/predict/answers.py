"""Which answer stands when, and where a face is: what is drawn of a timeline."""

import numpy as np

from preprocessing.corpora import EMOTIONS

MOST_GAP_S = 1.0  # between two looks at a face, for its box to be drawn on the way
ROUNDED_S = 1e-3  # by which written times may differ from a picture's
SMOOTHING = (0.25, 0.5, 0.25)  # weights of a box and its neighbours
LEAST_S = 0.1  # that an answer is drawn for; one on a still picture has no length
OFF_SCREEN = 0  # number of a voice whose person is not in the picture


def list_people(table):
    """Return the numbers of people with anything to read, a voice off screen last."""
    read = table[table["state"] != "nothing to read"]
    numbers = sorted({int(person) for person in read["person"]})
    return [n for n in numbers if n != OFF_SCREEN] + [OFF_SCREEN] * (OFF_SCREEN in numbers)


def name_person(person, *, short=False, is_sound=False):
    """Return what a row of a picture is called; ``is_sound``: the file has no pictures."""
    if person != OFF_SCREEN:
        return str(person) if short else f"person {person}"
    return "voice" if short or is_sound else "a voice off screen"


class Answers:
    """A person's windows as stretches of time that do not overlap, each with its answer.

    Of windows that overlap, each stands up to the middle of what it shares with the next.
    """

    def __init__(self, table, person):
        """Take the rows of a person from a timeline's table."""
        rows = table[table["person"] == person].sort_values("start_s", kind="stable")
        starts, ends = (rows[name].to_numpy(np.float64) for name in ("start_s", "end_s"))
        ends = np.maximum(ends, starts + LEAST_S)
        shared = (ends[:-1] + starts[1:]) / 2
        overlap = ends[:-1] > starts[1:]
        self.from_s, self.to_s = starts.copy(), ends.copy()
        self.to_s[:-1][overlap] = self.from_s[1:][overlap] = shared[overlap]
        self.emotions = rows["emotion"].fillna("").astype(str).tolist()
        self.confidences = rows["confidence"].to_numpy(np.float64)
        self.posteriors = {
            side: rows[[f"{side}_{emotion}" for emotion in EMOTIONS]].to_numpy(np.float64)
            for side in ("both", "voice", "face")
        }

    def find(self, times):
        """Return the index of the answer at each of ``times``, int64 (time,), -1 where none is."""
        times = np.asarray(times, np.float64)
        if not len(self.from_s):
            return np.full(times.shape, -1)
        index = np.searchsorted(self.from_s, times, side="right") - 1
        is_within = (index >= 0) & (times < self.to_s[index])
        return np.where(is_within, index, -1)

    def list_runs(self):
        """Return stretches of one answer: (start in seconds, end, emotion); those of none left out.

        Stretches that touch and say the same are one.
        """
        runs = []
        for start_s, end_s, emotion in zip(self.from_s, self.to_s, self.emotions, strict=True):
            if runs and runs[-1][2] == emotion and start_s <= runs[-1][1] + 1e-6:
                runs[-1][1] = end_s
            else:
                runs.append([start_s, end_s, emotion])
        return [tuple(run) for run in runs if run[2]]


class Boxes:
    """Where a person's face is at any time, from the frames that were looked at."""

    def __init__(self, faces, person, cuts_s=()):
        """Take the rows of a person from a timeline's faces, and when shots begin, ascending."""
        rows = faces[faces["person"] == person].sort_values("time_s", kind="stable")
        times = rows["time_s"].to_numpy(np.float64)
        boxes = rows[["x", "y", "width", "height"]].to_numpy(np.float64).reshape(-1, 4)
        step_s = min(float(np.median(np.diff(times))), MOST_GAP_S) if len(times) > 1 else 0.5
        cuts_s = np.asarray(cuts_s, np.float64) - ROUNDED_S
        self.stretches = []
        for part in np.split(np.arange(len(times)), _find_breaks(times, boxes, cuts_s)):
            if len(part):
                span = _widen(times[part[0]], times[part[-1]], step_s, cuts_s)
                self.stretches.append((times[part], _smooth(boxes[part]), span))
        self.starts = [span[0] for _, _, span in self.stretches]

    def find(self, time_s):
        """Return (x, y, width, height) in pixels of the shown frame, or None without a face."""
        own = np.searchsorted(self.starts, time_s, side="right") - 1
        if own < 0 or time_s >= self.stretches[own][2][1]:
            return None
        times, boxes, _ = self.stretches[own]
        return tuple(float(np.interp(time_s, times, column)) for column in boxes.T)


def _widen(first_s, last_s, step_s, cuts_s):
    """Return when a box is shown: half a step more than it was seen, to a cut that is near."""
    before = cuts_s[cuts_s <= first_s].max(initial=-np.inf)
    after = cuts_s[cuts_s > last_s].min(initial=np.inf)
    start_s = before if first_s - before <= step_s else first_s - step_s / 2
    end_s = after if after - last_s <= step_s else last_s + step_s / 2 + ROUNDED_S
    return start_s, end_s


def _find_breaks(times, boxes, cuts_s):
    """Return before which boxes a face was away for long, or has leapt, or the picture cuts."""
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    leaps = np.abs(np.diff(centres, axis=0)).max(axis=1, initial=0) > boxes[:-1, 2:].max(axis=1)
    grows = np.abs(np.log(boxes[1:, 3].clip(1) / boxes[:-1, 3].clip(1))) > np.log(1.6)
    is_cut = np.diff(np.searchsorted(cuts_s, times, side="right")) > 0
    return np.flatnonzero((np.diff(times) > MOST_GAP_S) | leaps | grows | is_cut) + 1


def _smooth(boxes):
    """Return boxes, float64 (time, 4), each averaged with its neighbours."""
    if len(boxes) < 3:
        return boxes
    before, own, after = SMOOTHING
    padded = np.concatenate([boxes[:1], boxes, boxes[-1:]])
    return before * padded[:-2] + own * padded[1:-1] + after * padded[2:]
