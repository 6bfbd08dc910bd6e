"""The pictures: each returns what it drew on, labelled, without a window and without a warning."""

import base64
import itertools
import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from preprocessing import corpora, plots  # noqa: E402
from preprocessing.plots import sound  # noqa: E402

RNG = np.random.default_rng(0)
RATE_HZ, HOP_MS = 16000, 16
CLIPS = pd.DataFrame(
    [(a, e) for a in ("01", "02", "03") for e in corpora.EMOTIONS for _ in range(2)],
    columns=["actor", "emotion"],
)
MANY = pd.DataFrame({"actor": [str(1001 + i) for i in range(91)], "emotion": "sad"})
FRAMES = RNG.integers(0, 255, (6, 24, 32, 3), dtype=np.uint8)
FACES = RNG.integers(0, 255, (3, 6, 16, 16), dtype=np.uint8)
TIMES = np.linspace(0.1, 1.9, 6)
BOXES = np.array([[4.0, 3, 20, 20]] * 5 + [[np.nan] * 4])
FOUND = np.array([True, True, False, True, True, False])
WAVEFORM = RNG.uniform(-1, 1, 2 * RATE_HZ).astype(np.float32)
MEL = RNG.uniform(-80, 0, (125, 64)).astype(np.float32)
PARTS = {"fold 1": np.where(CLIPS["actor"] == "01", "test", "train")}
RATE = np.where(np.arange(len(CLIPS)) == 4, np.nan, 0.9)

SINGLE = {
    "class_balance": lambda ax: plots.plot_class_balance(CLIPS, ax=ax),
    "actor_table": lambda ax: plots.plot_actor_table(CLIPS, ax=ax),
    "actor_table_many": lambda ax: plots.plot_actor_table(MANY, ax=ax),
    "folds": lambda ax: plots.plot_folds(CLIPS, PARTS, ax=ax),
    "feature": lambda ax: plots.plot_feature_by_emotion(
        RNG.normal(size=len(CLIPS)), CLIPS["emotion"], name="f0_mean (Hz)", ax=ax
    ),
    "sampling": lambda ax: plots.plot_sampling({"linspace": TIMES}, np.arange(0, 2, 0.04), ax=ax),
    "contact_sheet": lambda ax: plots.plot_contact_sheet(FACES, ["a", "b", "c"], ax=ax),
    "waveform": lambda ax: plots.plot_waveform(WAVEFORM, RATE_HZ, ax=ax),
    "mel": lambda ax: plots.plot_mel(MEL, HOP_MS, rate_hz=RATE_HZ, ax=ax),
    "mfcc": lambda ax: plots.plot_mfcc(MEL[:, :20], HOP_MS, ax=ax),
}
SEVERAL = {
    "frames": lambda _: plots.plot_frames(FRAMES, TIMES, boxes=BOXES, found=FOUND),
    "one_frame": lambda _: plots.plot_frames(FRAMES[:1], TIMES[:1]),
    "detection": lambda _: plots.plot_detection(RATE, RATE, CLIPS),
    "detection_many": lambda _: plots.plot_detection(np.ones(91), np.ones(91), MANY),
    "clip": lambda _: plots.plot_clip(
        FACES[0],
        TIMES,
        waveform=WAVEFORM,
        rate_hz=RATE_HZ,
        mel=MEL,
        hop_ms=HOP_MS,
        title="01, sad",
    ),
    "clip_sound": lambda _: plots.plot_clip(waveform=WAVEFORM, rate_hz=RATE_HZ),
    "clip_faces": lambda _: plots.plot_clip(FACES[0], TIMES),
    "clip_one_face": lambda _: plots.plot_clip(FACES[0, :1], TIMES[:1]),
}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Fail on a window, a saved file, a warning, or a changed style; close what was drawn."""
    monkeypatch.setattr(plt, "show", lambda *args, **options: pytest.fail("plt.show"))
    monkeypatch.setattr(plt.Figure, "savefig", lambda *args, **options: pytest.fail("savefig"))
    style = dict(matplotlib.rcParams)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert dict(matplotlib.rcParams) == style
    plt.close("all")


@pytest.mark.parametrize("name", SINGLE)
def test_plot_returns_labelled_axes(name):
    ax = SINGLE[name](None)
    assert isinstance(ax, plt.Axes)
    assert ax.get_title() and ax.get_xlabel()
    assert ax.get_ylabel() or name == "sampling" or name == "contact_sheet"
    ax.figure.canvas.draw()


@pytest.mark.parametrize("name", SINGLE)
def test_plot_draws_on_given_axes(name):
    _, ax = plt.subplots()
    before = plt.get_fignums()
    assert SINGLE[name](ax) is ax
    assert plt.get_fignums() == before


@pytest.mark.parametrize("name", SEVERAL)
def test_plot_of_several_panels_returns_figure(name):
    figure = SEVERAL[name](None)
    assert isinstance(figure, plt.Figure)
    figure.canvas.draw()


@pytest.mark.parametrize("name", [*SINGLE, *SEVERAL])
def test_nothing_is_clipped(name):
    drawn = (SINGLE | SEVERAL)[name](None)
    figure = getattr(drawn, "figure", drawn)
    figure.canvas.draw()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -0.02


def test_emotions_keep_one_order_and_colour():
    shuffled = CLIPS.sample(frac=1, random_state=1)
    ax = plots.plot_class_balance(shuffled[shuffled["emotion"] != "calm"])
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == [emotion for emotion in corpora.EMOTIONS if emotion != "calm"]
    drawn = [matplotlib.colors.to_hex(bar.get_facecolor()).upper() for bar in ax.patches]
    assert drawn == [plots.EMOTION_COLOURS[emotion] for emotion in labels]
    assert tuple(plots.EMOTION_COLOURS) == corpora.EMOTIONS


def test_faces_and_spectrogram_share_seconds():
    figure = SEVERAL["clip"](None)
    panels = [ax for ax in figure.axes if ax.get_xlim()[1] != 1]
    limits = {ax.get_xlim() for ax in figure.axes[:3]}
    assert len(panels) == 3 and len(limits) == 1
    (start, end) = limits.pop()
    assert start <= 0 and end >= 2
    centres = [np.mean(image.get_extent()[:2]) for image in figure.axes[0].images]
    assert np.allclose(centres, TIMES)


def test_leak_shows_as_mixed():
    leaky = {"fold 1": np.tile(["train", "test"], len(CLIPS) // 2)}
    legend = plots.plot_folds(CLIPS, leaky).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["mixed"]


def test_colour_faces_make_a_sheet():
    faces = np.repeat(FACES[..., None], 3, axis=-1)
    ax = plots.plot_contact_sheet(faces, ["a", "b", "c"], emotions=["sad", "calm", "angry"])
    assert ax.images[0].get_array().ndim == 3


def test_mel_marks_stand_at_their_band():
    bands = np.array([[1000.0], [15.0]])
    assert sound._scale_mel(bands[0]) == pytest.approx(bands[1])
    assert sound._scale_mel(6400) == pytest.approx(42)
    ax = plots.plot_mel(MEL, HOP_MS, rate_hz=RATE_HZ)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["250", "500", "1000", "2000", "4000", "8000"]


# Colour blindness: Machado, Oliveira & Fernandes (2009), severity 1; CIELAB distance (CIE 1976).
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]])


def see_colour(colour, sight):
    rgb = np.array(matplotlib.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = XYZ @ np.clip(np.array(sight) @ linear, 0, 1) / XYZ.sum(axis=1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHTS)
def test_emotions_are_told_apart_by_the_colour_blind(sight):
    seen = [see_colour(colour, SIGHTS[sight]) for colour in plots.EMOTION_COLOURS.values()]
    distances = [np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)]
    assert min(distances) > 20


def test_contact_sheet_numbers_the_frames_that_it_shows():
    ax = plots.plot_contact_sheet(FACES, ["a", "b", "c"], every=2)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "3", "5"]
    assert (ax.images[0].get_array()[:16, 17:33] == FACES[0, 2]).all()


def test_titles_of_a_contact_sheet_can_be_read_and_carry_their_colour():
    emotions = ["happy", "neutral", "calm"]
    ax = plots.plot_contact_sheet(FACES, ["a", "b", "c"], emotions=emotions)
    assert {label.get_color() for label in ax.get_yticklabels()} == {"black"}
    drawn = [matplotlib.colors.to_hex(c).upper() for c in ax.collections[0].get_facecolors()]
    assert drawn == [plots.EMOTION_COLOURS[emotion] for emotion in emotions]


def test_spectrograms_of_loud_and_quiet_clips_have_one_scale():
    scales = {plots.plot_mel(mel, HOP_MS).images[0].get_clim() for mel in (MEL, MEL - 30)}
    assert scales == {(-100, -20)}


@pytest.mark.parametrize("faces", [FACES, np.stack([FACES] * 3, axis=-1)], ids=["grey", "colour"])
def test_frames_without_a_face_are_light_in_pictures_of_faces(faces):
    faces = faces.copy()
    faces[0, 2] = 0
    ax = plots.plot_contact_sheet(faces, ["a", "b", "c"])
    drawn = np.asarray(ax.images[0].get_array())
    width = faces.shape[3] + 1
    assert (drawn[: faces.shape[2], 2 * width : 3 * width - 1] == 225).all()
    np.testing.assert_array_equal(drawn[: faces.shape[2], : width - 1], faces[0, 0])
    figure = plots.plot_clip(faces[0], TIMES)
    assert (np.asarray(figure.axes[0].images[2].get_array()) == 225).all()


def test_a_sound_is_embedded_where_an_unread_notebook_may_keep_it():
    player = plots.embed_sound(2 * WAVEFORM / np.abs(WAVEFORM).max(), RATE_HZ).data
    head, data = player.split("base64,")
    assert head.startswith("<audio controls src=") and "<source" not in player
    samples = np.frombuffer(base64.b64decode(data.split('"')[0]), dtype="<i2")[22:]
    assert len(samples) == len(WAVEFORM) and np.abs(samples).max() == 32767
