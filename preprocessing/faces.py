"""Frames become a face sequence: detect, link over time, choose, fill, smooth, crop, judge.

Each step is a function of arrays; ``crop_clip`` is all of them in order. A box is x1, y1, x2, y2
in pixels of the frame, x to the right and y down, and may reach beyond the frame.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.optimize import linear_sum_assignment


class NoFaceError(ValueError):
    """No frame of the clip shows a face."""


@dataclass(frozen=True)
class FaceTrack:
    """The speaker's face through a clip.

    Attributes:
        faces: uint8 (time, size, size), or (time, size, size, 3) in colour: the crops.
        boxes: float32 (time, 4): the smoothed boxes of the face itself, without margin.
        confidence: float32 (time,): the detector's, 0 where the box was filled in.
        found: bool (time,): the detector saw this face in the frame.
        quality: Dict of floats, see ``measure_quality``, and ``n_faces``, the median number of
            faces in a frame.
    """

    faces: np.ndarray
    boxes: np.ndarray
    confidence: np.ndarray
    found: np.ndarray
    quality: dict


def crop_clip(frames, detector, *, size=64, margin=0.2, grey=True, min_confidence=0.5, sigma=1.0):
    """Crop the speaker's face out of every frame of a clip.

    Args:
        frames: uint8 (time, height, width, 3), RGB.
        detector: Object with ``detect(frame)``, see ``opencv_model.resnet_ssd``.
        size: Height and width of a crop, in pixels.
        margin: Room around the face, see ``square_boxes``.
        grey: One grey channel instead of RGB.
        min_confidence: Boxes below it are no faces.
        sigma: Smoothing of the boxes, see ``smooth_boxes``.

    Returns:
        A ``FaceTrack`` with one face for each frame.

    Raises:
        NoFaceError: No frame shows a face.
    """
    detections = detect_faces(frames, detector, min_confidence=min_confidence)
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
    pictures = find_pictures(frames)
    faces = np.stack([crop_face(frames[i], squares[i], size=size, grey=grey) for i in pictures])
    quality = measure_quality(faces, boxes, confidence)
    quality["n_faces"] = float(np.median([len(boxes) for boxes in detections]))
    return FaceTrack(faces, boxes, confidence, found, quality)


def detect_faces(frames, detector, *, min_confidence=0.5):
    """Find the faces in each frame.

    Args:
        frames: uint8 (time, height, width, 3), RGB.
        detector: Object with ``detect(frame)``.
        min_confidence: Boxes below it are left out.

    Returns:
        List with a float32 (face, 5) array for each frame: box and confidence.
    """
    found = [detector.detect(frame) for frame in frames]
    return [boxes[boxes[:, 4] >= min_confidence] for boxes in found]


def find_pictures(frames):
    """Find for each frame the nearest one that holds a picture: itself, unless it is blank.

    Some corpora pad short clips with black frames; a box filled in there would crop nothing.

    Args:
        frames: uint8 (time, height, width, 3), RGB.

    Returns:
        int (time,): indices of frames; each its own where all are blank.
    """
    instants = np.arange(len(frames))
    pictures = [i for i in instants if np.ptp(frames[i][::8, ::8]) > 8]
    if not pictures:
        return instants
    return np.array(pictures)[np.abs(instants[:, None] - pictures).argmin(axis=1)]


def link_tracks(detections, *, max_change=1.0):
    """Link the faces of successive frames to tracks, each frame's best pairing as a whole.

    The pairing is that of Kuhn (1955, "The Hungarian method"). The cost of a pair is the way
    between the centres, in units of the face's side, plus the logarithm of the change of size:
    unlike the overlap of boxes it still tells near from far between frames that are a quarter of
    a second apart. A track that was lost goes on where a face appears near its last box.

    Args:
        detections: List with a float32 (face, 5) array for each frame.
        max_change: Highest cost at which two boxes are still one face.

    Returns:
        float32 (track, time, 5): box and confidence, NaN where the track has no face.
    """
    tracks, last = [], np.zeros((0, 4))
    for instant, found in enumerate(detections):
        changes = _box_changes(last, found[:, :4])
        pairs = linear_sum_assignment(np.where(changes <= max_change, changes, 1e6))
        owner = {
            face: track
            for track, face in zip(*pairs, strict=True)
            if changes[track, face] <= max_change
        }
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
        scores.append(presence**2 * np.median(_sides(seen)) * seen[:, 4].mean() * centrality)
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
    """Cut a box out of a frame and bring it to size; beyond the frame its edge is repeated.

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
    height, width = frame.shape[:2]
    reach = np.ptp(np.reshape(box, (2, 2)), axis=0).max()
    if not reach <= 8 * max(height, width) or not np.isfinite(box).all():
        raise ValueError(f"Box {list(box)} does not suit a frame of {width}×{height} pixels.")
    left, top, right, bottom = np.rint(np.asarray(box, float)).astype(int)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    face = frame[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if face.shape[:2] != (bottom - top, right - left):
        rows = np.clip(np.arange(top, bottom), 0, height - 1)
        columns = np.clip(np.arange(left, right), 0, width - 1)
        face = frame[rows[:, None], columns]
    if grey:
        face = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    shrinks = min(face.shape[:2]) > size
    return cv2.resize(
        face, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )


def measure_quality(faces, boxes, confidence):
    """Judge a face sequence.

    Args:
        faces: uint8 (time, size, size) or (time, size, size, 3).
        boxes: float (time, 4): the face in the frame.
        confidence: float (time,), 0 where no face was found.

    Returns:
        Dict of floats: ``detection_rate`` (share of frames with the face), ``confidence`` (mean
        where found), ``face_px`` (median side of the face in the frame, in pixels), ``blur``
        (0 sharp to 1 blurred, median over the frames; Crete et al. 2007, "The blur effect",
        SPIE 6492) and ``brightness`` (mean, 0 black to 1 white).
    """
    found = np.asarray(confidence) > 0
    grey = faces if faces.ndim == 3 else faces @ np.array([0.299, 0.587, 0.114])
    return {
        "detection_rate": float(found.mean()),
        "confidence": float(confidence[found].mean()) if found.any() else 0.0,
        "face_px": float(np.median(_sides(boxes))),
        "blur": float(np.median(_measure_blur(grey.astype(np.float32)))),
        "brightness": float(grey.mean() / 255),
    }


def _measure_blur(grey):
    """Return how little each image (time, height, width) loses when blurred once more."""
    blurs = []
    for axis in (1, 2):
        change = np.abs(np.diff(grey, axis=axis))
        blurred = np.abs(np.diff(uniform_filter1d(grey, 9, axis=axis), axis=axis))
        lost = np.maximum(change - blurred, 0).sum(axis=(1, 2))
        blurs.append(1 - lost / np.maximum(change.sum(axis=(1, 2)), 1e-6))
    return np.max(blurs, axis=0)


def _sides(boxes):
    """Return the side of the square that has the box's area, for each box (n, 4 or more)."""
    return np.sqrt(np.maximum(np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1), 1e-6))


def _box_changes(before, after):
    """Return float (before, after): how much one box must move and grow to become the other."""
    if not len(before) or not len(after):
        return np.zeros((len(before), len(after)))
    centres = [(boxes[:, :2] + boxes[:, 2:4]) / 2 for boxes in (before, after)]
    sides = [_sides(boxes) for boxes in (before, after)]
    ways = np.linalg.norm(centres[0][:, None] - centres[1][None], axis=2)
    typical = np.sqrt(sides[0][:, None] * sides[1][None])
    return ways / typical + np.abs(np.log(sides[0][:, None] / sides[1][None]))
