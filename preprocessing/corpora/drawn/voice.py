"""Speak a statement by source-filter synthesis: a glottal pulse train through gliding formants.

Follows the cascade synthesiser of Klatt (1980), "Software for a cascade/parallel formant
synthesizer", JASA 67: the source is the derivative of a Rosenberg pulse (1971) with jitter and
shimmer, plus breath noise; five resonators, whose lower three glide from phone to phone, shape it;
fricatives and bursts are band noise.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage, signal

from preprocessing.corpora.drawn.phones import NOISES, PHONES, STATEMENTS, VOWELS

RATE_HZ = 16000
STEP_MS = 5
"""Step of every control track."""
STEP = RATE_HZ * STEP_MS // 1000
N_FFT = 1024
"""Samples of a spectrum: room for the ringing of the formants after each window."""
SHORTEST_S, LONGEST_S = 1.5, 2.5
"""A clip is filled up with silence, or spoken faster, to be so long."""
LEVEL_DB, FLOOR_DB = -24.0, -66.0
"""Loudness of a neutral voice while speaking, and of the room: RMS relative to full scale."""


class Speech(NamedTuple):
    """A spoken statement and the lips that go with it; they have one value per ``STEP_MS``."""

    waveform: np.ndarray  # float32 (samples,) at RATE_HZ, in [-1, 1]
    mouth_open: np.ndarray  # float64 (steps,), 0 closed to 1 wide
    mouth_round: np.ndarray  # float64 (steps,), 0 spread to 1 pursed

    @property
    def duration_s(self):
        """Seconds of the waveform."""
        return len(self.waveform) / RATE_HZ


def speak(statement, prosody, voice, rng):
    """Return a ``Speech``.

    Args:
        statement: A key of ``phones.STATEMENTS``.
        prosody: How to say it: the values of ``prosody.PROSODY`` by name.
        voice: Whose voice: ``Actor.voice``.
        rng: numpy Generator of jitter, breath, noise and pauses.
    """
    names = ["|", *STATEMENTS[statement].split(), "|"]
    accented = np.array([name.endswith("'") for name in names])
    phones = PHONES.loc[[name.rstrip("'") for name in names]]
    counts = _count_steps(phones, accented, prosody, voice, rng)

    def follow(values, smooth_ms):
        return _smooth(np.repeat(np.asarray(values, float), counts, axis=0), smooth_ms)

    spot = np.clip((np.arange(counts.sum()) - counts[0]) / counts[1:-1].sum(), 0, 1)
    stress = np.where(accented, 1.0, 0.82)
    voiced = _per_sample(follow(phones["voiced"] * stress, 24) * (1 - 0.25 * spot))
    accents = np.repeat(accented * rng.uniform(0.45, 0.75, len(names)), counts)
    pitch_st = _intone(accents, spot, prosody, voice, rng)
    source = _pulse_glottis(voice["f0_hz"] * 2 ** (pitch_st / 12), prosody, voice, rng)
    formants_hz = follow(phones[["f1_hz", "f2_hz", "f3_hz"]].assign(f4_hz=3500, f5_hz=4500), 55)
    widen = 1 + 0.25 * prosody["breath"]
    waveform = _resonate(source * voiced, formants_hz * voice["tract"], widen)
    waveform /= np.sqrt(np.mean(waveform[voiced > 0.3] ** 2)) + 1e-9
    for name, edges_hz in NOISES.items():
        band = signal.butter(2, edges_hz, "bandpass", fs=RATE_HZ, output="sos")
        noise = signal.sosfilt(band, rng.standard_normal(len(waveform)))
        loudness = follow(phones["hiss"].where(phones["noise"] == name, 0), 14)
        waveform += noise * _per_sample(loudness)

    waveform *= 10 ** ((LEVEL_DB + prosody["level_db"] + voice["gain_db"]) / 20)
    waveform += rng.standard_normal(len(waveform)) * 10 ** (FLOOR_DB / 20)
    waveform = 0.95 * np.tanh(waveform / 0.95)
    wide = 0.75 + 0.03 * np.clip(prosody["level_db"], -6, 8)  # who is loud opens the mouth more
    mouth_open = np.clip(follow(phones["open"] * stress, 70) * wide, 0, 1)
    return Speech(waveform.astype(np.float32), mouth_open, follow(phones["round"], 80))


def _count_steps(phones, accented, prosody, voice, rng):
    """Return how many control steps each phone and pause takes."""
    rate, n = prosody["rate"] * voice["rate"], len(phones)
    seconds = phones["ms"].to_numpy() / 1000 * np.where(accented, 1.2, 1.0)
    seconds *= np.where(phones.index.isin(VOWELS), 1 / rate, rate**-0.6)
    seconds *= np.exp(rng.normal(0, 0.06, n))
    pauses = prosody["pause_ms"] / 1000 * rng.uniform(0.3, 1, n)
    seconds += np.where((phones.index == "|") & (pauses > 0.02), pauses, 0)
    seconds[0], seconds[-1] = rng.uniform(0.12, 0.22), rng.uniform(0.18, 0.28)
    spare = LONGEST_S - seconds[0] - seconds[-1]
    seconds[1:-1] *= min(1.0, spare / seconds[1:-1].sum())
    seconds[-1] += max(0.0, SHORTEST_S - seconds.sum())
    return np.round(seconds * 1000 / STEP_MS).astype(int)


def _intone(accents, spot, prosody, voice, rng):
    """Return the pitch contour in semitones: declination, accents, a final fall or rise, tremor."""
    wide = prosody["range_st"] * voice["range"]
    contour = wide * (_smooth(accents, 130) + 0.30 - 0.55 * spot)
    contour += prosody["final_st"] * np.clip((spot - 0.72) / 0.28, 0, 1) ** 1.5
    time = np.arange(len(spot)) * STEP_MS / 1000
    shake = np.sin(2 * np.pi * rng.uniform(5.5, 7.5) * time + rng.uniform(0, 6))
    wander = _smooth(rng.normal(0, 1, len(spot)), 160)
    return prosody["pitch_st"] + contour + prosody["tremor_st"] * shake + 1.2 * wander


def _pulse_glottis(f0_hz, prosody, voice, rng):
    """Return the glottal source: differentiated Rosenberg pulses and breath, at ``RATE_HZ``."""
    f0 = _per_sample(f0_hz, 2 * STEP)
    cycle = np.floor(np.cumsum(f0) / (2 * RATE_HZ)).astype(int)
    unsteady = rng.normal(0, 1, (2, cycle[-1] + 1))
    phase = np.cumsum(f0 * (1 + prosody["jitter"] * unsteady[0, cycle])) / (2 * RATE_HZ) % 1
    open_part = float(np.clip(0.62 + 0.012 * prosody["tilt_db"], 0.45, 0.85))
    t = phase / open_part
    pulse = np.where(t < 1, 2 * t - 3 * t**2, 0.0)
    pulse *= 1 + 3 * prosody["jitter"] * unsteady[1, cycle]
    pulse = signal.resample_poly(pulse, 1, 2)
    breath = rng.standard_normal(len(pulse)) * (0.25 + 0.75 * np.clip(pulse + 0.4, 0, 1))
    breath = signal.lfilter([1, -0.9], [1], breath)
    source = pulse + 0.05 * voice["breath"] * prosody["breath"] * breath
    pole = float(np.clip(0.45 + 0.035 * prosody["tilt_db"], 0.0, 0.93))
    return signal.lfilter([1 - pole], [1, -pole], source)


def _resonate(source, formants_hz, widen):
    """Return the source, (samples,), through five resonators that glide, (steps, 5) in hertz.

    The filter of each step shapes the spectrum of a window of two steps; the windows add up.
    """
    radius = np.exp(-np.pi * np.array([70, 95, 130, 220, 280]) * widen / RATE_HZ)
    angle = 2 * np.pi * np.minimum(formants_hz, 7400) / RATE_HZ
    delay = np.exp(-2j * np.pi * np.fft.rfftfreq(N_FFT))
    gain, poles = 1.0, 1.0
    for first, second in zip((-2 * radius * np.cos(angle)).T, radius**2, strict=True):
        first = first[:, None]
        gain = gain * (1 + first + second)
        poles = poles * (1 + first * delay + second * delay**2)

    padded = np.pad(source, STEP // 2)
    pieces = np.lib.stride_tricks.sliding_window_view(padded, 2 * STEP)[::STEP]
    pieces = pieces * signal.windows.hann(2 * STEP, sym=False)
    heard = np.fft.irfft(np.fft.rfft(pieces, N_FFT) * gain / poles, N_FFT)
    result = np.zeros(len(padded) + N_FFT)
    for step, piece in enumerate(heard):
        result[step * STEP :][:N_FFT] += piece
    return result[STEP // 2 :][: len(source)]


def _smooth(track, ms):
    """Return a track smoothed along time by a Hann window."""
    window = np.hanning(max(3, int(ms / STEP_MS) | 1) + 2)
    return ndimage.convolve1d(track, window / window.sum(), axis=0, mode="nearest")


def _per_sample(track, n=STEP):
    """Return a track with one value per sample, ``n`` a step."""
    return np.interp(np.arange(len(track) * n) / n, np.arange(len(track)) + 0.5, track)
