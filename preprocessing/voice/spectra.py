"""A waveform becomes a log-mel spectrogram, MFCCs and a row of named features.

Everything spectral comes from one short-time Fourier transform. Frames are centred: frame ``t`` on
``t * hop_ms``, with silence beyond both ends, so a waveform has ``count_frames`` of them. librosa
puts time last, this project first: its results are transposed here and nowhere else.

Waveforms are float (samples,), in [-1, 1]; one that is empty, not one-dimensional or not finite is
a ValueError. Rates are samples per second, windows (a frame's length) and hops (the step between
frames) milliseconds. Levels are decibels relative to full scale: 0 dB is a mean square of 1, so a
full-scale sine has -3 dB. The bands of a log-mel frame share out its power: added up, they give
the frame's level.
"""

from functools import lru_cache

import librosa
import numpy as np

from preprocessing.voice import pitch, prosody

FLOOR_DB = -100.0  # lowest level written; digital silence reads as this
MEL_MIN_HZ = 50.0  # lower edge of the mel bands: below any voice, above mains hum and offset
MIN_RATE_HZ = 16000  # lowest sampling rate for the named features, whose bands reach 6.4 kHz
SPEECH_RANGE_DB = 30.0  # a frame counts as speech within this distance of the loudest frame
SILENT_PEAK = 1e-3  # a clip whose largest sample stays below this (-60 dB) is silent
HIGHEST_SNR_DB = 80.0  # highest that is written; digital silence between words has none
_FEATURE_MELS = 40  # of the named features, whatever the arrays use
_CONTRAST = {"fmin": 200.0, "n_bands": 5}  # octaves from 200 Hz to 6.4 kHz, and what lies below
_PITCH_CLASSES = ("c", "c_sharp", "d", "d_sharp", "e", "f")
_PITCH_CLASSES += ("f_sharp", "g", "g_sharp", "a", "a_sharp", "b")
_TONAL_AXES = ("fifth_x", "fifth_y", "minor_x", "minor_y", "major_x", "major_y")

FEATURE_NAMES = (
    *(f"mfcc_{i:02d}_{statistic}" for statistic in ("mean", "std") for i in range(1, 14)),
    *("spectral_centroid_mean_hz", "spectral_centroid_std_hz"),
    *("spectral_bandwidth_mean_hz", "spectral_bandwidth_std_hz"),
    *("spectral_rolloff_mean_hz", "spectral_rolloff_std_hz"),
    *("spectral_flatness_mean", "spectral_flatness_std"),
    *(f"spectral_contrast_{i}_mean_db" for i in range(1, 7)),
    *("alpha_ratio_mean_db", "alpha_ratio_std_db"),
    *("hammarberg_index_mean_db", "hammarberg_index_std_db"),
    *(f"chroma_{name}_mean" for name in _PITCH_CLASSES),
    *(f"tonnetz_{name}_mean" for name in _TONAL_AXES),
    *("zero_crossing_rate_mean", "zero_crossing_rate_std"),
    *("rms_mean_db", "rms_std_db", "rms_range_db"),
    *prosody.INTONATION_NAMES,
    *("jitter_local", "shimmer_local"),
    *("speech_fraction", "pause_fraction", "speaking_rate_hz"),
)
"""Names of the 81 features, in the order of every row."""


def count_frames(n_samples, rate_hz, *, hop_ms=16):
    """Return how many frames a waveform has: one per whole hop, and one at its start."""
    return 1 + n_samples // _samples(hop_ms, rate_hz, "hop_ms")


def check_waveform(waveform):
    """Return the waveform as contiguous float32, or say what is wrong with it."""
    waveform = np.asarray(waveform)
    if waveform.ndim != 1 or waveform.size == 0 or waveform.dtype.kind != "f":
        raise ValueError(
            f"The waveform is {waveform.dtype} of shape {waveform.shape}; expected floats "
            "(samples,) in [-1, 1], at least one. Mix channels to mono, and divide integer samples "
            "by their full scale."
        )
    if not np.isfinite(waveform).all():
        n_bad = np.count_nonzero(~np.isfinite(waveform))
        raise ValueError(f"The waveform holds {n_bad} samples that are NaN or infinite.")
    return np.ascontiguousarray(waveform, dtype=np.float32)


def log_mel(waveform, rate_hz, *, n_mels=64, window_ms=32, hop_ms=16):
    """Return the log-mel spectrogram of a mono waveform, its bands from 50 Hz to half the rate.

    Returns:
        float32 (time, mel), in decibels relative to full scale, at least ``FLOOR_DB``.

    Raises:
        ValueError: The window is too short for so many bands.
    """
    waveform = check_waveform(waveform)
    _, power = _transform(waveform, rate_hz, window_ms, hop_ms)
    return _log_mel(power, rate_hz, n_mels)


def mfcc(mel_db, *, n_mfcc=20, deltas=True):
    """Return mel-frequency cepstral coefficients, float32 (time, coefficient).

    Args:
        mel_db: As ``log_mel`` returns it.
        n_mfcc: Number of coefficients, usually 13 to 40. The first follows the level.
        deltas: Whether each coefficient's slope over nine frames is appended: twice as many.

    Raises:
        ValueError: More coefficients than bands are wanted.
    """
    if not 1 <= n_mfcc <= mel_db.shape[1]:
        raise ValueError(
            f"n_mfcc = {n_mfcc}, but the spectrogram has {mel_db.shape[1]} mel bands; "
            "take at most as many coefficients as bands."
        )
    coefficients = librosa.feature.mfcc(S=mel_db.T, n_mfcc=n_mfcc)
    if deltas:
        slopes = librosa.feature.delta(coefficients, width=9, mode="nearest")
        coefficients = np.concatenate([coefficients, slopes])
    return np.ascontiguousarray(coefficients.T, dtype=np.float32)


def named_features(waveform, rate_hz):
    """Return the named features of a clip's voice: dict of finite floats by ``FEATURE_NAMES``.

    Spectral statistics are taken over the frames with speech (within 30 dB of the loudest), over
    all frames if there is none. The 13 MFCCs come from 40 bands. Intonation, voice quality, rhythm
    and spectral balance are explained in ``prosody``; in a clip without voice the
    ``voiced_fraction``, ``f0_``, ``jitter_``, ``shimmer_`` and ``harmonicity_`` features are 0.

    Raises:
        ValueError: The rate is below 16000 Hz.
    """
    return analyse(waveform, rate_hz)[2]


def analyse(waveform, rate_hz, *, n_mels=64, window_ms=32, hop_ms=16, n_mfcc=20, deltas=True):
    """Return what ``log_mel``, ``mfcc`` and ``named_features`` do, from one Fourier transform."""
    waveform = check_waveform(waveform)
    if rate_hz < MIN_RATE_HZ:
        raise ValueError(
            f"The waveform has {rate_hz} Hz; the named features need {MIN_RATE_HZ} Hz or more. "
            "Resample it when reading."
        )
    magnitude, power = _transform(waveform, rate_hz, window_ms, hop_ms)
    mel_db = _log_mel(power, rate_hz, n_mels)
    features = _features(waveform, magnitude, power, rate_hz, _samples(hop_ms, rate_hz, "hop_ms"))
    return mel_db, mfcc(mel_db, n_mfcc=n_mfcc, deltas=deltas), features


def measure_quality(waveform, rate_hz):
    """Return what may be wrong with a recording.

    Returns:
        dict: ``rms_db`` (float, at least ``FLOOR_DB``), ``clipping`` (share of the samples at full
        scale), ``silent`` (bool: no sample reaches 0.001), ``speech_fraction`` (share of the
        frames within 30 dB of the loudest, 0 if silent; noise counts as speech) and ``snr_db``
        (estimate of the ratio of speech to noise, at most ``HIGHEST_SNR_DB``: mean power of those
        frames over that of the quietest tenth of all frames, which is taken for the noise that is
        always there; 0 if silent or where nothing stands out).
    """
    waveform = check_waveform(waveform)
    peaks = np.abs(waveform)
    silent = bool(peaks.max() < SILENT_PEAK)
    frames = pitch.frame_centred(waveform, _samples(32, rate_hz, ""), _samples(16, rate_hz, ""))
    power = np.mean(np.square(frames), axis=1)
    speech = _speech_frames(_decibels(power))
    noise = max(np.mean(np.sort(power)[: max(len(power) // 10, 1)]), 1e-12)
    ratio = max(np.sum(power, where=speech) / max(speech.sum(), 1) - noise, noise) / noise
    return {
        "rms_db": float(_decibels(np.mean(np.square(waveform)))),
        "clipping": float(np.mean(peaks >= 0.999)),
        "silent": silent,
        "speech_fraction": 0.0 if silent else float(speech.mean()),
        "snr_db": 0.0 if silent else float(min(10 * np.log10(ratio), HIGHEST_SNR_DB)),
    }


def _samples(milliseconds, rate_hz, name):
    """Return a duration in whole samples, at least one."""
    n_samples = round(milliseconds * rate_hz / 1000)
    if n_samples < 1:
        raise ValueError(f"{name} = {milliseconds} is shorter than one sample at {rate_hz} Hz.")
    return n_samples


def _transform(waveform, rate_hz, window_ms, hop_ms):
    """Return magnitudes and powers of the short-time spectrum, float32 (frequency, time).

    The powers of a frame are one-sided and add up to the mean square of its windowed samples.
    """
    window, hop = _samples(window_ms, rate_hz, "window_ms"), _samples(hop_ms, rate_hz, "hop_ms")
    n_fft = 1 << (window - 1).bit_length()
    padded = np.pad(waveform, (0, max(n_fft - len(waveform), 0)))
    spectrum = librosa.stft(padded, n_fft=n_fft, hop_length=hop, win_length=window, window="hann")
    magnitude = np.abs(spectrum[:, : 1 + len(waveform) // hop])
    window_energy = float(np.sum(librosa.filters.get_window("hann", window) ** 2))
    power = magnitude**2 * (2 / (n_fft * window_energy))
    power[[0, -1]] /= 2
    return magnitude, power


def _log_mel(power, rate_hz, n_mels):
    """Return mel-band levels in decibels, float32 (time, mel)."""
    return _decibels(power.T @ _mel_bands(rate_hz, 2 * (len(power) - 1), n_mels).T)


def _decibels(power):
    """Return powers in decibels, at least ``FLOOR_DB``."""
    return np.maximum(10 * np.log10(np.maximum(power, 1e-30)), FLOOR_DB)


@lru_cache(maxsize=8)
def _mel_bands(rate_hz, n_fft, n_mels):
    """Return triangular bands of height 1, float32 (mel, frequency), none of them empty."""
    edges = librosa.mel_frequencies(n_mels + 2, fmin=MEL_MIN_HZ, fmax=rate_hz / 2)
    lines = librosa.fft_frequencies(sr=rate_hz, n_fft=n_fft)
    held = np.searchsorted(lines, edges[2:], "left") - np.searchsorted(lines, edges[:-2], "right")
    if (held < 1).any():
        raise ValueError(
            f"n_mels = {n_mels}: {np.count_nonzero(held < 1)} bands are narrower than the "
            f"frequency step of {rate_hz / n_fft:.1f} Hz. Take fewer bands or a longer window_ms."
        )
    bands = librosa.filters.mel(
        sr=rate_hz, n_fft=n_fft, n_mels=n_mels, fmin=MEL_MIN_HZ, norm=None, dtype=np.float32
    )
    bands.flags.writeable = False
    return bands


def _speech_frames(level_db):
    """Return which frames are within 30 dB of the loudest, bool (time,), none in silence."""
    loudest = level_db.max()
    return (level_db >= loudest - SPEECH_RANGE_DB) & (loudest > FLOOR_DB)


def _features(waveform, magnitude, power, rate_hz, hop):
    """Return the named features from a waveform and its spectrum (frequency, time)."""
    level_db = _decibels(power.sum(axis=0))
    speech = _speech_frames(level_db)
    kept = speech if speech.any() else np.ones_like(speech)
    voice = pitch.track_pitch(waveform, rate_hz, hop=hop)
    values = {
        **_describe_timbre(magnitude[:, kept], power[:, kept], rate_hz),
        **_describe_tones(magnitude[:, kept], rate_hz),
        **_describe_level(waveform, level_db, kept, 2 * (len(power) - 1), hop),
        **prosody.measure_balance(power[:, kept], rate_hz),
        **prosody.measure_intonation(voice),
        **prosody.measure_perturbation(waveform, voice),
        **prosody.measure_rhythm(level_db, speech, voice.voiced, frame_s=hop / rate_hz),
    }
    return {name: float(values[name]) for name in FEATURE_NAMES}


def _describe_timbre(magnitude, power, rate_hz):
    """Return statistics of MFCCs, centroid, bandwidth, roll-off, flatness and contrast."""
    coefficients = mfcc(_log_mel(power, rate_hz, _FEATURE_MELS), n_mfcc=13, deltas=False).T
    centroid = librosa.feature.spectral_centroid(S=magnitude, sr=rate_hz)
    bandwidth = librosa.feature.spectral_bandwidth(S=magnitude, sr=rate_hz, centroid=centroid)
    contrast = librosa.feature.spectral_contrast(S=magnitude, sr=rate_hz, **_CONTRAST)
    tracks = {f"mfcc_{i:02d}_{{}}": track for i, track in enumerate(coefficients, start=1)} | {
        "spectral_centroid_{}_hz": centroid,
        "spectral_bandwidth_{}_hz": bandwidth,
        "spectral_rolloff_{}_hz": librosa.feature.spectral_rolloff(S=magnitude, sr=rate_hz),
        "spectral_flatness_{}": librosa.feature.spectral_flatness(S=magnitude),
    }
    return (
        {name.format("mean"): track.mean() for name, track in tracks.items()}
        | {name.format("std"): track.std() for name, track in tracks.items()}
        | {f"spectral_contrast_{i}_mean_db": row.mean() for i, row in enumerate(contrast, start=1)}
    )


def _describe_tones(magnitude, rate_hz):
    """Return means of the twelve chroma and the six tonnetz dimensions."""
    chroma = librosa.feature.chroma_stft(S=magnitude**2, sr=rate_hz, tuning=0.0)
    tonnetz = librosa.feature.tonnetz(chroma=chroma, sr=rate_hz)
    names = [f"chroma_{name}_mean" for name in _PITCH_CLASSES]
    names += [f"tonnetz_{name}_mean" for name in _TONAL_AXES]
    return dict(zip(names, np.concatenate([chroma, tonnetz]).mean(axis=1), strict=True))


def _describe_level(waveform, level_db, kept, length, hop):
    """Return statistics of the level and of the zero crossings per sample."""
    crossings = librosa.feature.zero_crossing_rate(waveform, frame_length=length, hop_length=hop)
    low, high = np.percentile(level_db[kept], (5, 95))
    return {
        "zero_crossing_rate_mean": crossings[0, kept].mean(),
        "zero_crossing_rate_std": crossings[0, kept].std(),
        "rms_mean_db": level_db[kept].mean(),
        "rms_std_db": level_db[kept].std(),
        "rms_range_db": high - low,
    }
