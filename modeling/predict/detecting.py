"""Faces of a picture, each found once and as surely as it can be."""

import numpy as np

from modeling.predict.people import SURE_CONFIDENCE
from preprocessing.faces.boxes import pair_boxes, square_boxes

SECOND_CONFIDENCE = 0.2  # of the reduced network, from which on a second face may be one
MOST_DOUBTFUL, NEARER_MARGIN = 4, 2.0  # faces of a picture that are looked at from nearer
SAME_CHANGE = 0.5  # two boxes of a picture that differ less (`pair_boxes`) are of one face
WITHIN = 0.8  # of a box; one that lies so far within another is of the same face


class Once:
    """A detector that looks at a picture once; pictures are known by their arrays.

    Its reduced network finds nothing where there may be a second face, of which it is less sure:
    for `follow_cheaply` that means to look in full.
    """

    def __init__(self, detector):
        self.detector, self.known = detector, {}
        if hasattr(detector, "detect_close"):
            self.detect_close = self._detect_close

    def detect(self, frame):
        """Find faces; where one is in doubt, a part of the picture about it is looked at too."""
        return self._detect(frame, self._detect_sure)

    def _detect_sure(self, frame):
        boxes = self.detector.detect(frame)
        boxes = boxes[boxes[:, 4] >= SECOND_CONFIDENCE]
        for i in np.flatnonzero(boxes[:, 4] < SURE_CONFIDENCE)[:MOST_DOUBTFUL]:
            nearer = self._look_nearer(frame, boxes[i])
            if nearer is not None:
                boxes[i] = nearer
        boxes = boxes[np.argsort(-boxes[:, 4], kind="stable")]
        once = [i for i in range(len(boxes)) if not _is_same(boxes[:i], boxes[i])]
        return boxes[once]

    def _look_nearer(self, frame, box):
        """Return the surest box that lies about where one is, or None."""
        square = square_boxes(box[None, :4], margin=NEARER_MARGIN)[0]
        left, top = np.maximum(square[:2], 0).astype(int)
        right, bottom = np.minimum(square[2:], frame.shape[1::-1]).astype(int)
        if min(right - left, bottom - top) < 16:
            return None
        found = self.detector.detect(np.ascontiguousarray(frame[top:bottom, left:right]))
        found[:, :4] += [left, top, left, top]
        best = next((other for other in found if _is_near(box[None], other)), None)
        return best if best is not None and best[4] > box[4] else None

    def _detect_close(self, frame):
        found = self._detect(frame, self.detector.detect_close)
        return found if (found[:, 4] >= SECOND_CONFIDENCE).sum() == 1 else found[:0]

    def _detect(self, frame, detect):
        key = id(frame), detect.__name__
        if key not in self.known:
            self.known[key] = frame, detect(frame)  # the frame too: its number stays its own
        return self.known[key][1]


def _is_near(boxes, box):
    """Return whether one of some boxes is of the face that another is of, by place and size."""
    return bool(pair_boxes(boxes, box[None], max_change=SAME_CHANGE))


def _is_same(boxes, box):
    """Return whether a box is of a face that one of some boxes is of: near it, or within it."""
    corners = np.minimum(boxes[:, 2:4], box[2:4]) - np.maximum(boxes[:, :2], box[:2])
    shared = np.prod(corners.clip(0), axis=1)
    smaller = np.minimum(np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1), np.prod(box[2:4] - box[:2]))
    return bool((shared > WITHIN * smaller).any()) or _is_near(boxes, box)
