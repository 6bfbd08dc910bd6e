"""Silence at both ends is cut off, from picture and sound alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.clips import clock, decode
from tests import broken_media

RATE_HZ = 16000


def make_voice(before_s, spoken_s, after_s, noise=0.0):
    rng = np.random.default_rng(0)
    lengths = [round(s * RATE_HZ) for s in (before_s, spoken_s, after_s)]
    voice = np.concatenate([np.zeros(lengths[0]), 0.3 * rng.normal(size=lengths[1])])
    voice = np.concatenate([voice, np.zeros(lengths[2])])
    return (voice + noise * rng.normal(size=len(voice))).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 2), st.floats(0.2, 2), st.floats(0, 2), st.sampled_from([0.0, 1e-3]))
def test_speech_is_found_with_a_tenth_of_a_second_around_it(before_s, spoken_s, after_s, noise):
    voice = make_voice(before_s, spoken_s, after_s, noise)
    start_s, end_s = clock.find_speech(voice, RATE_HZ, trim_db=30)
    assert start_s == pytest.approx(max(before_s - clock.PAD_S, 0), abs=0.04)
    wanted_s = min(before_s + spoken_s + clock.PAD_S, len(voice) / RATE_HZ)
    assert end_s == pytest.approx(wanted_s, abs=0.04)


def test_a_click_is_not_speech():
    voice = make_voice(1.0, 1.0, 1.0)
    voice[1600:1640] = 1
    assert clock.find_speech(voice, RATE_HZ, trim_db=30)[0] == pytest.approx(0.9, abs=0.04)


@pytest.mark.parametrize("samples", [np.zeros(16000), np.zeros(10), np.ones(1)])
def test_nothing_is_cut_where_there_is_nothing_to_tell(samples):
    found = clock.find_speech(samples.astype(np.float32), RATE_HZ, trim_db=30)
    assert found == (0.0, len(samples) / RATE_HZ)


@pytest.fixture
def clip(tmp_path):
    """Write three seconds of film whose sound lasts from 1.0 to 2.0 s."""
    film = broken_media.write_clip(tmp_path / "film.mp4", duration_s=3, audio=None)
    sound = broken_media.write_wav(tmp_path / "sound.wav", make_voice(1, 1, 1), RATE_HZ)
    return film, sound


def test_picture_and_sound_are_cut_to_the_same_seconds(clip):
    whole = decode.read_clip(*clip, n_frames=75)
    cut = decode.read_clip(*clip, n_frames=30, trim_db=30)
    assert cut.start_s == pytest.approx(0.9, abs=0.03)
    assert cut.duration_s == pytest.approx(1.2, abs=0.06)
    assert len(cut.waveform) == round(cut.duration_s * RATE_HZ)
    at = round(cut.start_s * RATE_HZ)
    np.testing.assert_array_equal(cut.waveform, whole.waveform[at : at + len(cut.waveform)])
    for time_s, frame in zip(cut.frame_times[1:], cut.frames[1:], strict=True):
        same = np.abs(whole.frame_times - (time_s + cut.start_s)).argmin()
        np.testing.assert_array_equal(frame, whole.frames[same])


def test_a_window_is_taken_from_what_is_left(clip):
    cut = decode.read_clip(*clip, n_frames=4, trim_db=30, window_s=0.5)
    assert cut.duration_s == pytest.approx(0.5)
    assert cut.start_s + 0.25 == pytest.approx(1.5, abs=0.04)


def test_a_film_without_sound_is_not_cut(clip):
    assert decode.read_clip(clip[0], None, n_frames=4, trim_db=30).duration_s == pytest.approx(3)
    with pytest.raises(ValueError, match="trim_db = -3"):
        decode.read_clip(clip[0], None, trim_db=-3)
