import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opencv_model.resnet_ssd import open_detector
from preprocessing.clips import decode
from preprocessing.faces import crop
from preprocessing.faces.boxes import choose_track, link_tracks
from preprocessing.faces.follow import follow_faces

HEIGHT, WIDTH, SIDE = 180, 320, 60


class CountingDetector:
    """Returns the boxes of each frame, known by the frame's place in memory, and counts calls."""

    def __init__(self, frames, boxes):
        self.boxes = {frame.ctypes.data: found for frame, found in zip(frames, boxes, strict=True)}
        self.n_calls = 0

    def detect(self, frame):
        self.n_calls += 1
        return self.boxes[frame.ctypes.data]


def paint(number, height, width, *, grain=8):
    """Return a picture of soft random patches, another one for each number."""
    shape = (height // grain + 2, width // grain + 2, 3)
    patches = np.random.default_rng(number).integers(40, 220, shape, dtype=np.uint8)
    return cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC)


def film(*scenes):
    """Return frames and their detector; a scene is a background's number and its faces.

    A face is its number and the place of its upper left corner. Background None is a black frame.
    """
    frames, boxes = [], []
    for background, people in scenes:
        frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        if background is not None:
            frame = paint(background, HEIGHT, WIDTH, grain=40)
        for number, (x, y) in people:
            frame[y : y + SIDE, x : x + SIDE] = paint(1000 + number, SIDE, SIDE)
        found = [[x, y, x + SIDE, y + SIDE, 0.99] for _, (x, y) in people]
        frames.append(frame)
        boxes.append(np.array(found, np.float32).reshape(-1, 5))
    frames = np.stack(frames)
    return frames, CountingDetector(frames, boxes), boxes


def check(scenes, *, at_most, exact=True):
    """Follow the faces; compare with detection on every frame, and count the detections."""
    frames, detector, expected = film(*scenes)
    found, seen = follow_faces(frames, detector.detect)
    assert [len(boxes) for boxes in found] == [len(boxes) for boxes in expected]
    for boxes, truth in zip(found, expected, strict=True):
        np.testing.assert_allclose(boxes[:, :4], truth[:, :4], atol=2)
        assert ((boxes[:, 4] > 0.5) & (boxes[:, 4] <= 1)).all()
    assert detector.n_calls == seen.sum() <= at_most
    return seen


def test_still_face_takes_two_detections():
    check([(1, [(1, (130, 60))])] * 16, at_most=2)


def test_moving_face_is_followed():
    way = [(1, [(1, (130 + 2 * i, 60 + i % 3))]) for i in range(12)]
    check(way, at_most=4)


def test_two_faces_are_followed_whatever_their_order():
    scenes = [(1, [(1, (40 + i, 60)), (2, (200, 70 - i))]) for i in range(10)]
    scenes[-1] = (1, scenes[-1][1][::-1])
    frames, detector, expected = film(*scenes)
    found, _ = follow_faces(frames, detector.detect)
    for boxes, truth in zip(found[:-1], expected[:-1], strict=True):
        np.testing.assert_allclose(boxes[:, :4], truth[:, :4], atol=2)
    assert detector.n_calls <= 4


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 15))
def test_boxes_are_right_on_both_sides_of_a_cut(cut):
    before, after = (1, [(1, (40, 60))]), (2, [(2, (200, 90))])
    seen = check([before] * cut + [after] * (16 - cut), at_most=8)
    assert seen[[0, cut - 1, cut, 15]].all()


def test_cut_to_another_face_in_the_same_place_is_seen():
    seen = check([(1, [(1, (130, 60))])] * 8 + [(1, [(2, (130, 60))])] * 8, at_most=8)
    assert seen[[7, 8]].all()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 15), st.booleans())
def test_face_that_enters_or_leaves_is_there_in_its_frames_only(change, enters):
    one, two = (1, [(1, (40, 60))]), (1, [(1, (40, 60)), (2, (220, 80))])
    scenes = [one] * change + [two] * (16 - change)
    check(scenes if enters else scenes[::-1], at_most=8)


@pytest.mark.parametrize("instant", [1, 5, 8])
def test_face_that_passes_between_the_ends_is_seen(instant):
    scenes = [(1, [(1, (40, 60))])] * 16
    scenes[instant] = (1, [(1, (40, 60)), (2, (220, 80))])
    check(scenes, at_most=10)


def test_hidden_face_is_not_claimed():
    scenes = [(1, [(1, (130, 60))])] * 16
    scenes[6] = scenes[7] = (1, [])
    seen = check(scenes, at_most=10)
    assert seen[[6, 7]].all()


def test_covered_face_is_shown_to_the_detector_however_low_the_bar():
    frames, _, expected = film(*[(1, [(1, (130, 60))])] * 9)
    frames[4, 60 : 60 + SIDE, 130 : 130 + SIDE] = paint(7, SIDE, SIDE)
    expected[4] = expected[4][:0]
    found, seen = follow_faces(
        frames, CountingDetector(frames, expected).detect, min_confidence=0.0
    )
    assert seen[4]
    assert not len(found[4])


def test_leaving_speaker_leaves_no_box():
    check([(1, [(1, (130, 60))])] * 5 + [(1, [])] * 6, at_most=11)


def test_blank_frames_have_no_face_and_are_not_looked_at():
    scenes = [(1, [(1, (130, 60))])] * 10
    for instant in (0, 4, 8, 9):
        scenes[instant] = (None, [])
    seen = check(scenes, at_most=2)
    assert not seen[[0, 4, 8, 9]].any()


@pytest.mark.parametrize("background", [1, None])
def test_clip_without_a_face_is_looked_at_in_every_frame(background):
    check([(background, [])] * 6, at_most=6)


@pytest.mark.parametrize("n_frames", [1, 2, 3])
def test_short_clips_work(n_frames):
    check([(1, [(1, (130, 60))])] * n_frames, at_most=2)


def test_clip_of_no_frames_has_no_face():
    frames = np.zeros((0, HEIGHT, WIDTH, 3), np.uint8)
    assert follow_faces(frames, CountingDetector(frames, []).detect)[0] == []
    with pytest.raises(crop.NoFaceError, match="no face in 0 frames"):
        crop.crop_clip(frames, CountingDetector(frames, []))


def test_tiny_face_is_left_to_the_detector():
    frames, _, _ = film(*[(1, [])] * 6)
    boxes = [np.array([[50, 50, 58, 58, 0.9]], np.float32)] * 6
    _, seen = follow_faces(frames, CountingDetector(frames, boxes).detect)
    assert seen.all()


def test_same_frames_give_the_same_bytes():
    scenes = [(1, [(1, (100 + 3 * i, 60))]) for i in range(9)]
    films = (film(*scenes)[:2] for _ in range(2))
    first, second = (follow_faces(frames, detector.detect)[0] for frames, detector in films)
    assert [a.tobytes() for a in first] == [b.tobytes() for b in second]


def test_every_shows_the_detector_every_frame_and_gives_its_boxes():
    frames, detector, expected = film(*[(1, [(1, (130 + i, 60))]) for i in range(8)])
    track = crop.crop_clip(frames, detector, detect="every")
    assert detector.n_calls == track.n_detected == 8
    assert track.found.all()
    steady = np.concatenate(expected)[:, :4]  # so smoothing leaves them as they are
    np.testing.assert_allclose(track.boxes, steady, atol=1e-3)
    np.testing.assert_allclose(track.confidence, 0.99)


def test_clip_says_in_which_frames_the_face_is_not():
    scenes = [(1, [(1, (130, 60))])] * 9
    scenes[3] = (None, [])
    frames, detector, _ = film(*scenes)
    track = crop.crop_clip(frames, detector)
    assert list(np.flatnonzero(~track.found)) == [3]
    assert track.n_detected == detector.n_calls == 2
    assert track.confidence[3] == 0 < 0.5 < track.confidence[1] <= 0.99


def test_unknown_way_of_detecting_is_an_error():
    frames, detector, _ = film((1, []))
    with pytest.raises(ValueError, match="expected one of track, every"):
        crop.crop_clip(frames, detector, detect="some")


# Real clips


@pytest.fixture(scope="module")
def network(real_data):
    with pytest.MonkeyPatch.context() as patch:
        path = real_data / "face_detector" / "opencv_face_detector_uint8.pb"
        patch.setenv("EMOTION_DETECTOR", str(path))
        yield open_detector("resnet_ssd")


class RememberingDetector:
    """Remembers what the network said of each frame, so that no frame is run twice."""

    def __init__(self, network):
        self.network, self.known, self.n_calls = network, {}, 0

    def detect(self, frame):
        self.n_calls += 1
        place = frame.ctypes.data
        if place not in self.known:
            self.known[place] = self.network.detect(frame)
        return self.known[place]


def measure_overlaps(first, second):
    """Return the intersection over union of boxes (time, 4), pair by pair."""
    low, high = np.maximum(first[:, :2], second[:, :2]), np.minimum(first[:, 2:], second[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    areas = [np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1) for boxes in (first, second)]
    return shared / (areas[0] + areas[1] - shared)


def choose(detections, frames):
    tracks = link_tracks(detections)
    return tracks[choose_track(tracks, frames.shape[1:3])]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("clips", "step", "most_calls"),
    [("ravdess/Actor_05/*.mp4", 1, 3), ("ravdess_face_crops/*.avi", 6, 4)],
)
def test_boxes_agree_with_detection_on_every_frame(network, real_data, clips, step, most_calls):
    raw, smooth, n_calls = [], [], []
    for path in sorted(real_data.glob(clips))[::step]:
        frames = decode.read_clip(path, None, n_frames=16).frames
        detector = RememberingDetector(network)
        every = choose(crop.detect_faces(frames, detector), frames)
        slow = crop.crop_clip(frames, detector, detect="every")
        detector.n_calls = 0
        followed, _ = follow_faces(frames, detector.detect)
        n_calls.append(detector.n_calls)
        followed = choose(followed, frames)
        quick = crop.crop_clip(frames, detector)
        np.testing.assert_array_equal(quick.found, slow.found)
        raw.append(measure_overlaps(every[slow.found, :4], followed[slow.found, :4]))
        smooth.append(measure_overlaps(slow.boxes[slow.found], quick.boxes[slow.found]))
    assert np.mean(np.concatenate(raw) >= 0.8) >= 0.99
    assert np.mean(np.concatenate(smooth) >= 0.8) >= 0.99
    assert np.mean(n_calls) <= most_calls
