"""A WAV file becomes what the network hears: NumPy and the standard library alone."""

import wave

import numpy as np

CHUNK_S, PAD_S, RANGE_DB = 0.032, 0.2, 35.0


def read_wave(path, rate_hz):
    """Return a PCM file as float32 (sample,) in [-1, 1], mono, at a rate."""
    with wave.open(str(path)) as file:
        n_channels, n_bytes, given_hz, n_frames = file.getparams()[:4]
        data = np.frombuffer(file.readframes(n_frames), np.uint8).reshape(-1, n_bytes)
    if n_bytes == 1:  # the only width without a sign
        samples = (data[:, 0].astype(np.float64) - 128) / 128
    else:
        wide = np.zeros((len(data), 4), np.uint8)
        wide[:, 4 - n_bytes :] = data
        samples = wide.view("<i4")[:, 0] / 2**31
    samples = samples.reshape(-1, n_channels).mean(axis=1)
    return change_rate(samples, given_hz, rate_hz).astype(np.float32)


def change_rate(samples, given_hz, rate_hz):
    """Return samples at another rate; what the lower rate cannot hold is left out."""
    if given_hz == rate_hz:
        return samples
    n_wanted = round(len(samples) * rate_hz / given_hz)
    spectrum = np.fft.rfft(samples)[: n_wanted // 2 + 1]
    return np.fft.irfft(spectrum, n_wanted) * n_wanted / len(samples)


def cut_silence(samples, rate_hz):
    """Return samples without what is 35 dB softer than the loudest moment at both ends."""
    chunk = round(CHUNK_S * rate_hz)
    chunks = samples[: len(samples) // chunk * chunk].reshape(-1, chunk)
    level = np.square(chunks, dtype=np.float64).mean(axis=1)
    loud = np.flatnonzero(level >= level.max(initial=0) * 10 ** (-RANGE_DB / 10))
    if not len(loud) or not level.any():
        return samples
    pad = round(PAD_S * rate_hz)
    return samples[max(loud[0] * chunk - pad, 0) : (loud[-1] + 1) * chunk + pad]


def cut_middle(samples, n_samples):
    """Return the middle of samples that are more than so many."""
    start = max(len(samples) - n_samples, 0) // 2
    return samples[start : start + n_samples]


def fill_up(samples, n_samples):
    """Return samples with zeros behind their end, so many at least."""
    return np.pad(samples, (0, max(n_samples - len(samples), 0)))
