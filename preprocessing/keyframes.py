"""Detect faces in a few frames of a clip and follow them in between, where the picture allows it.

Both ends of the clip are looked at first. Between two frames whose faces pair off, a face should be
on the straight line between its two boxes; each frame in between is checked for that, by comparing
what lies in the box with the face at either end, and the rest of the picture with the pictures at
either end. Where anything else is seen, the detector looks at the frame in the middle, and both
halves are treated alike. A quick or crooked motion, a cut, somebody who comes or goes therefore
cost detections; a person who sits and talks costs two or three.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

from preprocessing.frames import read_grey

MIN_CORRELATION = 0.7
"""Least correlation of a face with the same face at the nearer ends of its stretch."""

MAX_BLOCK_CHANGE = 30.0
"""Most that a block of the picture may differ from both ends, of 255: more is something new."""

PATCH = 24
BLOCKS = 12


def detect_between(frames, detect):
    """Find the faces in every frame, looking with the detector at as few as the clip allows.

    Args:
        frames: uint8 (time, height, width, 3), RGB, or ``frames.Frames``.
        detect: Function from a frame to float32 (face, 5), box and confidence.

    Returns:
        List with a float32 (face, 5) array for each frame. The confidence of a box that the
        detector did not see is its neighbours', times the correlation with them.
        bool (time,): whether the detector looked at the frame.
    """
    found, last = [None] * len(frames), len(frames) - 1
    looked = np.zeros(len(frames), bool)
    pictures = _Pictures(frames)
    todo = [(0, last)]
    while todo:
        first, last = todo.pop()
        for end in (first, last):
            if found[end] is None:
                found[end], looked[end] = detect(frames[end]), True
        if last - first < 2:
            continue
        between = _follow(found[first], found[last], first, last, pictures)
        if between is None:
            middle = (first + last) // 2
            todo += [(middle, last), (first, middle)]
        else:
            found[first + 1 : last] = between
    return found, looked


def pair_boxes(before, after, *, max_change=1.0):
    """Pair the boxes of two frames, as a whole (Kuhn 1955, "The Hungarian method").

    The cost of a pair is the way between the centres, in units of the face's side, plus the
    logarithm of the change of size: unlike the overlap of boxes it still tells near from far
    between frames that are a quarter of a second apart.

    Args:
        before: float (face, 4 or more).
        after: float (face, 4 or more).
        max_change: Highest cost at which two boxes are still one face.

    Returns:
        List of (index in ``before``, index in ``after``).
    """
    if not len(before) or not len(after):
        return []
    centres = [(boxes[:, :2] + boxes[:, 2:4]) / 2 for boxes in (before, after)]
    sides = [measure_sides(boxes) for boxes in (before, after)]
    ways = np.linalg.norm(centres[0][:, None] - centres[1][None], axis=2)
    typical = np.sqrt(sides[0][:, None] * sides[1][None])
    changes = ways / typical + np.abs(np.log(sides[0][:, None] / sides[1][None]))
    pairs = linear_sum_assignment(np.where(changes <= max_change, changes, 1e6))
    return [(a, b) for a, b in zip(*pairs, strict=True) if changes[a, b] <= max_change]


def measure_sides(boxes):
    """Return the side of the square that has the box's area, for each box (n, 4 or more)."""
    return np.sqrt(np.maximum(np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1), 1e-6))


class _Pictures:
    """Frames made small and grey, each when it is first asked for."""

    def __init__(self, frames):
        self.frames = frames
        self.step = max(min(frames.shape[1:3]) // 120, 1)
        self._small, self._blocks = {}, {}

    def shrink(self, index):
        """Return every ``step``-th row and column of a frame in grey, float32."""
        if index not in self._small:
            sparse = slice(None, None, self.step)
            self._small[index] = read_grey(self.frames, index, sparse, sparse).astype(np.float32)
        return self._small[index]

    def average_blocks(self, index):
        """Return the mean of each of ``BLOCKS`` × ``BLOCKS`` blocks of a frame."""
        if index not in self._blocks:
            small = self.shrink(index)
            edges = [np.linspace(0, n, BLOCKS, endpoint=False).astype(int) for n in small.shape]
            sums = np.add.reduceat(np.add.reduceat(small, edges[0], axis=0), edges[1], axis=1)
            rows, columns = (np.diff([*e, n]) for e, n in zip(edges, small.shape, strict=True))
            self._blocks[index] = sums / (rows[:, None] * columns[None])
        return self._blocks[index]

    def find_free_blocks(self, boxes):
        """Return bool (block, block): blocks of the picture that no box touches."""
        height, width = self.frames.shape[1:3]
        free = np.ones((BLOCKS, BLOCKS), bool)
        scale = np.array([width, height, width, height]) / BLOCKS
        for left, top, right, bottom in boxes[:, :4] / scale:
            rows = slice(max(int(top), 0), max(int(np.ceil(bottom)), 0))
            free[rows, max(int(left), 0) : max(int(np.ceil(right)), 0)] = False
        return free

    def cut_patch(self, index, box):
        """Return a box's content as a vector of length one, its mean taken out."""
        small = self.shrink(index)
        height, width = small.shape
        steps = (np.arange(PATCH) + 0.5) / PATCH
        left, top, right, bottom = np.asarray(box[:4], float) / self.step
        rows = np.clip(top + steps * (bottom - top), 0, height - 1).astype(int)
        columns = np.clip(left + steps * (right - left), 0, width - 1).astype(int)
        patch = small[rows[:, None], columns]
        patch = (patch - patch.mean()).ravel()
        return patch / max(np.linalg.norm(patch), 1e-6)


def _follow(start, end, first, last, pictures):
    """Return the faces of the frames between two, or None where the detector must look."""
    pairs = pair_boxes(start, end)
    if not len(start) == len(end) == len(pairs) > 0:
        return None
    ends = np.stack([start[[a for a, _ in pairs]], end[[b for _, b in pairs]]])
    patches = [
        [pictures.cut_patch(index, box) for box in boxes]
        for index, boxes in zip((first, last), ends, strict=True)
    ]
    around = pictures.find_free_blocks(np.concatenate(ends))
    between = []
    for index in range(first + 1, last):
        if not _is_like_ends(index, first, last, pictures, around):
            return None
        share = (index - first) / (last - first)
        boxes = ((1 - share) * ends[0] + share * ends[1]).astype(np.float32)
        for number, box in enumerate(boxes):
            patch = pictures.cut_patch(index, box)
            likeness = max(float(patch @ side[number]) for side in patches)
            if likeness < MIN_CORRELATION:
                return None
            box[4] *= likeness
        between.append(boxes)
    return between


def _is_like_ends(index, first, last, pictures, around):
    """Say whether each block around the faces looks as it does at one of the ends."""
    here = pictures.average_blocks(index)
    changes = [np.abs(here - pictures.average_blocks(end)) for end in (first, last)]
    return bool(np.max(np.minimum(*changes), where=around, initial=0) <= MAX_BLOCK_CHANGE)
