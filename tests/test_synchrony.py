"""Lags between two recordings, and between a mouth and a voice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.voice import synchrony

RATE_HZ = 16000


def make_voice(seed, duration_s=2.0):
    """Return noise in syllables, low frequencies stronger, as float32 (samples,)."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    noise = np.convolve(rng.normal(size=len(times)), np.exp(-np.arange(40) / 8), "same")
    return (0.05 * noise * np.sin(2 * np.pi * 2 * times) ** 2).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.integers(-14000, 14000), st.floats(0.1, 3.0))
def test_shift_of_a_voice_is_found_to_a_sample(seed, shift, gain):
    whole = make_voice(seed, 5.0)
    noise = np.random.default_rng(seed + 1).normal(size=40000) * 0.002
    reference = whole[16000:56000]
    recording = gain * whole[16000 + shift : 56000 + shift] + noise
    assert synchrony.estimate_lag(reference, recording, RATE_HZ) == shift / RATE_HZ


@pytest.mark.parametrize("seed", range(12))
def test_unrelated_sounds_have_no_lag(seed):
    assert synchrony.estimate_lag(make_voice(seed), make_voice(seed + 100), RATE_HZ) is None


def test_silence_and_tones_have_no_lag():
    voice = make_voice(1)
    tone = np.sin(np.arange(32000) * 2 * np.pi * 440 / RATE_HZ).astype(np.float32)
    assert synchrony.estimate_lag(voice, np.zeros(32000), RATE_HZ) is None
    assert synchrony.estimate_lag(voice, voice[:1], RATE_HZ) is None
    assert synchrony.estimate_lag(tone, tone[100:], RATE_HZ) is None


@given(st.integers(-30, 30))
@settings(max_examples=20, deadline=None)
def test_lag_of_two_signals_is_found(hundredths):
    def curve(times):
        return np.sin(7 * times) + np.sin(17.3 * times + 1)

    times = np.arange(300) / synchrony.GRID_HZ
    lags, correlations = synchrony.correlate_signals(curve(times), curve(times + hundredths / 100))
    assert len(lags) == 101 and lags[50] == 0
    assert lags[correlations.argmax()] == pytest.approx(hundredths / 100)
    assert correlations.max() > 0.95
    assert np.abs(correlations).max() <= 1 + 1e-9


def test_constant_signals_do_not_correlate_and_short_ones_are_moved_by_half():
    times = np.arange(10) / synchrony.GRID_HZ
    lags, correlations = synchrony.correlate_signals(np.ones(10), times)
    assert not correlations.any()
    np.testing.assert_allclose(lags, np.arange(-5, 6) / synchrony.GRID_HZ)


def test_dark_mouth_counts_as_open():
    faces = np.full((3, 64, 64), 180, np.uint8)
    for frame, half in enumerate([2, 4, 10]):
        faces[frame, 50:52, 32 - half : 32 + half] = 30
    opening = synchrony.measure_mouth_opening(faces)
    assert (np.diff(opening) > 0).all()
    assert np.abs(opening).max() <= 1


def test_energy_lies_where_the_sound_does():
    waveform = np.zeros(16000, np.float32)
    waveform[8000:9600] = 0.5
    energy = synchrony.measure_energy(waveform, RATE_HZ, [0.1, 0.55, 0.9, 5.0])
    assert energy == pytest.approx([0, 0.5, 0, 0])


@pytest.mark.parametrize("delay_s", [0.0, 0.2])
def test_mouth_that_follows_the_voice_shows_the_delay_of_the_sound(delay_s):
    """The lips part by the loudness of the syllables, 25 times a second."""
    times = np.arange(75) / 25
    level = np.clip(np.sin(2 * np.pi * 1.7 * times) + np.sin(2 * np.pi * 2.9 * times), 0, None)
    faces = np.full((75, 64, 64), 180, np.uint8)
    for frame, height in enumerate(np.rint(3 * level).astype(int)):
        faces[frame, 51 - height : 51 + height, 24:40] = 30
    samples = np.arange(48000) / RATE_HZ - delay_s
    noise = np.random.default_rng(0).normal(size=48000) * 0.1
    waveform = (noise * np.interp(samples, times, level)).astype(np.float32)
    found = synchrony.compare_mouth_and_voice(faces, times, waveform, RATE_HZ)
    assert found["lag_s"] == pytest.approx(-delay_s, abs=0.05)
    assert found["correlation"] > 0.7
    assert found["correlation"] == found["correlations"].max()
    assert found["opening"].shape == found["loudness"].shape == found["times"].shape
