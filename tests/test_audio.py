"""Spectrograms, cepstra and named features of made and of real voices."""

import warnings

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.signal import lfilter

from preprocessing.voice import pitch, prosody, spectra

RATE = 16000


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def make_vowel(*, seconds=1.5, f0_hz=120.0, jitter=0.0, shimmer=0.0, seed=0):
    """Return an "a" from a pulse train, with the jitter and shimmer its pulses really have."""
    rng = np.random.default_rng(seed)
    oversampling = 8
    rate = RATE * oversampling
    periods = rate / f0_hz * (1 + jitter * rng.standard_normal(int(seconds * f0_hz)))
    heights = 1 + shimmer * rng.standard_normal(len(periods))
    pulses = np.zeros(int(seconds * rate) + 1)
    places = np.cumsum(periods).astype(int)
    pulses[places[places < len(pulses)]] = heights[places < len(pulses)]
    voice = lfilter([1, -1], [1, -0.99], pulses)
    for formant_hz, width_hz in ((700, 80), (1200, 100), (2600, 150)):
        radius = np.exp(-np.pi * width_hz / rate)
        poles = [1, -2 * radius * np.cos(2 * np.pi * formant_hz / rate), radius**2]
        voice = lfilter([sum(poles)], poles, voice)
    voice = voice[::oversampling]
    voice = (0.5 * voice / np.abs(voice).max()).astype(np.float32)
    voice += (1e-4 * rng.standard_normal(len(voice))).astype(np.float32)
    return (
        voice,
        np.abs(np.diff(periods)).mean() / periods.mean(),
        np.abs(np.diff(heights)).mean() / heights.mean(),
    )


def make_sine(frequency_hz, *, seconds=1.0, peak=0.5, rate_hz=RATE):
    times = np.arange(int(seconds * rate_hz)) / rate_hz
    return (peak * np.sin(2 * np.pi * frequency_hz * times)).astype(np.float32)


HARD = {
    "silence": np.zeros(RATE, np.float32),
    "one sample": np.full(1, 0.1, np.float32),
    "100 ms": make_sine(150, seconds=0.1),
    "constant": np.full(RATE // 2, 0.5, np.float32),
    "clipped": np.clip(40 * make_sine(180), -1, 1),
    "noise": np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32),
    "click": np.eye(1, RATE, 8000, dtype=np.float32)[0],
    "denormal": np.full(RATE // 4, 1e-40, np.float32),
    "out of pitch range": make_sine(3000),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_clips_give_finite_numbers_without_warnings(name):
    mel_db, coefficients, features = spectra.analyse(HARD[name], RATE)
    n_frames = spectra.count_frames(len(HARD[name]), RATE)
    assert mel_db.shape == (n_frames, 64)
    assert mel_db.dtype == np.float32
    assert coefficients.shape == (n_frames, 40)
    assert coefficients.dtype == np.float32
    assert np.isfinite(mel_db).all()
    assert np.isfinite(coefficients).all()
    assert tuple(features) == spectra.FEATURE_NAMES
    assert np.isfinite(list(features.values())).all()
    assert mel_db.min() >= spectra.FLOOR_DB


@settings(deadline=None, max_examples=40)
@given(
    arrays(np.float32, st.integers(1, 3000), elements=st.floats(-1, 1, width=32)),
    st.sampled_from([(32, 16), (25, 10), (40, 20)]),
)
def test_any_waveform_gives_the_announced_frames(waveform, step):
    window_ms, hop_ms = step
    mel_db, coefficients, features = spectra.analyse(
        waveform, RATE, n_mels=32, window_ms=window_ms, hop_ms=hop_ms, n_mfcc=13, deltas=False
    )
    n_frames = spectra.count_frames(len(waveform), RATE, hop_ms=hop_ms)
    assert mel_db.shape == (n_frames, 32)
    assert coefficients.shape == (n_frames, 13)
    assert np.isfinite([*features.values(), mel_db.min(), coefficients.max()]).all()
    assert 0 <= features["voiced_fraction"] <= 1
    assert 0 <= features["pause_fraction"] <= 1


def test_analyse_agrees_with_its_three_parts():
    voice, _, _ = make_vowel()
    mel_db, coefficients, features = spectra.analyse(voice, RATE, n_mels=48, n_mfcc=15)
    np.testing.assert_array_equal(mel_db, spectra.log_mel(voice, RATE, n_mels=48))
    np.testing.assert_array_equal(coefficients, spectra.mfcc(mel_db, n_mfcc=15))
    assert features == spectra.named_features(voice, RATE)


def test_features_do_not_depend_on_the_spectrogram_wanted():
    voice, _, _ = make_vowel()
    _, _, few = spectra.analyse(voice, RATE, n_mels=24, n_mfcc=13)
    _, _, many = spectra.analyse(voice, RATE, n_mels=64, n_mfcc=40)
    assert few == many


def test_there_are_many_distinct_feature_names():
    assert len(spectra.FEATURE_NAMES) == len(set(spectra.FEATURE_NAMES)) == 81


def test_mel_bands_share_out_the_power():
    noise = HARD["noise"]
    mel_db = spectra.log_mel(noise, RATE)
    level_db = 10 * np.log10(np.sum(10 ** (mel_db / 10), axis=1)).mean()
    assert level_db == pytest.approx(10 * np.log10(np.mean(noise**2)), abs=0.5)


def test_a_sine_shows_in_its_band_at_its_level():
    mel_db = spectra.log_mel(make_sine(1000, peak=1.0), RATE)[10:-10]
    centres_hz = librosa.mel_frequencies(66, fmin=spectra.MEL_MIN_HZ, fmax=RATE / 2)[1:-1]
    assert abs(centres_hz[mel_db.mean(axis=0).argmax()] - 1000) < 40
    level_db = 10 * np.log10(np.sum(10 ** (mel_db / 10), axis=1)).mean()
    assert level_db == pytest.approx(-3.01, abs=0.1)


def test_frames_are_centred_on_the_hop():
    click = np.zeros(RATE, np.float32)
    click[40 * 256] = 1.0
    level = spectra.log_mel(click, RATE, n_mels=24).sum(axis=1)
    assert level.argmax() == 40


def test_doubling_the_amplitude_adds_six_decibels():
    voice, _, _ = make_vowel()
    difference = spectra.log_mel(voice, RATE) - spectra.log_mel(voice / 2, RATE)
    loud = spectra.log_mel(voice / 2, RATE) > -90
    np.testing.assert_allclose(difference[loud], 6.0206, atol=1e-3)


@pytest.mark.parametrize("rate_hz", [8000, 22050, 48000])
def test_spectrograms_of_other_rates(rate_hz):
    mel_db = spectra.log_mel(make_sine(440, rate_hz=rate_hz), rate_hz, n_mels=40)
    assert mel_db.shape == (spectra.count_frames(rate_hz, rate_hz), 40)


def test_spectral_features_match_librosa():
    voice = make_vowel()[0]  # no pauses, so every frame counts as speech
    magnitude = np.abs(librosa.stft(voice, n_fft=512, hop_length=256))
    features = spectra.named_features(voice, RATE)
    level_db = 10 * np.log10(np.mean(pitch.frame_centred(voice, 512, 256) ** 2, axis=1))
    assert np.ptp(level_db) < spectra.SPEECH_RANGE_DB - 5
    chroma = librosa.feature.chroma_stft(S=magnitude**2, sr=RATE, tuning=0.0)
    tracks = {
        "spectral_centroid_{}_hz": librosa.feature.spectral_centroid(S=magnitude, sr=RATE),
        "spectral_bandwidth_{}_hz": librosa.feature.spectral_bandwidth(S=magnitude, sr=RATE),
        "spectral_rolloff_{}_hz": librosa.feature.spectral_rolloff(S=magnitude, sr=RATE),
        "spectral_flatness_{}": librosa.feature.spectral_flatness(S=magnitude),
        "zero_crossing_rate_{}": librosa.feature.zero_crossing_rate(
            voice, frame_length=512, hop_length=256
        ),
    }
    for name, track in tracks.items():
        assert features[name.format("mean")] == pytest.approx(track.mean(), rel=1e-4), name
        assert features[name.format("std")] == pytest.approx(track.std(), rel=1e-4), name
    contrast = librosa.feature.spectral_contrast(S=magnitude, sr=RATE, fmin=200.0, n_bands=5)
    tonnetz = librosa.feature.tonnetz(chroma=chroma)
    for group, means in (("contrast_", contrast), ("chroma_", chroma), ("tonnetz_", tonnetz)):
        found = [value for name, value in features.items() if group in name]
        np.testing.assert_allclose(found, means.mean(axis=1), rtol=1e-4, atol=1e-5)


def test_cepstra_match_librosa():
    mel_db = spectra.log_mel(make_vowel()[0], RATE)
    expected = librosa.feature.mfcc(S=mel_db.T, n_mfcc=20)
    coefficients = spectra.mfcc(mel_db)
    np.testing.assert_allclose(coefficients[:, :20], expected.T, rtol=1e-5, atol=1e-4)
    slopes = librosa.feature.delta(expected, mode="nearest")
    np.testing.assert_allclose(coefficients[:, 20:], slopes.T, rtol=1e-5, atol=1e-4)


def test_log_mel_matches_librosa():
    voice = make_vowel()[0]
    energy = librosa.feature.melspectrogram(
        y=voice, sr=RATE, n_fft=512, hop_length=256, n_mels=64, fmin=50.0, norm=None
    )
    scale = 2 / (512 * np.sum(librosa.filters.get_window("hann", 512) ** 2))
    expected = np.maximum(10 * np.log10(energy.T * scale + 1e-30), spectra.FLOOR_DB)
    np.testing.assert_allclose(spectra.log_mel(voice, RATE), expected, atol=1e-3)


@pytest.mark.parametrize("f0_hz", [80, 120, 220, 400, 600])
def test_pitch_of_a_vowel(f0_hz):
    features = spectra.named_features(make_vowel(f0_hz=f0_hz)[0], RATE)
    assert features["f0_mean_hz"] == pytest.approx(f0_hz, rel=0.02)
    assert features["f0_range_semitones"] < 0.5
    assert features["voiced_fraction"] > 0.9


def test_pitch_slope_of_a_glide():
    times = np.arange(2 * RATE) / RATE
    phase = 2 * np.pi * np.cumsum(150 * 2 ** (times / 2)) / RATE  # six semitones a second
    glide = sum(np.sin(k * phase) / k for k in range(1, 8)).astype(np.float32) / 8
    features = spectra.named_features(glide, RATE)
    assert features["f0_slope_semitones_per_s"] == pytest.approx(6.0, abs=0.2)
    assert features["f0_range_semitones"] == pytest.approx(0.9 * 12, abs=0.5)


@pytest.mark.parametrize("name", ["silence", "noise", "constant", "click"])
def test_what_is_no_voice_is_unvoiced(name):
    features = spectra.named_features(HARD[name], RATE)
    zero = [n for n in features if n.startswith(("f0_", "jitter", "shimmer", "voiced", "harmon"))]
    assert len(zero) == 11
    assert {features[n] for n in zero} == {0.0}


@pytest.mark.parametrize("f0_hz", [110, 200])
@pytest.mark.parametrize(("jitter", "shimmer"), [(0.0, 0.0), (0.01, 0.05)])
def test_jitter_and_shimmer_are_those_of_the_pulses(f0_hz, jitter, shimmer):
    voice, true_jitter, true_shimmer = make_vowel(f0_hz=f0_hz, jitter=jitter, shimmer=shimmer)
    found = prosody.measure_perturbation(voice, pitch.track_pitch(voice, RATE, hop=256))
    assert found["jitter_local"] == pytest.approx(true_jitter, abs=0.004)
    assert found["shimmer_local"] == pytest.approx(true_shimmer, abs=0.025)


def test_harmonicity_follows_the_noise():
    voice = make_vowel(seconds=3)[0]
    rms = np.sqrt(np.mean(voice**2))
    noise = np.random.default_rng(1).normal(0, rms, len(voice)).astype(np.float32)
    for snr_db in (10, 20):
        features = spectra.named_features(voice + noise * 10 ** (-snr_db / 20), RATE)
        assert features["harmonicity_db"] == pytest.approx(snr_db, abs=2)


def test_speaking_rate_counts_the_syllables():
    voice = make_vowel(seconds=3)[0]
    times = np.arange(len(voice)) / RATE
    syllables = voice * (0.05 + np.sin(np.pi * 4 * times) ** 2).astype(np.float32)
    features = spectra.named_features(syllables / 2, RATE)
    assert features["speaking_rate_hz"] == pytest.approx(4.0, abs=0.3)


def test_pauses_count_as_pauses():
    voice = make_vowel(seconds=1)[0]
    gap = np.zeros(RATE, np.float32)
    features = spectra.named_features(np.concatenate([gap, voice, gap, voice, gap]), RATE)
    assert features["pause_fraction"] == pytest.approx(1 / 3, abs=0.03)
    assert features["speech_fraction"] == pytest.approx(2 / 5, abs=0.03)


def test_silence_around_the_speech_leaves_its_spectrum_alone():
    voice = make_vowel()[0]
    alone = spectra.named_features(voice, RATE)
    padded = spectra.named_features(np.pad(voice, 25600), RATE)
    for name in ("spectral_centroid_mean_hz", "f0_mean_hz", "mfcc_02_mean", "rms_mean_db"):
        assert padded[name] == pytest.approx(alone[name], rel=0.02), name


def test_quality_of_good_and_bad_recordings():
    good = spectra.measure_quality(make_sine(200), RATE)
    assert good["rms_db"] == pytest.approx(-9.03, abs=0.01)
    assert (good["clipping"], good["silent"]) == (0.0, False)
    assert good["speech_fraction"] > 0.95
    silent = spectra.measure_quality(HARD["silence"], RATE)
    assert silent == {
        "rms_db": spectra.FLOOR_DB,
        "clipping": 0.0,
        "silent": True,
        "speech_fraction": 0.0,
        "snr_db": 0.0,
    }
    assert spectra.measure_quality(HARD["clipped"], RATE)["clipping"] > 0.5
    assert spectra.measure_quality(HARD["one sample"], RATE)["silent"] is False


@pytest.mark.parametrize("snr_db", [5, 15, 30])
def test_speech_over_noise_is_estimated(snr_db):
    rng = np.random.default_rng(0)
    speech = make_sine(200)
    speech[: len(speech) // 4] = 0
    power = np.mean(speech[len(speech) // 4 :] ** 2)
    noise = rng.normal(0, np.sqrt(power / 10 ** (snr_db / 10)), len(speech))
    noisy = (speech + noise).astype(np.float32)
    assert spectra.measure_quality(noisy, RATE)["snr_db"] == pytest.approx(snr_db, abs=2)


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.array([0.0, np.nan, np.inf], np.float32), "2 samples that are NaN"),
        (np.zeros(0, np.float32), r"shape \(0,\)"),
        (np.zeros((2, 100), np.float32), r"shape \(2, 100\)"),
        (np.zeros(100, np.int16), "int16"),
    ],
)
@pytest.mark.parametrize(
    "function", [spectra.log_mel, spectra.named_features, spectra.analyse, spectra.measure_quality]
)
def test_what_is_no_waveform_is_refused(function, waveform, message):
    with pytest.raises(ValueError, match=message):
        function(waveform, RATE)


def test_impossible_options_are_refused():
    voice = make_sine(200)
    with pytest.raises(ValueError, match="n_mels = 200: .* longer window_ms"):
        spectra.log_mel(voice, RATE, n_mels=200)
    with pytest.raises(ValueError, match="n_mfcc = 65, .* 64 mel bands"):
        spectra.mfcc(spectra.log_mel(voice, RATE), n_mfcc=65)
    with pytest.raises(ValueError, match="8000 Hz"):
        spectra.named_features(voice, 8000)
    with pytest.raises(ValueError, match="hop_ms = 0.01"):
        spectra.count_frames(100, RATE, hop_ms=0.01)


@pytest.mark.real_data
def test_seven_syllables_are_heard_in_real_sentences(real_data):
    soundfile = pytest.importorskip("soundfile")
    rates, counts, pitches = [], [], {"male": [], "female": []}
    for path in sorted((real_data / "ravdess").glob("Actor_*/03-01-01-01-0?-01-*.flac")):
        waveform, rate_hz = soundfile.read(path, dtype="float32")
        features = spectra.named_features(waveform, rate_hz)
        voice = pitch.track_pitch(waveform, rate_hz, hop=256)
        level_db = spectra.log_mel(waveform, rate_hz).max(axis=1)
        counts.append(prosody.count_syllables(level_db, voice.voiced, frame_s=0.016))
        rates.append(features["speaking_rate_hz"])
        gender = "male" if int(path.stem[-2:]) % 2 else "female"
        pitches[gender].append(features["f0_mean_hz"])
    assert len(rates) == 48
    assert 6 <= np.median(counts) <= 8
    assert 2.5 < np.median(rates) < 6
    assert 90 < np.median(pitches["male"]) < 160 < np.median(pitches["female"]) < 260
