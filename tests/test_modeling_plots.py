"""The pictures of stage 3: they draw what they are given, on the axes they are given."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402

from modeling import plots  # noqa: E402
from modeling.scores import bootstrap  # noqa: E402
from preprocessing.corpora import EMOTIONS  # noqa: E402

RNG = np.random.default_rng(0)
TRUE = np.repeat(np.arange(8), 6)
PREDICTED = np.where(RNG.random(48) < 0.6, TRUE, RNG.integers(0, 8, 48))
POSTERIORS = 0.3 * np.eye(8)[PREDICTED] + 0.7 / 8
ACTORS = np.tile(["01", "02", "03"], 16)
LEAK = pd.DataFrame(
    {"accuracy": [0.8, 0.6, 0.7], "known_speakers": [True, False, True]},
    index=["random split", "by actor", "by actor, actors centred"],
)
WORSE = pd.DataFrame(
    {"audio": [0.7, 0.4], "with the rest": [0.9, 0.8]}, index=["clean", "0 dB"]
).rename_axis("speech over noise")
CLASSES = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
SEEN = np.full((5, 6, 7), 1 / 7)
HEARD = pd.DataFrame(
    [
        ["all", 3, 0.5, 0.7, 0.6, 0.7],
        ["all", 12, 0.5, 0.8, 0.7, 0.8],
        ["one", 3, 0.5, 0.2, 0.4, 0.5],
    ],
    columns=["emotions", "clips", "plain", "centred", "offset", "guarded"],
).set_index(["emotions", "clips"])
HISTORY = {
    "epoch": [1, 2, 3, 4],
    "loss": [2.1, 1.5, 1.0, 0.6],
    "val_loss": [2.0, 1.6, 1.5, 1.7],
    "accuracy": [0.1, 0.4, 0.6, 0.8],
    "val_accuracy": [0.2, 0.3, 0.5, 0.4],
    "best": [False, False, True, False],
}
HISTORY = pd.DataFrame(HISTORY)


def make_predictions():
    """Return the table of predictions of a made run."""
    return pd.DataFrame(
        {
            "clip_id": [f"c{i}" for i in range(48)],
            "actor": ACTORS,
            "fold": 1,
            "part": "test",
            "true": np.array(EMOTIONS)[TRUE],
        }
    ).assign(**{f"p_{e}": POSTERIORS[:, i] for i, e in enumerate(EMOTIONS)})


def make_table():
    """Return the comparison table of a made run."""
    predictions = make_predictions()
    runs = {"audio": predictions, "video": predictions}
    return bootstrap.tabulate_scores(runs, EMOTIONS, rng=np.random.default_rng(0), n=50)


DRAWINGS = {
    "confusion": lambda ax: plots.plot_confusion(TRUE, PREDICTED, EMOTIONS, ax=ax),
    "scores": lambda ax: plots.plot_scores(make_table(), ax=ax),
    "reliability": lambda ax: plots.plot_reliability(TRUE, {"before": POSTERIORS}, ax=ax),
    "coverage": lambda ax: plots.plot_coverage(TRUE, {"both": POSTERIORS}, below=0.2, ax=ax),
    "sides": lambda ax: plots.plot_sides(
        {"voice": POSTERIORS[0], "face": np.full(8, np.nan)}, EMOTIONS, title="a", ax=ax
    ),
    "by_actor": lambda ax: plots.plot_by_actor(ACTORS, TRUE, PREDICTED, ax=ax),
    "weights": lambda ax: plots.plot_weights(
        RNG.normal(size=(8, 5)), EMOTIONS, list("abcde"), ax=ax
    ),
    "leak": lambda ax: plots.plot_leak(LEAK, ax=ax),
    "course": lambda ax: plots.plot_mean_course(SEEN, CLASSES, step_s=0.1, title="sad", ax=ax),
    "degradation": lambda ax: plots.plot_degradation(WORSE, title="Noise", chance=0.125, ax=ax),
    "variances": lambda ax: plots.plot_variances({"emotion": 3.0, "rest": 1.0}, ax=ax),
    "embedding": lambda ax: plots.plot_embedding(POSTERIORS[:, :2], TRUE, EMOTIONS, ax=ax),
    "groups": lambda ax: plots.plot_groups(POSTERIORS[:, :2], ACTORS, title="by actor", ax=ax),
    "layers": lambda ax: plots.plot_layers(
        pd.Series([0.2, 0.5], index=[1, 2]), chance=0.125, name="Moonshine", ax=ax
    ),
    "alikeness": lambda ax: plots.plot_alikeness(
        np.r_[RNG.normal(size=(9, 4)), np.zeros((3, 4))], step_s=0.1, title="layer 1", ax=ax
    ),
}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def read_texts(ax):
    """Return all words written inside axes."""
    return [text.get_text() for text in ax.texts]


def find_colour(ax, label):
    """Return the colour of the first curve with a label, as hex."""
    lines = [line for line in ax.get_lines() if line.get_label() == label]
    return mpl.colors.to_hex(lines[0].get_color())


@pytest.mark.parametrize("name", DRAWINGS)
def test_plot_uses_the_axes_given_or_makes_its_own(name):
    before = dict(mpl.rcParams)
    given = plt.figure(layout="constrained").add_subplot()
    assert DRAWINGS[name](given) is given
    own = DRAWINGS[name](None)
    assert own.figure is not given.figure
    for ax in (given, own):
        assert ax.get_title() or ax.get_title(loc="left")
        assert ax.get_xlabel()
    own.figure.canvas.draw()
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", DRAWINGS)
def test_nothing_is_cut_off(name):
    figure = DRAWINGS[name](None).figure
    figure.canvas.draw()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 >= -0.02
    assert box.y0 >= -0.02
    assert box.x1 <= width + 0.02
    assert box.y1 <= height + 0.02


def test_history_counts_epochs_from_the_history_and_marks_the_kept_one():
    left, right = plots.plot_history(HISTORY, chance=0.125).axes
    np.testing.assert_array_equal(left.get_lines()[0].get_xdata(), [1, 2, 3, 4])
    assert "kept: epoch 3" in [line.get_label() for line in left.get_lines()]
    assert "chance 12.5%" in [line.get_label() for line in right.get_lines()]
    assert find_colour(left, "training") != find_colour(left, "validation")
    table = HISTORY.assign(epoch=[5, 6, 7, 8], best=[True, False, False, False])
    left, _ = plots.plot_history(table, chance=0.125).axes
    np.testing.assert_array_equal(left.get_lines()[0].get_xdata(), [5, 6, 7, 8])
    assert "kept: epoch 5" in [line.get_label() for line in left.get_lines()]


def test_history_draws_one_epoch():
    plots.plot_history(HISTORY[2:3], chance=0.125).canvas.draw()


def test_the_legend_of_a_history_hides_no_curve():
    figure = plots.plot_history(HISTORY, chance=0.125)
    figure.canvas.draw()
    ax = figure.axes[1]
    assert figure.axes[0].get_legend() is None
    assert ax.get_legend().get_window_extent().x0 >= ax.get_window_extent().x1
    said = [text.get_text() for text in ax.get_legend().get_texts()]
    assert said == ["training", "validation", "kept: epoch 3", "chance 12.5%"]


def test_one_figure_shows_confusions_actors_and_confidence():
    figure = plots.plot_test(make_predictions(), EMOTIONS)
    labels = [ax.get_ylabel() for ax in figure.axes]
    assert labels == ["true (clips = 100%)", "accuracy", "accuracy"]
    given = plt.figure(layout="constrained")
    assert plots.plot_test(make_predictions(), EMOTIONS, figure=given) is given


def test_spectrograms_share_one_scale():
    mels = np.stack([np.full((10, 4), level) for level in (-60.0, -20.0)])
    figure = plots.plot_mels(mels, ["quiet", "loud"], hop_ms=16)
    limits = [ax.images[0].get_clim() for ax in figure.axes if ax.images]
    assert limits[:2] == [(-100, -20)] * 2
    assert figure.axes[0].get_xlim() == (0, 0.16)


def test_history_uses_the_figure_given():
    figure = plt.figure()
    assert plots.plot_history(HISTORY, chance=0.125, figure=figure) is figure


def test_confusion_shows_shares_of_the_row_and_counts():
    ax = plots.plot_confusion(["happy", "happy", "sad"], ["happy", "sad", "sad"], EMOTIONS)
    assert read_texts(ax) == ["50%\n(1)", "50%\n(1)", "100%\n(1)"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true (clips = 100%)")
    assert [label.get_text() for label in ax.get_xticklabels()] == list(EMOTIONS)
    assert ax.get_yticklabels()[2].get_text() == "happy (2)"


def test_scores_show_runs_and_baselines():
    ax = plots.plot_scores(make_table(), score="unweighted_recall")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["audio", "video"]
    labels = [line.get_label() for line in ax.get_lines()]
    assert labels[1:] == ["chance 12.5%", "majority 12.5%"]
    assert "95% interval over 3 actors" in ax.get_xlabel()
    plots.plot_scores(make_table(), score="expected_calibration_error").figure.canvas.draw()


def test_scores_draw_a_perfect_calibration():
    table = make_table()
    table.loc[["audio", "video"], [c for c in table if c.startswith("expected")]] = 0.0
    ax = plots.plot_scores(table, score="expected_calibration_error")
    assert ax.get_xlim()[1] > 0


def test_many_actors_stay_legible():
    actors = np.array([str(n) for n in range(1001, 1092)])
    ax = plots.plot_by_actor(actors, np.zeros(91), np.arange(91) % 2)
    assert len(ax.get_xticks()) <= 40


def test_expressions_stand_under_their_faces():
    faces = RNG.integers(0, 255, (6, 20, 20), dtype=np.uint8)
    figure = plots.plot_expressions(SEEN[0], np.arange(6) / 5, CLASSES, faces=faces, title="clip")
    assert len(figure.axes) == 2
    assert len(figure.axes[0].images) == 6
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    assert len(plots.plot_expressions(SEEN[0], np.arange(6) / 5, CLASSES).axes) == 1


def test_mean_faces_are_means_and_an_expression_without_faces_is_empty():
    faces = np.stack([np.full((4, 4), v, np.uint8) for v in (10, 30, 200)])
    figure = plots.plot_mean_faces(faces, np.array([0, 0, 1]), ("neutral", "happy", "sad"))
    assert (np.asarray(figure.axes[0].images[0].get_array()) == 20).all()
    assert not figure.axes[2].images


def test_alikeness_leaves_out_padding_and_is_1_of_a_frame_with_itself():
    frames = np.r_[RNG.normal(size=(9, 4)), np.zeros((3, 4))]
    ax = plots.plot_alikeness(frames, step_s=0.1, title="layer 1")
    alike = np.asarray(ax.images[0].get_array())
    assert alike.shape == (9, 9)
    np.testing.assert_allclose(np.diag(alike), 1)
    np.testing.assert_allclose(ax.get_xlim(), (0, 0.9))


def test_many_groups_are_drawn_without_names():
    points = RNG.normal(size=(40, 2))
    few, many = (np.resize([f"word {i}" for i in range(n)], 40) for n in (2, 40))
    assert plots.plot_groups(points, few, title="words").get_legend() is not None
    assert plots.plot_groups(points, many, title="words").get_legend() is None
    unnamed = plots.plot_groups(points, [""] * 40, title="words").get_legend()
    assert [text.get_text() for text in unnamed.get_texts()] == ["unknown"]


def test_what_was_heard_has_a_panel_for_each_kind_of_episode():
    figure = plots.plot_heard(HEARD, clip_s=2.5, chance=0.125)
    figure.canvas.draw()
    assert [ax.get_title() for ax in figure.axes][0::3] == [
        "the clips show all emotions",
        "the clips show one of them",
    ]
    guarded = [line for line in figure.axes[0].get_lines() if line.get_label() == "guarded"][0]
    np.testing.assert_allclose(guarded.get_xydata(), [[7.5, 0.7], [30, 0.8]])
    assert len(figure.axes[1].get_lines()[0].get_xdata()) == 0
    plots.plot_heard(HEARD[:0], clip_s=2.5, chance=0.125).canvas.draw()


def test_a_course_leaves_out_frames_that_few_clips_have():
    sequences = np.full((8, 10, 7), 1 / 7)
    sequences[1:, 4:] = 0
    ax = plots.plot_mean_course(sequences, CLASSES, step_s=0.5, title="sad")
    assert ax.get_xlim() == (0, 1.5)
