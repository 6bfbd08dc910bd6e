"""Scores against hand-computed values, intervals over actors, paired comparison."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import binomtest

from modeling.scores import bootstrap, metrics
from preprocessing.corpora import EMOTIONS

THREE = ("neutral", "happy", "sad")
TRUE = np.array([0, 0, 0, 0, 1, 1, 2, 2])
PREDICTED = np.array([0, 0, 0, 1, 1, 0, 2, 1])
# confusions      neutral 3 1 0, happy 1 1 0, sad 0 1 1
# recall          3/4, 1/2, 1/2     precision 3/4, 1/3, 1     F1 3/4, 2/5, 2/3


def make_predictions(true, posteriors, *, emotions=THREE, actors=None, part="test"):
    """Return a table of predictions of made clips."""
    n = len(true)
    table = pd.DataFrame(
        {
            "clip_id": [f"clip{i:04d}" for i in range(n)],
            "actor": "01" if actors is None else actors,
            "fold": 1,
            "part": part,
            "true": np.array(emotions)[np.asarray(true)],
        }
    )
    return table.assign(**{f"p_{e}": posteriors[:, i] for i, e in enumerate(emotions)})


def draw_predictions(rng, *, n_actors=6, n_clips=16, skill=1.0, emotions=EMOTIONS):
    """Return random predictions, better than chance by ``skill``."""
    true = rng.integers(0, len(emotions), n_actors * n_clips)
    scores = rng.normal(size=(len(true), len(emotions)))
    scores[np.arange(len(true)), true] += skill
    actors = np.repeat([f"{a:02d}" for a in range(n_actors)], n_clips)
    return make_predictions(true, softmax(scores, axis=1), emotions=emotions, actors=actors)


def test_scores_equal_hand_computed_ones():
    assert metrics.accuracy(TRUE, PREDICTED) == pytest.approx(5 / 8)
    assert metrics.unweighted_recall(TRUE, PREDICTED, 3) == pytest.approx(
        (3 / 4 + 1 / 2 + 1 / 2) / 3
    )
    assert metrics.macro_f1(TRUE, PREDICTED) == pytest.approx((3 / 4 + 2 / 5 + 2 / 3) / 3)
    np.testing.assert_allclose(metrics.per_class_recall(TRUE, PREDICTED, 3), [0.75, 0.5, 0.5])
    np.testing.assert_array_equal(
        metrics.count_confusions(TRUE, PREDICTED, 3), [[3, 1, 0], [1, 1, 0], [0, 1, 1]]
    )


def test_absent_class_has_no_recall_but_costs_errors():
    true, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 2])  # nobody is sad
    np.testing.assert_array_equal(metrics.per_class_recall(true, predicted, 3), [0.5, 0.5, np.nan])
    assert metrics.unweighted_recall(true, predicted, 3) == 0.5
    assert metrics.macro_f1(true, predicted) == pytest.approx(2 / 3)
    assert metrics.count_confusions(true, predicted, 3).shape == (3, 3)


def test_calibration_error_equals_hand_computed_one():
    # two clips at 0.9, one right: |0.9 - 0.5|; two at 0.6, both right: |0.6 - 1|
    posteriors = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    true = np.array([0, 1, 1, 1])
    assert metrics.expected_calibration_error(true, posteriors) == pytest.approx(0.4)
    table = metrics.measure_reliability(true, posteriors)
    assert table["n_clips"].tolist() == [2, 2]
    assert table["accuracy"].tolist() == [1.0, 0.5]


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    confidences = np.array([0.5, 0.6, 0.75, 0.76, 1.0])
    posteriors = np.stack([confidences, 1 - confidences], axis=1)
    table = metrics.measure_reliability(np.zeros(5, int), posteriors, n_bins=4)
    assert table["n_clips"].to_dict() == {1: 1, 2: 2, 3: 2}


def test_sure_and_right_is_perfectly_calibrated():
    posteriors = np.eye(3)[TRUE]
    assert metrics.expected_calibration_error(TRUE, posteriors) == 0
    assert metrics.expected_calibration_error((TRUE + 1) % 3, posteriors) == 1


def test_score_predictions_is_ordered_and_plain():
    posteriors = np.eye(3)[PREDICTED] * 0.7 + 0.1
    scores = metrics.score_predictions(make_predictions(TRUE, posteriors), THREE)
    assert list(scores) == [
        *metrics.SCORES, "recall_neutral", "recall_happy", "recall_sad", "n_clips", "n_actors"
    ]  # fmt: skip
    assert scores["accuracy"] == 5 / 8
    assert scores["recall_happy"] == 0.5
    assert scores["expected_calibration_error"] == pytest.approx(0.8 - 5 / 8)
    assert all(type(value) in (int, float) for value in scores.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(p_sad=np.nan), "8 of 8 clips have no posteriors"),
        (lambda t: t.assign(p_sad=0.5), "sum to"),
        (lambda t: t.assign(p_sad=-0.1, p_happy=1.1 - t["p_neutral"]), "expected probabilities"),
        (lambda t: t.drop(columns="p_sad"), "no column p_sad"),
        (lambda t: t.assign(true="bored"), "Labels bored are not among neutral, happy, sad"),
        (lambda t: t.assign(part=["val", *["test"] * 7]), "mix the parts test, val"),
        (lambda t: pd.concat([t, t]), "clip0000 is predicted twice"),
        (lambda t: t.iloc[:0], r"shape \(0, 3\)"),
    ],
)
def test_unusable_predictions_are_refused(change, message):
    posteriors = np.eye(3)[PREDICTED] * 0.7 + 0.1
    with pytest.raises(ValueError, match=message):
        metrics.score_predictions(change(make_predictions(TRUE, posteriors)), THREE)


def test_labels_are_names_or_positions():
    np.testing.assert_array_equal(metrics.encode_labels(["sad", "neutral"], THREE), [2, 0])
    np.testing.assert_array_equal(metrics.encode_labels(np.array([2, 0]), THREE), [2, 0])
    with pytest.raises(ValueError, match="Labels 3 are not"):
        metrics.encode_labels([3], THREE)


def test_actors_and_clips_are_counted():
    actors = np.array(["01", "02", "02", "03", "03", "03", "01", "02"])
    scores = metrics.score_predictions(
        make_predictions(TRUE, np.eye(3)[TRUE], actors=actors), THREE
    )
    assert (scores["n_clips"], scores["n_actors"]) == (8, 3)


def test_breakdown_by_a_column_of_the_clips():
    table = make_predictions(TRUE, np.eye(3)[PREDICTED])
    clips = pd.DataFrame({"clip_id": table["clip_id"], "gender": ["female", "male"] * 4})
    scores = metrics.score_by(table, THREE, "gender", clips=clips)
    assert scores.loc["female", "accuracy"] == 1.0
    assert scores.loc["male", "accuracy"] == 0.25
    assert scores.index[0] == "male"
    again = metrics.score_by(table, THREE, "gender", clips=clips.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(again, scores)
    assert scores["n_clips"].tolist() == [4, 4]
    with pytest.raises(ValueError, match="No column 'gender'"):
        metrics.score_by(table, THREE, "gender")
    with pytest.raises(ValueError, match="4 predicted clips"):
        metrics.score_by(table, THREE, "gender", clips=clips.head(4))


def test_worst_and_best_actor():
    table = make_predictions(
        TRUE, np.eye(3)[PREDICTED], actors=["01"] * 3 + ["02"] * 3 + ["03"] * 2
    )
    extremes = metrics.find_extremes(table, THREE)
    assert (extremes["best_actor"], extremes["best_actor_accuracy"]) == ("01", 1.0)
    assert (extremes["worst_actor"], extremes["worst_actor_accuracy"]) == (
        "02",
        pytest.approx(1 / 3),
    )


def test_majority_comes_from_the_training_clips():
    baselines = metrics.score_baselines(TRUE, THREE, true_train=["sad", "sad", "happy"])
    assert baselines["majority"]["accuracy"] == 2 / 8
    assert baselines["majority"]["unweighted_recall"] == pytest.approx(1 / 3)
    assert metrics.score_baselines(TRUE, THREE)["majority"]["accuracy"] == 4 / 8
    assert baselines["chance"]["accuracy"] == baselines["chance"]["unweighted_recall"] == 1 / 3


def test_chance_is_what_uniform_guessing_scores():
    rng = np.random.default_rng(0)
    true = np.repeat([0, 1, 2], [4000, 2000, 2000])
    guesses = rng.integers(0, 3, len(true))
    chance = metrics.score_baselines(true, THREE)["chance"]
    assert metrics.accuracy(true, guesses) == pytest.approx(chance["accuracy"], abs=0.02)
    assert metrics.unweighted_recall(true, guesses, 3) == pytest.approx(1 / 3, abs=0.02)
    assert metrics.macro_f1(true, guesses) == pytest.approx(chance["macro_f1"], abs=0.02)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=8))
def test_chance_is_what_guessing_each_emotion_once_for_every_clip_scores(counts):
    emotions = EMOTIONS[: len(counts)]
    true = np.repeat(np.arange(len(counts)), counts)
    chance = metrics.score_baselines(true, emotions)["chance"]
    every_clip = np.repeat(true, len(counts))
    every_guess = np.tile(np.arange(len(counts)), len(true))
    assert chance["accuracy"] == pytest.approx(metrics.accuracy(every_clip, every_guess))
    assert chance["macro_f1"] == pytest.approx(metrics.macro_f1(every_clip, every_guess))
    recall = metrics.unweighted_recall(every_clip, every_guess, len(counts))
    assert chance["unweighted_recall"] == pytest.approx(recall)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(2, 8), st.floats(0, 3))
def test_resampled_scores_equal_scores_of_the_resample(seed, n_actors, n_classes, skill):
    rng = np.random.default_rng(seed)
    emotions = EMOTIONS[:n_classes]
    table = draw_predictions(rng, n_actors=n_actors, n_clips=5, skill=skill, emotions=emotions)
    true, posteriors = metrics.read_scored(table, emotions)
    weights, groups, _ = bootstrap.draw_weights(table["actor"], rng=rng, n=3)
    scores = bootstrap.score_resamples(true, posteriors, groups, weights)
    for i, counts in enumerate(weights):
        rows = np.repeat(np.arange(len(true)), counts[groups])
        predicted = posteriors[rows].argmax(axis=1)
        expected = [
            metrics.accuracy(true[rows], predicted),
            metrics.unweighted_recall(true[rows], predicted, n_classes),
            metrics.macro_f1(true[rows], predicted),
            metrics.expected_calibration_error(true[rows], posteriors[rows]),
        ]
        np.testing.assert_allclose([scores[name][i] for name in metrics.SCORES], expected)


def test_interval_holds_the_score_and_reflects_actors():
    rng = np.random.default_rng(3)
    table = draw_predictions(rng, n_actors=10, n_clips=40)
    score = metrics.score_predictions(table, EMOTIONS)["accuracy"]
    by_actor = bootstrap.bootstrap_scores(table, EMOTIONS, rng=rng)
    assert by_actor["resampled"] == "10 actors"
    assert by_actor["accuracy_low"] < score < by_actor["accuracy_high"]
    # the same clips, but five actors always right and five always wrong: much less sure
    right = np.eye(8)[metrics.encode_labels(table["true"], EMOTIONS)]
    wrong = np.roll(right, 1, axis=1)
    mixed = np.where((table["actor"] < "05").to_numpy()[:, None], right, wrong)
    mixed = table.assign(**{f"p_{e}": mixed[:, i] for i, e in enumerate(EMOTIONS)})
    uneven = bootstrap.bootstrap_scores(mixed, EMOTIONS, rng=rng)
    assert uneven["accuracy_high"] - uneven["accuracy_low"] > 0.5


def test_one_actor_resamples_clips_and_says_so():
    table = draw_predictions(np.random.default_rng(0), n_actors=1, n_clips=60)
    intervals = bootstrap.bootstrap_scores(table, EMOTIONS, rng=np.random.default_rng(0))
    assert intervals["resampled"] == "60 clips of 1 actor"
    assert 0.1 < intervals["accuracy_high"] - intervals["accuracy_low"] < 0.4


def test_same_seed_gives_the_same_interval():
    table = draw_predictions(np.random.default_rng(0))
    first, second = (
        bootstrap.bootstrap_scores(table, EMOTIONS, rng=np.random.default_rng(5)) for _ in range(2)
    )
    assert first == second


def test_interval_ends_leave_a_fortieth_of_the_resamples_on_each_side():
    right = np.random.default_rng(2).random((12, 30)) < np.linspace(0.2, 0.9, 12)[:, None]
    posteriors = np.where(right.reshape(-1, 1), [[1.0, 0.0]], [[0.0, 1.0]])
    actors = np.repeat([f"{a:02d}" for a in range(12)], 30)
    table = make_predictions(np.zeros(360, int), posteriors, emotions=THREE[:2], actors=actors)
    found = bootstrap.bootstrap_scores(table, THREE[:2], rng=np.random.default_rng(4), n=4000)
    draws = np.random.default_rng(4).multinomial(12, np.full(12, 1 / 12), size=4000)
    accuracies = np.sort(draws @ right.mean(axis=1) / 12)
    assert found["accuracy_low"] == pytest.approx(accuracies[100], abs=1e-3)
    assert found["accuracy_high"] == pytest.approx(accuracies[-101], abs=1e-3)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(100):  # actors differ in difficulty; the mean accuracy is one half
        ease = rng.uniform(0.2, 0.8, 20)
        right = rng.random((20, 30)) < ease[:, None]
        posteriors = np.where(right.reshape(-1, 1), [[1.0, 0.0]], [[0.0, 1.0]])
        table = make_predictions(
            np.zeros(600, int), posteriors, emotions=THREE[:2],
            actors=np.repeat([f"{a:02d}" for a in range(20)], 30),
        )  # fmt: skip
        interval = bootstrap.bootstrap_scores(table, THREE[:2], rng=rng, n=400)
        covered += interval["accuracy_low"] <= 0.5 <= interval["accuracy_high"]
    assert covered >= 85


def test_comparison_of_a_run_with_itself_finds_nothing():
    table = draw_predictions(np.random.default_rng(0))
    result = bootstrap.compare_predictions(table, table, EMOTIONS, rng=np.random.default_rng(0))
    assert result["accuracy_difference"] == result["accuracy_difference_high"] == 0
    assert result["mcnemar_p"] == 1.0
    assert (result["only_first"], result["only_second"], result["n_unshared"]) == (0, 0, 0)


def test_comparison_finds_the_better_run_on_shared_clips():
    rng = np.random.default_rng(0)
    first = draw_predictions(rng, n_actors=12, n_clips=40, skill=0.5)
    true, posteriors = metrics.read_scored(first, EMOTIONS)
    better = softmax(np.log(posteriors) + np.eye(8)[true], axis=1)
    second = first.assign(**{f"p_{e}": better[:, i] for i, e in enumerate(EMOTIONS)})
    second = second.sample(frac=0.9, random_state=0)
    result = bootstrap.compare_predictions(first, second, EMOTIONS, rng=rng)
    assert 0 < result["accuracy_difference_low"] < result["accuracy_difference"]
    assert (result["n_clips"], result["n_unshared"]) == (432, 48)
    only = result["only_first"], result["only_second"]
    assert result["mcnemar_p"] == binomtest(only[0], sum(only)).pvalue < 0.01
    worse = bootstrap.compare_predictions(second, first, EMOTIONS, rng=rng)
    assert worse["accuracy_difference"] == -result["accuracy_difference"]


def test_comparison_draws_the_same_actors_for_both_runs():
    # actors differ from 0 to 90%, and the second run reads one clip in ten more of each
    right = np.arange(10)[None, :] < np.arange(10)[:, None]
    more = np.arange(10)[None, :] < np.arange(1, 11)[:, None]
    actors = np.repeat([f"{a:02d}" for a in range(10)], 10)
    first, second = (
        make_predictions(
            np.zeros(100, int),
            np.where(hits.reshape(-1, 1), [[1.0, 0.0]], [[0.0, 1.0]]),
            emotions=THREE[:2],
            actors=actors,
        )
        for hits in (right, more)
    )
    result = bootstrap.compare_predictions(first, second, THREE[:2], rng=np.random.default_rng(0))
    for end in ("", "_low", "_high"):
        assert result[f"accuracy_difference{end}"] == pytest.approx(0.1)


def test_clips_that_one_run_alone_reads_are_counted_for_the_right_run():
    true = np.zeros(10, int)
    tables = []
    for hits in ([1] * 1 + [0] * 6 + [1] * 3, [0] * 1 + [1] * 6 + [1] * 3):
        posteriors = np.where(np.array(hits)[:, None], [[1.0, 0.0]], [[0.0, 1.0]])
        tables.append(make_predictions(true, posteriors, emotions=THREE[:2]))
    result = bootstrap.compare_predictions(*tables, THREE[:2], rng=np.random.default_rng(0))
    assert (result["only_first"], result["only_second"]) == (1, 6)
    assert result["mcnemar_p"] == pytest.approx(2 * (1 + 7) / 2**7)  # 0 or 1 of 7 fair coins, twice
    assert result["accuracy_difference"] == pytest.approx(0.5)


def test_interval_of_a_difference_is_that_of_the_resamples_alone():
    n_right = np.array([3, 9, 14, 20, 26, 30]), np.array([8, 12, 15, 26, 20, 11])
    true, actors = np.zeros(180, int), np.repeat([f"{a:02d}" for a in range(6)], 30)
    first, second = (
        make_predictions(
            true,
            np.where((np.arange(30) < n[:, None]).reshape(-1, 1), [[1.0, 0.0]], [[0.0, 1.0]]),
            emotions=THREE[:2],
            actors=actors,
        )
        for n in n_right
    )
    found = bootstrap.compare_predictions(
        first, second, THREE[:2], rng=np.random.default_rng(6), n=41
    )
    draws = np.random.default_rng(6).multinomial(6, np.full(6, 1 / 6), size=41)
    differences = np.sort(draws @ (n_right[1] - n_right[0]) / 180)
    assert found["accuracy_difference"] == pytest.approx(-10 / 180)
    assert found["accuracy_difference_low"] == pytest.approx(differences[1])
    assert found["accuracy_difference_high"] == pytest.approx(differences[-2])


def test_runs_that_cannot_be_compared_are_refused():
    rng = np.random.default_rng(0)
    table = make_predictions(TRUE, np.eye(3)[PREDICTED])
    with pytest.raises(ValueError, match="share no clip"):
        other = table.assign(clip_id="x" + table["clip_id"])
        bootstrap.compare_predictions(table, other, THREE, rng=rng)
    with pytest.raises(ValueError, match="disagree about what is true"):
        bootstrap.compare_predictions(table, table.assign(true="sad"), THREE, rng=rng)
    with pytest.raises(ValueError, match="predicted twice"):
        bootstrap.compare_predictions(table, pd.concat([table, table]), THREE, rng=rng)


def test_comparison_table_has_baselines_first():
    rng = np.random.default_rng(0)
    test = draw_predictions(rng)
    train = test.assign(part="train", clip_id="t" + test["clip_id"], actor="99", true="sad")
    runs = {"audio": pd.concat([test, train]), "video": test.head(40)}
    table = bootstrap.tabulate_scores(runs, EMOTIONS, rng=rng)
    assert list(table.index) == ["chance", "majority", "audio", "video"]
    assert table.loc["majority", "accuracy"] == (test["true"] == "sad").mean()
    assert table.loc["audio", "n_clips"] == len(test)
    assert table.loc["audio", "accuracy_low"] < table.loc["audio", "accuracy"]
    assert np.isnan(table.loc["chance", "accuracy_low"])
    with pytest.raises(ValueError, match="'video' has no predictions of part 'test'; it holds val"):
        runs["video"] = runs["video"].assign(part="val")
        bootstrap.tabulate_scores(runs, EMOTIONS, rng=rng)
