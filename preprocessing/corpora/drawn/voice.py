"""Speak a statement by source-filter synthesis: a glottal pulse train through gliding formants.

Follows the cascade synthesiser of Klatt (1980), "Software for a cascade/parallel formant
synthesizer", JASA 67: the source is the derivative of a Rosenberg pulse (1971) with jitter and
shimmer, plus breath noise; five resonators, whose lower three glide from phone to phone, shape it;
fricatives and bursts are band noise. How an emotion sounds is in ``prosody.py``, what the phones
are in ``phones.py``.
"""

from dataclasses import dataclass

import numpy as np
from scipy import signal

from preprocessing.corpora.drawn.phones import NOISES, PHONES, spell

RATE_HZ = 16000
STEP_MS = 5
"""Step of every control track."""
STEP = RATE_HZ * STEP_MS // 1000
N_FFT = 1024
"""Samples of a spectrum: room for the ringing of the formants after each window."""
LEVEL_DB = -24.0
"""Loudness of a neutral voice: RMS relative to full scale while speaking."""
FLOOR_DB = -66.0
"""Loudness of the room."""


@dataclass(frozen=True)
class Speech:
    """A spoken statement and the lips that go with it.

    Attributes:
        waveform: float32 (samples,) at ``RATE_HZ``, in [-1, 1].
        mouth_open: float32 (steps,), 0 closed to 1 wide, one value per ``STEP_MS``.
        mouth_round: float32 (steps,), 0 spread to 1 pursed.
    """

    waveform: np.ndarray
    mouth_open: np.ndarray
    mouth_round: np.ndarray

    @property
    def duration_s(self):
        """Seconds of the waveform."""
        return len(self.waveform) / RATE_HZ


def speak(statement, prosody, voice, rng, *, shortest_s=1.5, longest_s=2.5):
    """Speak a statement.

    Args:
        statement: A key of ``phones.STATEMENTS``.
        prosody: How to say it: the values of ``prosody.PROSODY`` by name.
        voice: Whose voice: ``Actor.voice``.
        rng: numpy Generator of jitter, breath, noise and pauses.
        shortest_s: Silence is added at the end up to this.
        longest_s: The statement is spoken faster, if need be, to end by this.

    Returns:
        A ``Speech``.
    """
    tracks = _plan_tracks(statement, prosody, voice, rng, shortest_s, longest_s)
    f0_hz = voice["f0_hz"] * 2 ** (tracks["pitch_st"] / 12)
    source = _pulse_glottis(f0_hz, prosody, voice, rng) * _per_sample(tracks["voiced"])
    formants = tracks["formants"] * voice["tract"]
    spoken = _resonate(source, formants, 1 + 0.25 * prosody["breath"])
    spoken /= np.sqrt(np.mean(spoken[_per_sample(tracks["voiced"]) > 0.3] ** 2)) + 1e-9
    spoken += _hiss(tracks, rng)
    level = LEVEL_DB + prosody["level_db"] + voice["gain_db"]
    waveform = spoken * 10 ** (level / 20)
    waveform += rng.standard_normal(len(waveform)) * 10 ** (FLOOR_DB / 20)
    waveform = 0.95 * np.tanh(waveform / 0.95)
    loud = 0.75 + 0.03 * np.clip(prosody["level_db"], -6, 8)
    opening = np.clip(tracks["open"] * loud, 0, 1)
    return Speech(
        waveform.astype(np.float32), opening.astype(np.float32), tracks["round"].astype(np.float32)
    )


def _plan_tracks(statement, prosody, voice, rng, shortest_s, longest_s):
    """Return the control tracks of a statement, one value per step."""
    phones = spell(statement)
    before, after = rng.uniform(0.12, 0.22), rng.uniform(0.18, 0.28)
    rate = prosody["rate"] * voice["rate"]
    seconds = np.array([PHONES[phone.name].ms for phone in phones]) / 1000
    stretch = np.array([1.2 if phone.stressed else 1.0 for phone in phones])
    stretch = stretch * np.where([PHONES[p.name].is_vowel for p in phones], 1 / rate, rate**-0.6)
    seconds = seconds * stretch * np.exp(rng.normal(0, 0.06, len(phones)))
    pauses = np.array([prosody["pause_ms"] / 1000 * rng.uniform(0.3, 1) for _ in phones])
    pauses *= [phone.ends_word for phone in phones]
    pauses[-1] = 0
    spare = longest_s - before - after
    squeeze = min(1.0, spare / (seconds.sum() + pauses.sum()))

    rows = [("silence", None, before)]
    for phone, length, pause in zip(phones, seconds * squeeze, pauses * squeeze, strict=True):
        rows.append((phone.name, phone, length))
        if pause > 0.02:
            rows.append(("silence", None, pause))
    total = sum(length for _, _, length in rows) + after
    rows.append(("silence", None, after + max(0.0, shortest_s - total)))
    return _fill_tracks(rows, prosody, voice, rng)


def _fill_tracks(rows, prosody, voice, rng):
    """Return tracks from rows of (phone, its place in the statement, seconds)."""
    counts = np.maximum(1, np.round(np.array([row[2] for row in rows]) * 1000 / STEP_MS)).astype(
        int
    )
    names = [row[0] for row in rows]
    stress = [1.0 if row[1] is None or row[1].stressed else 0.82 for row in rows]

    def lay(values, smooth_ms):
        return _smooth(np.repeat(np.asarray(values, np.float64), counts, axis=0), smooth_ms)

    phones = [PHONES[name] for name in names]
    begin, end = counts[0], counts.sum() - counts[-1]
    spot = np.clip((np.arange(counts.sum()) - begin) / max(end - begin, 1), 0, 1)
    fading = 1.0 - 0.25 * spot
    voiced = lay([p.voiced * s for p, s in zip(phones, stress, strict=True)], 24) * fading
    tracks = {
        "voiced": voiced,
        "formants": lay([p.formants_hz for p in phones], 55),
        "open": lay([p.open * s for p, s in zip(phones, stress, strict=True)], 70),
        "round": lay([p.round for p in phones], 80),
        "pitch_st": _intone(rows, counts, spot, prosody, voice, rng),
    }
    for noise in NOISES:
        tracks[noise] = lay([p.hiss if p.noise == noise else 0.0 for p in phones], 14)
    return tracks


def _intone(rows, counts, spot, prosody, voice, rng):
    """Return the pitch contour in semitones: declination, accents, a final fall or rise, tremor."""
    wide = prosody["range_st"] * voice["range"]
    accents = [
        wide * rng.uniform(0.45, 0.75) if row[1] is not None and row[1].stressed else 0.0
        for row in rows
    ]
    contour = _smooth(np.repeat(accents, counts), 130)
    contour += wide * (0.30 - 0.55 * spot)
    contour += prosody["final_st"] * np.clip((spot - 0.72) / 0.28, 0, 1) ** 1.5
    time = np.arange(len(spot)) * STEP_MS / 1000
    shake = np.sin(2 * np.pi * rng.uniform(5.5, 7.5) * time + rng.uniform(0, 6))
    wander = _smooth(rng.normal(0, 1, len(spot)), 160)
    return prosody["pitch_st"] + contour + prosody["tremor_st"] * shake + 1.2 * wander


def _pulse_glottis(f0_hz, prosody, voice, rng):
    """Return the glottal source: differentiated Rosenberg pulses and breath, at ``RATE_HZ``."""
    n = len(f0_hz) * STEP * 2
    f0 = np.interp(np.arange(n) / (2 * STEP), np.arange(len(f0_hz)) + 0.5, f0_hz)
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
    """Return the source filtered by a cascade of five resonators that glide.

    Each step has a filter of its own; it is applied, as a spectrum, to a window of two steps, and
    the windows overlap and add.

    Args:
        source: float64 (samples,).
        formants_hz: float64 (steps, 5).
        widen: Factor on the bandwidths.

    Returns:
        float64 (samples,).
    """
    radius = np.exp(-np.pi * np.array([70, 95, 130, 220, 280]) * widen / RATE_HZ)
    angle = 2 * np.pi * np.minimum(formants_hz, 7400) / RATE_HZ
    first, second = -2 * radius * np.cos(angle), np.broadcast_to(radius**2, angle.shape)
    poles = np.ones((len(angle), 1))
    for k in range(angle.shape[1]):
        poles = np.pad(poles, [(0, 0), (0, 2)])
        poles[:, 2:] += first[:, k, None] * poles[:, 1:-1] + second[:, k, None] * poles[:, :-2]
        poles[:, 1] += first[:, k] * poles[:, 0]
    gain = np.prod(1 + first + second, axis=1, keepdims=True)
    response = gain / np.fft.rfft(poles, N_FFT, axis=1)

    padded = np.pad(source, STEP // 2)
    starts = np.arange(len(angle)) * STEP
    window = signal.windows.hann(2 * STEP, sym=False)
    pieces = padded[starts[:, None] + np.arange(2 * STEP)] * window
    heard = np.fft.irfft(np.fft.rfft(pieces, N_FFT, axis=1) * response, N_FFT, axis=1)
    result = np.zeros(len(padded) + N_FFT)
    for start, piece in zip(starts, heard, strict=True):
        result[start : start + N_FFT] += piece
    return result[STEP // 2 :][: len(source)]


def _hiss(tracks, rng):
    """Return the noise of fricatives and bursts, relative to a voiced RMS of 1."""
    total = 0.0
    for name, (centre_hz, width_hz) in NOISES.items():
        noise = rng.standard_normal(len(tracks[name]) * STEP)
        edges = [max(centre_hz - width_hz, 200), min(centre_hz + width_hz, 7600)]
        band = signal.butter(2, edges, "bandpass", fs=RATE_HZ, output="sos")
        total = total + signal.sosfilt(band, noise) * _per_sample(tracks[name])
    return total


def _smooth(track, ms):
    """Return a track smoothed along time by a Hann window."""
    n = max(3, int(ms / STEP_MS) | 1)
    window = np.hanning(n + 2)[1:-1]
    padded = np.pad(track, [(n // 2, n // 2)] + [(0, 0)] * (track.ndim - 1), mode="edge")
    shape = (n,) + (1,) * (track.ndim - 1)
    return signal.convolve(padded, (window / window.sum()).reshape(shape), mode="valid")


def _per_sample(track):
    """Return a track with one value per sample."""
    return np.interp(np.arange(len(track) * STEP) / STEP, np.arange(len(track)) + 0.5, track)
