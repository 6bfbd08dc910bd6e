"""Cuts, the person over them, who speaks, and faces that lie: on films made here, and real ones."""

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opencv_model.resnet_ssd import open_detector
from preprocessing.clips import cuts, decode
from preprocessing.corpora.drawn import clip as drawn
from preprocessing.corpora.drawn import voice
from preprocessing.faces import crop, speaker, turn
from tests.test_tracking import film

FPS = 20


def paint(number, height=144, width=256):
    """Return a soft grey picture, another one for each number."""
    patches = np.random.default_rng(number).integers(20, 235, (7, 10), dtype=np.uint8)
    return cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC)


def find(pictures):
    small = [cuts.shrink_picture(picture) for picture in pictures]
    return cuts.find_cuts(small, np.arange(len(small)) / FPS).tolist()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(8, 20), min_size=1, max_size=4), st.integers(0, 1000))
def test_cuts_are_found_where_scenes_meet(lengths, seed):
    rng = np.random.default_rng(seed)
    pictures = [
        np.clip(paint(seed + scene).astype(int) + rng.integers(-6, 7), 0, 255).astype(np.uint8)
        for scene, length in enumerate(lengths)
        for _ in range(length)
    ]
    assert find(pictures) == np.cumsum(lengths)[:-1].tolist()


@pytest.mark.parametrize("n_frames", [1, 2, 4, 5])
@pytest.mark.parametrize("strength", [120, 255])
def test_flash_is_no_cut(n_frames, strength):
    pictures = [paint(1)] * 30
    for number in range(12, 12 + n_frames):
        pictures[number] = np.minimum(pictures[number].astype(int) + strength, 255).astype(np.uint8)
    assert find(pictures) == []


@pytest.mark.parametrize("speed", [2, 4, 8, 16])
def test_pan_is_no_cut(speed):
    wide = paint(3, width=256 * 3)
    pictures = [wide[:, speed * number : speed * number + 256] for number in range(30)]
    assert find(pictures) == []


def test_cut_between_tall_pictures_in_a_wide_one_is_found():
    face = cv2.GaussianBlur(np.full((144, 80), 140, np.uint8), (5, 5), 0)
    scenes = [face // 2 + paint(number, width=80) // 4 for number in (1, 2)]
    wide = [np.pad(scene, ((0, 0), (88, 88)), constant_values=16) for scene in scenes]
    assert find([wide[0]] * 10 + [wide[1]] * 10) == [10]


def test_light_switched_on_for_good_is_no_cut():
    assert find([paint(1) // 3] * 10 + [paint(1)] * 10) == []


@pytest.mark.parametrize("shape", [(18, 32), (5, 7), (144, 256), (721, 1283), (2160, 90)])
def test_pictures_of_any_size_are_shrunk_to_their_parts(shape):
    halves = np.zeros(shape, np.uint8)
    halves[:, shape[1] // 2 :] = 200
    small = cuts.shrink_picture(halves)
    assert small.shape == (cuts.HEIGHT, cuts.WIDTH)
    assert (small[:, : cuts.WIDTH // 2 - 5] == 0).all()
    assert (small[:, cuts.WIDTH // 2 + 5 :] == 200).all()


def write_film(path, frames):
    drawn.write_mp4(path, frames, FPS, np.zeros(voice.RATE_HZ, np.float32), voice.RATE_HZ)
    return path


def colour(pictures):
    return np.stack([cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB) for picture in pictures])


def test_each_chosen_frame_says_its_shot(tmp_path):
    path = write_film(tmp_path / "cut.mp4", colour([paint(1)] * 21 + [paint(2)] * 19))
    clip = decode.read_clip(path, None, n_frames=8)
    assert clip.shots.tolist() == [0] * 4 + [1] * 4
    clip = decode.read_clip(path, None, n_frames=4, strategy="window_mean")
    assert clip.shots.tolist() == [0, 0, -1, 1]
    frames = decode.read_clip(path, None, n_frames=8, as_frames=True)
    assert frames.shots.tolist() == [0] * 4 + [1] * 4


# The person over cuts


def crop_film(scenes, shots, **options):
    frames, detector, _ = film(*scenes)
    return crop.crop_clip(frames, detector, shots=np.array(shots), size=16, **options), detector


def test_person_is_taken_up_again_after_a_cut():
    before, after = (1, [(1, (40, 60))]), (2, [(1, (200, 90))])
    track, _ = crop_film([before] * 6 + [after] * 6, [0] * 6 + [1] * 6, margin=0.0)
    assert track.found.all()
    np.testing.assert_allclose(track.boxes[:6, 0], 40, atol=2)
    np.testing.assert_allclose(track.boxes[6:, 0], 200, atol=2)
    assert track.quality["n_shots"] == 2


@pytest.mark.parametrize("detect", ["track", "every"])
def test_shot_without_a_face_gives_zeros(detect):
    before, after = (1, [(1, (40, 60))]), (2, [])
    track, _ = crop_film([before] * 3 + [after] * 5, [0] * 3 + [1] * 5, detect=detect)
    assert track.found.tolist() == [True] * 3 + [False] * 5
    assert not track.faces[3:].any()
    assert np.isnan(track.boxes[3:]).all()
    assert track.problems == ["the face is seen in 3 of 8 frames only"]


def test_doubtful_face_of_another_shot_is_not_taken_up():
    frames, detector, _ = film(*[(1, [(1, (40, 60))])] * 6, *[(2, [(2, (200, 90))])] * 4)
    for boxes in list(detector.boxes.values())[6:]:
        boxes[:, 4] = 0.6
    track = crop.crop_clip(frames, detector, shots=np.array([0] * 6 + [1] * 4), size=16)
    assert track.found.tolist() == [True] * 6 + [False] * 4


def test_mean_over_a_cut_shows_no_face():
    scenes = [(1, [(1, (40, 60))])] * 7
    track, detector = crop_film(scenes, [0, 0, 0, -1, 1, 1, 1])
    assert track.found.tolist() == [True] * 3 + [False] + [True] * 3
    assert detector.n_calls == 4


def test_speaker_is_followed_where_several_stay_and_that_is_said():
    both = (1, [(1, (40, 60)), (2, (200, 90))])
    for told, expected, choice in ((None, None, "size"), (0, 0, "voice"), (1, 1, "voice")):
        asked = []

        def choose(tracks, told=told, asked=asked):
            asked.append(tracks)
            return told

        track, _ = crop_film([both] * 8, [0] * 8, margin=0.0, choose_speaker=choose)
        assert track.quality["face_choice"] == choice
        assert len(asked) == 1 and asked[0].shape == (2, 8, 5)
        if expected is not None:
            np.testing.assert_allclose(track.boxes[:, 0], asked[0][expected][:, 0], atol=2)


def test_nobody_is_asked_who_speaks_beside_a_passer_by():
    scenes = [(1, [(1, (40, 60))])] * 8
    scenes[3] = (1, [(1, (40, 60)), (2, (200, 90))])
    track, _ = crop_film(scenes, [0] * 8, choose_speaker=lambda tracks: pytest.fail("asked"))
    assert track.quality["face_choice"] == "only"


# Who speaks


def perform_pair(actor, other):
    """Return frames of a speaker beside a listener, their seconds, tracks, and the voice."""
    frames, fps, speech = drawn.perform_take(drawn.Take(actor, "happy", 1))
    mute, _, _ = drawn.perform_take(drawn.Take(other, "happy", 1))
    still = mute[0] if other % 2 else mute[-1]
    rng = np.random.default_rng(other)
    moves = np.cumsum(rng.normal(0, 0.4, (len(frames), 2)), axis=0)  # a head that sways
    listener = [np.roll(still, np.rint(move).astype(int), (0, 1)) for move in moves]
    both = np.concatenate([frames, np.stack(listener)], axis=2)
    times = np.arange(len(both)) / fps
    face = np.array([110, 50, 210, 190, 0.99], np.float32)  # about where the drawn faces are
    tracks = np.stack(
        [np.tile(face + shift * np.array([1, 0, 1, 0, 0]), (8, 1)) for shift in (0, 320)]
    )
    return both, times, tracks.astype(np.float32), speech.waveform


def test_face_whose_mouth_moves_with_the_voice_speaks():
    told = []
    for pair in [(1, 2), (2, 5), (4, 6), (6, 9), (7, 8), (8, 11), (9, 10), (10, 3)]:
        frames, times, tracks, waveform = perform_pair(*pair)
        own = np.linspace(times[0], times[-1], tracks.shape[1])
        options = (own, frames, times, waveform, voice.RATE_HZ)
        told.append(speaker.choose_speaker(tracks, *options))
        assert speaker.choose_speaker(tracks[::-1], *options) == {0: 1, 1: 0}.get(told[-1])
    assert told.count(0) >= 6
    assert told.count(1) == 0


def test_nobody_speaks_where_all_mouths_are_still():
    frames, times, tracks, waveform = perform_pair(1, 2)
    frames[:] = frames[0]
    own = np.linspace(times[0], times[-1], tracks.shape[1])
    found = speaker.choose_speaker(tracks, own, frames, times, waveform, voice.RATE_HZ)
    assert found is None


# Real clips


def read_luma(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


@pytest.mark.real_data
def test_real_clips_have_no_cut_and_joined_ones_have_theirs(real_data):
    paths = sorted((real_data / "ravdess" / "Actor_05").glob("*.mp4"))[:4]
    clips = [read_luma(path)[:60] for path in paths]
    assert [find(clip) for clip in clips] == [[]] * 4
    near = [cv2.resize(frame[150:510, 330:970], (1280, 720)) for frame in clips[1]]
    assert find(clips[0] + near) == [60]
    assert find(near + clips[2]) == [60]
    assert find(clips[0] + [np.zeros_like(clips[0][0])] * 10 + clips[1]) == [60, 70]


@pytest.mark.real_data
def test_heads_that_move_in_close_ups_at_5_frames_a_second_are_no_cut(real_data):
    clips = sorted((real_data / "ravdess_face_crops").glob("*.avi"))
    seen = [[luma for luma in read_luma(path) if np.ptp(luma) > 20] for path in clips]
    assert len(seen) == 60
    small = [[cuts.shrink_picture(luma) for luma in clip] for clip in seen]
    assert [len(cuts.find_cuts(clip, np.arange(len(clip)) / 5)) for clip in small] == [0] * 60


@pytest.mark.real_data
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_face_that_lies_is_told_from_an_upright_one(real_data, monkeypatch, quarters):
    weights = real_data / "face_detector" / "opencv_face_detector_uint8.pb"
    monkeypatch.setenv("EMOTION_DETECTOR", str(weights))
    network = open_detector("resnet_ssd")
    for path in sorted((real_data / "ravdess" / "Actor_05").glob("*.mp4"))[::4]:
        frames = decode.read_clip(path, None, n_frames=2).frames
        turned = np.ascontiguousarray(np.rot90(frames, quarters, axes=(1, 2)))
        for frame in turned:
            box = network.detect(frame)[0, :4]
            assert turn.find_turn(frame, box, network) == (360 - 90 * quarters) % 360
        track = crop.crop_clip(turned, network)
        said = [f"faces do not stand upright: turn the picture by {90 * quarters}° clockwise"]
        assert track.problems == (said if quarters else [])
