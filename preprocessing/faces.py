"""Frames become a face sequence: detect, link over time, choose, fill, smooth, crop, judge.

Each step is a function of arrays; ``crop_clip`` is all of them in order. A box is x1, y1, x2, y2
in pixels of the frame, x to the right and y down, and may reach beyond the frame.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from preprocessing import keyframes
from preprocessing.frames import read_grey, resize
from preprocessing.keyframes import measure_sides, pair_boxes

DETECT = ("keyframes", "every")
"""Which frames the detector looks at, see ``detect_faces``."""


class NoFaceError(ValueError):
    """No frame of the clip shows a face."""


@dataclass(frozen=True)
class FaceTrack:
    """The speaker's face through a clip.

    Attributes:
        faces: uint8 (time, size, size), or (time, size, size, 3) in colour: the crops.
        boxes: float32 (time, 4): the smoothed boxes of the face itself, without margin.
        confidence: float32 (time,): the detector's; where it did not look, its neighbours' times
            the correlation with them; 0 where the box was filled in.
        found: bool (time,): this face was seen in the frame, or followed through it.
        looked: bool (time,): the detector itself looked at the frame.
        quality: Dict of floats, see ``measure_quality`` (``confidence`` is the mean where the
            detector looked), and ``n_faces``, the median number of faces in a frame.
    """

    faces: np.ndarray
    boxes: np.ndarray
    confidence: np.ndarray
    found: np.ndarray
    looked: np.ndarray
    quality: dict


def crop_clip(
    frames,
    detector,
    *,
    size=64,
    margin=0.2,
    grey=True,
    min_confidence=0.5,
    sigma=1.0,
    detect="keyframes",
):
    """Crop the speaker's face out of every frame of a clip.

    Args:
        frames: uint8 (time, height, width, 3), RGB, or ``frames.Frames``, of which only what is
            needed is converted.
        detector: Object with ``detect(frame)``, see ``opencv_model.resnet_ssd``.
        size: Height and width of a crop, in pixels.
        margin: Room around the face, see ``square_boxes``.
        grey: One grey channel instead of RGB.
        min_confidence: Boxes below it are no faces.
        sigma: Smoothing of the boxes, see ``smooth_boxes``.
        detect: Which frames the detector looks at, see ``detect_faces``.

    Returns:
        A ``FaceTrack`` with one face for each frame.

    Raises:
        NoFaceError: No frame shows a face.
    """
    detections, looked = detect_faces(
        frames, detector, min_confidence=min_confidence, detect=detect
    )
    if not any(len(boxes) for boxes in detections):
        raise NoFaceError(
            f"no face in {len(frames)} frames (confidence of at least {min_confidence:g})"
        )
    tracks = link_tracks(detections)
    track = tracks[choose_track(tracks, frames.shape[1:3])]
    found = np.isfinite(track[:, 4])
    confidence = np.where(found, track[:, 4], 0).astype(np.float32)
    boxes = smooth_boxes(fill_boxes(track[:, :4]), sigma=sigma)
    squares = square_boxes(boxes, margin=margin)
    crop = crop_grey if grey else crop_colour
    pictures = find_pictures(frames)
    faces = np.stack([crop(frames, i, squares[i], size=size) for i in pictures])
    quality = measure_quality(faces, boxes, confidence)
    if (seen := found & looked).any():
        quality["confidence"] = float(confidence[seen].mean())
    quality["n_faces"] = float(np.median([len(boxes) for boxes in detections]))
    return FaceTrack(faces, boxes, confidence, found, looked, quality)


def detect_faces(frames, detector, *, min_confidence=0.5, detect="keyframes"):
    """Find the faces in each frame.

    Args:
        frames: uint8 (time, height, width, 3), RGB, or ``frames.Frames``.
        detector: Object with ``detect(frame)``.
        min_confidence: Boxes below it are left out.
        detect: "keyframes": the detector looks at a few frames, and at the others only where the
            picture changes, see ``keyframes.detect_between``; "every": at every frame.

    Returns:
        List with a float32 (face, 5) array for each frame: box and confidence.
        bool (time,): whether the detector looked at the frame itself.

    Raises:
        ValueError: ``detect`` is neither.
    """
    if detect not in DETECT:
        raise ValueError(f"DETECT = {detect!r} is unknown; expected one of {', '.join(DETECT)}.")

    def look(frame):
        boxes = detector.detect(frame)
        return boxes[boxes[:, 4] >= min_confidence]

    if detect == "every":
        return [look(frames[i]) for i in range(len(frames))], np.ones(len(frames), bool)
    return keyframes.detect_between(frames, look)


def find_pictures(frames):
    """Find for each frame the nearest one that holds a picture: itself, unless it is blank.

    Some corpora pad short clips with black frames; a box filled in there would crop nothing.

    Args:
        frames: uint8 (time, height, width, 3), RGB.

    Returns:
        int (time,): indices of frames; each its own where all are blank.
    """
    instants, sparse = np.arange(len(frames)), slice(None, None, 8)
    pictures = [i for i in instants if np.ptp(read_grey(frames, i, sparse, sparse)) > 8]
    if not pictures:
        return instants
    return np.array(pictures)[np.abs(instants[:, None] - pictures).argmin(axis=1)]


def link_tracks(detections, *, max_change=1.0):
    """Link the faces of successive frames to tracks, see ``keyframes.pair_boxes``.

    A track that was lost goes on where a face appears near its last box.

    Args:
        detections: List with a float32 (face, 5) array for each frame.
        max_change: Highest cost at which two boxes are still one face.

    Returns:
        float32 (track, time, 5): box and confidence, NaN where the track has no face.
    """
    tracks, last = [], np.zeros((0, 4))
    for instant, found in enumerate(detections):
        owner = {face: track for track, face in pair_boxes(last, found, max_change=max_change)}
        for face, box in enumerate(found):
            track = owner.get(face, len(tracks))
            if track == len(tracks):
                tracks.append(np.full((len(detections), 5), np.nan, np.float32))
                last = np.vstack([last, box[:4]])
            tracks[track][instant] = box
            last[track] = box[:4]
    return np.stack(tracks) if tracks else np.zeros((0, len(detections), 5), np.float32)


def choose_track(tracks, frame_shape):
    """Choose the speaker's face: in most frames, large, and near the middle of the picture.

    The score is presence² × median side × mean confidence × (1 − half the distance from the
    middle, as a share of the half diagonal). Presence counts squared, so that a passer-by close
    to the camera does not win over the person who stays.

    Args:
        tracks: float32 (track, time, 5), NaN where a track has no face; at least one track.
        frame_shape: Height and width of the frames, in pixels.

    Returns:
        Index of the track.
    """
    middle = np.array(frame_shape[::-1], float) / 2
    scores = []
    for track in tracks:
        seen = track[np.isfinite(track[:, 4])].astype(float)
        offset = np.median((seen[:, :2] + seen[:, 2:4]) / 2, axis=0) - middle
        centrality = 1 - 0.5 * min(1, np.hypot(*offset) / np.hypot(*middle))
        presence = len(seen) / len(track)
        scores.append(presence**2 * np.median(measure_sides(seen)) * seen[:, 4].mean() * centrality)
    return int(np.argmax(scores))


def fill_boxes(boxes):
    """Fill in the boxes of frames without a face, on the straight line between neighbours.

    Args:
        boxes: float (time, 4), NaN where no face was found; before the first and after the last
            one found, the nearest stands.

    Returns:
        float32 (time, 4), finite.

    Raises:
        NoFaceError: All are NaN.
    """
    found = np.isfinite(boxes).all(axis=1)
    if not found.any():
        raise NoFaceError(f"no face in {len(boxes)} frames")
    instants = np.arange(len(boxes))
    filled = [np.interp(instants, instants[found], column[found]) for column in boxes.T]
    return np.stack(filled, axis=1).astype(np.float32)


def smooth_boxes(boxes, *, sigma=1.0):
    """Take the detector's trembling out of a track without lagging behind the face.

    A median of three removes single outliers; then a line is fitted around each instant, the
    neighbours weighted by a Gaussian (local linear regression; Cleveland 1979, JASA). Steady
    motion comes out unchanged, at the ends of the clip too.

    Args:
        boxes: float (time, 4), finite.
        sigma: Standard deviation of the Gaussian, in frames; below 0.1 nothing is smoothed.

    Returns:
        float32 (time, 4).
    """
    boxes = np.array(boxes, float)
    if sigma < 0.1 or len(boxes) < 3:
        return boxes.astype(np.float32)
    boxes[1:-1] = np.median([boxes[:-2], boxes[1:-1], boxes[2:]], axis=0)
    way = np.arange(len(boxes))[None] - np.arange(len(boxes))[:, None]
    near = np.exp(-0.5 * (way / sigma) ** 2)
    mean_way = (near * way).sum(1, keepdims=True) / near.sum(1, keepdims=True)
    spread = (near * (way - mean_way) ** 2).sum(1, keepdims=True)
    tilt = mean_way * (way - mean_way) / np.maximum(spread, 1e-9)
    weights = near * (1 / near.sum(1, keepdims=True) - tilt)
    return (weights @ boxes).astype(np.float32)


def square_boxes(boxes, *, margin=0.2):
    """Make boxes square around their centres, with room for brows, chin and ears.

    Args:
        boxes: float (time, 4).
        margin: Share of the longer side that is added to it, half on either side.

    Returns:
        float32 (time, 4): squares, which may reach beyond the frame.
    """
    boxes = np.asarray(boxes, float)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) * (1 + margin) / 2
    return np.concatenate([centres - half, centres + half], axis=1).astype(np.float32)


def crop_face(frame, box, *, size=64, grey=True):
    """Cut a box out of one frame and bring it to size; beyond the frame its edge is repeated.

    Args:
        frame: uint8 (height, width, 3), RGB.
        box: x1, y1, x2, y2 in pixels, rounded here; at least one pixel is taken.
        size: Height and width of the crop, in pixels.
        grey: One grey channel instead of RGB.

    Returns:
        uint8 (size, size) or (size, size, 3).

    Raises:
        ValueError: The box is not finite, or more than eight times as large as the frame.
    """
    return (crop_grey if grey else crop_colour)(frame[None], 0, box, size=size)


def crop_grey(frames, index, box, *, size):
    """Return a box of a frame as uint8 (size, size); see ``crop_face``."""
    rows, columns, edges = _find_pixels(box, frames.shape[1:3])
    if not any(edges):
        return read_grey(frames, index, rows, columns, size=size)
    return resize(_repeat_edges(read_grey(frames, index, rows, columns), edges), size)


def crop_colour(frames, index, box, *, size):
    """Return a box of a frame as uint8 (size, size, 3); see ``crop_face``."""
    rows, columns, edges = _find_pixels(box, frames.shape[1:3])
    return resize(_repeat_edges(frames[index][rows, columns], edges), size)


def _find_pixels(box, frame_shape):
    """Return a box's rows and columns within the frame, and how far it reaches beyond each side."""
    height, width = frame_shape
    reach = np.ptp(np.reshape(box, (2, 2)), axis=0).max()
    if not reach <= 8 * max(height, width) or not np.isfinite(box).all():
        raise ValueError(f"Box {list(box)} does not suit a frame of {width}×{height} pixels.")
    left, top, right, bottom = np.rint(np.asarray(box, float)).astype(int)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    first_row, first_column = np.clip([top, left], 0, [height - 1, width - 1])
    last_row, last_column = np.clip([bottom, right], 1, [height, width])
    last_row, last_column = max(last_row, first_row + 1), max(last_column, first_column + 1)
    edges = (first_row - top, bottom - last_row, first_column - left, right - last_column)
    return slice(first_row, last_row), slice(first_column, last_column), edges


def _repeat_edges(picture, edges):
    """Return a picture with its outermost pixels repeated so often above, below, left and right.

    A negative number takes away instead: what lies wholly beyond the frame is all edge.
    """
    above, below, left, right = (int(edge) for edge in edges)
    height, width = picture.shape[:2]
    rows = np.clip(np.arange(-above, height + below), 0, height - 1)
    columns = np.clip(np.arange(-left, width + right), 0, width - 1)
    return picture[rows[:, None], columns]


def measure_quality(faces, boxes, confidence):
    """Judge a face sequence.

    Args:
        faces: uint8 (time, size, size) or (time, size, size, 3).
        boxes: float (time, 4): the face in the frame.
        confidence: float (time,), 0 where no face was found.

    Returns:
        Dict of floats: ``detection_rate`` (share of frames with the face), ``confidence`` (mean
        where found), ``face_px`` (median side of the face in the frame, in pixels), ``blur``
        (variance of the crops' Laplacian, median over the frames: the lower, the more blurred;
        Pech-Pacheco et al. 2000, ICPR) and ``brightness`` (mean, 0 black to 1 white).
    """
    found = np.asarray(confidence) > 0
    grey = faces if faces.ndim == 3 else faces @ np.array([0.299, 0.587, 0.114])
    return {
        "detection_rate": float(found.mean()),
        "confidence": float(confidence[found].mean()) if found.any() else 0.0,
        "face_px": float(np.median(measure_sides(boxes))),
        "blur": float(np.median([cv2.Laplacian(g, cv2.CV_64F).var() for g in grey])),
        "brightness": float(grey.mean() / 255),
    }
