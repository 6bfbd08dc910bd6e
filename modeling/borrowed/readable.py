"""What Moonshine can read of a waveform at 16 kHz; for those who run it without TensorFlow too."""

import numpy as np

SHORTEST = 895
"""Samples of the shortest waveform of which its convolutions make a frame: 0.06 s."""

SILENCE = 1e-3
"""Largest swing, -60 dB of full scale, of a waveform in which nobody is heard; the softest of
RAVDESS's 1440 recordings swings by 0.004."""


def is_readable(waveform):
    """Return whether a waveform, float (sample,), is long enough to be read, and not silent."""
    return len(waveform) >= SHORTEST and not is_silent(waveform)


def is_silent(waveforms):
    """Return whether nobody is heard in waveforms, float (..., sample), bool (...)."""
    return np.ptp(waveforms, axis=-1) < 2 * SILENCE
