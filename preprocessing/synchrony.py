"""How far two signals are apart in time: two recordings of one sound, a mouth and a voice.

Arithmetic alone. A lag is how much must be added to the second signal's times to lay it on the
first: positive if the second one's clock started later.
"""

import numpy as np

MAX_LAG_S = 1.0
"""Longest lag looked for between two recordings of one scene, in seconds."""

CLEAR_PEAK = 10.0
"""Least height of a clear peak, in standard deviations of the correlation beside it. Unrelated
sounds reach 4 to 6 among the tens of thousands of lags; RAVDESS's recordings over 100."""

RIVAL = 0.6
"""A second peak this high relative to the first makes the lag ambiguous, as for a pure tone."""

PEAK_S = 0.002
"""Half the width of a peak, in seconds."""

MOUTH_ROWS, MOUTH_COLUMNS = (0.62, 0.92), (0.28, 0.72)
"""Where the mouth lies in a face crop, as shares of its side."""

GRID_HZ = 100
"""Rate at which two signals are compared."""

ENERGY_S = 0.04
"""Length of the window of one value of the energy: about that of a video frame."""


def estimate_lag(reference, recording, rate_hz, *, max_lag_s=MAX_LAG_S):
    """Return how much later a recording started than a reference of the same sound.

    The generalised cross-correlation with phase transform (Knapp & Carter 1976, "The generalized
    correlation method for estimation of time delay"): all frequencies count alike, so that other
    microphones and encoders change the height of the peak and not its place.

    Args:
        reference: float32 (samples,).
        recording: float32 (samples,), the length may differ.
        rate_hz: Samples per second of both.
        max_lag_s: Longest lag looked for, either way.

    Returns:
        Seconds, a whole number of samples; None without a clear peak.
    """
    if min(len(reference), len(recording)) < 2 or not (np.any(reference) and np.any(recording)):
        return None
    n = 1 << int(np.ceil(np.log2(len(reference) + len(recording))))
    cross = np.fft.rfft(reference, n) * np.conj(np.fft.rfft(recording, n))
    size = np.abs(cross)
    correlation = np.fft.irfft(cross / (size + 0.01 * size.mean()), n)
    reach = min(round(max_lag_s * rate_hz), n // 2 - 1)
    near = np.concatenate([correlation[-reach:], correlation[: reach + 1]])
    best = int(near.argmax())
    beside = near[np.abs(np.arange(len(near)) - best) > PEAK_S * rate_hz]
    if not len(beside):
        return None
    is_clear = near[best] > CLEAR_PEAK * beside.std() and np.abs(beside).max() < RIVAL * near[best]
    return (best - reach) / rate_hz if is_clear else None


def correlate_signals(times_a, a, times_b, b, *, max_lag_s=0.5):
    """Return how alike two signals are when the second one is moved in time.

    Both are put on one grid of `GRID_HZ` by straight lines between their values.

    Args:
        times_a: float (time,), seconds, increasing, at least two.
        a: float (time,).
        times_b: float (other time,), seconds on the same clock, increasing, at least two.
        b: float (other time,).
        max_lag_s: Longest lag, either way; a lag that leaves less than half of the shorter
            signal in common is left out.

    Returns:
        lags: float64 (lag,), seconds added to ``times_b``.
        correlations: float64 (lag,), Pearson's over the seconds in common, 0 where a signal is
            constant. The best lag is ``lags[correlations.argmax()]``.

    Raises:
        ValueError: A signal is too short, its times do not increase, or nothing is in common.
    """
    for name, times, values in (("a", times_a, a), ("b", times_b, b)):
        if len(times) != len(values) or len(times) < 2 or not (np.diff(times) > 0).all():
            raise ValueError(
                f"Signal {name} has {len(values)} values at {len(times)} times; expected as many "
                "increasing times as values, at least two."
            )
    shorter_s = min(times_a[-1] - times_a[0], times_b[-1] - times_b[0])
    reach = round(max_lag_s * GRID_HZ)
    lags, correlations = [], []
    for lag in np.arange(-reach, reach + 1) / GRID_HZ:
        start_s = max(times_a[0], times_b[0] + lag)
        end_s = min(times_a[-1], times_b[-1] + lag)
        if end_s - start_s < max(shorter_s / 2, 2 / GRID_HZ):
            continue
        grid = np.arange(start_s, end_s, 1 / GRID_HZ)
        lags.append(lag)
        correlations.append(
            _correlate(np.interp(grid, times_a, a), np.interp(grid - lag, times_b, b))
        )
    if not lags:
        raise ValueError("The two signals share less than half of the shorter one at any lag.")
    return np.array(lags), np.array(correlations)


def _correlate(a, b):
    """Return Pearson's correlation, 0 where a signal is constant."""
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / size) if size > 1e-12 else 0.0


def measure_mouth_opening(faces):
    """Return how dark the mouth's region is against the face: an open mouth shows its inside.

    Args:
        faces: uint8 (time, size, size), grey, upright, cropped to the face.

    Returns:
        float64 (time,): the face's median grey less the mean of the darkest quarter of the mouth's
        region, in [-1, 1] of full scale.
    """
    size = faces.shape[1]
    top, bottom = (round(share * size) for share in MOUTH_ROWS)
    left, right = (round(share * size) for share in MOUTH_COLUMNS)
    mouth = np.sort(faces[:, top:bottom, left:right].reshape(len(faces), -1), axis=1)
    darkest = mouth[:, : max(mouth.shape[1] // 4, 1)].mean(axis=1)
    return (np.median(faces.reshape(len(faces), -1), axis=1) - darkest) / 255


def measure_energy(waveform, rate_hz, times):
    """Return the loudness of a voice around given instants.

    Args:
        waveform: float32 (samples,), sample 0 at 0 s.
        rate_hz: Samples per second.
        times: float (time,), seconds.

    Returns:
        float64 (time,): root mean square over `ENERGY_S` around each instant; 0 outside.
    """
    total = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    half = ENERGY_S / 2
    edges = [
        np.clip(np.rint((np.asarray(times) + way) * rate_hz), 0, len(waveform)).astype(int)
        for way in (-half, half)
    ]
    return np.sqrt(np.maximum(total[edges[1]] - total[edges[0]], 0) / max(ENERGY_S * rate_hz, 1))
