import io
import os
import zipfile
from itertools import chain

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from opencv_model.resnet_ssd import open_detector
from preprocessing.faces import crop
from preprocessing.faces.boxes import smooth_boxes

HEIGHT, WIDTH = 120, 160


class FakeDetector:
    """Returns the boxes written for each frame; the frame's first pixel is its number."""

    def __init__(self, *boxes):
        self.boxes = boxes

    def detect(self, frame):
        found = self.boxes[frame[0, 0, 0]]
        return np.array(found, np.float32).reshape(-1, 5)


def number_frames(n_frames):
    """Return grey noise frames that carry their number in the first pixel."""
    frames = np.random.default_rng(0).integers(60, 200, (n_frames, HEIGHT, WIDTH, 3), np.uint8)
    frames[:, 0, 0, 0] = np.arange(n_frames)
    return frames


def box(x, y, side=40, confidence=0.9):
    return [x - side / 2, y - side / 2, x + side / 2, y + side / 2, confidence]


# Detection and linking


def test_boxes_below_the_confidence_are_left_out():
    detector = FakeDetector([box(50, 50), box(90, 50, confidence=0.3)], [])
    found = crop.detect_faces(number_frames(2), detector, min_confidence=0.5)
    assert [len(boxes) for boxes in found] == [1, 0]


def link(*frames):
    return crop.link_tracks([np.array(found, np.float32).reshape(-1, 5) for found in frames])


def test_two_faces_become_two_tracks_whatever_their_order():
    tracks = link(
        [box(40, 60), box(120, 60)], [box(122, 60), box(43, 60)], [box(46, 60), box(124, 60)]
    )
    assert tracks.shape == (2, 3, 5)
    np.testing.assert_allclose(tracks[:, :, 0], [[20, 23, 26], [100, 102, 104]])


def test_lost_face_goes_on_in_its_track():
    tracks = link([box(40, 60)], [], [], [box(50, 62)])
    assert tracks.shape == (1, 4, 5)
    assert list(np.isfinite(tracks[0, :, 4])) == [True, False, False, True]


def test_face_elsewhere_or_of_another_size_is_another_track():
    assert len(link([box(40, 60)], [box(110, 60)])) == 2
    assert len(link([box(60, 60, side=20)], [box(60, 60, side=90)])) == 2


def test_new_face_does_not_take_over_a_track():
    tracks = link([box(40, 60)], [box(48, 60), box(60, 60)], [box(60, 60)])
    np.testing.assert_allclose(tracks[0, :2, 0], [20, 28])
    assert len(tracks) == 2


def test_no_faces_make_no_tracks():
    assert link([], []).shape == (0, 2, 5)


detections = st.lists(
    st.lists(
        st.tuples(*[st.floats(0, 200)] * 2, st.floats(5, 150), st.floats(0.5, 1)).map(
            lambda found: box(*found)
        ),
        max_size=4,
    ),
    min_size=1,
    max_size=6,
)


@given(detections)
def test_each_box_lands_in_exactly_one_track(found):
    tracks = link(*found)
    assert np.isfinite(tracks[:, :, 4]).sum() == sum(map(len, found))
    kept = tracks[np.isfinite(tracks[:, :, 4])]
    expected = np.array(list(chain(*found)), np.float32).reshape(-1, 5)
    np.testing.assert_allclose(
        kept[np.lexsort(kept.T)], expected[np.lexsort(expected.T)], rtol=1e-6
    )


# The speaker's face


def choose(*frames):
    tracks = link(*frames)
    return tracks[crop.choose_track(tracks, (HEIGHT, WIDTH))]


def test_larger_face_wins():
    chosen = choose(*[[box(40, 60, side=30), box(120, 60, side=45)]] * 4)
    assert chosen[0, 0] > 80


def test_central_face_wins_among_equals():
    chosen = choose(*[[box(20, 20), box(80, 60)]] * 4)
    assert chosen[0, 0] == 60


def test_lasting_face_wins_over_a_surer_larger_passer_by():
    passing = box(130, 60, side=55, confidence=1.0)
    chosen = choose(*[[box(60, 60, confidence=0.7)]] * 3, *[[box(60, 60), passing]] * 3)
    assert np.isfinite(chosen[:, 4]).all()
    assert chosen[0, 0] == 40


# Filling and smoothing


def test_frames_without_the_face_have_no_box_and_bend_no_other():
    boxes = np.linspace((10, 20, 30, 40), (18, 20, 38, 44), 5)
    boxes[2] = np.nan
    smoothed = crop.smooth_track(boxes, np.zeros(5, int))
    assert np.isnan(smoothed[2]).all()
    np.testing.assert_allclose(smoothed[[0, 1, 3, 4]], boxes[[0, 1, 3, 4]], atol=1e-4)
    assert smoothed.dtype == np.float32


def test_nothing_is_smoothed_over_a_cut():
    boxes = np.repeat([(10.0, 20, 30, 40), (200, 20, 260, 80)], 4, axis=0)
    smoothed = crop.smooth_track(boxes, np.repeat([0, 1], 4))
    np.testing.assert_allclose(smoothed, boxes, atol=1e-4)


@given(st.integers(1, 40), arrays(float, (2, 4), elements=st.floats(-50, 50)))
def test_steady_motion_is_not_smoothed_and_does_not_lag(n_frames, line):
    boxes = line[0] + np.arange(n_frames)[:, None] * line[1]
    np.testing.assert_allclose(smooth_boxes(boxes), boxes, atol=1e-2)


def test_trembling_is_smoothed_and_time_has_no_direction():
    rng = np.random.default_rng(0)
    boxes = 50 + rng.normal(0, 3, (40, 4))
    smooth = smooth_boxes(boxes)
    assert np.abs(np.diff(smooth, axis=0)).mean() < 0.5 * np.abs(np.diff(boxes, axis=0)).mean()
    np.testing.assert_allclose(smooth_boxes(boxes[::-1])[::-1], smooth, atol=1e-4)


def test_single_outlier_is_removed():
    boxes = np.tile([10.0, 10, 50, 50], (9, 1))
    boxes[4] += 100
    np.testing.assert_allclose(smooth_boxes(boxes), np.tile([10, 10, 50, 50], (9, 1)))


@given(
    arrays(float, st.tuples(st.integers(1, 6), st.just(4)), elements=st.floats(-1e3, 1e3)),
    st.floats(0, 1),
)
def test_squares_are_square_and_hold_the_box(corners, margin):
    boxes = np.concatenate([corners[:, :2], corners[:, :2] + np.abs(corners[:, 2:])], axis=1)
    squares = crop.square_boxes(boxes, margin=margin)
    sides = squares[:, 2:] - squares[:, :2]
    np.testing.assert_allclose(sides[:, 0], sides[:, 1], atol=1e-2)
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    np.testing.assert_allclose(sides[:, 0], longer * (1 + margin), atol=1e-2)
    assert (squares[:, :2] <= boxes[:, :2] + 1e-2).all()
    assert (squares[:, 2:] >= boxes[:, 2:] - 1e-2).all()


# Crops


@settings(deadline=None)
@given(
    st.tuples(*[st.floats(-300, 300)] * 4),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.integers(1, 64),
    st.booleans(),
)
def test_any_box_gives_a_crop_of_the_size_asked_for(corners, shape, size, grey):
    frame = np.full((*shape, 3), 90, np.uint8)
    if np.ptp(np.reshape(corners, (2, 2)), axis=0).max() > 8 * max(shape):
        with pytest.raises(ValueError, match="does not suit"):
            crop.crop_face(frame, corners, size=size, grey=grey)
        return
    face = crop.crop_face(frame, corners, size=size, grey=grey)
    assert face.shape == ((size, size) if grey else (size, size, 3))
    assert face.dtype == np.uint8
    assert (face == 90).all()


def test_crop_inside_the_frame_is_that_part_of_it():
    frame = number_frames(1)[0]
    face = crop.crop_face(frame, (20.2, 30.4, 52.2, 62.4), size=32, grey=False)
    np.testing.assert_array_equal(face, frame[30:62, 20:52])


def test_edge_is_repeated_beyond_the_frame():
    frame = np.zeros((50, 50, 3), np.uint8)
    frame[:, 0], frame[:, -1] = 200, 100
    left = crop.crop_face(frame, (-40, 10, -10, 40), size=30)
    right = crop.crop_face(frame, (60, 10, 90, 40), size=30)
    assert (left == 200).all()
    assert (right == 100).all()


@settings(deadline=None)
@given(st.tuples(*[st.integers(-120, 200)] * 2), st.tuples(*[st.integers(1, 31)] * 2))
def test_beyond_the_frame_each_pixel_is_the_nearest_of_the_frame(corner, sides):
    frame = number_frames(1)[0]
    columns, rows = (np.arange(corner[i], corner[i] + sides[i]) for i in (0, 1))
    expected = frame[np.clip(rows, 0, HEIGHT - 1)[:, None], np.clip(columns, 0, WIDTH - 1)]
    box = (*corner, corner[0] + sides[0], corner[1] + sides[1])
    expected = cv2.resize(
        expected,
        (16, 16),
        interpolation=cv2.INTER_AREA if min(sides) > 16 else cv2.INTER_LINEAR,
    )
    np.testing.assert_array_equal(crop.crop_face(frame, box, size=16, grey=False), expected)


def test_endless_box_is_an_error():
    with pytest.raises(ValueError, match="does not suit"):
        crop.crop_face(number_frames(1)[0], (0, 0, np.inf, 10))
    with pytest.raises(ValueError, match="does not suit"):
        crop.crop_face(number_frames(1)[0], (0, 0, np.nan, 10))


# Quality


def test_quality_tells_sharp_from_blurred_and_bright_from_dark():
    tiles = np.random.default_rng(0).integers(0, 256, (3, 8, 8), np.uint8)
    sharp = tiles.repeat(8, axis=1).repeat(8, axis=2)
    blurred = np.stack([cv2.GaussianBlur(face, None, 4) for face in sharp])
    boxes, confidence = np.tile([0, 0, 30, 40.0], (3, 1)), np.array([0.8, 0, 0.6])
    boxes[1], sharp[1], blurred[1] = np.nan, 255, 255  # not found: counts for nothing else
    first = crop.measure_quality(sharp, boxes, confidence)
    second = crop.measure_quality(blurred // 2, boxes, confidence)
    assert first["blur"] > 20 * second["blur"] > 0
    assert first["brightness"] == pytest.approx(0.5, abs=0.05)
    assert second["brightness"] == pytest.approx(0.25, abs=0.05)
    assert first["detection_rate"] == pytest.approx(2 / 3)
    assert first["confidence"] == pytest.approx(0.7)
    assert first["face_px"] == pytest.approx(np.sqrt(1200))


def test_flat_faces_have_finite_quality():
    for shape in ((2, 16, 16), (2, 16, 16, 3)):
        flat = np.zeros(shape, np.uint8)
        quality = crop.measure_quality(flat, np.zeros((2, 4)), np.full(2, 0.9))
        assert np.isfinite(list(quality.values())).all()


# A whole clip


@pytest.mark.parametrize("grey", [True, False])
def test_clip_gives_a_face_for_each_frame(grey):
    detector = FakeDetector([box(50, 60)], [], [box(60, 60), box(20, 20, side=20)], [box(65, 60)])
    track = crop.crop_clip(number_frames(4), detector, size=24, grey=grey)
    assert track.faces.shape == ((4, 24, 24) if grey else (4, 24, 24, 3))
    assert track.faces.dtype == np.uint8
    assert track.boxes.shape == (4, 4)
    assert list(track.found) == [True, False, True, True]
    np.testing.assert_allclose(track.confidence, [0.9, 0, 0.9, 0.9], rtol=1e-6)
    assert track.quality["detection_rate"] == 0.75
    assert track.quality["n_faces"] == 1
    assert track.quality["face_choice"] == "only"
    assert set(track.quality) == {
        *("detection_rate", "confidence", "face_px", "blur", "brightness"),
        *("n_faces", "n_shots", "face_choice"),
    }
    assert not track.faces[1].any()
    assert track.faces[[0, 2, 3]].any(axis=(1, 2)).all()
    assert np.isnan(track.boxes[1]).all()
    assert track.problems == []


def test_clip_of_one_frame_works():
    track = crop.crop_clip(number_frames(1), FakeDetector([box(50, 60)]), size=16)
    assert track.faces.shape == (1, 16, 16)


def test_clip_without_a_face_says_how_many_frames_it_has():
    with pytest.raises(crop.NoFaceError, match="no face in 3 frames"):
        crop.crop_clip(number_frames(3), FakeDetector([], [], [box(9, 9, confidence=0.2)]))


def test_face_in_less_than_half_of_the_frames_is_remarked():
    found = [[], [box(50, 60)], [], [], [box(52, 60)]]
    track = crop.crop_clip(number_frames(5), FakeDetector(*found), size=16)
    assert track.problems == ["the face is seen in 2 of 5 frames only"]


# Real clips


@pytest.fixture(scope="module")
def detector(real_data):
    path = real_data / "face_detector" / "opencv_face_detector_uint8.pb"
    before = os.environ.get("EMOTION_DETECTOR")
    os.environ["EMOTION_DETECTOR"] = str(path)
    cv2.setNumThreads(1)
    yield open_detector("resnet_ssd")
    os.environ.pop("EMOTION_DETECTOR")
    if before is not None:
        os.environ["EMOTION_DETECTOR"] = before


def read_frames(path, n_frames):
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    chosen = np.linspace(0, len(frames), n_frames, endpoint=False).astype(int)
    return np.stack([frames[i].to_ndarray(format="rgb24") for i in chosen])


@pytest.fixture(scope="module")
def real_clips(real_data):
    clips = sorted((real_data / "ravdess" / "Actor_05").glob("*.mp4"))
    return [read_frames(clip, 6) for clip in clips]


@pytest.mark.real_data
def test_faces_are_found_in_real_clips(detector, real_clips):
    assert len(real_clips) == 10
    tracks = [crop.crop_clip(frames, detector) for frames in real_clips]
    assert np.mean([track.found.mean() for track in tracks]) >= 0.99
    for track in tracks:
        assert track.quality["n_faces"] == 1
        assert track.quality["confidence"] > 0.95
        assert 300 < track.quality["face_px"] < 500
        assert np.abs(np.diff(track.boxes, axis=0)).max() < 60
        assert track.faces.std(axis=(1, 2)).min() > 20


@pytest.mark.real_data
def test_close_crops_keep_their_face_and_blank_frames_show_none(detector, real_data):
    clips = sorted((real_data / "ravdess_face_crops").glob("*.avi"))[::15]
    for clip in clips:
        frames = read_frames(clip, 15)
        track = crop.crop_clip(frames, detector)
        blank = frames.max(axis=(1, 2, 3)) < 9
        np.testing.assert_array_equal(track.found, ~blank)
        assert track.faces[~blank].std(axis=(1, 2)).min() > 20
        assert not track.faces[blank].any()
        assert 180 < track.quality["face_px"] < 240


@pytest.mark.real_data
def test_faces_of_48_pixels_are_found(detector, real_data):
    with zipfile.ZipFile(real_data / "fer2013" / "fer2013.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith((".jpg", ".png")))
        content = [
            io.BytesIO(archive.read(name)).getbuffer() for name in names[:: len(names) // 40]
        ]
    images = [cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR) for image in content]
    found = crop.detect_faces(images, detector)
    assert np.mean([len(boxes) == 1 for boxes in found]) >= 0.95


@pytest.mark.real_data
def test_speaker_is_followed_beside_a_second_face(detector, real_clips):
    speaker, other = real_clips[0], real_clips[1]
    frames = np.full_like(speaker, 255)
    frames[:, 120:, 480:] = speaker[:, :600, 240:1040]
    frames[2:, 100:380, 20:320] = [
        cv2.resize(frame[:, 260:1031], (300, 280), interpolation=cv2.INTER_AREA)
        for frame in other[2:]
    ]
    track = crop.crop_clip(frames, detector)
    assert track.quality["n_faces"] == 2
    assert track.found.all()
    centres = (track.boxes[:, :2] + track.boxes[:, 2:]) / 2
    assert (centres[:, 0] > 640).all()
    assert np.ptp(centres, axis=0).max() < 60


@pytest.mark.real_data
def test_clip_without_a_face_raises(detector):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (2, 240, 320, 3), np.uint8)
    for frames in (np.zeros_like(noise), noise):
        with pytest.raises(crop.NoFaceError, match="no face in 2 frames"):
            crop.crop_clip(frames, detector)


def test_a_face_of_no_pixels_is_refused():
    frame = np.zeros((20, 20, 3), np.uint8)
    for grey in (True, False):
        with pytest.raises(ValueError, match="A face of 0 pixels a side; expected 1 or more"):
            crop.crop_face(frame, (0, 0, 9, 9), size=0, grey=grey)
