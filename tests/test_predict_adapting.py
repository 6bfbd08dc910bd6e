"""A person of whom much was read is read anew: known by what, and what becomes of rows."""

import numpy as np
import pytest

from modeling.predict import adapting, predict_clip
from modeling.predict.reading import read_file
from modeling.predict.sound import SoundReader, Voice
from preprocessing.corpora import EMOTIONS
from preprocessing.corpora.drawn import clip as drawn
from tests.broken_media import write_wav
from tests.test_predict import FPS, RATE_HZ, Networks, lean_to, perform


class Listener(Networks):
    """Says that whoever is known by now was calm, and keeps what it was given."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def adapt(self, name, posteriors, embeddings, heard=slice(None)):
        assert len(posteriors) == len(embeddings) and np.isfinite(posteriors).all()
        self.asked.append((name, len(posteriors), len(np.arange(len(posteriors))[heard])))
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
    (_, n_spoken, n_heard), (_, n_seen, n_apart) = listener.asked
    assert n_spoken == n_heard >= 4  # utterances, which do not overlap
    assert n_seen == plain["face_calm"].notna().sum() > n_apart >= 3
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
    spans = [(float(k), k + 1.0) for k in range(9)]
    rows = [{"person": 0, "utterances": {span: 1.0}, "voice_calm": 0.125} for span in spans]
    voices = {span: Voice(lean_to("angry"), np.zeros(5)) for span in spans}
    adapting.adapt_voices(rows, voices, Listener(), is_seen=True)
    assert rows[0]["voice_calm"] == 0.125


def test_window_has_the_mean_of_its_utterances_by_their_seconds():
    first, second = (0.0, 2.0), (2.5, 4.0)
    rows = [{"utterances": {first: 1.5, second: 0.5}}, {"utterances": {}}]
    adapting.mix_voices(rows, {first: lean_to("happy"), second: lean_to("sad")})
    expected = 0.75 * lean_to("happy") + 0.25 * lean_to("sad")
    found = [rows[0][f"voice_{emotion}"] for emotion in EMOTIONS]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert rows[1] == {"utterances": {}}


def test_of_an_utterance_only_what_the_speaker_says_counts():
    reader = SoundReader(None, by="window", window_s=3.0, step_s=0.5)
    reader.voices = {(0.0, 2.0): None, (2.5, 4.0): None, (9.0, 9.5): None}
    assert reader.share_window((1.0, 4.0), []) == {(0.0, 2.0): 1.0, (2.5, 4.0): 1.5}
    assert reader.share_window((1.0, 4.0), [(0.0, 1.5), (3.0, 3.2), (5.0, 9.0)]) == {
        (0.0, 2.0): pytest.approx(0.5),
        (2.5, 4.0): pytest.approx(0.2),
    }


def test_a_long_file_of_one_window_is_read_whole_and_once(tmp_path):
    waveform = np.concatenate([perform(1, emotion)[1] for emotion in EMOTIONS])
    path = write_wav(tmp_path / "long.wav", waveform, RATE_HZ)
    options = {"by": "window", "window_s": 60.0, "step_s": 0.5}
    reading = read_file(path, Networks(), **options)
    assert len(waveform) > 12 * RATE_HZ, "longer than the stretches in which sound comes"
    (window,) = reading.windows.tolist()
    assert list(reading.sound.voices) == [tuple(window)]
