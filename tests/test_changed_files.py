"""What lies on disk is what the arrays were made from, or it is said what is not, in one line."""

import os
import re

import numpy as np
import pandas as pd
import pytest

from preprocessing import analyse, extract, index
from preprocessing.disk import arrays
from tests import broken_media

RATE_HZ = 16000


@pytest.fixture
def voices(tmp_path, monkeypatch):
    """Return the CSV of two voices in a home of their own."""
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path / "home"))
    for number in (0, 1):
        write_voice(tmp_path / f"{number}.wav", seed=number)
    rows = {"clip_id": ["a", "b"], "video": "", "audio": ["0.wav", "1.wav"]}
    pd.DataFrame(rows).assign(emotion="sad", actor="1").to_csv(tmp_path / "list.csv", index=False)
    return tmp_path / "list.csv"


def write_voice(path, *, seed):
    noise = np.random.default_rng(seed).normal(0, 0.1, RATE_HZ).astype(np.float32)
    broken_media.write_wav(path, noise, RATE_HZ)


def change_time(path):
    os.utime(path, ns=(1, 1_000_000_000))


def index_voices(voices):
    return index.index_corpus("folder", voices, n_jobs=0, progress=False)


def extract_voices():
    choices = extract.Choices(detector="haar")
    return extract.extract_corpus("folder", choices, n_jobs=0, progress=False)


def test_a_recording_replaced_by_one_as_long_is_read_again(voices, capsys):
    index_voices(voices)
    extract_voices()
    before = np.array(arrays.read_array(arrays.corpus_folder("folder"), "waveforms"))
    write_voice(voices.parent / "0.wav", seed=9)
    index_voices(voices)
    with pytest.raises(ValueError, match="another state of the clips. Rerun preprocessing/11_"):
        arrays.read_array(arrays.corpus_folder("folder"), "waveforms")
    extract_voices()
    after = arrays.read_array(arrays.corpus_folder("folder"), "waveforms")
    assert not (after[0] == before[0]).all() and (after[1] == before[1]).all()


def test_a_corpus_copied_anew_costs_no_work(voices, capsys):
    index_voices(voices)
    clips = extract_voices()
    for number in (0, 1):
        change_time(voices.parent / f"{number}.wav")
    again = index_voices(voices)
    assert set(again["audio_version"]) == {"1000000000"}
    extract_voices()
    assert "up to date" in capsys.readouterr().out
    pd.testing.assert_frame_equal(
        again.drop(columns=arrays.VERSION_COLUMNS), clips.drop(columns=arrays.VERSION_COLUMNS)
    )


def test_a_file_is_read_for_its_digest_once(voices, monkeypatch):
    index_voices(voices)
    monkeypatch.setattr(index, "_compute_digest", lambda *_: pytest.fail("read again"))
    index_voices(voices)


def test_extraction_refuses_files_that_changed_since_they_were_indexed(voices):
    index_voices(voices)
    extract_voices()
    write_voice(voices.parent / "1.wav", seed=9)
    said = "not what they were: 1. b, audio file .* another content; rerun 10_corpus.ipynb"
    with pytest.raises(ValueError, match=said):
        extract_voices()


def test_raw_clips_may_go_when_the_arrays_are_there(voices, capsys):
    index_voices(voices)
    extract_voices()
    (voices.parent / "1.wav").unlink()
    extract_voices()
    assert "up to date" in capsys.readouterr().out


def test_an_index_written_anew_is_not_up_to_date(voices):
    index_voices(voices)
    extract_voices()
    analyse.analyse_corpus("folder", n_jobs=0, progress=False)
    (arrays.corpus_folder("folder") / "clips.csv").unlink()
    index_voices(voices)
    assert extract_voices()["has_voice"].all()
    assert analyse.analyse_corpus("folder", n_jobs=0, progress=False)["rms_db"].notna().all()


def cut(path):
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize(
    ("name", "spoil", "said"),
    [
        ("features.csv", os.unlink, "features.csv is not there, though audio.json is. Rerun"),
        ("features.csv", cut, r"features.csv is not whole: it has \d+ bytes, audio.json says"),
        ("mels.npy", os.unlink, "mels.npy is not there, though audio.json is. Rerun"),
        ("mels.npy", cut, r"mels.npy is not whole: it has \d+ bytes, audio.json says \d+. Rerun"),
        ("audio.json", os.unlink, r"No .*audio.json. Run preprocessing/12_audio.ipynb with CORPUS"),
        ("audio.json", cut, "audio.json is not whole: expected JSON, .* Rerun preprocessing/12_au"),
    ],
)
def test_a_file_that_is_gone_or_cut_short_is_named_with_what_to_run(voices, name, spoil, said):
    index_voices(voices)
    extract_voices()
    analyse.analyse_corpus("folder", n_jobs=0, progress=False)
    folder = arrays.corpus_folder("folder")
    spoil(folder / name)
    table = name.removesuffix(".csv") if name.endswith(".csv") else ""
    with pytest.raises((ValueError, FileNotFoundError), match=said) as error:
        arrays.read_table(folder, table) if table else arrays.read_array(folder, "mels")
    assert "\n" not in str(error.value) and re.search("12_audio.ipynb", str(error.value))
    analyse.analyse_corpus("folder", n_jobs=0, progress=False)
    assert len(arrays.read_table(folder, "features")) == 2


def test_a_table_of_another_state_is_refused_as_an_array_is(voices):
    index_voices(voices)
    extract_voices()
    analyse.analyse_corpus("folder", n_jobs=0, progress=False)
    choices = extract.Choices(detector="haar", window_s=0.5)
    extract.extract_corpus("folder", choices, n_jobs=0, progress=False)
    with pytest.raises(ValueError, match="features.csv was made from another state of the wavefor"):
        arrays.read_table(arrays.corpus_folder("folder"), "features")
