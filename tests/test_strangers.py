"""What is said of people of corpora that a network has never met."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeling.adaptation import strangers
from modeling.training import inputs
from preprocessing.corpora import EMOTIONS

SIX = tuple(emotion for emotion in EMOTIONS if emotion not in ("calm", "disgust"))


def make_table(true, posteriors, emotions=EMOTIONS):
    """Return a table of predictions of one corpus."""
    table = pd.DataFrame({"clip_id": range(len(true)), "actor": "a", "true": true, "corpus": "c"})
    columns = [f"p_{emotion}" for emotion in emotions]
    return table.assign(**dict(zip(columns, np.transpose(posteriors), strict=True)))


@given(st.integers(0, 2**32 - 1))
def test_only_emotions_that_a_corpus_shows_are_answers(seed):
    rng = np.random.default_rng(seed)
    posteriors = rng.dirichlet(np.full(8, 0.2), 12)
    limited = strangers.limit_emotions(make_table(list(SIX) * 2, posteriors))
    np.testing.assert_allclose(limited.sum(axis=1), 1)
    assert not limited[:, [EMOTIONS.index("calm"), EMOTIONS.index("disgust")]].any()
    neutral = posteriors[:, 0] + posteriors[:, 1]
    others = posteriors[:, [EMOTIONS.index(emotion) for emotion in SIX[1:]]].max(axis=1)
    clear = np.abs(neutral - others) > 1e-6
    assert ((limited.argmax(axis=1) == 0) == (neutral > others))[clear].all()


def test_calm_is_an_answer_where_it_is_shown():
    posteriors = np.full((2, 8), 0.05)
    posteriors[:, EMOTIONS.index("calm")] = 0.65
    limited = strangers.limit_emotions(make_table(["calm", "neutral"], posteriors))
    assert (limited.argmax(axis=1) == EMOTIONS.index("calm")).all()


def test_scores_are_recalls_over_the_emotions_shown_and_name_what_is_said_too_often():
    true = ["happy"] * 6 + ["sad"] * 2
    answers = ["happy"] * 3 + ["sad"] * 5
    posteriors = np.eye(2)[[("happy", "sad").index(answer) for answer in answers]]
    scores = strangers.score_strangers(make_table(true, posteriors, ("happy", "sad"))).loc["c"]
    assert scores["UAR"] == pytest.approx((3 / 6 + 2 / 2) / 2)
    assert scores["chance"] == 0.5
    assert (scores["most said"], scores["times"]) == ("sad", 2.5)


def test_an_emotion_that_a_network_does_not_know_is_never_read():
    posteriors = np.full((2, 2), 0.5)
    table = make_table(["fearful", "happy"], posteriors, ("happy", "sad"))
    assert strangers.score_strangers(table).loc["c", "UAR"] == 0.5


@pytest.mark.parametrize(("shift", "low", "high"), [(0.0, 0.2, 0.75), (3.0, 0.85, 1.0)])
def test_a_probe_tells_corpora_where_they_differ_on_people_it_never_met(shift, low, high):
    rng = np.random.default_rng(0)
    persons = np.repeat([f"{n:02}" for n in range(20)], 20)
    corpora = np.where(persons < "10", "one", "two")
    features = rng.normal(size=(len(persons), 8))
    features += rng.normal(size=(20, 8))[persons.astype(int)]  # each person's own
    features[corpora == "two", 0] += 3 * shift
    guessed = strangers.guess_corpus(features, corpora, persons)
    assert low <= guessed <= high


def test_of_one_corpus_there_is_nothing_to_guess():
    features = np.random.default_rng(0).normal(size=(20, 3))
    persons = np.repeat(list("abcde"), 4)
    assert np.isnan(strangers.guess_corpus(features, np.full(20, "one"), persons))


def test_a_joined_corpus_is_told_apart_by_its_actors():
    assert list(inputs.name_corpora("ravdess_nemo", ["05", "WR0"])) == ["ravdess", "nemo"]
    assert list(inputs.name_corpora("tess", ["OAF"])) == ["tess"]
