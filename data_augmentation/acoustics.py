"""What lies between a mouth and a microphone: rooms, coloured noise, babble.

Each function takes a waveform, float32 (samples,) in [-1, 1], its rate in samples per second and
the amount of one change, and returns float32 (samples,), as long as before. Silence stays silence.
"""

import numpy as np
from scipy.signal import fftconvolve

WALLS = (0.1, 0.6)
"""Least and greatest share of a room's walls in the energy heard, drawn where none is given; at
0.5 they are as loud as the mouth."""

FIRST_ECHO_S = 0.003  # a detour of one metre
LOWEST_HZ = 50.0  # of noise; what lies below is no threat to a voice, yet would be most of brown
N_BABBLING = 6
BABBLING_SPEED = (0.8, 1.25)  # so that they sound like other people


def add_room(waveform, rate_hz, seconds, walls=None, *, rng):
    """Let a voice sound in a room whose reverberation falls by 60 dB in so many seconds.

    The echoes are noise that decays exponentially (Polack 1988), with a share ``walls`` of the
    energy. The sound is as loud as before; what rings on behind its end is cut.
    """
    walls = rng.uniform(*WALLS) if walls is None else walls
    n_echoes = max(round(seconds * rate_hz), 1)
    echoes = rng.normal(size=n_echoes) * 10 ** (-3 * np.arange(n_echoes) / n_echoes)
    response = np.pad(echoes, (round(FIRST_ECHO_S * rate_hz), 0))
    response *= np.sqrt(walls / np.sum(response**2))
    response[0] += np.sqrt(1 - walls)
    heard = fftconvolve(waveform, response)[: len(waveform)]
    power = np.mean(heard**2)
    if not waveform.any() or not power:
        return waveform.copy()
    return (heard * np.sqrt(_measure_power(waveform) / power)).astype(np.float32)


def add_coloured_noise(waveform, rate_hz, snr_db, *, rng, slope):
    """Add noise whose power falls with frequency to the power of ``slope``: 1 is pink, 2 brown.

    ``snr_db`` is the clip's power over the noise's, in decibels.
    """
    hz = np.fft.rfftfreq(len(waveform), 1 / rate_hz)
    shape = np.where(hz < LOWEST_HZ, 0, np.maximum(hz, LOWEST_HZ) ** (-slope / 2))
    noise = np.fft.irfft(shape * np.fft.rfft(rng.normal(size=len(waveform))), len(waveform))
    return _add_at(waveform, noise, snr_db)


def add_babble(waveform, rate_hz, snr_db, *, rng):
    """Add the murmur of several people at once, made of the clip itself, played backwards.

    Each of them begins elsewhere and is faster and higher or slower and deeper. No other clip may
    be heard in a copy: which clips will train is not known yet, and some splits cut through one
    actor's. ``snr_db`` is as for ``add_coloured_noise``.
    """
    n_samples = len(waveform)
    places, noise = np.arange(n_samples), np.zeros(n_samples)
    for _ in range(N_BABBLING):
        start, speed = rng.uniform(0, n_samples), rng.uniform(*BABBLING_SPEED)
        noise += np.interp(start + speed * places, places, waveform[::-1], period=n_samples)
    return _add_at(waveform, noise, snr_db)


def _add_at(waveform, noise, snr_db):
    """Return a waveform with noise of any power added at a ratio in decibels."""
    power = np.mean(noise**2)
    if not power:
        return waveform.copy()
    factor = np.sqrt(_measure_power(waveform) / power) * 10 ** (-snr_db / 20)
    return (waveform + factor * noise).astype(np.float32)


def _measure_power(waveform):
    """Return the mean square of a waveform."""
    return np.mean(np.square(waveform, dtype=np.float64))
