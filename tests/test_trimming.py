"""What comes before and after the speech is cut off, from picture and sound alike."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from preprocessing.clips import clock, decode
from preprocessing.corpora.drawn.cast import cast_actor
from preprocessing.corpora.drawn.prosody import choose_prosody
from preprocessing.corpora.drawn.voice import speak
from preprocessing.voice import activity
from tests import broken_media

RATE_HZ = 16000
CHUNK_S = activity.CHUNK / RATE_HZ
BEFORE_S, AFTER_S = 1.0, 0.8


def make_voice(before_s=BEFORE_S, after_s=AFTER_S, *, actor=1, emotion="happy"):
    """Return a drawn voice with silence around it, and the seconds of the voice itself."""
    rng = np.random.default_rng(actor)
    spoken = speak("01", choose_prosody(emotion, rng), cast_actor(actor).voice, rng).waveform
    heard = np.flatnonzero(np.abs(spoken) > 0.02)
    spoken = spoken[heard[0] : heard[-1] + 1]
    silence = (np.zeros(round(s * RATE_HZ), np.float32) for s in (before_s, after_s))
    waveform = np.concatenate([next(silence), spoken, next(silence)])
    return waveform, (before_s, before_s + len(spoken) / RATE_HZ)


VOICE, SPOKEN = make_voice()


def make_noise(snr_db, colour="white"):
    noise = np.random.default_rng(0).normal(size=len(VOICE))
    if colour == "brown":
        noise = np.cumsum(noise) - np.cumsum(noise).mean()
    return noise * np.sqrt(np.mean(VOICE**2) / np.mean(noise**2)) * 10 ** (-snr_db / 20)


@pytest.mark.parametrize(("actor", "emotion"), [(1, "happy"), (2, "sad"), (3, "angry")])
def test_voice_is_kept_and_what_lies_around_it_is_not(actor, emotion):
    waveform, (first_s, last_s) = make_voice(actor=actor, emotion=emotion)
    start_s, end_s = activity.find_speech(waveform, RATE_HZ)
    assert first_s - 2 * activity.PAD_S < start_s < first_s
    assert last_s - CHUNK_S < end_s < last_s + 2 * activity.PAD_S


@settings(max_examples=20, deadline=None)
@given(st.floats(-60, 12))
def test_gain_moves_the_bounds_by_no_more_than_a_chunk(gain_db):
    found = activity.find_speech(VOICE * 10 ** (gain_db / 20), RATE_HZ)
    assert found == pytest.approx(activity.find_speech(VOICE, RATE_HZ), abs=CHUNK_S + 1e-9)


@pytest.mark.parametrize("colour", ["white", "brown"])
@pytest.mark.parametrize("snr_db", [20, 10])
def test_noise_hardly_moves_the_bounds(snr_db, colour):
    found = activity.find_speech(VOICE + make_noise(snr_db, colour), RATE_HZ)
    assert found == pytest.approx(activity.find_speech(VOICE, RATE_HZ), abs=0.2)


@pytest.mark.parametrize("rate_hz", [8000, 22050, 48000])
def test_another_rate_hardly_moves_the_bounds(rate_hz):
    waveform = resample_poly(VOICE, rate_hz // 50, RATE_HZ // 50)
    found = activity.find_speech(waveform, rate_hz)
    assert found == pytest.approx(activity.find_speech(VOICE, RATE_HZ), abs=0.1)


def test_a_click_is_not_speech():
    waveform = VOICE.copy()
    waveform[1600:1640] = 1
    found = activity.find_speech(waveform, RATE_HZ)
    assert found == pytest.approx(activity.find_speech(VOICE, RATE_HZ), abs=0.1)


def test_a_sob_as_loud_as_the_voice_is_kept():
    """The network does not take it for speech."""
    waveform = VOICE.copy()
    n_samples = round(0.4 * RATE_HZ)
    sob = np.random.default_rng(0).normal(size=n_samples) * np.hanning(n_samples)
    waveform[2000 : 2000 + n_samples] = sob * np.abs(VOICE).max() / 2
    alone = np.where(np.arange(len(waveform)) < 0.9 * RATE_HZ, waveform, 0)
    assert activity.find_speech(alone, RATE_HZ) is None
    assert activity.find_speech(waveform, RATE_HZ)[0] < 0.2


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(48000),
        make_noise(0),
        np.sin(np.arange(48000) / 10),
        np.ones(1),
        np.zeros(0),
    ],
    ids=["silence", "noise", "tone", "one sample", "nothing"],
)
def test_where_nobody_speaks_nothing_is_found(samples):
    assert activity.find_speech(samples, RATE_HZ) is None
    assert len(activity.measure_speech(samples, RATE_HZ)) == -(-len(samples) // activity.CHUNK)


def test_a_probability_tells_speech_from_silence():
    probabilities = activity.measure_speech(VOICE, RATE_HZ)
    assert probabilities.dtype == np.float32
    times = (np.arange(len(probabilities)) + 0.5) * CHUNK_S
    assert probabilities[times < BEFORE_S - 0.1].max() < 0.1
    spoken = (times > SPOKEN[0] + 0.2) & (times < SPOKEN[1] - 0.2)
    assert np.median(probabilities[spoken]) > 0.9


def test_what_was_heard_before_changes_nothing():
    alone = activity.measure_speech(VOICE, RATE_HZ)
    activity.measure_speech(VOICE[20000:], RATE_HZ)
    np.testing.assert_array_equal(activity.measure_speech(VOICE, RATE_HZ), alone)
    with ThreadPoolExecutor(4) as threads:
        shifted = [VOICE[n:] for n in (0, 5000, 0, 9000, 0)]
        found = list(
            threads.map(lambda waveform: activity.measure_speech(waveform, 16000), shifted)
        )
    for again in found[::2]:
        np.testing.assert_array_equal(again, alone)


def test_network_runs_beside_tensorflow():
    """Their libraries have symbols of the same names: mixed up, the process dies."""
    code = (
        "import numpy, tensorflow\n"
        "from preprocessing.voice.activity import find_speech\n"
        "assert find_speech(numpy.zeros(16000), 16000) is None\n"
        "assert float(tensorflow.reduce_sum(tensorflow.ones((3, 3)))) == 9"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_samples_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="holds NaN or infinite samples"):
        activity.measure_speech(np.array([0, np.nan]), RATE_HZ)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Write a film as long as its sound, which speaks from `BEFORE_S` on."""
    folder = tmp_path_factory.mktemp("clip")
    duration_s = len(VOICE) / RATE_HZ
    film = broken_media.write_clip(folder / "film.mp4", duration_s=duration_s, audio=None)
    return film, broken_media.write_wav(folder / "sound.wav", VOICE, RATE_HZ)


def test_picture_and_sound_are_cut_to_the_same_seconds(clip):
    whole = decode.read_clip(*clip, n_frames=100)
    cut = decode.read_clip(*clip, n_frames=30, trim=True)
    start_s, end_s = activity.find_speech(VOICE, RATE_HZ)
    assert (cut.start_s, cut.duration_s) == pytest.approx((start_s, end_s - start_s), abs=0.05)
    assert len(cut.waveform) == round(cut.duration_s * RATE_HZ)
    at = round(cut.start_s * RATE_HZ)
    np.testing.assert_array_equal(cut.waveform, whole.waveform[at : at + len(cut.waveform)])
    for time_s, frame in zip(cut.frame_times[1:], cut.frames[1:], strict=True):
        same = np.abs(whole.frame_times - (time_s + cut.start_s)).argmin()
        np.testing.assert_array_equal(frame, whole.frames[same])
    assert cut.frame_times[-1] <= cut.duration_s
    assert decode.read_frame_times(*clip, trim=True)[0] == cut.duration_s


def test_a_window_is_taken_from_what_is_left(clip):
    left = decode.read_clip(*clip, n_frames=4, trim=True)
    cut = decode.read_clip(*clip, n_frames=4, trim=True, window_s=0.5)
    assert cut.duration_s == pytest.approx(0.5)
    assert cut.start_s + 0.25 == pytest.approx(left.start_s + left.duration_s / 2)


def test_a_film_without_speech_is_not_cut_and_says_so(tmp_path, clip):
    duration_s = len(VOICE) / RATE_HZ
    mute = decode.read_clip(clip[0], None, n_frames=4, trim=True)
    assert mute.duration_s == pytest.approx(duration_s, abs=0.04)
    assert clock.NO_SPEECH not in mute.problems
    noise = make_noise(10).astype(np.float32)
    sound = broken_media.write_wav(tmp_path / "noise.wav", noise, RATE_HZ)
    noisy = decode.read_clip(clip[0], sound, n_frames=4, trim=True)
    assert noisy.duration_s == pytest.approx(duration_s, abs=0.04)
    assert noisy.problems == ["no speech found: not trimmed"]
    assert decode.read_clip(clip[0], sound, n_frames=4).problems == []
