"""A waveform becomes the log-mel spectrogram that the network reads: NumPy alone."""

import numpy as np


def log_mel(samples, *, rate_hz, n_mels, window_ms, hop_ms, lowest_hz=50.0, floor_db=-100.0):
    """Return float32 (time, mel), decibels relative to full scale; windows are centred."""
    window, hop = round(window_ms * rate_hz / 1000), round(hop_ms * rate_hz / 1000)
    n_fft = 1 << (window - 1).bit_length()
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    shape = np.pad(hann, ((n_fft - window) // 2, -(-(n_fft - window) // 2)))
    n_times = 1 + len(samples) // hop
    padded = np.pad(samples, (n_fft // 2, n_fft // 2 + hop))
    frames = np.stack([padded[t * hop : t * hop + n_fft] for t in range(n_times)])
    power = np.abs(np.fft.rfft(frames * shape)) ** 2 * (2 / (n_fft * np.sum(hann**2)))
    power[:, [0, -1]] /= 2
    bands = make_bands(rate_hz, n_fft, n_mels, lowest_hz)
    decibels = 10 * np.log10(np.maximum(power @ bands.T, 1e-30))
    return np.maximum(decibels, floor_db).astype(np.float32)


def make_bands(rate_hz, n_fft, n_mels, lowest_hz):
    """Return triangles of height 1, (mel, frequency), evenly spaced on Slaney's mel scale."""
    lowest, highest = to_mel(lowest_hz), to_mel(rate_hz / 2)
    edges = from_mel(np.linspace(lowest, highest, n_mels + 2))[:, None]
    lines = np.fft.rfftfreq(n_fft, 1 / rate_hz)
    rising = (lines - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - lines) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling))


def to_mel(hz):
    """Return mel of hertz: linear below 1000 Hz, logarithmic above."""
    return hz * 3 / 200 if hz < 1000 else 15 + np.log(hz / 1000) * 27 / np.log(6.4)


def from_mel(mel):
    """Return hertz of mel."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def fit_times(mels, n_times, floor_db=-100.0):
    """Return the first rows of too many; rows of silence behind too few."""
    mels = mels[:n_times]
    return np.pad(mels, ((0, n_times - len(mels)), (0, 0)), constant_values=floor_db)
