"""From waveforms on disk to spectrograms, MFCCs and named features of a whole corpus."""

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from preprocessing import analyse, corpora
from preprocessing.disk import arrays
from preprocessing.voice import spectra

RATE_HZ = 16000
DURATIONS_S = (0.5, 1.0, np.nan, 0.3)
"""Of the clips; the third has no voice."""


def make_waveforms():
    """Return float32 (clip, samples): a hum of another pitch in each clip, zeros behind."""
    waveforms = np.zeros((len(DURATIONS_S), RATE_HZ), np.float32)
    for row, duration_s in enumerate(DURATIONS_S):
        if np.isfinite(duration_s):
            times = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
            tones = [np.sin(2 * np.pi * (110 + 40 * row) * k * times) / k for k in range(1, 9)]
            waveforms[row, : len(times)] = 0.2 * np.sum(tones, axis=0)
    return waveforms


def write_corpus(home, rate_hz=RATE_HZ):
    """Write clips and waveforms as the extraction leaves them; return the corpus folder."""
    rows = [
        dict.fromkeys(corpora.COLUMNS, "") | {"clip_id": f"{i:02d}", "emotion": "sad", "actor": "1"}
        for i in range(len(DURATIONS_S))
    ]
    clips = pd.DataFrame(rows).assign(window_s=DURATIONS_S, status="ok")
    clips["has_voice"] = np.isfinite(DURATIONS_S)
    folder = home / "data" / "folder"
    arrays.write_clips(folder, clips)
    made = {"arrays": {"waveforms": make_waveforms()}, "parameters": {"rate_hz": rate_hz}}
    arrays.write_stage(folder, "waveforms", **made)
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    return write_corpus(tmp_path)


def run_analysis(**options):
    return analyse.analyse_corpus("folder", **{"n_jobs": 0, "progress": False} | options)


def read_bytes(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_arrays_hold_each_voice_and_silence_behind_its_end(folder):
    run_analysis()
    mels, mfcc = (arrays.read_array(folder, name) for name in ("mels", "mfcc"))
    assert mels.shape == (4, 63, 64)
    assert mfcc.shape == (4, 63, 40)
    assert mels.dtype == mfcc.dtype == np.float32
    assert np.isfinite(mfcc).all()
    voice = make_waveforms()[0, : RATE_HZ // 2]
    with threadpool_limits(1):  # as in a worker: sums round alike
        mel, coefficients, _ = spectra.analyse(voice, RATE_HZ)
    assert np.array_equal(mels[0, : len(mel)], mel)
    assert np.array_equal(mfcc[0, : len(mel)], coefficients)
    assert (mels[0, len(mel) :] == spectra.FLOOR_DB).all()
    assert (mels[2] == spectra.FLOOR_DB).all()
    assert np.array_equal(mfcc[2, 0], spectra.mfcc(mels[2])[0])


def test_padding_changes_no_feature(folder):
    run_analysis()
    features = arrays.read_table(folder, "features")
    for row in (0, 1, 3):
        voice = make_waveforms()[row, : round(DURATIONS_S[row] * RATE_HZ)]
        expected = spectra.named_features(voice, RATE_HZ)
        assert features.iloc[row, 1:].astype(float).to_dict() == pytest.approx(expected)


def test_clip_without_voice_has_an_empty_row(folder):
    clips = run_analysis()
    features = arrays.read_table(folder, "features")
    assert list(features.columns) == ["clip_id", *spectra.FEATURE_NAMES]
    assert features["clip_id"].tolist() == clips["clip_id"].tolist()
    assert features.iloc[2, 1:].isna().all()
    assert features.iloc[[0, 1, 3], 1:].notna().all(axis=None)
    assert clips["rms_db"].notna().tolist() == [True, True, False, True]
    assert clips["speech_fraction"].dropna().between(0, 1).all()


def test_facts_hold_what_later_notebooks_read(folder):
    run_analysis(n_mels=40, hop_ms=10, deltas=False)
    facts = arrays.read_facts(folder, "audio")
    wanted = {"n_mels": 40, "window_ms": 32, "hop_ms": 10, "n_mfcc": 20, "deltas": False}
    assert facts["parameters"] == wanted | {"rate_hz": RATE_HZ}
    assert facts["shapes"]["mels"] == [4, 101, 40]
    assert facts["shapes"]["mfcc"] == [4, 101, 20]


def test_nothing_is_done_twice(folder, capsys):
    run_analysis()
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("[!.]*")}
    run_analysis()
    assert "up to date" in capsys.readouterr().out
    assert before == {path.name: path.stat().st_mtime_ns for path in folder.glob("[!.]*")}


def test_other_parameters_rebuild_and_the_same_ones_give_the_same_bytes(folder):
    run_analysis()
    before = read_bytes(folder)
    run_analysis(n_mels=32)
    assert arrays.read_array(folder, "mels").shape[2] == 32
    run_analysis(n_jobs=2)
    assert read_bytes(folder) == before


@pytest.mark.parametrize(
    ("option", "message"), [({"n_mels": 400}, "n_mels = 400"), ({"n_mfcc": 99}, "n_mfcc = 99")]
)
def test_impossible_option_is_an_error_and_leaves_the_old_arrays(folder, option, message):
    run_analysis()
    before = read_bytes(folder)
    with pytest.raises(ValueError, match=message):
        run_analysis(**option)
    assert read_bytes(folder) == before


def test_waveforms_too_slow_for_the_features_are_refused(folder, tmp_path):
    write_corpus(tmp_path, rate_hz=8000)
    with pytest.raises(ValueError, match="8000 Hz"):
        run_analysis()


def test_voice_that_cannot_be_analysed_is_listed_and_the_run_goes_on(folder, monkeypatch):
    original = spectra.measure_quality

    def fail_on_the_short_one(waveform, rate_hz):
        if len(waveform) < 0.4 * RATE_HZ:
            raise ValueError("made to fail")
        return original(waveform, rate_hz)

    monkeypatch.setattr(spectra, "measure_quality", fail_on_the_short_one)
    clips = run_analysis()
    assert clips["reason"][3] == "voice not analysed (ValueError: made to fail)"
    assert clips["status"].tolist() == ["ok", "ok", "ok", "partial"]
    assert clips["has_voice"].tolist() == [True, True, False, False]
    assert (arrays.read_array(folder, "mels")[3] == spectra.FLOOR_DB).all()


def test_waveforms_that_are_missing_or_stale_are_refused(folder):
    arrays.write_clips(folder, arrays.read_clips(folder).assign(emotion="happy"))
    with pytest.raises(ValueError, match="Rerun preprocessing/11_faces"):
        run_analysis()
    (folder / "waveforms.json").unlink()
    with pytest.raises(FileNotFoundError, match="11_faces"):
        run_analysis()


def test_corpus_without_any_voice_gives_empty_rows(folder):
    arrays.write_clips(folder, arrays.read_clips(folder).assign(has_voice=False))
    run_analysis()
    assert (arrays.read_array(folder, "mels") == spectra.FLOOR_DB).all()
