"""Which moments of a clip to look at: named strategies from frame times to instants in seconds.

Nothing assumes a frame rate: a frame is on screen from its time until the next one's, the last
until the clip ends, the first also before its time. So variable frame rates and clips with fewer
frames than ``n_frames`` need no special case: frames repeat.
"""

import numpy as np

SNAP_S = 0.001
"""A frame that starts within this many seconds after an instant counts as on screen: containers
round times (FLV to 1 ms), and an instant exactly between two frames must not depend on that."""


def temporal_average(duration_s, frame_times, *, n_frames):
    """Return the centres of ``n_frames`` equal spans of the clip.

    The deterministic form of the segment sampling of temporal segment networks (Wang et al. 2016,
    "Temporal Segment Networks: Towards Good Practices for Deep Action Recognition", ECCV).
    """
    return (np.arange(n_frames) + 0.5) * (duration_s / n_frames)


def stride(duration_s, frame_times, *, n_frames):
    """Return the times of every ``max(frames // n_frames, 1)``-th frame, from the first one on.

    The classic of many code bases (no paper): it loses up to half of the clip (31 frames, 16
    instants), and what it sees depends on the frame rate.
    """
    step = max(len(frame_times) // n_frames, 1)
    return frame_times[np.minimum(np.arange(n_frames) * step, len(frame_times) - 1)]


def linspace(duration_s, frame_times, *, n_frames):
    """Return the times of frames evenly spaced by number, the first and the last included.

    Common practice (no paper); an acted emotion is weakest in its first and last frame.
    """
    chosen = np.rint(np.linspace(0, len(frame_times) - 1, n_frames)).astype(np.int64)
    return frame_times[chosen]


def fixed_fps(duration_s, frame_times, *, n_frames, fps=5.0):
    """Return instants ``1 / fps`` apart, centred in the clip; a short clip's last one repeats.

    Keeps the true speed of motion, as video networks trained at one rate want (Carreira & Zisserman
    2017, "Quo Vadis, Action Recognition?", CVPR), and misses the ends of a longer clip.
    """
    if not fps > 0:
        raise ValueError(f"fps = {fps}; expected a positive number of frames a second.")
    start = max((duration_s - n_frames / fps) / 2, 0.0)
    return np.minimum(start + (np.arange(n_frames) + 0.5) / fps, duration_s)


def window_mean(duration_s, frame_times, *, n_frames):
    """Return the centres of equal spans, whose frames are to be averaged: motion becomes blur."""
    return temporal_average(duration_s, frame_times, n_frames=n_frames)


def random_segment(duration_s, frame_times, *, n_frames, rng):
    """Return one uniformly drawn instant in each of ``n_frames`` equal spans, for training.

    The segment sampling of temporal segment networks (Wang et al. 2016, see `temporal_average`).
    """
    if rng is None:
        raise ValueError("random_segment draws instants: give it rng=np.random.default_rng(seed).")
    instants = (np.arange(n_frames) + rng.random(n_frames)) * (duration_s / n_frames)
    return np.minimum(instants, duration_s)


STRATEGIES = {
    function.__name__: function
    for function in (temporal_average, stride, linspace, fixed_fps, window_mean, random_segment)
}


def choose_instants(strategy, duration_s, frame_times, *, n_frames, rng=None, fps=5.0):
    """Return the instants at which a strategy looks at a clip.

    Args:
        strategy: A name in `STRATEGIES`.
        duration_s: Length of the clip in seconds, positive.
        frame_times: float (frame,), seconds, non-decreasing, within [0, duration_s].
        n_frames: Number of instants, at least 1.
        rng: numpy Generator, needed by ``random_segment`` alone.
        fps: Instants a second, for ``fixed_fps`` alone.

    Returns:
        float64 (n_frames,), seconds, non-decreasing, within [0, duration_s].

    Raises:
        ValueError: The strategy is unknown, or an argument is out of its range.
    """
    if strategy not in STRATEGIES:
        names = ", ".join(STRATEGIES)
        raise ValueError(f"Sampling strategy {strategy!r} is unknown; expected one of {names}.")
    frame_times = _check_clip(duration_s, frame_times, n_frames)
    options = {"random_segment": {"rng": rng}, "fixed_fps": {"fps": fps}}.get(strategy, {})
    return STRATEGIES[strategy](duration_s, frame_times, n_frames=n_frames, **options)


def choose_frames(strategy, duration_s, frame_times, *, n_frames, **options):
    """Return which frames a strategy takes for each instant; arguments as for `choose_instants`.

    Returns:
        int64 (n_frames, 2): first frame and the one after the last. One frame each, except for
        ``window_mean``, whose frames are to be averaged.
    """
    if strategy == "window_mean":
        return frame_spans(duration_s, frame_times, n_frames=n_frames)
    instants = choose_instants(strategy, duration_s, frame_times, n_frames=n_frames, **options)
    picked = pick_frames(instants, frame_times)
    return np.stack([picked, picked + 1], axis=1)


def pick_frames(instants, frame_times):
    """Return the index of the frame on screen at each instant, int64 (instant,)."""
    later = np.searchsorted(frame_times, np.asarray(instants) + SNAP_S, side="right")
    return np.maximum(later - 1, 0)


def frame_spans(duration_s, frame_times, *, n_frames):
    """Return the frames of equal spans, as `choose_frames`; an empty one takes that on screen."""
    frame_times = _check_clip(duration_s, frame_times, n_frames)
    inner = np.arange(1, n_frames) * (duration_s / n_frames) - SNAP_S
    edges = np.concatenate([[0], np.searchsorted(frame_times, inner), [len(frame_times)]])
    spans = np.stack([edges[:-1], edges[1:]], axis=1).astype(np.int64)
    empty = spans[:, 0] == spans[:, 1]
    shown = np.maximum(spans[empty, 0] - 1, 0)  # no frame starts in it: the one before stays
    spans[empty] = np.stack([shown, shown + 1], axis=1)
    return spans


def _check_clip(duration_s, frame_times, n_frames):
    """Return ``frame_times`` as float64, or raise ValueError for what no clip can have."""
    frame_times = np.asarray(frame_times, dtype=np.float64)
    if n_frames < 1:
        raise ValueError(f"n_frames = {n_frames}; expected at least 1.")
    if not (np.isfinite(duration_s) and duration_s > 0):
        raise ValueError(f"duration_s = {duration_s}; expected a positive number of seconds.")
    if frame_times.ndim != 1 or len(frame_times) == 0:
        raise ValueError(
            f"frame_times has shape {frame_times.shape}; expected (frame,), not empty."
        )
    inside = (frame_times >= 0) & (frame_times <= duration_s)
    if not inside.all():
        raise ValueError(
            f"frame_times holds {frame_times[~inside][0]}; expected times in [0, {duration_s}]."
        )
    if (np.diff(frame_times) < 0).any():
        raise ValueError("frame_times goes back in time; expected non-decreasing seconds.")
    return frame_times
