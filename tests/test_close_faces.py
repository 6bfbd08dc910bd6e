"""Large, clear faces are detected on reduced frames; whatever else a clip shows, in full."""

import numpy as np
import pytest

from opencv_model.resnet_ssd import open_detector
from preprocessing.clips import decode
from preprocessing.faces import crop

FRAMES = np.random.default_rng(0).integers(60, 200, (1, 120, 160, 3), np.uint8).repeat(8, axis=0)
LARGE, SMALL = [40, 30, 100, 95, 0.99], [40, 30, 58, 50, 0.99]


class TwoWayDetector:
    """Gives fixed boxes either way and counts how often it is asked."""

    def __init__(self, boxes, close_boxes):
        self.boxes, self.close_boxes, self.n_full, self.n_close = boxes, close_boxes, 0, 0

    def detect(self, frame):
        self.n_full += 1
        return np.array(self.boxes, np.float32).reshape(-1, 5)

    def detect_close(self, frame):
        self.n_close += 1
        return np.array(self.close_boxes, np.float32).reshape(-1, 5)


def test_one_large_face_needs_reduced_frames_alone():
    detector = TwoWayDetector([LARGE], [LARGE])
    track = crop.crop_clip(FRAMES, detector)
    assert (detector.n_full, detector.n_close, track.n_detected) == (0, 2, 2)
    assert track.found.all()


@pytest.mark.parametrize("close_boxes", [[], [SMALL], [LARGE, SMALL], [[*LARGE[:4], 0.6]]], ids=str)
def test_anything_else_is_looked_at_in_full(close_boxes):
    detector = TwoWayDetector([LARGE, SMALL], close_boxes)
    track = crop.crop_clip(FRAMES, detector)
    assert detector.n_full == 2
    assert track.quality["n_faces"] == 2


def test_every_never_uses_reduced_frames():
    detector = TwoWayDetector([LARGE], [LARGE])
    crop.crop_clip(FRAMES, detector, detect="every")
    assert (detector.n_full, detector.n_close) == (8, 1)  # the four turns of one face


def measure_overlaps(boxes, others):
    """Return the intersection over union of each pair of boxes."""
    inner = np.minimum(boxes[:, 2:4], others[:, 2:4]) - np.maximum(boxes[:, :2], others[:, :2])
    shared = np.prod(np.maximum(inner, 0), axis=1)
    areas = [np.prod(b[:, 2:4] - b[:, :2], axis=1) for b in (boxes, others)]
    return shared / (sum(areas) - shared)


@pytest.mark.real_data
def test_fast_boxes_agree_with_full_detection_on_every_frame(real_data, monkeypatch):
    weights = real_data / "face_detector" / "opencv_face_detector_uint8.pb"
    monkeypatch.setenv("EMOTION_DETECTOR", str(weights))
    detector = open_detector("resnet_ssd")
    films = sorted((real_data / "ravdess").rglob("*.mp4"))
    films += sorted((real_data / "ravdess_face_crops").glob("*.avi"))[::12]
    overlaps, n_detected, looks = [], 0, []
    full_look = type(detector).detect
    monkeypatch.setattr(
        type(detector), "detect", lambda own, frame: looks.append(1) or full_look(own, frame)
    )
    for path in films:
        frames = decode.read_clip(path, None, n_frames=16, as_frames=True).frames
        every = crop.crop_clip(frames, detector, detect="every")
        n_before = len(looks)
        fast = crop.crop_clip(frames, detector)
        assert len(looks) == n_before, f"{path.name} needed the full network"
        assert (fast.found == every.found).all()
        overlaps += measure_overlaps(fast.boxes, every.boxes).tolist()
        n_detected += fast.n_detected
    assert len(overlaps) == 16 * len(films)
    assert np.mean(np.array(overlaps) >= 0.8) >= 0.99
    assert n_detected < 0.3 * len(overlaps)
