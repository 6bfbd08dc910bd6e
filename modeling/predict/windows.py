"""Which seconds are read together: windows of one length, or from pause to pause. Arithmetic."""

import numpy as np

from preprocessing.voice.activity import CHUNK, PAD_S, POSSIBLE, RATE_HZ, SURE

CHUNK_S = CHUNK / RATE_HZ
PAUSE_S = 0.3  # a shorter silence does not end an utterance
REST_S = 0.5  # a longer time without one is a window of its own
LONGEST_S = 12.0  # a longer utterance, or a longer time without one, is cut
LEAST_SPEECH_S = 0.25  # less of it is no utterance
BY = ("window", "utterance")


def list_windows(start_s, end_s, *, window_s, step_s):
    """Return windows of one length that cover a stretch, float64 (window, 2), seconds.

    They start ``step_s`` apart. The last one ends with the stretch: it is longer by what is left,
    or, where that is more than half a step, another one that starts earlier after the one before.
    A stretch that is hardly longer than a window, or shorter, is one window.

    Raises:
        ValueError: A length is not positive.
    """
    for name, value in {"window_s": window_s, "step_s": step_s}.items():
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} = {value}; expected a positive number of seconds.")
    if step_s > window_s:
        raise ValueError(f"step_s = {step_s} leaves gaps; expected at most window_s = {window_s}.")
    length_s = end_s - start_s
    if length_s <= window_s + step_s / 2:
        return np.array([[start_s, end_s]])
    starts = start_s + step_s * np.arange(count_whole(length_s, window_s, step_s))
    ends = starts + window_s
    if end_s - ends[-1] <= step_s / 2:
        ends[-1] = end_s
    else:
        starts, ends = np.append(starts, end_s - window_s), np.append(ends, end_s)
    return np.stack([starts, ends], axis=1)


def count_whole(length_s, window_s, step_s):
    """Return how many windows, ``step_s`` apart, lie wholly within a stretch."""
    return max(int(np.floor((length_s - window_s + 1e-6) / step_s)) + 1, 0)


def measure_overlap(*spans):
    """Return how many seconds spans, (start, end) each, share; 0 for none."""
    starts, ends = zip(*spans, strict=True)
    return max(min(ends) - max(starts), 0.0)


def find_utterances(probabilities, longest_s=LONGEST_S):
    """Return stretches of speech between pauses, int64 (utterance, 2): chunks, first and stop.

    Each is as wide as the speech and `PAD_S` on either side, where there is room; one longer than
    ``longest_s`` is cut where speech is least likely.

    Args:
        probabilities: float (chunk,), of speech, see `activity.measure_speech`.
        longest_s: Seconds.
    """
    is_possible = probabilities >= POSSIBLE
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_possible, [False]])))
    runs = [run for run in edges.reshape(-1, 2) if (probabilities[slice(*run)] >= SURE).any()]
    joined = []
    for first, stop in runs:
        if joined and (first - joined[-1][1]) * CHUNK_S < PAUSE_S:
            joined[-1][1] = stop
        else:
            joined.append([first, stop])
    pad, longest, found = round(PAD_S / CHUNK_S), int(longest_s / CHUNK_S), []
    for first, stop in joined:
        spoken = (probabilities[first:stop] >= SURE).sum() * CHUNK_S
        if spoken < LEAST_SPEECH_S:
            continue
        first, stop = max(first - pad, 0), min(stop + pad, len(probabilities))
        while stop - first > longest:
            near = slice(first + longest // 2, first + longest)
            cut = near.start + int(probabilities[near].argmin())
            found.append((first, cut))
            first = cut
        found.append((first, stop))
    return np.array(found, np.int64).reshape(-1, 2)


def fill_pauses(utterances, start_s, end_s):
    """Return utterances and what lies between them, float64 (window, 2), seconds, in order.

    Args:
        utterances: float (utterance, 2), seconds, in order.
        start_s, end_s: The stretch that is to be covered; a rest shorter than `REST_S` is not.
    """
    edges = [start_s, *np.clip(utterances, start_s, end_s).ravel(), end_s]
    windows = [tuple(pair) for pair in np.clip(utterances, start_s, end_s) if pair[1] > pair[0]]
    for first_s, last_s in zip(edges[::2], edges[1::2], strict=True):
        if last_s - first_s >= REST_S or not windows:
            n_parts = max(int(np.ceil((last_s - first_s) / LONGEST_S)), 1)
            cuts = np.linspace(first_s, last_s, n_parts + 1)
            windows += list(zip(cuts[:-1], cuts[1:], strict=True))
    return np.array(sorted(windows), np.float64).reshape(-1, 2)
