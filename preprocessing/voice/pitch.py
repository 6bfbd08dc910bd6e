"""The pitch of a voice, frame by frame, by YIN and a smoothest path.

Frames are centred: frame ``t`` is centred on sample ``t * hop`` and a waveform has
``1 + samples // hop`` of them, the same frames as the spectrogram of ``spectra``.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.ndimage import binary_opening

F0_MIN_HZ, F0_MAX_HZ = 65.0, 700.0  # a low male voice to a frightened or surprised female one
VOICED_APERIODICITY = 0.4  # largest share of aperiodic power in a voiced frame
SILENCE_RMS = 1e-4  # frames below this root mean square (-80 dB) are never voiced
_WINDOW_S = 0.025  # YIN's integration window
_N_CANDIDATES = 5  # lags considered per frame
_JUMP_COST = 0.3  # aperiodicity that a pitch jump of one octave must save
_OCTAVE_COST = 0.02  # preference for the shorter of two equally good lags, per octave


@dataclass(frozen=True)
class Pitch:
    """The pitch of a voice, frame by frame."""

    f0_hz: np.ndarray  # float64 (time,), NaN where unvoiced
    aperiodicity: np.ndarray  # float64 (time,), share of the power that does not repeat, 0 to 1
    voiced: np.ndarray  # bool (time,)
    hop: int  # samples from frame to frame
    rate_hz: int  # samples per second


def track_pitch(waveform, rate_hz, *, hop):
    """Return the ``Pitch`` of a voice by YIN with a smoothest-path choice among its candidates.

    The difference function is YIN's (de Cheveigne & Kawahara 2002, steps 2, 3 and 5). Instead of
    its fixed threshold, the best five lags of each frame are candidates and the cheapest path
    through them is taken, a jump of an octave costing as much as 0.3 aperiodicity (the idea of
    Boersma 1993): that removes most octave errors. Frames far below the loudest are not searched,
    and runs shorter than three frames are unvoiced. The waveform is float32 (samples,), in [-1, 1].
    """
    lag_max = int(np.ceil(rate_hz / F0_MIN_HZ))
    window = int(_WINDOW_S * rate_hz)
    frames = frame_centred(waveform, window + lag_max, hop)
    n_frames = len(frames)
    power = frames.var(axis=1)
    searched = np.flatnonzero(power > max(power.max() * 1e-4, SILENCE_RMS**2))
    f0_hz, aperiodicity = np.full(n_frames, np.nan), np.ones(n_frames)
    if searched.size:
        difference = _difference(frames[searched], window, lag_max)
        lags, costs, values = _propose_lags(difference, int(rate_hz / F0_MAX_HZ))
        path = _choose_path(np.log2(lags), costs)
        rows = np.arange(len(path))
        f0_hz[searched] = rate_hz / lags[rows, path]
        aperiodicity[searched] = np.clip(values[rows, path], 0.0, 1.0)
    voiced = binary_opening(aperiodicity < VOICED_APERIODICITY, np.ones(3))
    return Pitch(np.where(voiced, f0_hz, np.nan), aperiodicity, voiced, hop, rate_hz)


def frame_centred(waveform, length, hop):
    """Return frames with zeros beyond both ends, a read-only view (1 + samples // hop, length)."""
    padded = np.pad(waveform, (length // 2, length))
    windows = np.lib.stride_tricks.sliding_window_view(padded, length)
    return windows[::hop][: 1 + len(waveform) // hop]


def _difference(frames, window, lag_max):
    """Return YIN's cumulative mean normalised difference, float32 (time, lag_max + 1)."""
    frames = (frames - frames.mean(axis=1, keepdims=True)).astype(np.float32)
    frames /= np.abs(frames).max(axis=1, keepdims=True)
    size = fft.next_fast_len(frames.shape[1], real=True)
    heads = fft.rfft(frames[:, :window], size)
    products = fft.irfft(heads.conj() * fft.rfft(frames, size), size)[:, : lag_max + 1]
    energy = np.cumsum(np.pad(frames**2, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
    energy = energy[:, window : window + lag_max + 1] - energy[:, : lag_max + 1]
    difference = np.maximum(energy[:, :1] + energy - 2 * products, 0)
    total = np.cumsum(difference, axis=1)
    lags = np.arange(lag_max + 1)
    return np.divide(difference * lags, total, out=np.ones_like(total), where=total > 1e-9)


def _propose_lags(difference, lag_min):
    """Return the best troughs of each frame: lags in samples, path costs, aperiodicities."""
    centre = difference[:, lag_min + 1 : -1]
    before, after = difference[:, lag_min:-2], difference[:, lag_min + 2 :]
    trough = (centre < before) & (centre <= after)
    whole_lags = np.arange(lag_min + 1, lag_min + 1 + centre.shape[1])
    costs = np.where(trough, centre + _OCTAVE_COST * np.log2(whole_lags / lag_min), 2.0)
    best = np.argpartition(costs, _N_CANDIDATES, axis=1)[:, :_N_CANDIDATES]
    a, b, c = (np.take_along_axis(part, best, axis=1) for part in (before, centre, after))
    found = np.take_along_axis(trough, best, axis=1)
    bend = np.where(found, a - 2 * b + c, 1.0)
    offset = np.where(found, 0.5 * (a - c) / bend, 0.0)
    values = np.where(found, b - 0.25 * (a - c) * offset, 1.0)
    return whole_lags[best] + offset, np.take_along_axis(costs, best, axis=1), values


def _choose_path(octaves, costs):
    """Return the cheapest candidate of every frame, int (time,), by dynamic programming."""
    total, origins = costs[0], np.zeros(costs.shape, np.intp)
    jumps = _JUMP_COST * np.abs(octaves[:-1, :, None] - octaves[1:, None, :])
    columns = np.arange(costs.shape[1])
    for t, jump in enumerate(jumps, start=1):
        routes = total[:, None] + jump
        origins[t] = routes.argmin(axis=0)
        total = routes[origins[t], columns] + costs[t]
    path = np.empty(len(costs), np.intp)
    path[-1] = total.argmin()
    for t in range(len(costs) - 1, 0, -1):
        path[t - 1] = origins[t, path[t]]
    return path
