"""Frames become a face sequence: detect, link over time, choose, smooth, crop, judge.

Each step is a function of arrays; ``crop_clip`` is all of them in order.
"""

from contextlib import suppress
from dataclasses import dataclass

import cv2
import numpy as np

from preprocessing.faces.boxes import (
    NoFaceError,
    choose_track,
    find_staying,
    link_tracks,
    measure_sides,
    smooth_track,
    square_boxes,
)
from preprocessing.faces.follow import follow_faces
from preprocessing.faces.frames import crop_face as crop_face
from preprocessing.faces.frames import crop_frame
from preprocessing.faces.turn import find_turn

CLOSE_CONFIDENCE = 0.9  # least confidence of a face on which the reduced network is trusted
CLOSE_SIDE = 0.2  # least side of such a face, as a share of the frame's shorter side
DETECT = ("track", "every")
SURE_CONFIDENCE = 0.8  # that a face must reach once in a shot other than that with most of it
UPRIGHT_CONFIDENCE = 0.99  # of the reduced network; a face that lies hardly reaches it


@dataclass(frozen=True)
class FaceTrack:
    """One person's face through a clip; where it was not found, all is zeros and the box NaN."""

    faces: np.ndarray  # uint8 (time, size, size), or (time, size, size, 3) in colour: the crops
    boxes: np.ndarray  # float32 (time, 4): the smoothed boxes of the face itself, without margin
    confidence: np.ndarray  # float32 (time,), see ``follow_faces``
    found: np.ndarray  # bool (time,): this face was seen in the frame, detected or tracked
    n_detected: int  # frames that the detector was shown
    quality: dict  # of ``measure_quality``, and ``n_faces``, ``n_shots``, ``face_choice``
    problems: list  # what a person should know, in words


def crop_clip(
    frames,
    detector,
    *,
    shots=None,
    size=64,
    margin=0.2,
    grey=True,
    min_confidence=0.5,
    detect="track",
    choose_speaker=None,
):
    """Return the ``FaceTrack`` of one person, the speaker where that can be told.

    A face is followed within a shot and never over a cut. In the shot where a face is seen most,
    and in others where the detector is sure of one, the person is the speaker among those who
    stay, else see ``boxes.choose_track``.

    Args:
        frames: uint8 (time, height, width, 3), RGB, or ``frames.Frames``.
        detector: Object with ``detect(frame)``, see ``opencv_model.resnet_ssd``.
        shots: int (time,), see ``decode.Clip``; None if all frames are of one shot.
        size: Height and width of a crop, in pixels.
        margin: Room around the face, see ``square_boxes``.
        grey: One grey channel instead of RGB.
        min_confidence: Boxes below it are no faces.
        detect: "track" shows the detector few frames and follows the faces between them, see
            ``follow_faces``; where one large face is all there is to see, it looks at them
            reduced (``detect_close``). "every" shows it every frame in full.
        choose_speaker: Function of tracks, float32 (track, time, 5), that returns the index of the
            one that speaks, or None; asked where several faces stay in a shot.

    Raises:
        NoFaceError: No frame shows a face.
        ValueError: ``detect`` is neither of the two.
    """
    if detect not in DETECT:
        raise ValueError(f"detect = {detect!r} is unknown; expected one of {', '.join(DETECT)}.")
    shots = np.zeros(len(frames), np.int64) if shots is None else np.asarray(shots)
    if detect == "every":
        detections = detect_faces(frames, detector, min_confidence=min_confidence)
        nothing = np.zeros((0, 5), np.float32)
        detections = [detections[i] if shots[i] >= 0 else nothing for i in range(len(frames))]
        seen, is_upright = np.ones(len(frames), bool), False
    else:
        detections, seen, is_upright = follow_cheaply(frames, detector, shots, min_confidence)
    if not any(len(boxes) for boxes in detections):
        least = f"confidence of at least {min_confidence:g}"
        raise NoFaceError(f"no face in {len(frames)} frames ({least})")
    tracks = link_tracks(detections, shots)
    track, choice = choose_person(tracks, shots, frames.shape[1:3], choose_speaker)
    found = np.isfinite(track[:, 4])
    confidence = np.where(found, track[:, 4], 0).astype(np.float32)
    boxes = smooth_track(track[:, :4], shots)
    faces = np.zeros((len(frames), size, size, *(() if grey else (3,))), np.uint8)
    for i in np.flatnonzero(found):
        square = square_boxes(boxes[i][None], margin=margin)[0]
        faces[i] = crop_frame(frames, i, square, size=size, grey=grey)
    quality = measure_quality(faces, boxes, confidence)
    quality["n_faces"] = float(np.median([len(boxes) for boxes in detections if len(boxes)]))
    quality |= {"n_shots": float(len(set(shots[shots >= 0]))), "face_choice": choice}
    problems = find_problems(frames, track, None if is_upright else detector)
    return FaceTrack(faces, boxes, confidence, found, int(seen.sum()), quality, problems)


def choose_person(tracks, shots, frame_shape, choose_speaker=None):
    """Return one person's track over all shots, float32 (time, 5), and how it was chosen.

    ``only``: no shot has several faces that stay; ``voice``: the speaker was told from others, at
    least once; ``size``: the tracks of ``boxes.choose_track`` alone. Arguments as for `crop_clip`.
    """
    chosen, choices = [], {"only"}
    for shot in sorted(set(shots[shots >= 0])):
        own = tracks[:, shots == shot]
        mine = tracks[np.isfinite(own[:, :, 4]).any(axis=1)]
        if not len(mine):
            continue
        own, speaker = mine[:, shots == shot], None
        staying = find_staying(own)
        if len(staying) > 1:
            speaker = choose_speaker(mine[staying]) if choose_speaker else None
            choices.add("size" if speaker is None else "voice")
        best = choose_track(own, frame_shape) if speaker is None else staying[speaker]
        chosen.append(mine[best])
    chosen.sort(key=lambda track: -np.isfinite(track[:, 4]).sum())
    person = chosen[0].copy()
    for track in chosen[1:]:
        if np.nanmax(track[:, 4]) >= SURE_CONFIDENCE:
            person = np.where(np.isfinite(track), track, person)
    return person, max(choices, key=("only", "size", "voice").index)


def find_problems(frames, track, detector):
    """Return what is wrong with a person's track, float32 (time, 5), in words.

    Whether the face stands upright is asked of a ``detector`` that can tell; None asks none.
    """
    found = np.flatnonzero(np.isfinite(track[:, 4]))
    problems = []
    if len(found) < len(track) / 2:
        problems.append(f"the face is seen in {len(found)} of {len(track)} frames only")
    if hasattr(detector, "detect_close"):
        surest = found[track[found, 4].argmax()]
        if turn := find_turn(frames[surest], track[surest, :4], detector):
            turned = f"turn the picture by {360 - turn}° clockwise"
            problems.append(f"faces do not stand upright: {turned}")
    return problems


class _NotCloseError(Exception):
    """A frame shows something else than one large, clear face."""


def follow_cheaply(frames, detector, shots, min_confidence):
    """Follow the faces, with the reduced network where that serves for the whole clip.

    Returns:
        What ``follow_faces`` returns, and whether the face is surely upright: the reduced network
        was sure of it throughout.
    """
    confidences, options = [], {"shots": shots, "min_confidence": min_confidence}

    def detect_close(frame):
        boxes = detector.detect_close(frame)
        boxes = boxes[boxes[:, 4] >= CLOSE_CONFIDENCE]
        if len(boxes) != 1 or measure_sides(boxes)[0] < CLOSE_SIDE * min(frame.shape[:2]):
            raise _NotCloseError
        confidences.append(boxes[0, 4])
        return boxes

    if hasattr(detector, "detect_close"):
        with suppress(_NotCloseError):  # one network for all: two would differ, like motion
            found, seen = follow_faces(frames, detect_close, **options)
            return found, seen, min(confidences, default=0) >= UPRIGHT_CONFIDENCE
    return *follow_faces(frames, detector.detect, **options), False


def detect_faces(frames, detector, *, min_confidence=0.5):
    """Return the faces that a detector sees in each frame, a list of float32 (face, 5)."""
    found = [detector.detect(frame) for frame in frames]
    return [boxes[boxes[:, 4] >= min_confidence] for boxes in found]


def measure_quality(faces, boxes, confidence):
    """Judge a face sequence by the fields of its ``FaceTrack``, in a dict of floats.

    They are ``detection_rate`` (share of frames with the face) and, over these frames,
    ``confidence`` (mean), ``face_px`` (median side of the face in the frame, in pixels), ``blur``
    (variance of the grey faces' Laplacian, median; from 0, larger is sharper; Pech-Pacheco et al.
    2000, "Diatom autofocusing in brightfield microscopy", ICPR) and ``brightness`` (mean, 0 black
    to 1 white).
    """
    found = confidence > 0
    grey = faces[found] if faces.ndim == 3 else faces[found] @ np.array([0.299, 0.587, 0.114])
    edges = [cv2.Laplacian(face.astype(np.float32), cv2.CV_32F) for face in grey]
    return {
        "detection_rate": float(found.mean()),
        "confidence": float(confidence[found].mean()),
        "face_px": float(np.median(measure_sides(boxes[found]))),
        "blur": float(np.median(np.var(edges, axis=(1, 2)))),
        "brightness": float(grey.mean() / 255),
    }
