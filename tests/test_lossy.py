"""A codec takes detail from a sound, and leaves its length, its clock and its loudness."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from preprocessing.clips import lossy


def make_sweep(seconds, rate_hz):
    """Return a tone that rises, beating three times a second: float32 (samples,)."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    beats = 0.2 + 0.8 * np.sin(2 * np.pi * 3 * times) ** 2
    return (0.5 * beats * np.sin(2 * np.pi * (200 * times + 300 * times**2))).astype(np.float32)


def measure_lag_ms(before, after, rate_hz):
    """Return how much later a sound is, by the peak of the correlation within 30 ms."""
    most = round(0.03 * rate_hz)
    correlation = np.correlate(np.pad(after, most), before, "valid")
    return 1000 * (correlation.argmax() - most) / rate_hz


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(sorted(lossy.CODECS)),
    st.floats(24, 32),
    st.sampled_from([16000, 22050, 44100, 48000]),
    st.floats(0.2, 1.2),
)
def test_sound_keeps_its_clock_and_its_loudness(codec, kbit_s, rate_hz, seconds):
    """At fewer bits Opus models a voice, and a sweep is none; the clock is then a click's."""
    sweep = make_sweep(seconds, rate_hz)
    worse = lossy.recode_sound(sweep, rate_hz, kbit_s, codec=codec)
    assert worse.shape == sweep.shape
    assert worse.dtype == np.float32
    assert abs(measure_lag_ms(sweep, worse, rate_hz)) <= 0.2  # 0.14 measured
    assert worse.std() == pytest.approx(sweep.std(), rel=0.2)
    assert (worse != sweep).any()


@pytest.mark.parametrize("codec", lossy.CODECS)
@pytest.mark.parametrize("place", [0.02, 0.5, 0.98])
def test_a_click_stays_where_it_is(codec, place):
    click = np.zeros(16000, np.float32)
    click[round(place * 16000)] = 0.9
    worse = lossy.recode_sound(click, 16000, 16, codec=codec)
    assert abs(np.abs(worse).argmax() - click.argmax()) <= 16  # 1 ms


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3000), st.sampled_from(sorted(lossy.CODECS)), st.floats(1e-6, 10))
@example(1, "opus", 1.0)
def test_any_length_and_loudness_comes_back_finite(n_samples, codec, peak):
    noise = np.random.default_rng(n_samples).uniform(-peak, peak, n_samples).astype(np.float32)
    worse = lossy.recode_sound(noise, 16000, 12, codec=codec)
    assert len(worse) == n_samples
    assert np.isfinite(worse).all()
    assert np.abs(worse).max() < 3 * peak + 1e-4  # 16 bits end at 3e-5


@pytest.mark.parametrize("codec", lossy.CODECS)
def test_loud_sound_is_not_clipped_and_silence_is_silent(codec):
    sweep = make_sweep(0.5, 16000)
    loud = lossy.recode_sound(8 * sweep, 16000, 24, codec=codec)
    assert np.abs(loud).max() > 3
    assert loud.std() == pytest.approx(8 * sweep.std(), rel=0.1)
    assert not lossy.recode_sound(np.zeros(5000, np.float32), 16000, 24, codec=codec).any()


@pytest.mark.parametrize("codec", lossy.CODECS)
def test_fewer_bits_leave_less_of_it(codec):
    sweep = make_sweep(1.0, 16000)
    sweep += 0.05 * np.random.default_rng(0).normal(size=len(sweep)).astype(np.float32)
    few, many, again = (lossy.recode_sound(sweep, 16000, k, codec=codec) for k in (8, 32, 8))
    assert np.std(few - sweep) > 1.3 * np.std(many - sweep)
    np.testing.assert_array_equal(few, again)


def test_unknown_codec_is_refused():
    with pytest.raises(ValueError, match="codec = 'aac'; expected one of mp3, opus"):
        lossy.recode_sound(np.zeros(100, np.float32), 16000, 16, codec="aac")
