import itertools
import json
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from opencv_model import resnet_ssd, weights
from preprocessing import corpora
from preprocessing.clips import decode
from preprocessing.corpora import drawn
from preprocessing.corpora.drawn import clip, expression, face, phones, portrait, prosody, voice
from preprocessing.corpora.drawn.cast import cast_actor
from preprocessing.corpora.drawn.clip import Take
from preprocessing.corpora.drawn.painting import get_lightness

QUICK = {"n_actors": 2, "n_takes": 1, "n_jobs": 1, "progress": False}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Two actors, one take of each emotion."""
    return drawn.build(tmp_path_factory.mktemp("corpora") / "drawn", **QUICK)


@pytest.fixture
def stub(monkeypatch):
    """Replace filming by an empty file; return the list of what was filmed."""
    filmed = []

    def film(folder, take, *, seed):
        path = drawn.Path(folder, take.file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        filmed.append(take.clip_id)

    monkeypatch.setattr(clip, "film_take", film)
    return filmed


def test_index_lists_every_clip_with_its_facts(corpus):
    clips = drawn.CORPUS.index(corpus)
    assert tuple(clips.columns) == corpora.COLUMNS
    assert len(clips) == 2 * len(corpora.EMOTIONS)
    assert clips["clip_id"].is_monotonic_increasing
    assert set(clips["emotion"]) == set(corpora.EMOTIONS)
    assert (clips["video"] == clips["audio"]).all()
    assert all((corpus / file).is_file() for file in clips["video"])
    row = clips.set_index("clip_id").loc["d-02-happy-1"]
    assert row["video"] == "Actor_02/d-02-happy-1.mp4"
    assert tuple(row[["actor", "gender", "repetition"]]) == ("02", "male", "1")


def test_whole_corpus_is_balanced():
    takes = drawn.list_takes(12, 3)
    assert len({take.clip_id for take in takes}) == 288
    for emotion in corpora.EMOTIONS:
        spoken = [take.statement for take in takes if take.emotion == emotion]
        assert spoken.count("01") == spoken.count("02") == 18
    assert {take.intensity for take in takes if take.emotion == "neutral"} == {"normal"}
    assert {take.intensity for take in takes if take.emotion == "angry"} == {"normal", "strong"}


def test_clips_are_real_mp4_files_at_their_own_rate(corpus):
    rates = set()
    for file in drawn.CORPUS.index(corpus)["video"]:
        with av.open(str(corpus / file)) as container:
            picture, sound = container.streams.video[0], container.streams.audio[0]
            assert (picture.codec_context.name, sound.codec_context.name) == ("h264", "aac")
            assert (picture.width, picture.height, picture.pix_fmt) == (320, 240, "yuv420p")
            assert sound.channels == 1
            times = [frame.time for frame in container.decode(video=0)]
        fps = picture.average_rate
        assert clip.FPS[0] <= fps <= clip.FPS[1]
        np.testing.assert_allclose(np.diff(times), float(1 / Fraction(fps)), atol=1e-3)
        assert 1.45 <= len(times) / fps <= 2.6
        rates.add(fps)
    assert len(rates) > 3


def test_same_seed_gives_the_same_bytes(corpus, tmp_path):
    take = Take(2, "fearful", 1)
    again = clip.film_take(tmp_path, take)
    assert (tmp_path / again).read_bytes() == (corpus / take.file).read_bytes()


def test_other_seed_gives_another_actor_and_voice():
    take = Take(1, "sad", 1)
    frames, _, speech = clip.perform_take(take, seed=7)
    others, _, other = clip.perform_take(take, seed=8)
    assert not np.array_equal(frames[0], others[0])
    assert speech.waveform[:8000].tolist() != other.waveform[:8000].tolist()


def test_build_goes_on_where_it_was_interrupted(tmp_path, stub):
    drawn.build(tmp_path / "drawn", **QUICK)
    assert len(stub) == 16
    stub.clear()
    (tmp_path / "drawn/Actor_02/d-02-calm-1.mp4").unlink()
    (tmp_path / "drawn/Actor_02/d-02-calm-1.mp4.partial").write_bytes(b"half")
    drawn.build(tmp_path / "drawn", **QUICK)
    assert stub == ["d-02-calm-1"]
    assert not list((tmp_path / "drawn").rglob("*.partial"))
    stub.clear()
    drawn.build(tmp_path / "drawn", **QUICK)
    assert not stub


def test_other_parameters_draw_anew(tmp_path, stub):
    folder = drawn.build(tmp_path / "drawn", **QUICK)
    stub.clear()
    drawn.build(folder, **(QUICK | {"n_takes": 2}))
    assert len(stub) == 16
    stub.clear()
    drawn.build(folder, **QUICK)
    assert not stub
    assert len(drawn.CORPUS.index(folder)) == 16
    drawn.build(folder, seed=8, **QUICK)
    assert len(stub) == 16
    assert json.loads((folder / drawn.FACTS).read_text())["seed"] == 8


def test_filming_leaves_no_half_clip(tmp_path, monkeypatch):
    def fail(path, *_):
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(clip, "write_mp4", fail)
    with pytest.raises(OSError, match="no space"):
        clip.film_take(tmp_path, Take(1, "calm", 1))
    assert not list(tmp_path.rglob("*.mp4"))


def test_build_refuses_a_folder_of_other_things(tmp_path, stub):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds files but no corpus.json"):
        drawn.build(tmp_path, **QUICK)
    assert not stub


@pytest.mark.parametrize("wrong", [{"n_actors": 0}, {"n_actors": 100}, {"n_takes": 0}])
def test_build_refuses_numbers_out_of_range(tmp_path, wrong):
    with pytest.raises(ValueError, match="expected a number from 1 to 99"):
        drawn.build(tmp_path / "drawn", **(QUICK | wrong))


def test_validate_finds_nothing_in_a_whole_corpus(corpus):
    assert drawn.CORPUS.validate(corpus).empty


def test_validate_names_what_is_wrong(tmp_path, stub):
    folder = drawn.build(tmp_path / "drawn", **(QUICK | {"n_actors": 3}))
    (folder / "Actor_01/d-01-sad-1.mp4").unlink()
    (folder / "Actor_01/d-01-bored-1.mp4").write_bytes(b"")
    for path in (folder / "Actor_03").iterdir():
        path.unlink()
    problems = drawn.CORPUS.validate(folder)
    found = set(zip(problems["file"], problems["problem"], strict=True))
    assert ("d-01-sad-1", "missing") in found
    assert ("actor 03", "missing") in found
    assert ("Actor_01/d-01-bored-1.mp4", "unknown") in found
    assert ("Actor_02/d-02-sad-1.mp4", "unreadable") in found


def test_index_without_clips_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="drawn.build"):
        drawn.CORPUS.index(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match="d-01-neutral-1.mp4"):
        drawn.CORPUS.index(tmp_path)


@pytest.mark.parametrize("emotion", corpora.EMOTIONS)
def test_lips_move_with_the_voice(emotion):
    rng = np.random.default_rng(3)
    actor = cast_actor(1)
    speech = voice.speak("01", prosody.choose_prosody(emotion, rng), actor.voice, rng)
    loudness = np.sqrt(np.mean(speech.waveform.reshape(-1, voice.STEP) ** 2, axis=1))
    assert np.corrcoef(loudness, speech.mouth_open)[0, 1] > 0.6
    times = np.arange(0, speech.duration_s, 1 / 25)
    units = expression.choose_expression(emotion, actor, rng)
    acted = expression.act_face(units, actor, times, speech, rng, emotion=emotion)
    jaws = [now["jaw"] for now, _ in acted]
    heard = np.interp(times, np.arange(len(loudness)) * voice.STEP_MS / 1000, loudness)
    assert np.corrcoef(heard, jaws)[0, 1] > 0.5


def test_decoded_picture_and_sound_are_in_step(corpus):
    take = Take(1, "angry", 1)
    frames, fps, speech = clip.perform_take(take)
    read = decode.read_clip(corpus / take.file, corpus / take.file, strategy="linspace", n_frames=8)
    heard, made = read.waveform[:16000], speech.waveform[:16000]
    lag = np.argmax(np.correlate(heard, made, mode="full")) - (len(made) - 1)
    assert abs(lag) <= 0.01 * voice.RATE_HZ
    for frame, time in zip(read.frames, read.frame_times, strict=True):
        drawn_frame = frames[round(time * fps)].astype(int)
        assert np.abs(frame - drawn_frame).mean() < 6


@pytest.mark.parametrize("statement", phones.STATEMENTS)
def test_voice_fits_into_the_clip(statement):
    for emotion in corpora.EMOTIONS:
        rng = np.random.default_rng(5)
        spoken = prosody.choose_prosody(emotion, rng)
        speech = voice.speak(statement, spoken, cast_actor(2).voice, rng)
        assert 1.49 <= speech.duration_s <= 2.55
        assert speech.waveform.dtype == np.float32
        assert 0.01 < np.abs(speech.waveform).max() < 0.96
        assert np.abs(speech.waveform[:800]).max() < 0.01


def test_angry_is_louder_and_faster_than_sad():
    def say(emotion):
        rng = np.random.default_rng(1)
        plain = prosody.choose_prosody(emotion, rng, overlap=0)
        return voice.speak("01", plain, cast_actor(2).voice, rng)

    angry, sad = say("angry"), say("sad")
    assert angry.waveform.std() > 3 * sad.waveform.std()
    assert angry.duration_s < sad.duration_s


def test_eye_and_ear_confuse_different_emotions():
    assert set(expression.FACES) == set(prosody.PROSODY) == set(corpora.EMOTIONS)
    for emotion in corpora.EMOTIONS:
        looks, sounds = expression.LOOKS_LIKE[emotion], prosody.SOUNDS_LIKE[emotion]
        assert len({emotion, looks, sounds}) == 3


def test_action_units_move_the_face():
    rest = face.draw_face(1)
    assert (rest.shape, rest.dtype) == ((240, 320, 3), np.uint8)
    assert np.array_equal(rest, face.draw_face(1, {}))
    for unit in face.UNITS:
        moved = np.abs(face.draw_face(1, {unit: 1.0}).astype(int) - rest)
        assert moved.max() > 12, unit
    with pytest.raises(ValueError, match="AU99"):
        face.draw_face(1, {"AU99": 1})


@pytest.mark.parametrize("number", [1, 4, 6, 11])
def test_every_emotion_looks_its_own_way(number):
    faces = {}
    for emotion, units in expression.FACES.items():
        faces[emotion] = face.draw_face(number, units)[50:160, 110:210].astype(int)
    apart = {
        pair: np.abs(faces[pair[0]] - faces[pair[1]]).mean()
        for pair in itertools.combinations(faces, 2)
    }
    usual = np.median(list(apart.values()))
    assert apart["neutral", "calm"] > 0.4 * usual
    assert apart["angry", "disgust"] > 0.8 * usual
    assert min(apart.values()) > 0.35 * usual


def test_lips_and_brows_stand_out_alike_on_every_skin():
    rows = []
    for number in range(1, 13):
        actor = cast_actor(number)
        if actor.beard < 0.5:
            rows.append((get_lightness(actor.skin), *measure_contrast(number)))
    rows = np.array(sorted(rows))
    dark, light = rows[:4, 1:], rows[-4:, 1:]
    assert rows[0, 0] < 45 < 80 < rows[-1, 0]
    assert (rows[:, 1:] > [24, 36]).all()  # steps of CIE L*: lips, brows
    assert (dark.mean(axis=0) > 0.95 * light.mean(axis=0)).all()


def measure_contrast(number):
    """Return how much darker than the skin beside them lips and brows are, in steps of CIE L*."""
    actor = cast_actor(number)
    image = face.draw_face(number).astype(np.float32) / 255
    lightness = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)[..., 0]

    def look(x, y, width, height):
        """Return a box of the frame round a place in face units."""
        scale = portrait.SCALE * actor.size
        left, top = np.rint(portrait.CENTRE + scale * np.array([x - width, y - height]))
        right, bottom = np.rint(portrait.CENTRE + scale * np.array([x + width, y + height]))
        return lightness[int(top) : int(bottom) + 1, int(left) : int(right) + 1]

    low, lift = actor.shape["mouth_low"], actor.shape["brow_lift"]
    lips = np.median(look(0, 106 + low, 14, 3)) - np.median(look(0, 74 + low, 14, 14).min(axis=0))
    brows = look(-40, lift - 66, 10, 12).min(axis=0)
    return lips, np.median(look(-40, lift - 84, 10, 3)) - np.median(brows)


def test_haar_cascade_finds_the_faces(corpus):
    detector = resnet_ssd.open_detector("haar", quiet=True)
    assert find_faces(corpus, detector) >= 0.9


def test_network_finds_the_faces(corpus, monkeypatch):
    monkeypatch.setenv("EMOTION_DETECTOR", str(weights.find_installed()))
    assert find_faces(corpus, resnet_ssd.open_detector("resnet_ssd")) >= 0.98


def find_faces(corpus, detector):
    """Return the share of frames, three of each clip, with a face of confidence 0.5 or more."""
    hits = []
    for file in drawn.CORPUS.index(corpus)["video"]:
        frames = decode.read_clip(corpus / file, None, n_frames=3).frames
        hits += [any(detector.detect(frame)[:, 4] >= 0.5) for frame in frames]
    return np.mean(hits)
