"""Intonation, voice quality and rhythm: how something is said, not what.

Each ``measure_`` function returns a dict of named numbers, float, all of them 0 where the clip
holds nothing to measure.
"""

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import find_peaks

INTONATION_NAMES = ("f0_mean_hz", "f0_low_hz", "f0_high_hz")
INTONATION_NAMES += ("f0_std_semitones", "f0_range_semitones", "f0_slope_semitones_per_s")
INTONATION_NAMES += ("voiced_fraction", "voiced_run_s", "harmonicity_db")

_MAX_PERIOD_FACTOR, _MAX_PEAK_FACTOR = 1.3, 1.6  # between neighbouring periods, as in Praat


def measure_intonation(pitch):
    """Return statistics of the voiced frames of a ``pitch.Pitch``, by ``INTONATION_NAMES``.

    Low and high are the 5th and 95th percentile, the range is between them, the slope that of
    least squares; ``voiced_run_s`` is the mean length of a voiced stretch, ``harmonicity_db`` the
    mean of periodic over aperiodic power.
    """
    if not pitch.voiced.any():
        return dict.fromkeys(INTONATION_NAMES, 0.0)
    f0_hz = pitch.f0_hz[pitch.voiced]
    seconds = np.flatnonzero(pitch.voiced) * pitch.hop / pitch.rate_hz
    noise = np.clip(pitch.aperiodicity[pitch.voiced], 1e-4, 1 - 1e-4)
    semitones = 12 * np.log2(f0_hz)
    low, high = np.percentile(f0_hz, (5, 95))
    late = seconds - seconds.mean()
    values = (
        *(f0_hz.mean(), low, high, semitones.std(), 12 * np.log2(high / low)),
        *(late @ semitones / (late @ late), pitch.voiced.mean()),
        len(f0_hz) * pitch.hop / pitch.rate_hz / len(_find_runs(pitch.voiced)),
        np.mean(10 * np.log10((1 - noise) / noise)),
    )
    return dict(zip(INTONATION_NAMES, map(float, values), strict=True))


def measure_perturbation(waveform, pitch):
    """Return jitter and shimmer, from period to period of the voiced stretches.

    In each voiced stretch one peak per period is followed outwards from the highest, its place
    refined to a fraction of a sample by a parabola. Jitter (local) is the mean absolute difference
    of neighbouring periods over the mean period, shimmer (local) the same of the peak heights;
    neighbours that differ by a factor above 1.3 (periods) or 1.6 (heights) are left out, as in
    Praat. In running speech both also hold intonation and loudness, and noise raises both: compare
    them between clips of one recording condition, not with clinical norms.
    """
    periods, heights = [], []
    for first, last in _find_runs(pitch.voiced):
        start = max(int((first - 0.5) * pitch.hop), 0)
        stretch = waveform[start : int((last + 0.5) * pitch.hop)]
        centres = np.arange(first, last + 1) * pitch.hop - start
        lags = pitch.rate_hz / pitch.f0_hz[first : last + 1]
        places, peaks = _mark_periods(stretch, np.interp(np.arange(len(stretch)), centres, lags))
        gaps = np.diff(places)
        periods.append((gaps[:-1], gaps[1:]))
        heights.append((peaks[:-1], peaks[1:]))
    return {
        "jitter_local": _relative_change(periods, _MAX_PERIOD_FACTOR),
        "shimmer_local": _relative_change(heights, _MAX_PEAK_FACTOR),
    }


def _mark_periods(stretch, lags):
    """Return places (fractional samples, in order) and heights of one peak per period."""
    if len(stretch) < 3:
        return np.zeros(0), np.zeros(0)
    signal = stretch - np.mean(stretch, dtype=np.float64)
    if -signal.min() > signal.max():
        signal = -signal
    anchor = int(signal.argmax())
    marks = [anchor]
    for step in (1, -1):
        at = anchor
        while True:
            reach = at + step * int(0.8 * lags[at]), at + step * int(1.25 * lags[at])
            if min(reach) < 1 or max(reach) + 1 >= len(signal):
                break
            at = min(reach) + int(signal[min(reach) : max(reach) + 1].argmax())
            marks.append(at)
    marks = np.unique(np.clip(marks, 1, len(signal) - 2))
    before, peak, after = signal[marks - 1], signal[marks], signal[marks + 1]
    bend = before - 2 * peak + after
    peaked = (peak >= before) & (peak >= after) & (peak > 0) & (bend < 0)
    offset = np.where(peaked, 0.5 * (before - after) / np.where(peaked, bend, 1.0), 0.0)
    return marks + offset, np.where(peaked, peak - 0.25 * (before - after) * offset, 0.0)


def _relative_change(pairs, max_factor):
    """Return the mean absolute difference of paired values over their mean, 0 without pairs."""
    if not pairs:
        return 0.0
    before, after = (np.concatenate(side) for side in zip(*pairs, strict=True))
    low, high = np.minimum(before, after), np.maximum(before, after)
    kept = (low > 0) & (high <= max_factor * low)
    if not kept.any():
        return 0.0
    return float(np.mean((high - low)[kept]) / np.mean((before + after)[kept] / 2))


def measure_rhythm(level_db, speech, voiced, *, frame_s):
    """Return the share of speech, that of pauses between its ends, and syllables a second there.

    ``level_db`` is float (time,), ``speech`` and ``voiced`` bool (time,); ``frame_s`` are the
    seconds from frame to frame.
    """
    if not speech.any():
        return {"speech_fraction": 0.0, "pause_fraction": 0.0, "speaking_rate_hz": 0.0}
    first, last = np.flatnonzero(speech)[[0, -1]]
    span = last - first + 1
    return {
        "speech_fraction": float(speech.mean()),
        "pause_fraction": float(1 - speech.sum() / span),
        "speaking_rate_hz": count_syllables(level_db, voiced, frame_s=frame_s) / (span * frame_s),
    }


def count_syllables(level_db, voiced, *, frame_s):
    """Count the loudness peaks of a voice that stand for its syllables.

    After de Jong & Wempe 2009: a syllable is a voiced peak of the level, within 25 dB of the
    loudest, that stands at least 2 dB above the dips beside it. Arguments as for
    ``measure_rhythm``.
    """
    smooth = uniform_filter1d(level_db, max(round(0.05 / frame_s), 1))
    peaks, _ = find_peaks(
        np.pad(smooth, 1, constant_values=smooth.min() - 10),
        height=smooth.max() - 25,
        prominence=2,
        distance=max(round(0.08 / frame_s), 1),
    )
    return int(np.count_nonzero(voiced[peaks - 1]))


def measure_balance(power, rate_hz):
    """Return the tilt of the spectrum, which follows vocal effort (Eyben et al. 2016, eGeMAPS).

    It is given by mean and deviation over time of the alpha ratio, 1-5 kHz over 50-1000 Hz, and of
    the Hammarberg index, the strongest line of 0-2 over that of 2-5 kHz. ``power`` is float
    (frequency, time), of lines evenly spaced from 0 to half the rate.
    """
    lines = np.linspace(0, rate_hz / 2, len(power))
    level_db = 10 * np.log10(power + 1e-12)
    top = (lines >= 2000) & (lines < 5000)
    hammarberg_db = level_db[lines < 2000].max(axis=0) - level_db[top].max(axis=0)
    high, low = (lines >= 1000) & (lines < 5000), (lines >= 50) & (lines < 1000)
    alpha_db = 10 * np.log10((power[high].sum(axis=0) + 1e-12) / (power[low].sum(axis=0) + 1e-12))
    tracks = {"alpha_ratio": alpha_db, "hammarberg_index": hammarberg_db}
    means = {f"{name}_mean_db": float(track.mean()) for name, track in tracks.items()}
    return means | {f"{name}_std_db": float(track.std()) for name, track in tracks.items()}


def _find_runs(mask):
    """Return the first and last index of each stretch of True, int (stretch, 2)."""
    edges = np.flatnonzero(np.diff(np.pad(mask.astype(np.int8), 1)))
    return np.stack([edges[::2], edges[1::2] - 1], axis=1)
