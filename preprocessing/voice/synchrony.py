"""How far two signals are apart in time: two recordings of one sound, a mouth and a voice.

Arithmetic alone. A lag is how much must be added to the second signal's times to lay it on the
first: positive if the second one's clock started later.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

MAX_LAG_S = 1.0  # longest lag looked for between two recordings of one scene, either way
MAX_LIP_LAG_S = 0.5  # the same between a mouth and a voice
PEAK_S = 0.002  # half the width of a peak
CLEAR_PEAK = 10.0
"""Least height of a clear peak, in standard deviations of the correlation beside it. Unrelated
sounds reach 4 to 6 among the tens of thousands of lags; RAVDESS's recordings over 100."""
RIVAL = 0.6  # a second peak of this share of the first makes the lag ambiguous, as of a pure tone

MOUTH_ROWS, MOUTH_COLUMNS = (0.68, 0.9), (0.34, 0.66)
"""Where the mouth lies in a face crop without margin, as shares of its side."""
GRID_HZ = 100  # rate at which two signals are compared
ENERGY_S = 0.1  # length of the window of one value of the energy: about half a syllable
DRIFT_S = 0.5
"""Changes slower than this (expression, posture, light) are no lip movement: the standard deviation
of the Gaussian whose mean is taken off, in seconds."""


def estimate_lag(reference, recording, rate_hz):
    """Return by how many seconds a recording started later than a reference of the same sound.

    The generalised cross-correlation with phase transform (Knapp & Carter 1976, "The generalized
    correlation method for estimation of time delay"): all frequencies count alike, so that other
    microphones and encoders change the height of the peak and not its place.

    Both are float32 (samples,), of any lengths. The lag is a whole number of samples; None without
    a clear peak.
    """
    if min(len(reference), len(recording)) < 2 or not (np.any(reference) and np.any(recording)):
        return None
    n = 1 << int(np.ceil(np.log2(len(reference) + len(recording))))
    cross = np.fft.rfft(reference, n) * np.conj(np.fft.rfft(recording, n))
    size = np.abs(cross)
    correlation = np.fft.irfft(cross / (size + 0.01 * size.mean()), n)
    reach = min(round(MAX_LAG_S * rate_hz), n // 2 - 1)
    near = np.concatenate([correlation[-reach:], correlation[: reach + 1]])
    best = int(near.argmax())
    beside = near[np.abs(np.arange(len(near)) - best) > PEAK_S * rate_hz]
    if not len(beside):
        return None
    is_clear = near[best] > CLEAR_PEAK * beside.std() and np.abs(beside).max() < RIVAL * near[best]
    return (best - reach) / rate_hz if is_clear else None


def correlate_signals(a, b):
    """Return how alike two signals are when the second one is moved in time.

    Args:
        a, b: float (time,), as many values from the same instant on, at `GRID_HZ`.

    Returns:
        float64 (lag,), seconds added to the times of ``b``, at most half of the signals' length
        either way; and float64 (lag,), Pearson's correlation over the seconds in common, 0 where a
        signal is constant.
    """
    n_values = len(a)
    reach = min(round(MAX_LIP_LAG_S * GRID_HZ), n_values // 2)
    lags = np.arange(-reach, reach + 1)
    correlations = [
        _correlate(a[max(lag, 0) : n_values + lag], b[max(-lag, 0) : n_values - lag])
        for lag in lags
    ]
    return lags / GRID_HZ, np.array(correlations)


def _correlate(a, b):
    """Return Pearson's correlation, 0 where a signal is constant."""
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / size) if size > 1e-12 else 0.0


def measure_mouth_opening(faces):
    """Return how much of a mouth's inside shows: dark between the lips, or bright teeth.

    Of faces, uint8 (time, size, size), grey, upright, cropped without margin, it is float64
    (time,): how far the darkest twelfth of the mouth's region lies below the face's median grey,
    plus how far the brightest 25th lies above it, as shares of full scale.
    """
    size = faces.shape[1]
    top, bottom = (int(share * size) for share in MOUTH_ROWS)
    left, right = (int(share * size) for share in MOUTH_COLUMNS)
    mouth = np.sort(faces[:, top:bottom, left:right].reshape(len(faces), -1), axis=1)
    n_pixels = mouth.shape[1]
    middle = np.median(faces.reshape(len(faces), -1), axis=1)
    dark = middle - mouth[:, : max(n_pixels // 12, 1)].mean(axis=1)
    bright = mouth[:, -max(n_pixels // 25, 1) :].mean(axis=1) - middle
    return (dark + np.maximum(bright, 0)) / 255


def compare_mouth_and_voice(faces, times, waveform, rate_hz):
    """Return what a picture of the synchrony of mouth and voice shows.

    Args:
        faces: As for `measure_mouth_opening`, of all frames of a clip.
        times: float (time,), seconds, increasing, at least two.
        waveform, rate_hz: As for `measure_energy`.

    Returns:
        Dict: ``times`` (seconds on a grid of `GRID_HZ`), ``opening`` and ``loudness`` (there, slow
        changes removed, standard deviation 1), ``lags`` and ``correlations`` as from
        `correlate_signals`, ``lag_s`` and ``correlation`` of the best, ``correlation_at_0``. A
        sound that comes late gives a negative lag; lips that start before the voice do too.
    """
    grid = np.arange(times[0], times[-1], 1 / GRID_HZ)
    opening = _standardise(np.interp(grid, times, measure_mouth_opening(faces)))
    loudness = _standardise(np.sqrt(measure_energy(waveform, rate_hz, grid)))
    lags, correlations = correlate_signals(opening, loudness)
    return {
        "times": grid,
        "opening": opening,
        "loudness": loudness,
        "lags": lags,
        "correlations": correlations,
        "lag_s": float(lags[correlations.argmax()]),
        "correlation": float(correlations.max()),
        "correlation_at_0": float(correlations[np.abs(lags).argmin()]),
    }


def _standardise(values):
    """Return values on the grid without their drift, at standard deviation 1 (or 0)."""
    changes = values - gaussian_filter1d(values, DRIFT_S * GRID_HZ)
    return changes / max(changes.std(), 1e-12)


def measure_energy(waveform, rate_hz, times):
    """Return the loudness of a voice, float32 (samples,) from 0 s, around given seconds.

    It is the root mean square over `ENERGY_S`, float64 (time,), 0 outside.
    """
    total = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    ends = np.asarray(times)[:, None] + np.array([-ENERGY_S, ENERGY_S]) / 2
    first, last = np.clip(np.rint(ends * rate_hz), 0, len(waveform)).astype(int).T
    return np.sqrt(np.maximum(total[last] - total[first], 0) / max(ENERGY_S * rate_hz, 1))
