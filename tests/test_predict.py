"""A clip of one's own: windows, people, who speaks, and the files that say so."""

import json
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import av
import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from modeling.predict import predict_clip, speakers, timeline, windows
from modeling.predict.command import main
from modeling.predict.people import join_tracks
from preprocessing.clips import decode, stream
from preprocessing.corpora import EMOTIONS
from preprocessing.corpora.drawn import clip as drawn
from preprocessing.corpora.drawn import voice
from tests.broken_media import write_noise, write_wav
from tests.conftest import REPOSITORY

RATE_HZ, FPS = voice.RATE_HZ, 25


class Networks:
    """Stands in for `networks.load_networks`: what it says is made up, what it was given is kept.

    A voice is said to be angry, a face happy.
    """

    emotions, expressions, unsure_below = EMOTIONS, tuple("abcdefg"), 0.4
    checksums = {"voice": "0" * 64}

    def __init__(self):
        self.heard, self.n_faces = [], 0

    def hear(self, waveforms):
        self.heard += waveforms
        return np.tile(lean_to("angry"), (len(waveforms), 1))

    def look(self, faces):
        assert faces.dtype == np.uint8 and faces.shape[1:] == (48, 48)
        self.n_faces += len(faces)
        return np.full((len(faces), 7), 1 / 7, np.float32)

    def judge(self, expressions, times):
        assert expressions.shape == (len(times), 7) and len(times)
        return lean_to("happy")

    def listen(self, waveforms):
        return self.hear(waveforms), np.zeros((len(waveforms), 5), np.float32)

    def watch(self, expressions):
        return self.judge(expressions, expressions[:, 0]), np.zeros(3, np.float32)

    def fuse(self, voices, faces):
        both = np.stack([voices, faces])
        n_sides = np.isfinite(both).sum(axis=0)
        return np.where(n_sides, np.nansum(both, axis=0) / np.maximum(n_sides, 1), np.nan)


def lean_to(emotion):
    posterior = np.full(8, 0.05, np.float32)
    posterior[EMOTIONS.index(emotion)] = 0.65
    return posterior


def perform(actor, emotion, repetition=1):
    """Return a take's frames at `FPS`, and its voice, equally long."""
    frames, fps, speech = drawn.perform_take(drawn.Take(actor, emotion, repetition))
    n_frames = int(speech.duration_s * FPS)
    own = np.minimum(np.arange(n_frames) * fps // FPS, len(frames) - 1)
    return frames[own], speech.waveform[: round(n_frames / FPS * RATE_HZ)]


def sway(still, n_frames, rng):
    """Return so many frames of somebody who listens, and whose head moves a little."""
    moves = np.cumsum(rng.normal(0, 0.3, (n_frames, 2)), axis=0)
    moves -= np.linspace(0, 1, n_frames)[:, None] * moves[-1]
    return np.stack([np.roll(still, np.rint(move).astype(int), (0, 1)) for move in moves])


@pytest.fixture(scope="module")
def takes():
    return {actor: [perform(actor, emotion) for emotion in ("happy", "sad")] for actor in (1, 2)}


@pytest.fixture(scope="module")
def alone(tmp_path_factory, takes):
    """Return a clip of one drawn actor."""
    frames, waveform = takes[1][0]
    path = tmp_path_factory.mktemp("alone") / "alone.mp4"
    drawn.write_mp4(path, frames, FPS, waveform, RATE_HZ)
    return path


@pytest.fixture(scope="module")
def conversation(tmp_path_factory, takes):
    """Return a clip of two drawn people side by side who talk in turn, and when who does."""
    rng, parts, sounds, turns, now_s = np.random.default_rng(3), [], [], [], 0.0
    for turn, speaker in enumerate((1, 2, 1, 2)):
        own = takes[speaker] if turn < 2 else takes[speaker][::-1]
        frames, waveform = (np.concatenate(both) for both in zip(*own, strict=True))
        listener = sway(takes[3 - speaker][0][0][0], len(frames), rng)
        pair = (frames, listener) if speaker == 1 else (listener, frames)
        parts.append(np.concatenate(pair, axis=2))
        sounds.append(waveform)
        turns.append((now_s, now_s + len(frames) / FPS, speaker))
        now_s = turns[-1][1]
    frames = np.pad(np.concatenate(parts), ((0, 0), (60, 60), (0, 0), (0, 0)), mode="edge")
    path = tmp_path_factory.mktemp("pair") / "pair.mp4"
    drawn.write_mp4(path, frames, FPS, np.concatenate(sounds), RATE_HZ)
    return path, turns


# Windows


@given(
    st.floats(-5, 1000), st.floats(0.01, 200), st.floats(0.5, 10), st.floats(0.05, 1), st.booleans()
)
def test_windows_cover_all_and_have_their_length(start_s, length_s, window_s, share, whole):
    step_s = window_s if whole else share * window_s
    found = windows.list_windows(start_s, start_s + length_s, window_s=window_s, step_s=step_s)
    starts, ends = found.T
    assert starts[0] == start_s and np.isclose(ends[-1], start_s + length_s)
    assert (np.diff(starts) > 0).all() and (starts[1:] <= ends[:-1] + 1e-6).all()
    assert np.allclose(np.diff(starts)[:-1], step_s)
    lengths = ends - starts
    assert lengths.max() <= max(window_s + step_s / 2, 0) + 1e-6
    assert len(found) == 1 or lengths.min() >= window_s - 1e-6


@pytest.mark.parametrize("sizes", [(0.0, 0.5), (3.0, -1.0), (3.0, 4.0), (float("nan"), 1.0)])
def test_windows_of_impossible_lengths_are_refused(sizes):
    with pytest.raises(ValueError, match="expected"):
        windows.list_windows(0, 10, window_s=sizes[0], step_s=sizes[1])


def test_utterances_go_from_pause_to_pause():
    probabilities = np.zeros(1000)
    for first, stop in ((100, 150), (155, 200), (300, 302), (400, 950)):
        probabilities[first:stop] = 0.9
    probabilities[700] = 0.6
    found = windows.find_utterances(probabilities)
    assert found.tolist() == [[94, 206], [394, 700], [700, 956]]  # too long, cut where unsure
    spans = windows.fill_pauses(found * windows.CHUNK_S, 0.0, 32.0)
    assert spans[0, 0] == 0 and spans[-1, 1] == 32
    assert np.allclose(spans[1:, 0], spans[:-1, 1])


def test_phrase_of_several_is_the_one_whose_mouth_moves():
    def choose(*scores):
        people = [SimpleNamespace(number=number) for number in range(1, len(scores) + 1)]
        return speakers._choose(people, list(scores))

    assert choose() == 0
    assert choose((-1.5, 0.3)) == 1
    assert choose((-4.0, 0.5)) == 0  # a still mouth: the voice is another's
    assert choose((-3.0, 0.8)) == 1  # blurred, but it goes with the voice
    assert choose((-4.0, 0.5), (-1.5, 0.1)) == 2
    assert choose((-1.5, 0.3), (-1.5, 0.2)) is None
    assert choose(None) == 1  # too few pictures to tell
    assert choose(None, (-1.5, 0.3)) is None


def test_phrases_end_at_pauses_and_at_cuts():
    probabilities = np.zeros(320)
    probabilities[0:50] = probabilities[60:63] = probabilities[100:250] = 0.9
    found = speakers.find_phrases(probabilities, [1.0, 5.0])
    np.testing.assert_allclose(found, [[0, 1], [1, 1.6], [3.2, 5], [5, 6.5], [6.5, 8]])


# What is read


def test_short_clip_reads_the_samples_that_training_did(alone):
    networks = Networks()
    found = predict_clip(alone, networks=networks)
    read = decode.read_clip(alone, alone, trim=True)
    assert len(found.table) == 1
    np.testing.assert_array_equal(networks.heard[0], read.waveform)
    whole = decode.read_clip(alone, alone)
    row = found.table.iloc[0]
    assert (row.start_s, row.end_s) == (whole.start_s, whole.start_s + whole.duration_s)


def test_table_says_what_both_sides_say(alone):
    found = predict_clip(alone, networks=Networks())
    assert tuple(found.table.columns) == timeline.COLUMNS
    row = found.table.iloc[0]
    assert (row.person, row.state, row.emotion) == (1, "face and voice", "unsure")
    assert row.voice_angry == row.face_happy == pytest.approx(0.65)
    assert row.both_angry == row.confidence == pytest.approx(0.35)
    assert row.face_share == 1 and row.speech_s > 0.5
    assert tuple(found.faces.columns) == timeline.FACE_COLUMNS
    assert found.faces[["x", "y", "width"]].median().between(40, 260).all()
    assert found.facts["width"] == 320 and "not what anybody feels" in found.facts["statement"]
    assert found.summary.iloc[0]["unsure"] == 1


def test_long_sound_is_read_in_stretches_as_it_is_in_one(tmp_path, takes, monkeypatch):
    waveform = np.concatenate([take[1] for take in takes[1] + takes[2]] * 2)
    path = write_wav(tmp_path / "long.wav", waveform, RATE_HZ)
    found = []
    for stretch_s in (100.0, 2.5):
        monkeypatch.setattr(stream, "STRETCH_S", stretch_s)
        found.append(predict_clip(path, networks=Networks()).table)
    assert len(found[0]) > 8 and (found[0].state == "voice").all()
    same = ["start_s", "end_s", "state"]
    pd.testing.assert_frame_equal(found[0][same], found[1][same])
    np.testing.assert_allclose(found[0].speech_s, found[1].speech_s, atol=0.2)


def test_voice_goes_to_the_one_who_talks(conversation):
    path, turns = conversation
    found = predict_clip(path, networks=Networks(), window_s=2.0)
    assert set(found.table.person) == {1, 2}
    assert found.faces.groupby("person").x.median().is_monotonic_increasing
    right = []
    for (start_s, end_s), rows in found.table.groupby(["start_s", "end_s"]):
        spoken = [0.0, 0.0]
        for first_s, last_s, speaker in turns:
            spoken[speaker - 1] += max(min(end_s, last_s) - max(start_s, first_s), 0.0)
        assert (rows.state == "face and voice").sum() <= 1
        if max(spoken) > 0.6 * (end_s - start_s):
            told = rows.person[rows.state == "face and voice"]
            right.append(told.tolist() == [1 + int(np.argmax(spoken))])
    assert len(right) > 10 and np.mean(right) >= 0.95


def test_voice_of_nobody_seen_is_off_screen(tmp_path, takes):
    _, waveform = takes[2][0]
    n_frames = int(len(waveform) / RATE_HZ * FPS)
    listener = sway(takes[1][0][0][0], n_frames, np.random.default_rng(1))
    drawn.write_mp4(tmp_path / "off.mp4", listener, FPS, waveform, RATE_HZ)
    table = predict_clip(tmp_path / "off.mp4", networks=Networks()).table
    assert table.person.tolist() == [0, 1] and table.state.tolist() == ["voice", "face"]


def test_person_is_known_again_over_cuts(tmp_path, takes):
    frames = np.concatenate([takes[1][0][0], takes[2][0][0], takes[1][1][0]])
    drawn.write_mp4(tmp_path / "cuts.mp4", frames, FPS, np.zeros(RATE_HZ, "f"), RATE_HZ)
    faces = predict_clip(tmp_path / "cuts.mp4", networks=Networks()).faces
    cuts = np.cumsum([len(takes[1][0][0]), len(takes[2][0][0])]) / FPS
    shots = np.searchsorted(cuts, faces.time_s, side="right")
    assert faces.person.groupby(shots).unique().map(list).tolist() == [[1], [2], [1]]


def test_nothing_is_said_of_silence_and_noise(tmp_path):
    rng = np.random.default_rng(0)
    for name, waveform in {
        "silence": np.zeros(5 * RATE_HZ),
        "noise": 0.1 * rng.standard_normal(5 * RATE_HZ),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * np.arange(5 * RATE_HZ) / RATE_HZ),
    }.items():
        path = tmp_path / f"{name}.wav"
        write_wav(path, waveform.astype(np.float32), RATE_HZ)
        found = predict_clip(path, networks=Networks())
        assert (found.table.state == "nothing to read").all(), name
        assert (found.table.emotion == "").all() and found.summary.empty
        assert found.table[list(timeline.POSTERIORS)].isna().all(axis=None)
        loud = found.table.remarks.str.contains("noise|sound without speech")
        assert loud.all() if name != "silence" else not loud.any()


def test_picture_alone_has_faces_and_no_voice(tmp_path, takes):
    frames, _ = takes[2][0]
    drawn.write_mp4(tmp_path / "mute.mp4", frames, FPS, np.zeros(RATE_HZ, "f"), RATE_HZ)
    table = predict_clip(tmp_path / "mute.mp4", networks=Networks()).table
    assert (table.state == "face").all() and (table.emotion == "happy").all()
    assert table.filter(like="voice_").isna().all(axis=None)


def test_frozen_picture_is_no_expression(tmp_path, takes):
    frames, waveform = takes[1][0]
    drawn.write_mp4(tmp_path / "still.mp4", frames[:1].repeat(80, 0), FPS, waveform, RATE_HZ)
    table = predict_clip(tmp_path / "still.mp4", networks=Networks()).table
    assert not table.state.str.contains("face").any()
    assert table.remarks.str.contains("still picture").any()


def test_picture_file_gives_an_expression_and_says_so(tmp_path, takes):
    picture = cv2.resize(takes[1][0][0][10], (2000, 1500))
    Image.fromarray(picture).save(tmp_path / "face.png")
    found = predict_clip(tmp_path / "face.png", networks=Networks())
    assert found.table.state.tolist() == ["face"] and found.facts["duration_s"] == 0
    assert "still picture" in found.table.remarks[0] and "no voice" in found.facts["problems"][0]
    assert found.faces.width[0] > 300 and found.facts["width"] == 2000
    assert found.summary.iloc[0]["happy"] == 1


def test_large_pictures_are_read_in_their_own_pixels(tmp_path, takes):
    frames = np.stack([cv2.resize(frame, (2560, 1920)) for frame in takes[1][0][0][:12]])
    drawn.write_mp4(tmp_path / "large.mp4", frames, FPS, np.zeros(RATE_HZ, "f"), RATE_HZ)
    found = predict_clip(tmp_path / "large.mp4", networks=Networks())
    assert found.facts["width"] == 2560
    assert found.faces.width.median() > 400


def test_tracks_at_the_same_time_are_two_people():
    def make(times, portrait):
        rng = np.random.default_rng(portrait)
        boxes = np.tile([0, 0, 60, 60, 0.9], len(times))
        track = {"shot": 0, "times": times, "boxes": boxes, "changes": np.ones(len(times))}
        track |= {"turns": np.zeros(len(times))}
        track |= {"expressions": np.ones(7 * len(times)), "mouth_times": [], "mouth_motions": []}
        colours = rng.uniform(0, 255, (32, 32, 3))
        return SimpleNamespace(portrait=np.append(colours, np.ones((32, 32, 1)), axis=2), **track)

    early, late = np.arange(0, 2, 0.1), np.arange(3, 5, 0.1)
    people = join_tracks([make(early, 1), make(early, 1), make(late, 2)], 100)
    assert [len(person.times) for person in people] == [20, 20, 20]
    people = join_tracks([make(early, 1), make(early, 3), make(late, 2), make(late, 1)], 100)
    assert [person.number for person in people] == [1, 2, 3]
    assert [len(person.times) for person in people] == [40, 20, 20]


# Files


@pytest.fixture
def drawing(monkeypatch):
    """Stand in for the pictures, which take their time."""
    module = ModuleType("modeling.predict.drawing")
    module.draw_timeline = lambda found, target: target.write_bytes(b"picture")
    monkeypatch.setitem(sys.modules, "modeling.predict.drawing", module)
    monkeypatch.setattr(sys.modules["modeling.predict"], "drawing", module, raising=False)


def test_folder_with_a_broken_file_is_read_on_and_resumed(tmp_path, alone, takes, drawing, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "more").mkdir(parents=True)
    (folder / "more" / "one.mp4").write_bytes(alone.read_bytes())
    write_wav(folder / "two.wav", takes[2][0][1], RATE_HZ)
    write_noise(folder / "broken.mp4")
    (folder / "notes.txt").write_text("no media file")
    networks = Networks()
    assert main([str(folder), "--out", str(out)], networks=networks) == 3
    printed = capsys.readouterr()
    assert "1 of 3 files" in printed.err and "broken" in printed.err
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    stems = ("more/one", "two")
    assert names == {f"{stem}.{kind}" for stem in stems for kind in ("csv", "json", "png")}
    n_heard = len(networks.heard)
    assert main([str(folder), "--out", str(out)], networks=networks) == 3
    assert len(networks.heard) == n_heard
    assert main([str(folder), "--out", str(out), "--step", "1"], networks=networks) == 3
    assert len(networks.heard) > n_heard


def test_files_hold_the_timeline(tmp_path, alone, drawing):
    assert main([str(alone), "--out", str(tmp_path)], networks=Networks()) == 0
    found = predict_clip(alone, networks=Networks())
    stored = timeline.read_timeline(tmp_path / "alone.json")
    pd.testing.assert_frame_equal(stored.table, found.table, check_dtype=False, atol=1e-3)
    pd.testing.assert_frame_equal(stored.faces, found.faces, check_dtype=False, atol=1e-2)
    facts = json.loads((tmp_path / "alone.json").read_text("utf-8"))
    assert facts["schema"] == timeline.SCHEMA and facts["networks"] == Networks.checksums
    table = pd.read_csv(tmp_path / "alone.csv", keep_default_na=False)
    assert tuple(table.columns) == timeline.COLUMNS and table.emotion.tolist() == ["unsure"]


def test_few_lines_say_who_and_what(tmp_path, alone, takes, drawing, capsys):
    voice = write_wav(tmp_path / "voice.wav", takes[2][0][1], RATE_HZ)
    out = ["--out", str(tmp_path / "out")]
    assert main([str(voice), *out], networks=Networks()) == 0
    printed = capsys.readouterr().out
    assert " voice " in printed and "off-screen" not in printed and "confidence" in printed
    write_wav(tmp_path / "hush.wav", np.zeros(RATE_HZ, "f"), RATE_HZ)
    files = [str(alone), str(voice), str(tmp_path / "hush.wav")]
    assert main([*files, "--out", str(tmp_path / "more")], networks=Networks()) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "angry 100% (0.65)" in lines["voice"] and "unsure 100%" in lines["alone"]
    assert "nothing to read" in lines["hush"] and "nothing to read" not in lines["alone"]


def test_json_is_printed_for_scripts(alone, capsys):
    assert main([str(alone), "--json", "-"], networks=Networks()) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["file"] == "alone.mp4" and len(printed["windows"]) == 1


def test_wrong_arguments_are_told_before_anything_is_read(tmp_path, capsys):
    assert main([str(tmp_path)], networks=Networks()) == 2
    assert "no media file" in capsys.readouterr().err
    assert main(["a.mp4", "--step", "0"], networks=Networks()) == 2
    assert main([str(tmp_path / "gone.mp4"), "--out", str(tmp_path)], networks=Networks()) == 3
    assert "gone" in capsys.readouterr().err


def test_predicting_needs_neither_tensorflow_nor_librosa(alone):
    code = (
        "import sys\n"
        "from tests.test_predict import Networks\n"
        "from modeling.predict import command, predict_clip\n"
        "assert len(predict_clip(sys.argv[1], networks=Networks()).table)\n"
    )
    check = (
        "heavy = {'tensorflow', 'keras', 'librosa', 'sklearn', 'matplotlib.pyplot'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    command = [sys.executable, "-c", code + check, str(alone)]
    assert subprocess.run(command, check=False, cwd=REPOSITORY).returncode == 0


MEASURED = (
    "import resource, sys\n"
    "from tests.test_predict import Networks\n"
    "from modeling.predict import predict_clip\n"
    "predict_clip(sys.argv[1], networks=Networks())\n"
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
)


def join_films(path, sources):
    """Write films of one make one after the other, by their packets."""
    now_s = 0.0
    with av.open(str(path), "w") as whole, av.open(str(sources[0])) as first:
        streams = [whole.add_stream_from_template(stream) for stream in first.streams]
        for source in sources:
            with av.open(str(source)) as part:
                for packet in part.demux():
                    if packet.dts is not None:
                        shift = round(now_s / packet.time_base)
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = streams[packet.stream_index]
                        whole.mux(packet)
                now_s += part.duration / av.time_base + 0.1
    return path


@pytest.mark.slow
def test_memory_is_the_same_for_ten_minutes(tmp_path, conversation):
    source, turns = conversation
    peaks = []
    for minutes in (1, 10):
        n_times = int(60 * minutes / turns[-1][1]) + 1
        path = join_films(tmp_path / f"{minutes}.mkv", [source] * n_times)
        command = [sys.executable, "-c", MEASURED, str(path)]
        done = subprocess.run(command, check=True, cwd=REPOSITORY, capture_output=True)
        peaks.append(int(done.stdout))
    assert peaks[1] < 1.1 * peaks[0]
