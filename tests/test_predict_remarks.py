"""What is said beside an answer: music, noise, a face from the side; and who is known again."""

import cv2
import numpy as np
import pytest

from modeling.predict import detecting, faces, people, portraits, tones
from preprocessing.corpora.drawn import clip as drawn
from preprocessing.corpora.drawn import voice
from preprocessing.faces import turned
from preprocessing.faces.boxes import square_boxes
from preprocessing.faces.crop import crop_frame

RATE_HZ = voice.RATE_HZ
TIMES = np.arange(3 * RATE_HZ) / RATE_HZ


def play_chords():
    """Return three chords of three tones, each with its overtones, that fade."""
    notes = np.zeros(len(TIMES))
    for start_s, chord in ((0, (262, 330, 392)), (1, (220, 262, 330)), (2, (294, 370, 440))):
        since_s = TIMES - start_s
        sounds = (since_s >= 0) & (since_s < 1)
        for pitch_hz in (k * root for root in chord for k in (1, 2, 3)):
            notes += sounds * np.exp(-2 * since_s * sounds) * np.sin(2 * np.pi * pitch_hz * since_s)
    return notes


SOUNDS = {
    "music": play_chords(),
    "noise": np.random.default_rng(0).standard_normal(len(TIMES)),
    "hum": sum(np.sin(2 * np.pi * 50 * k * TIMES) for k in range(1, 20)),
    "voice": drawn.perform_take(drawn.Take(1, "happy", 1))[2].waveform,
}


@pytest.mark.parametrize("name", SOUNDS)
def test_music_is_told_from_noise_and_from_neither(name):
    sound = (0.05 * SOUNDS[name] / SOUNDS[name].std()).astype(np.float32)
    expected = name if name in (tones.MUSIC, tones.NOISE) else ""
    assert tones.name_sound(sound, is_speech=False) == expected
    assert tones.name_sound(sound, is_speech=True) == expected.replace(tones.NOISE, "")


def test_too_short_a_sound_is_neither():
    assert tones.name_sound(np.zeros(100, np.float32), is_speech=False) == ""


class Finds:
    """A detector that always finds the same boxes."""

    def __init__(self, *boxes):
        self.boxes = np.array(boxes, np.float32)

    def detect(self, _):
        return self.boxes.copy()


def test_box_within_a_box_is_of_the_same_face():
    whole, part = (100, 100, 180, 210, 0.95), (112, 105, 170, 170, 0.9)
    beside = (200, 100, 280, 210, 0.9)
    found = detecting.Once(Finds(whole, part, beside)).detect(np.zeros((300, 400, 3), np.uint8))
    np.testing.assert_allclose(found, np.array([whole, beside], np.float32))


def test_faces_that_appear_at_once_are_two_tracks():
    first, second = (faces.Track(0, raw={3: np.zeros(5)}) for _ in range(2))
    assert second not in [first]


@pytest.fixture(scope="module")
def pictures():
    return {actor: drawn.perform_take(drawn.Take(actor, "neutral", 1))[0][5] for actor in (1, 2, 3)}


BOX = np.array([118, 52, 202, 160], np.float32)  # about a drawn face


def test_person_is_known_from_wide_to_close(pictures):
    def describe(picture, box):
        return portraits.describe_portrait(portraits.cut_portrait(picture[None], 0, box))

    wide = {actor: describe(picture, BOX) for actor, picture in pictures.items()}
    close = pictures[1][40:200, 53:267]  # hair and shoulders lie partly beyond
    close = describe(cv2.resize(close, (320, 240)), (BOX - [53, 40, 53, 40]) * 1.5)
    assert 0 < close[1].sum() < wide[1][1].sum()
    assert portraits.measure_likeness(wide[1], close) > people.SAME_PERSON
    assert portraits.measure_likeness(wide[2], close) < people.SAME_PERSON
    assert portraits.measure_likeness(wide[1], wide[3]) < people.SAME_PERSON


def turn_head(picture, degrees):
    """Return a picture of a head as if it were an ellipsoid that is turned to the side."""
    height, width = picture.shape[:2]
    half = np.array([48.0, 72.0, 58.0])  # pixels: width, height, depth
    x, y = np.meshgrid(np.arange(width) - width / 2, np.arange(height) - 108)
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    a = (sine / half[0]) ** 2 + (cosine / half[2]) ** 2
    b = 2 * x * sine * cosine * (half[2] ** -2 - half[0] ** -2)
    c = (x * cosine / half[0]) ** 2 + (x * sine / half[2]) ** 2 + (y / half[1]) ** 2 - 1
    root = b**2 - 4 * a * c
    depth = (np.sqrt(root.clip(0)) - b) / (2 * a)
    columns = (cosine * x - sine * depth + width / 2).astype(np.float32)
    rows = np.broadcast_to(np.arange(height, dtype=np.float32)[:, None], columns.shape)
    shown = cv2.remap(picture, columns, np.ascontiguousarray(rows), cv2.INTER_LINEAR)
    shown[root < 0] = 200
    return shown


def test_face_from_the_side_is_a_profile(pictures):
    square = square_boxes(BOX[None], margin=turned.MARGIN)[0]

    def look(picture):
        return turned.is_turned(crop_frame(picture[None], 0, square, size=turned.SIDE, grey=True))

    assert not any(look(picture) for picture in pictures.values())
    assert any(look(turn_head(pictures[1], degrees)) for degrees in (-50, 50))
