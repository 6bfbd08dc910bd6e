"""Nested heads: no answer has met its own share; Keras says what scikit-learn says."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from data_augmentation.quiet_keras import keras
from modeling.split.protocol import name_takes
from modeling.training import classifiers, inputs, nested
from preprocessing import corpora
from tests.made_corpus import EMOTIONS, write_made_corpus

N_CLASSES = 4


def make_clips(n_actors, n_each=6, **columns):
    """Return clips of actors of both genders, a row each, and the number of each clip's actor."""
    actors = np.repeat(np.arange(n_actors), n_each)
    rows = [dict.fromkeys(corpora.COLUMNS, "") for _ in actors]
    clips = pd.DataFrame(rows).assign(
        clip_id=[f"{row:03d}" for row in range(len(actors))],
        actor=[f"{actor:02d}" for actor in actors],
        gender=["female" if actor % 2 else "male" for actor in actors],
    )
    return clips.assign(**columns), actors


def draw_head(n_classes, met, *, n_clips=60, n_features=5, seed=0):
    """Return a regression fitted to some of the classes, and features."""
    rng = np.random.default_rng(seed)
    labels = np.resize(met, n_clips)
    features = rng.normal(size=(n_clips, n_features)) + 2 * rng.normal(size=(n_classes, 1))[labels]
    return nested.fit_linear(features, labels, 1.0), features


def test_each_corpus_counts_alike_and_in_it_each_emotion():
    labels = np.array([0, 0, 0, 1, 0, 1, 1, 1, 2])
    corpora = np.array(["a"] * 4 + ["b"] * 5)
    weights = nested.weigh_rows(labels, corpora)
    sums = pd.Series(weights).groupby([corpora, labels]).sum()
    np.testing.assert_allclose(sums["a"], 9 / 4)
    np.testing.assert_allclose(sums["b"], 9 / 6)
    alone = nested.weigh_rows(labels)
    np.testing.assert_allclose(pd.Series(alone).groupby(labels).sum(), 3)
    assert weights.mean() == pytest.approx(1)


@pytest.mark.parametrize("n_times", [1, 2])
def test_who_can_only_know_the_actors_knows_nothing_out_of_fold(n_times):
    """Features say who speaks and nothing else, and each actor shows one emotion."""
    clips, actors = make_clips(24)
    rng = np.random.default_rng(0)
    labels = (rng.permutation(24) % N_CLASSES)[actors]
    features = np.eye(24)[actors] + rng.normal(0, 0.01, (len(actors), 24))
    features = np.tile(features, (n_times, 1))  # copies of a clip are as telling as the clip
    model = nested.fit_linear(features, np.tile(labels, n_times), 10.0)
    assert model.score(features[: len(labels)], labels) == 1
    inner = nested.deal_inner(clips, "group_kfold")
    logs = nested.judge_out_of_fold(features, labels, inner, 10.0, N_CLASSES)
    assert (logs.argmax(axis=1) == labels).mean() <= 1 / N_CLASSES
    assert nested.measure_loss(logs, labels) > np.log(N_CLASSES)


def test_answers_depend_on_nothing_of_their_own_share():
    rng = np.random.default_rng(1)
    inner, labels = np.repeat([1, 2, 3], 20), rng.permutation(60) % N_CLASSES
    clips, copies = rng.normal(size=(2, 60, 5))
    own = inner == 2

    def judge(labels, copies):
        features = np.concatenate([clips, copies])
        return nested.judge_out_of_fold(features, labels, inner, 1.0, N_CLASSES)

    plain = judge(labels, copies)
    poisoned = judge(labels, np.where(own[:, None], 9 * np.eye(5)[labels], copies))
    relabelled = judge(np.where(own, (labels + 1) % N_CLASSES, labels), copies)
    for changed in (poisoned, relabelled):
        np.testing.assert_array_equal(changed[own], plain[own])
        assert (changed != plain)[~own].all(), "the other shares have trained on them"


def test_where_the_others_show_one_emotion_nothing_is_claimed():
    labels, inner = np.array([0, 0, 1, 0]), np.array([1, 1, 2, 2])
    logs = nested.judge_out_of_fold(np.eye(4), labels, inner, 1.0, 3)
    np.testing.assert_allclose(np.exp(logs[2:]), 1 / 3)
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", ["luna5", "group_kfold", "statement"])
def test_inner_shares_keep_together_what_the_protocol_keeps_together(name):
    clips, _ = make_clips(10, n_each=8, emotion="sad", intensity="normal")
    clips["statement"] = np.tile(np.repeat(["kids", "dogs"], 4), 10)
    clips["repetition"] = np.tile(["1", "1", "2", "2"], 20)  # a take as voice and as video
    kept = name_takes(clips) if name == "statement" else clips["actor"]
    inner = nested.deal_inner(clips, name)
    assert (pd.Series(inner).groupby(np.asarray(kept)).nunique() == 1).all()
    assert set(inner) == {1, 2, 3, 4, 5}


def test_one_known_actor_is_dealt_by_takes():
    clips, _ = make_clips(1, n_each=10)
    assert np.bincount(nested.deal_inner(clips, "group_kfold"))[1:].tolist() == [2] * 5


def test_known_clips_are_pooled_and_go_back_to_their_parts(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    write_made_corpus(tmp_path, missing_face=["01-happy", "03-neutral"])
    parts = inputs.read_parts("ravdess", "faces")
    known = nested.pool_known(parts)
    assert set(known) == {"train", "test"}
    assert known["test"] is parts["test"]
    pooled = known["train"]
    assert pooled.clips.index.tolist() == list(range(50 + 5))
    assert [EMOTIONS[label] for label in pooled.labels] == pooled.clips["emotion"].tolist()
    ids = nested.part_known(pooled.clips["clip_id"], parts)
    rows = nested.part_known(pooled.x, parts)
    for name in ("train", "val"):
        assert ids[name].tolist() == parts[name].clips["clip_id"].tolist()
        np.testing.assert_array_equal(rows[name], parts[name].x)


def test_copies_of_all_known_clips_train(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    write_made_corpus(tmp_path)
    known = nested.pool_known(inputs.read_parts("ravdess", "mels"))
    n_known, more = len(known["train"]), inputs.add_copies(known, n_copies=1)
    np.testing.assert_allclose(more.x[n_known:], known["train"].x + 1, rtol=1e-5)


def test_components_turn_features_and_lose_nothing():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(40, 2, 3)).astype(np.float32) * [1, 10, 100]
    found = nested.find_components(features, 400)
    rows = found.project(features)
    assert rows.shape == (40, 6)
    flat = features.reshape(40, 6)
    scaled = (flat - flat.mean(axis=0)) / flat.std(axis=0)
    np.testing.assert_allclose(rows @ rows.T, scaled @ scaled.T, atol=0.05)
    assert (np.diff(rows.var(axis=0)) <= 1e-6).all(), "the largest first"
    assert nested.find_components(features, 3).project(features[:1]).shape == (1, 3)


def test_what_hardly_varies_is_not_blown_up():
    features = np.random.default_rng(3).normal(size=(30, 3)).astype(np.float32)
    features[:, 2] *= 1e-6
    assert nested.find_components(features, 3).project(features).std(axis=0).min() < 0.01


def test_rare_emotions_count_as_much_as_frequent_ones():
    blind = np.full((10, 8), -np.log(8))
    labels = np.array([0] * 9 + [1])
    assert nested.measure_loss(blind, labels) == pytest.approx(np.log(8))
    sure = np.where(np.arange(8) == 0, 0.0, -100.0) + np.zeros((10, 1))
    assert nested.measure_loss(sure, labels) == pytest.approx(50)
    rng = np.random.default_rng(4)
    many = np.repeat([0, 1], [190, 10])
    model = nested.fit_linear(rng.normal(size=(200, 1)) + many[:, None], many, 1.0)
    cut = -model.intercept_[0] / model.coef_[0, 0]
    assert 0.2 < cut < 0.8, "half way, though one is nineteen times as frequent"


@pytest.mark.parametrize(
    ("n_classes", "met"),
    [(2, [0, 1]), (8, range(8)), (8, [1, 4, 6]), (8, [2, 5])],
    ids=["two", "eight", "three of eight", "two of eight"],
)
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_a_softmax_layer_says_what_the_regression_says(n_classes, met, temperature):
    met = np.array(met)
    model, features = draw_head(n_classes, met)
    layer = keras.layers.Dense(n_classes, "softmax")
    layer.build((None, features.shape[1]))
    layer.set_weights(nested.list_weights(model, n_classes, temperature))
    said = np.asarray(layer(features.astype(np.float32)))
    heated = softmax(np.log(model.predict_proba(features)) / temperature, axis=1)
    np.testing.assert_allclose(said[:, met], heated, atol=1e-5)
    unmet = np.setdiff1d(np.arange(n_classes), met)
    assert (said[:, unmet] <= 1.01 * classifiers.UNMET).all()
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(0, 5), min_size=2), st.integers(0, 99))
def test_weights_and_biases_give_the_regressions_posteriors(met, seed):
    met = np.array(sorted(met))
    model, features = draw_head(6, met, seed=seed)
    biases = classifiers.read_biases(model)
    assert biases.shape == met.shape
    logits = features @ classifiers.read_weights(model, 6)[met].T + biases
    np.testing.assert_allclose(softmax(logits, axis=1), model.predict_proba(features), atol=1e-9)


def test_the_made_corpus_is_read_out_of_fold(tmp_path, monkeypatch):
    """Where features do tell the emotion, answers out of fold find it."""
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    write_made_corpus(tmp_path)
    known = nested.pool_known(inputs.read_parts("ravdess", "mels"))["train"]
    rows = nested.find_components(known.x, 20).project(known.x)
    inner = nested.deal_inner(known.clips, "luna5")
    logs = nested.judge_out_of_fold(rows, known.labels, inner, 0.1, len(EMOTIONS))
    assert nested.measure_loss(logs, known.labels) < 0.5 * np.log(len(EMOTIONS))
