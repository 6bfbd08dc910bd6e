"""``predict_clip(..., explain=True)``: the right seconds and pixels, files, and no cost without."""

import json

import numpy as np
import pytest

from modeling.predict import explaining, predict_clip, reading, timeline
from modeling.predict.command import main
from preprocessing.corpora import EMOTIONS
from preprocessing.corpora.drawn import clip as drawn
from tests.test_predict import FPS, RATE_HZ, Networks, lean_to, perform


class Listener(Networks):
    """A voice is angry by how loud it is, a face happy by how bright its upper left corner is."""

    def hear(self, waveforms):
        powers = [np.sqrt(np.square(own, dtype=float).mean()) for own in waveforms]
        return np.stack([_lean("angry", 2 * power) for power in powers])

    def look(self, faces):
        bright = faces[:, :8, :8].mean(axis=(1, 2)) / 255
        return np.repeat(bright[:, None], 7, axis=1).astype(np.float32)

    def judge(self, expressions, times):
        return _lean("happy", float(expressions[:, 0].mean()))


def _lean(emotion, amount):
    posterior = lean_to(emotion).astype(float) ** (0.5 + amount)
    return (posterior / posterior.sum()).astype(np.float32)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    path = tmp_path_factory.mktemp("explained") / "alone.mp4"
    frames, waveform = perform(1, "happy")
    drawn.write_mp4(path, frames, FPS, waveform, RATE_HZ)
    return path


@pytest.fixture(scope="module")
def explained(alone):
    return predict_clip(alone, networks=Listener(), explain=True)


def test_answer_is_explained_by_what_it_was_read_from(alone, explained, monkeypatch):
    networks, wanted, gather = Listener(), [], explaining.gather

    def keep(location, found, rows):
        gather(location, found, rows)
        wanted.extend(rows)

    monkeypatch.setattr(explaining, "gather", keep)
    predict_clip(alone, networks=networks, explain=True)
    (own,) = wanted
    voice = [own.row[f"voice_{emotion}"] for emotion in EMOTIONS]
    np.testing.assert_allclose(networks.hear([own.waveform])[0], voice, atol=1e-6)
    assert len(own.faces) == len(own.times) > 5
    face = networks.judge(networks.look(np.stack(own.faces)), own.times)
    np.testing.assert_allclose(face, [own.row[f"face_{e}"] for e in EMOTIONS], atol=1e-6)


def test_shares_add_up_and_maps_point_where_the_networks_look(explained):
    (told,) = explained.explanations
    assert sum(told["contributions"].values()) == pytest.approx(told["log_odds"], abs=1e-3)
    assert list(told["contributions"]) == ["prior", "voice", "face"]
    patches = np.array(told["face"]["patches"])
    assert patches.shape == (6, 6)
    assert np.abs(patches[0, 0]) > 0 and np.count_nonzero(patches) == 1
    edges = told["voice"]["edges_s"]
    assert told["start_s"] <= edges[0] < edges[-1] <= told["end_s"] + 0.01
    assert len(told["voice"]["times"]) == len(edges) - 1


def test_what_was_said_is_the_same_with_and_without(alone, explained):
    plain = predict_clip(alone, networks=Listener())
    assert plain.table.equals(explained.table)
    assert plain.explanations == [] and "explain" not in plain.facts["parameters"]
    assert "explanations" not in timeline.describe(plain)


def test_explanations_survive_their_file(explained, tmp_path):
    path = timeline.write_timeline(explained, tmp_path, "a")
    read = timeline.read_timeline(path)
    (told,) = explained.explanations
    assert read.explanations == [{k: v for k, v in told.items() if k != "shown"}]
    assert "explanations" not in read.facts
    explaining.draw_explanations(read, tmp_path / "a.png")  # without the face
    assert (tmp_path / "a.png").stat().st_size > 5000


def test_command_writes_the_picture_and_goes_on_where_it_stopped(alone, tmp_path, capsys):
    options = [str(alone), "--out", str(tmp_path), "--explain"]
    assert main(options, networks=Listener()) == 0
    assert json.loads((tmp_path / "alone.json").read_text())["explanations"]
    assert main(options, networks=Listener()) == 0
    assert "is there already" in capsys.readouterr().err
    (tmp_path / "alone.explained.png").unlink()
    assert main(options, networks=Listener()) == 0
    assert (tmp_path / "alone.explained.png").is_file()


def test_surest_window_of_a_few_people_is_explained(explained):
    table = explained.table.iloc[[0] * 8].reset_index(drop=True)
    table["person"], table["confidence"] = [1, 1, 2, 2, 3, 4, 5, 5], np.arange(8) / 10
    table.loc[4, "emotion"] = ""
    rows = explaining.choose_rows(table)
    assert [(row["person"], row["confidence"]) for row in rows] == [
        (1, 0.1), (2, 0.3), (4, 0.5), (5, 0.7),
    ]  # fmt: skip
    assert len(explaining.choose_rows(table.assign(person=range(8)))) == explaining.MOST_PEOPLE


def test_a_file_that_is_gone_leaves_its_answer(alone, tmp_path, monkeypatch):
    gone = tmp_path / "gone.mp4"
    gone.write_bytes(alone.read_bytes())
    read_file = reading.read_file

    def read_once(location, *args, **options):
        found = read_file(location, *args, **options)
        gone.unlink()
        return found

    monkeypatch.setattr("modeling.predict.prediction.read_file", read_once)
    answer = predict_clip(gone, networks=Listener(), explain=True)
    assert len(answer.table) and answer.explanations == []
    assert any(problem.startswith("not explained") for problem in answer.facts["problems"])


def test_a_picture_is_explained_by_its_face_alone(tmp_path):
    from PIL import Image

    Image.fromarray(perform(1, "happy")[0][10]).save(tmp_path / "a.png")
    answer = predict_clip(tmp_path / "a.png", networks=Listener(), explain=True)
    (told,) = answer.explanations
    assert told["voice"] is None and told["face"]["pictures"] == 1
    assert list(told["contributions"]) == ["prior", "face"]


def test_a_recording_is_explained_by_its_voice_alone(tmp_path):
    from tests.broken_media import write_wav

    write_wav(tmp_path / "a.wav", perform(1, "happy")[1], RATE_HZ)
    answer = predict_clip(tmp_path / "a.wav", networks=Listener(), explain=True)
    (told,) = answer.explanations
    assert told["face"] is None and told["person"] == 0
    explaining.draw_explanations(answer, tmp_path / "a.png")
