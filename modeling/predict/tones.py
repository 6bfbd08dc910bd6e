"""Music or noise: music is tones that are held, and that change. Arithmetic on a spectrum.

A voice glides, noise has no tones, and a hum holds its own for good.
"""

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from preprocessing.voice.activity import RATE_HZ

SIZE, HOP = 2048, 512  # samples of a spectrum, and from one to the next
BAND = slice(80 * SIZE // RATE_HZ, 4000 * SIZE // RATE_HZ)  # of it that is looked at
AROUND, STANDS_OUT_DB = 41, 9.0  # bins about a peak, over whose mean level it stands
FAINT_DB = 45.0  # below the loudest of a spectrum, from which on nothing counts
HELD = 7  # spectra in which a tone stands still: 0.2 s
FOR_GOOD = 0.9  # of a window, in which a tone is a hum
MUSIC_SHARE, MUSIC_TONES = 0.4, 12  # of spectra that hold two tones or more; tones in all
SPOKEN_SHARE = 0.6  # the same where somebody speaks, and holds a vowel: 0.5% of TESS reach it
NOISE_HELD, NOISE_PEAKS = 0.1, 7.0  # tones that a spectrum holds, and its peaks, at most
MUSIC, NOISE = "music", "noise"


def name_sound(waveform, *, is_speech):
    """Return `MUSIC`, `NOISE`, or "" where it is neither for sure.

    Args:
        waveform: float32 (samples,), mono, at `RATE_HZ`.
        is_speech: Whether somebody speaks too: then it is music or "".
    """
    if len(waveform) < SIZE + HELD * HOP:
        return ""
    share, n_tones, n_held, n_peaks = measure_tones(waveform)
    if share >= (SPOKEN_SHARE if is_speech else MUSIC_SHARE) and n_tones >= MUSIC_TONES:
        return MUSIC
    is_noise = n_held <= NOISE_HELD and n_peaks <= NOISE_PEAKS
    return NOISE if is_noise and not is_speech else ""


def measure_tones(waveform):
    """Return how tones are held.

    They are the share of spectra that hold two tones or more which are not held for good, the
    number of tones in all, and the mean number of tones held, and of peaks, in a spectrum.
    """
    frames = np.lib.stride_tricks.sliding_window_view(waveform, SIZE)[::HOP]
    spectra = np.abs(np.fft.rfft(frames * np.hanning(SIZE).astype(np.float32)))[:, BAND]
    levels = 20 * np.log10(spectra + 1e-7)
    is_peak = maximum_filter1d(levels, 3, axis=1) == levels
    is_peak &= levels > levels.max(axis=1, keepdims=True) - FAINT_DB
    is_peak &= levels - uniform_filter1d(levels, AROUND, axis=1) > STANDS_OUT_DB
    near = maximum_filter1d(is_peak.astype(np.float32), 3, axis=1)
    held = is_peak & (uniform_filter1d(near, HELD, axis=0) > 1 - 0.5 / HELD)
    changing = held & (near.mean(axis=0) <= FOR_GOOD)
    share = (changing.sum(axis=1) >= 2).mean()
    n_held, n_peaks = (float(own.sum(axis=1).mean()) for own in (held, is_peak))
    return float(share), int(held.any(axis=0).sum()), n_held, n_peaks
