"""A person of whom many windows were read is read anew: which windows, and what becomes of rows."""

import numpy as np
import pytest

from modeling.predict import adapting, predict_clip
from preprocessing.corpora import EMOTIONS
from preprocessing.corpora.drawn import clip as drawn
from tests.broken_media import write_wav
from tests.test_predict import FPS, RATE_HZ, Networks, lean_to, perform


class Listener(Networks):
    """Says that whoever is known by now was calm, and keeps what it was given."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def adapt(self, name, posteriors, embeddings, heard):
        assert len(posteriors) == len(embeddings) and np.isfinite(posteriors).all()
        self.asked.append((name, len(posteriors), list(heard)))
        return np.tile(lean_to("calm"), (len(posteriors), 1))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Return a film of one person who talks for some eight seconds."""
    takes = [
        perform(1, emotion, repetition) for emotion in ("happy", "sad") for repetition in (1, 2)
    ]
    frames, waveforms = zip(*takes, strict=True)
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    drawn.write_mp4(path, np.concatenate(frames), FPS, np.concatenate(waveforms), RATE_HZ)
    return path


def test_windows_that_a_person_is_known_by_do_not_overlap():
    assert adapting.find_apart([(0, 3), (0.5, 3.5), (3, 6), (7, 8), (7.5, 9), (8, 10)]) == [
        0,
        2,
        3,
        5,
    ]


def test_both_sides_are_read_anew_and_fused(film):
    plain = predict_clip(film, networks=Networks(), window_s=1.5).table
    listener = Listener()
    found = predict_clip(film, networks=listener, window_s=1.5, adapt=True)
    assert found.facts["parameters"]["adapt"] is True
    assert [name for name, _, _ in listener.asked] == ["voice", "face"]
    for name, n_rows, heard in listener.asked:
        assert n_rows == plain[f"{name}_calm"].notna().sum() > len(heard) >= 3
    both = found.table.state == "face and voice"
    assert both.sum() > 5 and (found.table.emotion[both] == "calm").all()
    assert not (plain.emotion == "calm").any()
    columns = [f"voice_{emotion}" for emotion in EMOTIONS]
    np.testing.assert_array_equal(plain[columns].isna(), found.table[columns].isna())


def test_person_of_one_window_stays_as_anybody(film):
    found = predict_clip(film, networks=Listener(), window_s=60.0, adapt=True).table
    assert len(found) == 1 and found.voice_angry[0] == pytest.approx(0.65)


def test_lone_voice_is_one_person_and_voices_off_screen_are_not(tmp_path):
    waveform = np.concatenate([perform(2, emotion)[1] for emotion in ("happy", "sad", "calm")])
    path = write_wav(tmp_path / "voice.wav", waveform, RATE_HZ)
    found = predict_clip(path, networks=Listener(), window_s=1.0, adapt=True).table
    assert (found.emotion[found.state == "voice"] == "calm").all()
    rows = [
        {"person": 0, "start_s": k, "end_s": k + 1, "voice_embedding": np.zeros(5)}
        for k in range(9)
    ]
    rows = [row | {f"voice_{name}": 0.125 for name in EMOTIONS} for row in rows]
    adapting.adapt_rows(rows, Listener(), is_seen=True)
    assert rows[0]["voice_calm"] == 0.125 and "voice_embedding" not in rows[0]
