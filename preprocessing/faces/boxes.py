"""Arithmetic of boxes over time: link, choose, fill, smooth, square.

A box is x1, y1, x2, y2 in pixels of the frame, x to the right and y down, and may reach beyond
the frame.
"""

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment


class NoFaceError(ValueError):
    """No frame of the clip shows a face."""


def pair_boxes(before, after, *, max_change=1.0):
    """Pair the faces of two frames, the best pairing as a whole (Kuhn 1955, the Hungarian method).

    The cost of a pair is the way between the centres, in units of the face's side, plus the
    logarithm of the change of size: unlike the overlap of boxes it still tells near from far
    between frames that are a quarter of a second apart.

    Args:
        before, after: float (face, 4 or more).
        max_change: Highest cost at which two boxes are still one face.

    Returns:
        List of (index before, index after), in the order of the first.
    """
    if not len(before) or not len(after):
        return []
    centres = [(boxes[:, :2] + boxes[:, 2:4]) / 2 for boxes in (before, after)]
    sides = [measure_sides(boxes) for boxes in (before, after)]
    ways = np.linalg.norm(centres[0][:, None] - centres[1][None], axis=2)
    typical = np.sqrt(sides[0][:, None] * sides[1][None])
    changes = ways / typical + np.abs(np.log(sides[0][:, None] / sides[1][None]))
    pairs = linear_sum_assignment(np.where(changes <= max_change, changes, 1e6))
    return [(i, j) for i, j in zip(*pairs, strict=True) if changes[i, j] <= max_change]


def link_tracks(detections, shots=None):
    """Link the faces of successive frames to tracks, as ``pair_boxes`` pairs them.

    ``detections`` holds a float32 (face, 5) array for each frame. A track that was lost goes on
    where a face appears near its last box, in the same shot; it ends where ``shots``, int (time,),
    changes. The tracks are float32 (track, time, 5): box and confidence, NaN where the track has
    no face.
    """
    tracks, last = [], np.zeros((0, 4))
    for instant, found in enumerate(detections):
        if shots is not None and instant and shots[instant] != shots[instant - 1]:
            last[:] = np.nan  # nothing is near a box of another shot
        pairs = pair_boxes(last, found)
        owner = {face: track for track, face in pairs}
        for face, box in enumerate(found):
            track = owner.get(face, len(tracks))
            if track == len(tracks):
                tracks.append(np.full((len(detections), 5), np.nan, np.float32))
                last = np.vstack([last, box[:4]])
            tracks[track][instant] = box
            last[track] = box[:4]
    return np.stack(tracks) if tracks else np.zeros((0, len(detections), 5), np.float32)


def choose_track(tracks, frame_shape):
    """Return the index of the speaker's track: in most frames, large, and near the middle.

    The score is presence² × median side × mean confidence × (1 − half the distance from the
    middle, as a share of the half diagonal). Presence counts squared, so that a passer-by close
    to the camera does not win over the person who stays.

    ``tracks`` are at least one of ``link_tracks``; ``frame_shape`` is height and width in pixels.
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


def find_staying(tracks):
    """Return the indices of the tracks that stay: in half as many frames as the longest, or more.

    ``tracks`` are those of one shot.
    """
    n_seen = np.isfinite(tracks[:, :, 4]).sum(axis=1)
    return np.flatnonzero(n_seen >= n_seen.max() / 2)


def smooth_track(boxes, shots):
    """Smooth a person's boxes within each shot, see ``smooth_boxes``.

    Both ``boxes``, float (time, 4), and the result, float32, are NaN where the face is not seen;
    for smoothing these frames get boxes on the straight line between their neighbours.
    """
    smoothed = np.full(boxes.shape, np.nan, np.float32)
    found = np.isfinite(boxes).all(axis=1)
    for shot in set(shots[found]):
        rows = np.flatnonzero(shots == shot)
        whole = pd.DataFrame(boxes[rows], dtype=float).interpolate(limit_direction="both")
        smoothed[rows] = smooth_boxes(whole.to_numpy())
    smoothed[~found] = np.nan
    return smoothed


def smooth_boxes(boxes):
    """Take the detector's trembling out of a track without lagging behind the face.

    A median of three removes single outliers; then a line is fitted around each instant, the
    neighbours weighted by a Gaussian of a standard deviation of one frame (local linear
    regression; Cleveland 1979, JASA). Steady motion comes out unchanged, at the ends of the clip
    too. Boxes are finite, float (time, 4); the result is float32.
    """
    boxes = np.array(boxes, float)
    if len(boxes) < 3:
        return boxes.astype(np.float32)
    boxes[1:-1] = np.median([boxes[:-2], boxes[1:-1], boxes[2:]], axis=0)
    way = np.arange(len(boxes))[None] - np.arange(len(boxes))[:, None]
    near = np.exp(-0.5 * way**2)
    mean_way = (near * way).sum(1, keepdims=True) / near.sum(1, keepdims=True)
    spread = (near * (way - mean_way) ** 2).sum(1, keepdims=True)
    tilt = mean_way * (way - mean_way) / np.maximum(spread, 1e-9)
    weights = near * (1 / near.sum(1, keepdims=True) - tilt)
    return (weights @ boxes).astype(np.float32)


def square_boxes(boxes, *, margin=0.2):
    """Make boxes square around their centres, with room for brows, chin and ears.

    ``margin`` is the share of the longer side that is added to it, half on either side. The
    squares, float32 (time, 4), may reach beyond the frame.
    """
    boxes = np.asarray(boxes, float)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) * (1 + margin) / 2
    return np.concatenate([centres - half, centres + half], axis=1).astype(np.float32)


def measure_sides(boxes):
    """Return the side of the square that has a box's area, float (box,), pixels, above 0."""
    return np.sqrt(np.maximum(np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1), 1e-6))
