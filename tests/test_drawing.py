"""What is drawn of a timeline: on the clip, and as a picture."""

from fractions import Fraction
from itertools import product

import av
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from modeling.predict.answers import Answers, Boxes
from modeling.predict.drawing import average_columns, draw_timeline, draw_video
from modeling.predict.painting import Canvas, find_colour, find_text_colour
from preprocessing.clips.containers import MediaError
from preprocessing.corpora import EMOTIONS
from tests.broken_media import write_clip
from tests.made_timelines import make_timeline


def read_packets(path, kind):
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(**{kind: 0}) if p.size]


def read_frames(path):
    with av.open(str(path)) as container:
        return [(f.time, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


@pytest.mark.parametrize(
    ("suffix", "codec", "rate_hz"),
    [(".mp4", "aac", 44100), (".mkv", "libmp3lame", 44100), (".webm", "libopus", 48000)],
)
def test_sound_stays_as_it_was(tmp_path, suffix, codec, rate_hz):
    video = "libvpx" if suffix == ".webm" else "libx264"
    clip = write_clip(tmp_path / f"a{suffix}", audio=codec, rate_hz=rate_hz, video=video)
    report = draw_video(clip, make_timeline(2.0), tmp_path / "b.mp4")
    assert report.sound == f"copied: {codec.removeprefix('lib').removesuffix('lame')}"
    assert read_packets(tmp_path / "b.mp4", "audio") == read_packets(clip, "audio")


def test_sound_that_mp4_cannot_hold_is_encoded_and_said(tmp_path):
    clip = write_clip(tmp_path / "a.mkv", audio="pcm_s16le")
    report = draw_video(clip, make_timeline(2.0), tmp_path / "b.mp4")
    assert "encoded as AAC" in report.sound
    with av.open(str(tmp_path / "b.mp4")) as container:
        seconds = sum(f.samples / f.sample_rate for f in container.decode(audio=0))
    assert seconds == pytest.approx(2, abs=0.06)


def test_pictures_keep_their_times_and_sound_its_own(tmp_path):
    times = [0, 0.2, 0.3, 0.9, 1.0, 1.7]
    clip = write_clip(tmp_path / "a.mp4", frame_times=times, flash_s=0.9, size=(320, 240))
    draw_video(clip, make_timeline(2.0, people=(1,), size=(320, 240)), tmp_path / "b.mp4")
    frames = read_frames(tmp_path / "b.mp4")
    assert [time for time, _ in frames] == pytest.approx(times, abs=1e-3)
    assert [picture[200, 30].mean() > 128 for _, picture in frames] == [t == 0.9 for t in times]


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"size": (640, 360), "rotation": 90}, (360, 640)),
        ({"size": (640, 360), "stretch": Fraction(4, 3)}, (852, 360)),
        ({"size": (160, 120)}, (320, 240)),
        ({"size": (2560, 1440), "duration_s": 0.2}, (1920, 1080)),
        ({"size": (322, 241), "video": "mjpeg"}, (322, 240)),
    ],
    ids=["portrait", "wide pixels", "tiny", "large", "odd, full range"],
)
def test_pictures_are_drawn_upright_square_and_of_a_size_to_read(tmp_path, options, size):
    suffix = ".avi" if "video" in options else ".mp4"
    clip = write_clip(tmp_path / f"a{suffix}", pattern=True, **{"duration_s": 1.0} | options)
    report = draw_video(clip, make_timeline(2.0, people=(1,)), tmp_path / "b.mp4")
    assert report.width == size[0]
    assert size[1] < report.height < 2 * size[1] + 100
    picture = read_frames(tmp_path / "b.mp4")[-1][1][: size[1]]
    rows, columns = size[1] // 2, size[0] // 2
    quarters = [picture[r : r + rows, c : c + columns] for r in (0, rows) for c in (0, columns)]
    black = [float((quarter.mean(axis=2) < 15).mean()) for quarter in quarters]
    corner = 2 if "rotation" in options else 0  # a quarter turn to the left
    assert black[corner] > 0.6
    assert max(black[:corner] + black[corner + 1 :]) < 0.3


def test_sound_alone_is_a_strip_that_lasts_as_long(tmp_path):
    clip = write_clip(tmp_path / "a.wav", video=None, audio="pcm_s16le", duration_s=3.0)
    timeline = make_timeline(3.0, people=(0,))
    timeline.facts |= {"width": None, "height": None, "fps": None}
    report = draw_video(clip, timeline, tmp_path / "b.mp4")
    assert report.n_frames == pytest.approx(30, abs=1)
    assert report.height < 300


def test_a_file_that_cannot_be_read_leaves_nothing(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video" * 100)
    with pytest.raises(MediaError):
        draw_video(tmp_path / "a.mp4", make_timeline(2.0), tmp_path / "b.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def paint(canvas, time_s):
    """Return what is painted on an empty picture, uint8 planes."""
    planes = [
        np.full((canvas.height // n, canvas.width // n), 16 if n == 1 else 128, np.uint8)
        for n in (1, 2, 2)
    ]
    canvas.paint(planes, time_s)
    return planes


@pytest.mark.parametrize("size", [(320, 180), (1920, 1080), (720, 1280)])
def test_labels_change_no_more_often_than_windows(size):
    timeline = make_timeline(20.0, people=(1,), size=size)
    timeline.faces["x"], timeline.faces["y"] = 0.4 * size[0], 0.4 * size[1]
    canvas = Canvas(timeline, size)
    canvas.settle("bt709")
    seen = [paint(canvas, k / 30)[0][: size[1]].tobytes() for k in range(590)]
    changes = sum(a != b for a, b in zip(seen, seen[1:], strict=False))
    assert 5 < changes < len(timeline.table)


def test_a_box_has_the_colour_of_its_answer_and_unsure_is_grey():
    timeline = make_timeline(3.0, people=(1,), size=(640, 360))
    for emotion in (*EMOTIONS, "unsure"):
        timeline.table["emotion"] = emotion
        canvas = Canvas(timeline, (640, 360))
        canvas.settle("bt709")
        luma, blue, red = paint(canvas, 1.0)
        frame = av.VideoFrame(640, canvas.height, "yuv420p")
        for plane, own in zip(frame.planes, (luma, blue, red), strict=True):
            rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            rows[:, : own.shape[1]] = own
        frame.colorspace, frame.color_range = 1, 1
        picture = frame.to_ndarray(format="rgb24")
        x, y, _, height = canvas.boxes[1].find(1.0)
        colour = picture[round(y + height / 2), round(x) + 3]
        expected = [int(find_colour(emotion)[k : k + 2], 16) for k in (1, 3, 5)]
        assert np.abs(colour.astype(int) - expected).max() < 12, emotion


def test_text_can_be_read_on_every_colour():
    def light(colour):
        levels = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
        linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
        return linear @ (0.2126, 0.7152, 0.0722) + 0.05

    for emotion in (*EMOTIONS, "unsure", ""):
        pair = sorted([light(find_colour(emotion)), light(find_text_colour(find_colour(emotion)))])
        assert pair[1] / pair[0] > 4, emotion  # large bold text: 3 by WCAG 2


def test_overlapping_windows_share_what_they_overlap():
    answers = Answers(make_timeline(10.0, people=(1,)).table, 1)
    assert answers.from_s[:3].tolist() == [0, 1.75, 2.25]
    assert (answers.from_s[1:] == answers.to_s[:-1]).all()
    assert answers.to_s[-1] == 10
    assert answers.find([-1, 0, 1.8, 9.99, 10.1]).tolist() == [-1, 0, 1, 14, -1]


def test_windows_apart_leave_a_gap():
    table = make_timeline(10.0, people=(1,)).table.iloc[[0, 10]]  # 0 to 3 and 5 to 8 s
    assert Answers(table, 1).find([2.9, 4, 5]).tolist() == [0, -1, 1]


def test_a_still_picture_is_drawn_although_it_has_no_length(tmp_path):
    timeline = make_timeline(3.0, people=(1,))
    timeline.table[["start_s", "end_s"]] = 0.0
    timeline.table["emotion"] = "sad"
    timeline.facts["duration_s"] = 0.0
    draw_timeline(timeline, tmp_path / "a.png")
    picture = (255 * imread(tmp_path / "a.png")[:-120, :, :3]).round()
    assert (picture == [0x00, 0x25, 0x7A]).all(axis=2).mean() > 0.1


def test_box_stays_within_its_shot():
    faces = pd.DataFrame({"time_s": [1.1, 1.2, 1.3, 1.4, 1.5], "person": 1, "x": 10.0, "y": 20.0})
    faces = faces.assign(width=30.0, height=40.0, confidence=1.0)
    boxes = Boxes(faces, 1, [1.04, 1.24, 1.52])
    seen = [time_s for time_s in np.arange(0.96, 1.6, 0.04) if boxes.find(time_s)]
    np.testing.assert_allclose(seen, np.arange(1.04, 1.5, 0.04))


def test_boxes_glide_between_looks_and_leap_at_cuts():
    faces = make_timeline(4.0, people=(1,)).faces.iloc[:16].copy()  # until 1.875 s
    faces["y"], faces["x"] = 100.0, [100.0 + k for k in range(8)] + [900.0 + k for k in range(8)]
    boxes = Boxes(faces, 1)
    assert boxes.find(0.3125)[0] == pytest.approx(102.5)
    places = [boxes.find(t)[0] for t in np.arange(0, 1.875, 0.01)]
    assert not [x for x in places if 110 < x < 890]
    assert boxes.find(1.9)
    assert boxes.find(2.5) is None


def test_an_hour_is_averaged_exactly():
    timeline = make_timeline(3600.0, people=(1,))
    answers = Answers(timeline.table, 1)
    is_unsure = np.array(
        [[e == "unsure", e not in ("unsure", "")] for e in answers.emotions], float
    )
    shares = average_columns(answers, is_unsure, np.linspace(0, 3600, 401))
    counts = timeline.table["emotion"].value_counts()
    true = counts["unsure"] / (counts.sum() - counts[""])
    assert shares[:, 0].mean() == pytest.approx(true, abs=0.01)
    assert shares.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize(
    ("seconds", "people"), [(3, (1,)), (40, (1, 2, 0)), (3600, (1, 0)), (3, ())]
)
def test_a_timeline_is_drawn_in_the_colours_of_emotions(tmp_path, seconds, people):
    timeline = make_timeline(float(seconds), people=people or (1,))
    if not people:
        timeline.table["state"], timeline.table["emotion"] = "nothing to read", ""
    draw_timeline(timeline, tmp_path / "a.png")
    picture = (255 * imread(tmp_path / "a.png")[..., :3]).round().astype(int)
    height = picture.shape[0]
    lanes = picture[: height - 120, 300:-100].reshape(-1, 3)
    seen = {"#{:02X}{:02X}{:02X}".format(*c) for c in np.unique(lanes, axis=0)}
    said = set(timeline.table["emotion"]) - {"unsure", ""} if people else set()
    assert {find_colour(emotion) for emotion in said} <= seen
    assert bool(people) or not seen & {find_colour(emotion) for emotion in EMOTIONS[1:]}


def find_click(path):
    """Return when the sound's click starts, in seconds on the container's clock."""
    with av.open(str(path)) as container:
        origin_s = (container.start_time or 0) / av.time_base
        for frame in container.decode(audio=0):
            loud = np.abs(frame.to_ndarray().astype(float)).max(axis=0)
            limit = 0.2 if frame.format.name.startswith("flt") else 0.2 * 32768
            if (loud > limit).any():
                return frame.time - origin_s + int((loud > limit).argmax()) / frame.sample_rate
    raise AssertionError("no click")


@pytest.mark.parametrize(
    ("suffix", "codec", "late_s"),
    [
        *product([".mp4", ".mkv", ".ts"], ["aac"], [0.0, 0.4]),
        *product([".mkv"], ["libopus"], [0.0, 0.4]),
        *product([".mov"], ["pcm_s16le"], [0.0, 0.4]),
        (".avi", "libmp3lame", 0.0),  # AVI has no times that could be late
    ],
)
def test_sound_and_picture_stay_together(tmp_path, suffix, codec, late_s):
    clip = write_clip(
        tmp_path / f"a{suffix}",
        size=(320, 240),
        flash_s=1.2,
        click_s=1.2,
        audio=codec,
        rate_hz=48000,
        audio_start_s=late_s,
        b_frames=2 if suffix != ".avi" else 0,
    )
    draw_video(clip, make_timeline(2.0, people=(1,), size=(320, 240)), tmp_path / "b.mp4")
    shifts = []
    for path in (clip, tmp_path / "b.mp4"):
        lights = [(picture[200, 30].mean(), time) for time, picture in read_frames(path)]
        with av.open(str(path)) as container:
            flash_s = max(lights)[1] - (container.start_time or 0) / av.time_base
        if path.suffix == ".avi":
            flash_s = 1.2  # FFmpeg guesses it two pictures late
        shifts.append(find_click(path) - flash_s)
    assert shifts[1] == pytest.approx(shifts[0], abs=0.012)
