"""Frames become a face sequence: detect, link over time, choose, fill, smooth, crop, judge.

Each step is a function of arrays; ``crop_clip`` is all of them in order.
"""

from contextlib import suppress
from dataclasses import dataclass

import cv2
import numpy as np

from preprocessing.faces.boxes import (
    NoFaceError,
    choose_track,
    fill_boxes,
    link_tracks,
    measure_sides,
    smooth_boxes,
    square_boxes,
)
from preprocessing.faces.follow import MAX_BLANK, follow_faces
from preprocessing.faces.frames import read_grey, resize

CLOSE_CONFIDENCE = 0.9  # least confidence of a face on which the reduced network is trusted
CLOSE_SIDE = 0.2  # least side of such a face, as a share of the frame's shorter side
DETECT = ("track", "every")


@dataclass(frozen=True)
class FaceTrack:
    """The speaker's face through a clip."""

    faces: np.ndarray  # uint8 (time, size, size), or (time, size, size, 3) in colour: the crops
    boxes: np.ndarray  # float32 (time, 4): the smoothed boxes of the face itself, without margin
    confidence: np.ndarray  # float32 (time,), see ``follow_faces``; 0 where the box was filled in
    found: np.ndarray  # bool (time,): this face was seen in the frame, detected or tracked
    n_detected: int  # frames that the detector was shown
    quality: dict  # of ``measure_quality``, and ``n_faces``, the median number in a frame


def crop_clip(
    frames, detector, *, size=64, margin=0.2, grey=True, min_confidence=0.5, detect="track"
):
    """Return the ``FaceTrack`` of the speaker, one face for each frame of a clip.

    Args:
        frames: uint8 (time, height, width, 3), RGB, or ``frames.Frames``.
        detector: Object with ``detect(frame)``, see ``opencv_model.resnet_ssd``.
        size: Height and width of a crop, in pixels.
        margin: Room around the face, see ``square_boxes``.
        grey: One grey channel instead of RGB.
        min_confidence: Boxes below it are no faces.
        detect: "track" shows the detector few frames and follows the faces between them, see
            ``follow_faces``; where one large face is all there is to see, it looks at them
            reduced (``detect_close``). "every" shows it every frame in full.

    Raises:
        NoFaceError: No frame shows a face.
        ValueError: ``detect`` is neither of the two.
    """
    if detect not in DETECT:
        raise ValueError(f"detect = {detect!r} is unknown; expected one of {', '.join(DETECT)}.")
    if detect == "every":
        detections = detect_faces(frames, detector, min_confidence=min_confidence)
        seen = np.ones(len(frames), bool)
    else:
        detections, seen = _follow_cheaply(frames, detector, min_confidence)
    if not any(len(boxes) for boxes in detections):
        least = f"confidence of at least {min_confidence:g}"
        raise NoFaceError(f"no face in {len(frames)} frames ({least})")
    tracks = link_tracks(detections)
    track = tracks[choose_track(tracks, frames.shape[1:3])]
    found = np.isfinite(track[:, 4])
    confidence = np.where(found, track[:, 4], 0).astype(np.float32)
    boxes = smooth_boxes(fill_boxes(track[:, :4]))
    squares = square_boxes(boxes, margin=margin)
    pictures = find_pictures(frames)
    faces = np.stack([crop_frame(frames, i, squares[i], size=size, grey=grey) for i in pictures])
    quality = measure_quality(faces, boxes, confidence)
    quality["n_faces"] = float(np.median([len(boxes) for boxes in detections]))
    return FaceTrack(faces, boxes, confidence, found, int(seen.sum()), quality)


class _NotCloseError(Exception):
    """A frame shows something else than one large, clear face."""


def _follow_cheaply(frames, detector, min_confidence):
    """Follow the faces with the reduced network where that serves for the whole clip."""

    def detect_close(frame):
        boxes = detector.detect_close(frame)
        boxes = boxes[boxes[:, 4] >= CLOSE_CONFIDENCE]
        if len(boxes) != 1 or measure_sides(boxes)[0] < CLOSE_SIDE * min(frame.shape[:2]):
            raise _NotCloseError
        return boxes

    if hasattr(detector, "detect_close"):
        with suppress(_NotCloseError):  # one network for all: two would differ, like motion
            return follow_faces(frames, detect_close, min_confidence=min_confidence)
    return follow_faces(frames, detector.detect, min_confidence=min_confidence)


def detect_faces(frames, detector, *, min_confidence=0.5):
    """Return the faces that a detector sees in each frame, a list of float32 (face, 5)."""
    found = [detector.detect(frame) for frame in frames]
    return [boxes[boxes[:, 4] >= min_confidence] for boxes in found]


def find_pictures(frames):
    """Find for each frame the nearest one that holds a picture, int (time,).

    That is itself, unless it is blank and others are not. Some corpora pad short clips with black
    frames; a box filled in there would crop nothing.
    """
    sparse, instants = slice(None, None, 8), np.arange(len(frames))
    pictures = [i for i in instants if np.ptp(read_grey(frames, i, sparse, sparse)) > MAX_BLANK]
    if not pictures:
        return instants
    return np.array(pictures)[np.abs(instants[:, None] - pictures).argmin(axis=1)]


def crop_face(frame, box, *, size=64, grey=True):
    """Cut a box out of one frame and bring it to size; beyond the frame its edge is repeated.

    Args:
        frame: uint8 (height, width, 3), RGB.
        box: x1, y1, x2, y2 in pixels, rounded here; at least one pixel is taken.
        size, grey: As for ``crop_clip``; the crop is uint8 (size, size) or (size, size, 3).

    Raises:
        ValueError: The box is not finite, or more than eight times as large as the frame; or the
            size is less than a pixel.
    """
    return crop_frame(frame[None], 0, box, size=size, grey=grey)


def crop_frame(frames, index, box, *, size, grey):
    """Do as ``crop_face`` for one of a clip's frames, an array or ``frames.Frames``."""
    if size < 1:
        raise ValueError(f"A face of {size} pixels a side; expected 1 or more (FACE_SIZE).")
    height, width = frames.shape[1:3]
    reach = np.ptp(np.reshape(box, (2, 2)), axis=0).max()
    if not reach <= 8 * max(height, width) or not np.isfinite(box).all():
        raise ValueError(f"Box {list(box)} does not suit a frame of {width}×{height} pixels.")
    left, top, right, bottom = np.rint(np.asarray(box, float)).astype(int)
    rows, columns = _find_pixels(top, bottom, height), _find_pixels(left, right, width)
    if grey:
        return read_grey(frames, index, rows, columns, shape=(size, size))
    return resize(frames[index][rows][:, columns], (size, size))


def _find_pixels(start, stop, length):
    """Return the pixels of a span, one at least; beyond the frame, its edge stands again."""
    stop = max(stop, start + 1)
    if start >= 0 and stop <= length:
        return slice(start, stop)
    return np.arange(start, stop).clip(0, length - 1)


def measure_quality(faces, boxes, confidence):
    """Judge a face sequence by the fields of its ``FaceTrack``, in a dict of floats.

    They are ``detection_rate`` (share of frames with the face), ``confidence`` (mean where found),
    ``face_px`` (median side of the face in the frame, in pixels), ``blur`` (variance of the grey
    faces' Laplacian, median over the frames; from 0, larger is sharper; Pech-Pacheco et al. 2000,
    "Diatom autofocusing in brightfield microscopy", ICPR) and ``brightness`` (mean, 0 black to 1
    white).
    """
    found = confidence > 0
    grey = faces if faces.ndim == 3 else faces @ np.array([0.299, 0.587, 0.114])
    edges = [cv2.Laplacian(face.astype(np.float32), cv2.CV_32F) for face in grey]
    return {
        "detection_rate": float(found.mean()),
        "confidence": float(confidence[found].mean()) if found.any() else 0.0,
        "face_px": float(np.median(measure_sides(boxes))),
        "blur": float(np.median(np.var(edges, axis=(1, 2)))),
        "brightness": float(grey.mean() / 255),
    }
