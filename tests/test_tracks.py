"""Arithmetic of the clip's clock: windows, cuts, frame groups."""

from fractions import Fraction
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing.clips import clock, sampling

SECONDS = st.floats(0, 5)
LENGTHS = st.floats(0.01, 5)


def make_sound(start_s, length_s, rate_hz=1000):
    samples = np.full(max(round(length_s * rate_hz), 1), 0.5, dtype=np.float32)
    return clock.Sound([(start_s, samples)], rate_hz)


def make_pictures(ticks, durations=(), usual_ticks=40):
    return clock.Pictures(list(ticks), dict(durations), usual_ticks, Fraction(1, 1000))


@given(SECONDS, LENGTHS, SECONDS, LENGTHS, st.none() | LENGTHS, LENGTHS)
def test_window_lies_in_both_tracks_and_is_no_longer_than_asked(a, b, c, d, window_s, longest_s):
    both = [make_sound(a, b), make_sound(c, d)]
    with mock.patch.object(clock, "MAX_SECONDS", longest_s):
        start_s, end_s = clock.find_window(both, window_s=window_s)
    meet = min(t.end_s for t in both) > max(t.start_s for t in both)
    assert start_s < end_s
    for track in both if meet else both[:1]:
        assert track.start_s - 1e-9 <= start_s
        assert end_s <= track.end_s + 1e-9
    assert end_s - start_s <= min(longest_s, window_s or np.inf) + 1e-9


def test_window_is_cut_from_the_middle():
    sound = [make_sound(1.0, 3.0)]
    assert clock.find_window(sound, window_s=1.0) == (2.0, 3.0)
    assert clock.find_window(sound, window_s=9.0) == (1.0, 4.0)


@given(st.lists(st.tuples(SECONDS, LENGTHS), min_size=1, max_size=4), st.floats(-2, 5), LENGTHS)
def test_cut_puts_every_sample_at_its_time(runs, start_s, length_s):
    """The value of each sample is its own time, so its place in the cut can be checked."""
    rate_hz = 1000
    made = [(round(a, 3), np.arange(max(round(b * rate_hz), 1)) / rate_hz) for a, b in runs]
    sound = clock.Sound([(a, ((a + t) / 20).astype(np.float32)) for a, t in made], rate_hz)
    cut = sound.cut(start_s, start_s + length_s)
    assert cut.dtype == np.float32
    assert len(cut) == max(round(length_s * rate_hz), 1)
    times = start_s + np.arange(len(cut)) / rate_hz
    heard = np.zeros(len(cut), dtype=bool)
    for a, t in made:
        heard |= (times >= a + 0.002) & (times < a + len(t) / rate_hz - 0.002)
    assert np.abs(cut * 20 - times)[heard].max(initial=0) < 0.0011
    assert (cut[cut != 0] * 20 == pytest.approx(times[cut != 0], abs=0.0011)) or not cut.any()


def test_cut_stays_in_full_scale():
    sound = clock.Sound([(0.0, np.array([2.0, -3.0, 0.5], dtype=np.float32))], 1000)
    assert sound.cut(0, 0.003).tolist() == [1.0, -1.0, 0.5]


@pytest.mark.parametrize(
    ("samples", "fault"),
    [
        ([], "empty audio"),
        ([0.1, np.nan], "audio holds NaN samples"),
        ([0.1, np.inf], "audio holds infinite samples"),
        ([0.0, 9e-5, -9e-5], "silent audio"),
        ([0.0, 0.01], None),
    ],
)
def test_faults_of_sound_are_named(samples, fault):
    assert clock.find_fault(np.array(samples, dtype=np.float32)) == fault


def test_last_frame_stays_for_its_own_or_the_median_or_the_usual_duration():
    assert make_pictures([0, 40, 80], {80: 100}).end_s == 0.18
    assert make_pictures([0, 30, 60, 160]).end_s == 0.19
    assert make_pictures([20]).end_s == 0.06


def test_truncation_is_named_only_where_clearly_shorter():
    pictures = make_pictures([0, 40, 80])
    pictures.promised_end_s = 0.2
    assert pictures.find_truncation() is None
    pictures.promised_end_s = 3.0
    assert pictures.find_truncation() == "video truncated: 0.12 of 3.00 s"
    pictures.promised_end_s = None
    assert pictures.find_truncation() is None


def test_frame_on_screen_when_the_window_starts_counts_from_there():
    pictures = make_pictures(range(0, 1000, 100))

    def choose(duration_s, times):
        assert times.tolist() == pytest.approx([0, 0.05, 0.15, 0.25])
        return sampling.choose_frames("linspace", duration_s, times, n_frames=4)

    groups, times = pictures.plan((0.25, 0.55), choose)
    assert groups == [(200,), (300,), (400,), (500,)]
    assert times == pytest.approx([0, 0.05, 0.15, 0.25])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=10, unique=True), st.randoms())
def test_frames_are_averaged_in_whatever_order_they_come(ticks, random):
    order = list(range(10))
    random.shuffle(order)
    groups = [tuple(sorted(ticks)), (3,)]
    frames, seen = clock.average_frames(
        [(tick, lambda shape, t=tick: np.full((2, 2, 3), 20 * t, np.uint8)) for tick in order * 2],
        groups,
    )
    assert seen == list(range(10))
    assert frames[0, 0, 0, 0] == int(np.mean(ticks) * 20 + 0.5)
    assert frames[1, 0, 0, 0] == 60


def test_only_wanted_frames_are_converted():
    def refuse(shape):
        raise AssertionError("an unwanted frame was converted")

    decoded = [(0, refuse), (1, lambda shape: np.zeros((2, 2, 3), np.uint8)), (2, refuse)]
    frames, seen = clock.average_frames(decoded, [(1,), (1,)])
    assert frames.shape == (2, 2, 2, 3)
    assert seen == [0, 1, 2]
