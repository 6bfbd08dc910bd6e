"""Every strategy, on every clip: exactly n_frames instants, in order and inside the clip."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing.clips import sampling

NAMES = st.sampled_from(sorted(sampling.STRATEGIES))
COUNTS = st.integers(1, 64)


@st.composite
def clips(draw):
    """Draw (duration_s, frame_times) of a clip with a variable frame rate, one frame at least."""
    shortest = draw(st.sampled_from([0.0001, 0.002]))  # a damaged header may claim 10,000 fps
    gaps = draw(st.lists(st.floats(shortest, 0.5), min_size=1, max_size=120))
    times = np.cumsum([0.0, *gaps[:-1]]) + draw(st.sampled_from([0.0, 0.013]))
    return float(times[-1] + gaps[-1]), times


def constant(n, fps=30.0):
    return n / fps, np.arange(n) / fps


@given(NAMES, clips(), COUNTS)
def test_always_n_frames_in_order_and_inside_the_clip(name, clip, n_frames):
    duration_s, times = clip
    instants = sampling.choose_instants(
        name, duration_s, times, n_frames=n_frames, rng=np.random.default_rng(0)
    )
    assert instants.shape == (n_frames,)
    assert instants.dtype == np.float64
    assert (np.diff(instants) >= 0).all()
    assert instants[0] >= 0
    assert instants[-1] <= duration_s


@given(NAMES, clips(), COUNTS)
def test_chosen_frames_exist_and_are_in_order(name, clip, n_frames):
    duration_s, times = clip
    spans = sampling.choose_frames(
        name, duration_s, times, n_frames=n_frames, rng=np.random.default_rng(0)
    )
    assert spans.shape == (n_frames, 2)
    assert (spans[:, 0] >= 0).all()
    assert (spans[:, 1] > spans[:, 0]).all()
    assert spans.max() <= len(times)
    assert (np.diff(spans, axis=0) >= 0).all()


@given(clips(), COUNTS)
def test_temporal_average_never_loses_the_tail(clip, n_frames):
    duration_s, times = clip
    instants = sampling.temporal_average(duration_s, times, n_frames=n_frames)
    half_span = duration_s / n_frames / 2
    assert instants[0] == pytest.approx(half_span)
    assert instants[-1] == pytest.approx(duration_s - half_span)
    last = sampling.pick_frames(instants, times)[-1]
    assert (times[last + 1 :] > duration_s - half_span - sampling.SNAP_S).all()


@given(st.integers(1, 60), st.integers(0, 60), st.sampled_from([12.5, 25.0, 30000 / 1001]))
def test_no_more_frames_than_instants_means_every_frame_is_seen(n, more, fps):
    duration_s, times = constant(n, fps)
    instants = sampling.temporal_average(duration_s, times, n_frames=n + more)
    assert set(sampling.pick_frames(instants, times)) == set(range(n))


@pytest.mark.parametrize("jitter_s", [0.0, 0.0005])
def test_as_many_instants_as_frames_takes_each_once(jitter_s):
    """Times rounded to a millisecond, as in FLV, must not double one frame and drop another."""
    duration_s, times = constant(97, 30000 / 1001)
    times = times + np.random.default_rng(0).uniform(0, jitter_s, len(times))
    instants = sampling.temporal_average(duration_s, times, n_frames=97)
    assert sampling.pick_frames(instants, times).tolist() == list(range(97))
    halved = sampling.temporal_average(96 / 97 * duration_s, times[:96], n_frames=48)
    assert sampling.pick_frames(halved, times[:96]).tolist() == list(range(1, 96, 2))


@given(clips(), COUNTS)
def test_spans_take_each_frame_once_unless_one_is_empty(clip, n_frames):
    duration_s, times = clip
    spans = sampling.frame_spans(duration_s, times, n_frames=n_frames)
    edges = np.arange(n_frames + 1) * duration_s / n_frames
    taken = np.concatenate([np.arange(first, stop) for first, stop in spans])
    assert set(taken) == set(range(len(times)))
    for (first, stop), start, end in zip(spans, edges[:-1], edges[1:], strict=True):
        inside = (times[first:stop] >= start - 0.0011) & (times[first:stop] < end)
        assert inside.all() or stop - first == 1
    if all(((times >= a) & (times < b - 0.0011)).any() for a, b in zip(edges, edges[1:], strict=0)):
        assert sorted(taken) == list(range(len(times)))


def test_variable_frame_rate_is_sampled_by_time_not_by_number():
    """Two seconds at 10 fps, then two at 50: half of the instants belong to each half."""
    times = np.concatenate([np.arange(20) / 10, 2 + np.arange(100) / 50])
    picked = sampling.pick_frames(sampling.temporal_average(4.0, times, n_frames=16), times)
    assert (times[picked] < 2).sum() == 8
    by_number = sampling.linspace(4.0, times, n_frames=16)
    assert (by_number < 2).sum() == 3


def test_stride_is_the_classic_one_and_loses_the_tail():
    duration_s, times = constant(31)
    assert sampling.stride(duration_s, times, n_frames=16).tolist() == times[:16].tolist()
    _, times = constant(95)
    assert sampling.stride(95 / 30, times, n_frames=16).tolist() == times[0:80:5].tolist()


def test_linspace_takes_the_first_and_the_last_frame():
    duration_s, times = constant(93)
    instants = sampling.linspace(duration_s, times, n_frames=16)
    assert (instants[0], instants[-1]) == (times[0], times[-1])


def test_fixed_fps_is_centred_and_keeps_its_rate():
    duration_s, times = constant(120)
    instants = sampling.choose_instants("fixed_fps", duration_s, times, n_frames=10, fps=5)
    assert np.diff(instants) == pytest.approx(0.2)
    assert instants[0] + instants[-1] == pytest.approx(duration_s)
    short = sampling.choose_instants("fixed_fps", 0.5, times[:15], n_frames=10, fps=5)
    assert short[-1] == 0.5
    assert sampling.pick_frames(short, times[:15])[-1] == 14


@given(clips(), COUNTS, st.integers(0, 2**32 - 1))
def test_random_segment_draws_once_in_each_span(clip, n_frames, seed):
    duration_s, times = clip

    def draw():
        rng = np.random.default_rng(seed)
        return sampling.random_segment(duration_s, times, n_frames=n_frames, rng=rng)

    edges = np.arange(n_frames + 1) * duration_s / n_frames
    assert (draw() >= edges[:-1] - 1e-9).all()
    assert (draw() <= edges[1:] + 1e-9).all()
    assert (draw() == draw()).all()


@pytest.mark.parametrize("name", sorted(sampling.STRATEGIES))
def test_one_frame_is_repeated(name):
    spans = sampling.choose_frames(
        name, 0.04, [0.0], n_frames=16, rng=np.random.default_rng(0), fps=5
    )
    assert spans.tolist() == [[0, 1]] * 16


def test_unknown_strategy_lists_the_names():
    with pytest.raises(ValueError, match="'every_second'.*temporal_average, stride, linspace"):
        sampling.choose_instants("every_second", 1.0, [0.0], n_frames=4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_frames": 0}, "n_frames = 0"),
        ({"duration_s": 0.0}, "duration_s = 0.0"),
        ({"duration_s": float("nan")}, "duration_s = nan"),
        ({"frame_times": []}, "not empty"),
        ({"frame_times": [0.0, 2.0]}, "holds 2.0"),
        ({"frame_times": [0.0, np.nan]}, "holds nan"),
        ({"frame_times": [0.5, 0.2]}, "back in time"),
        ({"strategy": "random_segment"}, "give it rng"),
        ({"strategy": "fixed_fps", "fps": 0}, "fps = 0"),
    ],
)
def test_impossible_arguments_are_named(change, message):
    arguments = {
        "strategy": "temporal_average",
        "duration_s": 1.0,
        "frame_times": [0.0, 0.5],
        "n_frames": 4,
        **change,
    }
    with pytest.raises(ValueError, match=message):
        sampling.choose_instants(**arguments)


def test_spans_shorter_than_the_rounding_of_times_stay_in_order():
    """A damaged header made frames a quarter of a millisecond apart."""
    times = np.array([0, 1, 3, 4, 5, 6, 7, 8, 9]) * 0.00025
    spans = sampling.frame_spans(0.00325, times, n_frames=16)
    assert (np.diff(spans, axis=0) >= 0).all()
