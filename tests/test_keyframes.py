"""The detector looks where it must and nowhere else, and nobody can tell from the boxes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opencv_model.resnet_ssd import open_detector
from preprocessing import faces, keyframes, media

HEIGHT, WIDTH, SIDE = 180, 240, 60
TEXTURE, OTHER = (
    np.random.default_rng(seed).integers(0, 255, (6, 6), np.uint8).repeat(10, 0).repeat(10, 1)
    for seed in (0, 9)
)


class Scene:
    """Faces at known places, and a detector that knows them and counts how often it is asked."""

    def __init__(self, places, backgrounds=(90,)):
        self.places, self.n_looks = places, 0
        self.frames = np.empty((len(places), HEIGHT, WIDTH, 3), np.uint8)
        for index, found in enumerate(places):
            self.frames[index] = backgrounds[index * len(backgrounds) // len(places)]
            for x, y, texture in found:
                self.frames[index, y : y + SIDE, x : x + SIDE] = texture[:, :, None]
        self.names = {frame.tobytes(): i for i, frame in enumerate(self.frames)}

    def detect(self, frame):
        self.n_looks += 1
        return self.list_boxes(self.names[frame.tobytes()])

    def list_boxes(self, index):
        boxes = [[x, y, x + SIDE, y + SIDE, 0.9] for x, y, _ in self.places[index]]
        return np.array(boxes, np.float32).reshape(-1, 5)

    def follow(self):
        """Return the least overlap of a true box with the one found, or 0 where one is missing."""
        found, looked = keyframes.detect_between(self.frames, self.detect)
        assert looked.sum() == self.n_looks
        overlaps = [1.0]
        for index, boxes in enumerate(found):
            true = self.list_boxes(index)
            assert len(boxes) == len(true), f"frame {index}: {len(boxes)} faces, not {len(true)}"
            overlaps += [max(measure_overlap(box, other) for other in boxes) for box in true]
        return min(overlaps)


def measure_overlap(box, other):
    """Return the intersection over union of two boxes."""
    inner = np.minimum(box[2:4], other[2:4]) - np.maximum(box[:2], other[:2])
    shared = np.prod(np.maximum(inner, 0))
    areas = [np.prod(b[2:4] - b[:2]) for b in (box, other)]
    return shared / (sum(areas) - shared)


def test_a_face_that_stays_costs_two_looks():
    scene = Scene([[(80, 50, TEXTURE)]] * 16)
    scene.names = {scene.frames[0].tobytes(): 0}
    assert scene.follow() > 0.999
    assert scene.n_looks == 2


def test_a_face_on_a_straight_line_costs_few_looks():
    scene = Scene([[(20 + 5 * i, 50, TEXTURE)] for i in range(16)])
    assert scene.follow() > 0.9
    assert scene.n_looks <= 3


def test_a_face_that_turns_back_is_looked_for():
    scene = Scene([[(20 + 8 * min(i, 15 - i), 50, TEXTURE)] for i in range(16)])
    assert scene.follow() > 0.8
    assert 3 <= scene.n_looks < 16


def test_a_cut_to_another_place_and_face_is_found():
    before, after = [(20, 20, TEXTURE)], [(150, 90, OTHER)]
    scene = Scene([before] * 7 + [after] * 9, backgrounds=(60, 60, 60, 200, 200, 200))
    for index in range(16):
        scene.frames[index, 0, 0] = index  # tells equal frames apart
    scene.names = {frame.tobytes(): i for i, frame in enumerate(scene.frames)}
    assert scene.follow() > 0.999


def test_somebody_who_comes_in_and_somebody_who_leaves_are_seen():
    first, second = (20, 50, TEXTURE), (150, 60, OTHER)
    for places in (
        [[first]] * 6 + [[first, second]] * 10,
        [[first, second]] * 5 + [[first]] * 11,
        [[first]] * 5 + [[first, second]] * 6 + [[first]] * 5,
        [[]] * 4 + [[first]] * 12,
        [[first]] * 4 + [[]] * 8 + [[first]] * 4,
    ):
        scene = Scene(places)
        for index in range(16):
            scene.frames[index, -1, -1] = index
        scene.names = {frame.tobytes(): i for i, frame in enumerate(scene.frames)}
        assert scene.follow() > 0.999


def test_blank_frames_are_looked_at_and_show_nothing():
    scene = Scene([[(80, 50, TEXTURE)]] * 5 + [[]] * 3 + [[(80, 50, TEXTURE)]] * 8)
    scene.frames[5:8] = 0
    for index in range(16):
        scene.frames[index, -1, -1] = index
    scene.names = {frame.tobytes(): i for i, frame in enumerate(scene.frames)}
    assert scene.follow() > 0.999


@settings(max_examples=40, deadline=None)
@given(
    n_frames=st.integers(1, 20),
    path=st.lists(st.tuples(st.integers(0, 180), st.integers(0, 120)), min_size=1, max_size=4),
)
def test_every_path_is_followed(n_frames, path):
    at = np.linspace(0, 1, n_frames)
    knots = np.linspace(0, 1, len(path)) if len(path) > 1 else [0.0]
    x, y = (np.interp(at, knots, values).astype(int) for values in zip(*path, strict=True))
    scene = Scene([[(x[i], y[i], TEXTURE)] for i in range(n_frames)])
    assert scene.follow() > 0.6


def test_confidence_of_a_followed_box_is_below_its_neighbours():
    scene = Scene([[(20 + 5 * i, 50, TEXTURE)] for i in range(9)])
    found, looked = keyframes.detect_between(scene.frames, scene.detect)
    confidence = np.array([boxes[0, 4] for boxes in found])
    assert (confidence[looked] == np.float32(0.9)).all()
    assert (confidence[~looked] <= 0.9).all()
    assert (confidence[~looked] > 0.9 * keyframes.MIN_CORRELATION).all()


def test_unknown_way_to_detect_is_an_error():
    with pytest.raises(ValueError, match="DETECT = 'some' is unknown"):
        faces.detect_faces(np.zeros((2, 9, 9, 3), np.uint8), None, detect="some")


def collect_overlaps(frames, detector):
    """Return overlaps of followed with detected boxes, raw and smoothed; the share looked at."""
    every, _ = faces.detect_faces(frames, detector, detect="every")
    found, looked = faces.detect_faces(frames, detector)
    overlaps = [
        measure_overlap(a[0], b[0]) if len(a) and len(b) else float(len(a) == len(b))
        for a, b in zip(every, found, strict=True)
    ]
    crops = [faces.crop_clip(frames, detector, detect=way).boxes for way in faces.DETECT]
    return overlaps, [measure_overlap(a, b) for a, b in zip(*crops, strict=True)], looked.mean()


@pytest.mark.real_data
def test_real_boxes_agree_with_detection_on_every_frame(real_data, monkeypatch):
    weights = real_data / "face_detector" / "opencv_face_detector_uint8.pb"
    monkeypatch.setenv("EMOTION_DETECTOR", str(weights))
    detector = open_detector("resnet_ssd")
    films = sorted((real_data / "ravdess").rglob("*.mp4"))
    films += sorted((real_data / "ravdess_face_crops").glob("*.avi"))[::12]
    raw, smooth, shares = [], [], []
    for path in films:
        frames = media.read_clip(path, None, n_frames=16, as_frames=True).frames
        of_raw, of_smooth, share = collect_overlaps(frames, detector)
        raw, smooth, shares = raw + of_raw, smooth + of_smooth, [*shares, share]
    assert np.mean(np.array(raw) >= 0.8) >= 0.99
    assert np.mean(np.array(smooth) >= 0.8) >= 0.99
    assert np.mean(shares[:10]) < 0.4
