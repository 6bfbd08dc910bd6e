"""Adaptation in worlds whose truth is known: features are emotion + person + rest."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad
from scipy.special import log_softmax

from modeling.adaptation import guard, offsets, people
from modeling.adaptation.adapter import Adapter
from modeling.training import classifiers, nested, runs
from preprocessing.disk import arrays

N_EMOTIONS, N_FEATURES, N_KNOWN, N_NEW = 6, 12, 24, 20
STRENGTH = 0.1


def draw_world(rng, n_people, *, n_clips=48, spread=0.8, rest=0.8, shares=None):
    """Return features, labels and persons of clips, the true means and each person's offset.

    ``shares`` are drawn of a Dirichlet distribution with this concentration for each person, so
    that many show few emotions; None: all emotions alike.
    """
    means = rng.normal(0, 1, (N_EMOTIONS, N_FEATURES))
    own = rng.normal(0, spread, (n_people, N_FEATURES))
    labels = [rng.permutation(np.arange(n_clips) % N_EMOTIONS) for _ in range(n_people)]
    if shares:
        drawn = rng.dirichlet(np.full(N_EMOTIONS, shares), n_people)
        labels = [rng.choice(N_EMOTIONS, n_clips, p=frequent) for frequent in drawn]
    labels, persons = np.concatenate(labels), np.repeat(np.arange(n_people), n_clips)
    noise = rng.normal(0, rest, (len(labels), N_FEATURES))
    return means[labels] + own[persons] + noise, labels, persons, means, own


def read_plainly(known, labels, new):
    """Return log-posteriors of new clips by a head that knows no persons."""
    head = nested.fit_linear(known, labels, STRENGTH)
    return classifiers.read_log_posteriors(head, new, N_EMOTIONS)


@pytest.fixture(scope="module")
def world():
    """Return known people, their inner shares and log-posteriors, and people not met."""
    rng = np.random.default_rng(1)
    features, labels, persons, _, _ = draw_world(rng, N_KNOWN + N_NEW)
    met = persons < N_KNOWN
    known, new = ([a[rows] for a in (features, labels, persons)] for rows in (met, ~met))
    inner = known[2] % 5 + 1
    logs = nested.judge_out_of_fold(known[0], known[1], inner, STRENGTH, N_EMOTIONS)
    return known, inner, logs, new, read_plainly(known[0], known[1], new[0])


def learn(known, inner, logs, *, seed=1, n_each=2):
    options = {"n_classes": N_EMOTIONS, "strength": STRENGTH, "n_each": n_each}
    rng = np.random.default_rng(seed)
    return people.learn_adapters(known[0], logs, known[1], known[2], inner, rng=rng, **options)


@pytest.fixture(scope="module")
def learned(world):
    known, inner, logs, _, _ = world
    return learn(known, inner, logs)


@pytest.mark.parametrize("seed", range(3))
def test_means_and_variances_are_found_though_emotions_are_shown_unevenly(seed):
    rng = np.random.default_rng(seed)
    features, labels, persons, means, own = draw_world(rng, 40, rest=0.3, shares=0.4)
    assert pd.Series(labels).groupby(persons).nunique().min() < N_EMOTIONS
    model = offsets.fit_offsets(features, labels, persons, N_EMOTIONS, STRENGTH)
    np.testing.assert_allclose(model.means, means + own.mean(axis=0), atol=0.15)
    np.testing.assert_allclose(model.offset_variance, own.var(axis=0), rtol=0.15)
    np.testing.assert_allclose(model.rest_variance, 0.3**2, rtol=0.1)
    plain = np.array([features[labels == label].mean(axis=0) for label in range(N_EMOTIONS)])
    errors = [np.abs(found - means - own.mean(axis=0)).mean() for found in (plain, model.means)]
    assert errors[1] < 0.5 * errors[0], "persons who show one emotion often do not shift its mean"


def test_a_persons_offset_is_found_better_than_by_the_mean_of_the_clips():
    rng = np.random.default_rng(0)
    features, labels, persons, _, own = draw_world(rng, 60, spread=1.2, rest=0.6)
    own = own - own[:40].mean(axis=0)  # those of the known add up to none
    met = persons < 40
    known = features[met], labels[met], persons[met]
    model = offsets.fit_offsets(*known, N_EMOTIONS, STRENGTH)
    logs = read_plainly(known[0], known[1], features)
    errors = []
    for person in range(40, 60):
        shown = rng.choice(N_EMOTIONS, 3, replace=False)
        rows = np.flatnonzero((persons == person) & np.isin(labels, shown))
        rows = np.concatenate([rows[labels[rows] == shown[0]], rows[labels[rows] != shown[0]][::4]])
        found = model.estimate_offset(features[rows], logs[rows])
        others = np.zeros(N_FEATURES), model.centre(features[rows]), found
        errors.append([np.square(offset - own[person]).mean() for offset in others])
    nothing, centred, found = np.mean(errors, axis=0)
    assert centred < 0.5 * nothing
    assert found < 0.15 * centred, "what is first believed wrongly is corrected"


def test_the_head_has_learned_emotions_without_the_persons():
    rng = np.random.default_rng(0)
    features, labels, persons, _, own = draw_world(rng, 40, spread=3.0)
    own = own - own[:20].mean(axis=0)
    known, new = persons < 20, persons >= 20
    model = offsets.fit_offsets(
        features[known], labels[known], persons[known], N_EMOTIONS, STRENGTH
    )
    without = features - own[persons]
    logs = model.read(features[new], own[persons[new]])
    other = read_plainly(features[known], labels[known], without[new])
    losses = [nested.measure_loss(found, labels[new]) for found in (logs, other)]
    assert losses[0] < 0.5 * losses[1]


def test_fewer_clips_are_trusted_less():
    rng = np.random.default_rng(0)
    model = offsets.fit_offsets(*draw_world(rng, 20)[:3], N_EMOTIONS, STRENGTH)
    clip = model.means[:1] + 1.0
    logs = np.log(np.eye(N_EMOTIONS)[:1] + 1e-9)
    sizes = []
    for n_clips in (1, 5, 50):
        offset = model.estimate_offset(np.repeat(clip, n_clips, 0), np.repeat(logs, n_clips, 0))
        sizes.append(np.abs(offset).mean())
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.7 < sizes[2]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.integers(1, 4), st.integers(1, 7))
def test_nothing_is_nan_however_little_is_shown(seed, n_people, n_clips):
    """One person, one clip, emotions that a person or nobody shows."""
    rng = np.random.default_rng(seed)
    persons = rng.permutation(np.resize(np.arange(n_people), n_people * n_clips + 1))
    labels = rng.permutation(np.resize(rng.choice(N_EMOTIONS, 2, replace=False), len(persons)))
    features = rng.normal(size=(len(persons), 3))
    model = offsets.fit_offsets(features, labels, persons, N_EMOTIONS, STRENGTH)
    for values in (model.means, model.offset_variance, model.rest_variance):
        assert np.isfinite(values).all()
    assert (np.minimum(model.offset_variance, model.rest_variance) > 0).all()
    new = rng.normal(size=(n_clips, 3)) * 9
    certain = np.log(np.eye(N_EMOTIONS)[np.zeros(n_clips, int)] + 1e-7)
    ways, signs = guard.read_ways(model, new, certain)
    assert ways.shape == (len(guard.WAYS), n_clips, N_EMOTIONS)
    assert np.isfinite(ways).all()
    assert np.isfinite(signs).all()
    np.testing.assert_allclose(np.exp(ways).sum(axis=2), 1, atol=1e-5)


@pytest.mark.parametrize("frequent", [[0.7, 0.2, 0.1], [1, 0, 0], [1 / 3] * 3])
def test_a_prior_is_found_in_calibrated_posteriors(frequent):
    """Bayes' rule for known Gaussians, all of them taken for equally frequent."""
    rng = np.random.default_rng(0)
    labels = rng.choice(3, 3000, p=frequent)
    logs = log_softmax(2 * (rng.normal(size=(3000, 3)) + 2 * np.eye(3)[labels]), axis=1)
    prior = offsets.estimate_prior(logs)
    np.testing.assert_allclose(prior, frequent, atol=0.03)
    assert prior.sum() == pytest.approx(1)
    weighed = offsets.apply_prior(logs, prior)
    right = [(own.argmax(axis=1) == labels).mean() for own in (logs, weighed)]
    assert right[1] >= right[0] - 0.005
    assert right[1] >= max(frequent) - 0.01
    few = offsets.estimate_prior(logs[:1])
    assert few.max() < 0.6, "of one clip nobody learns how frequent an emotion is"


def test_a_prior_of_equals_changes_nothing():
    logs = log_softmax(np.random.default_rng(0).normal(size=(5, 4)), axis=1)
    np.testing.assert_allclose(offsets.apply_prior(logs, np.full(4, 0.25)), logs)


@pytest.mark.parametrize("least", [1e-3, 1e-12])
def test_the_guards_loss_has_the_gradient_that_it_says(least):
    rng = np.random.default_rng(0)
    n_ways, n_signs, of = len(guard.WAYS), 5, np.repeat(np.arange(8), rng.integers(1, 6, 8))
    said = np.exp(rng.uniform(np.log(least), 0, (len(of), n_ways)))
    said[:3] = least  # what every way calls impossible is true now and then
    share = rng.dirichlet(np.ones(len(of)))
    data = rng.normal(size=(8, n_signs)), said, of, share
    for size in (0.0, 1.0):
        flat = size * rng.normal(size=n_ways * n_signs)
        gap = check_grad(*(lambda f, i=i: guard.measure_loss(f, *data)[i] for i in (0, 1)), flat)
        assert gap < 1e-5 * max(1, np.linalg.norm(guard.measure_loss(flat, *data)[1]))


def test_a_guard_learns_which_way_a_sign_speaks_for():
    rng = np.random.default_rng(0)
    episodes = []
    for _ in range(40):
        sign, labels = rng.integers(2), rng.integers(0, 3, 10)
        right, wrong = (np.log(np.full((10, 3), 0.05) + 0.85 * np.eye(3)[own]) for own in
                        (labels, (labels + 1) % 3))  # fmt: skip
        ways = np.stack([right, wrong] * 2 if sign else [wrong, right] * 2)
        episodes.append(guard.Episode(ways, np.array([1.0, sign]), labels))
    learned = guard.learn_guard(episodes)
    for sign, believed in {0: [1, 3], 1: [0, 2]}.items():
        weights = learned.weigh(np.array([1.0, sign]))
        assert weights.sum() == pytest.approx(1)
        assert weights[believed].sum() > 0.9
    mixed = learned.mix(episodes[0].ways, episodes[0].signs)
    assert (mixed.argmax(axis=1) == episodes[0].labels).all()
    np.testing.assert_allclose(np.exp(mixed).sum(axis=1), 1, atol=1e-6)


def test_no_episode_is_no_guard():
    with pytest.raises(arrays.NotEnoughClipsError, match="has the 3 clips of an episode"):
        guard.learn_guard([])
    assert people.tabulate_episodes([], None).empty


def test_the_guard_gains_where_all_is_shown_and_loses_nowhere(world, learned):
    """Neither who always centres nor who never does would pass."""
    *_, new, plain = world
    adapter, _, episodes = learned
    features, labels, persons = new
    rng = np.random.default_rng(2)
    fresh = guard.draw_episodes(adapter.model, features, plain, labels, persons, rng=rng, n_each=4)
    table = people.tabulate_episodes(fresh, adapter.guard)
    counts = table.pop("episodes")
    right = table.mul(counts, axis=0).groupby(level=0).sum().div(counts.groupby(level=0).sum(), 0)
    assert set(right.index) == set(guard.KINDS)
    assert right.loc["all", "centred"] > right.loc["all", "plain"] + 0.04
    assert right.loc["one", "centred"] < right.loc["one", "plain"] - 0.2
    assert (right["guarded"] > right["plain"] - 0.01).all()
    assert right.loc["all", "guarded"] > right.loc["all", "plain"] + 0.04
    assert right.loc["some", "guarded"] > right.loc["some", "plain"] + 0.02


def test_episodes_show_what_they_say(world, learned):
    _, _, episodes = learned
    counts = pd.Series([episode.kind for episode in episodes]).value_counts()
    assert set(counts.index) == set(guard.KINDS)
    for episode in episodes:
        n_shown = len(set(episode.labels))
        assert episode.ways.shape == (len(guard.WAYS), episode.size, N_EMOTIONS)
        assert len(episode.labels) == episode.size
        assert n_shown <= {"one": 1, "two": 2}.get(episode.kind, N_EMOTIONS)
    sizes = {kind: {e.size for e in episodes if e.kind == kind} for kind in ("all", "one")}
    assert sizes == {"all": {3, 6, 12, 24}, "one": {3, 6}}, "48 clips, 8 of each emotion"


def test_people_of_one_emotion_are_heard_in_episodes_too():
    rng = np.random.default_rng(0)
    features, labels, persons, _, _ = draw_world(rng, 6, n_clips=36)
    model = offsets.fit_offsets(features, labels, persons, N_EMOTIONS, STRENGTH)
    own = labels == persons  # 6 clips of an emotion a person
    logs = read_plainly(features, labels, features[own])
    drawn = features[own], logs, labels[own], persons[own]
    episodes = guard.draw_episodes(model, *drawn, rng=rng, n_each=1)
    assert {(e.kind, e.size) for e in episodes} == {(k, n) for k in ("all", "one") for n in (3, 6)}


class Listener(Adapter):
    """Notes which clips are heard, and answers with its name in every column."""

    def __init__(self, name, heard):
        super().__init__(None, None)
        object.__setattr__(self, "facts", (name, heard))

    def read(self, features, logs, heard=None):
        name, notes = self.facts
        others = features if heard is None else heard[0]
        notes.append((features[:, 0].tolist(), others[:, 0].tolist()))
        return np.full(logs.shape, float(name))


@pytest.mark.parametrize("n_heard", [1, 3, 99])
def test_a_judged_clip_is_never_among_those_heard(n_heard):
    features = np.arange(12.0)[:, None]
    persons = np.array(["a"] * 6 + ["b"] * 5 + ["c"])
    notes, logs = [], np.zeros((12, 2))
    listener = Listener(7, notes)
    read = listener.read_people(
        features, logs, persons, n_heard=n_heard, rng=np.random.default_rng(0)
    )
    assert [judged for (judged,), _ in notes] == list(range(11))
    for (judged,), heard in notes:
        assert judged not in heard
        assert {persons[int(clip)] for clip in heard} == {persons[int(judged)]}
        n_others = (persons == persons[int(judged)]).sum() - 1
        assert len(set(heard)) == len(heard) == min(n_heard, n_others)
    assert (read[:11] == 7).all()
    assert (read[11] == logs[11]).all(), "of whom nothing else was heard is read as anybody"


def test_with_all_heard_each_person_is_read_once_and_whole():
    notes = []
    persons = np.array(["b", "a", "b"])
    Listener(1, notes).read_people(np.arange(3.0)[:, None], np.zeros((3, 2)), persons)
    assert notes == [([1.0], [1.0]), ([0.0, 2.0], [0.0, 2.0])]


def test_what_is_judged_does_not_change_what_is_heard(world, learned):
    (features, _, persons), _, logs, *_ = world
    adapter = learned[0]
    own = np.flatnonzero(persons == 3)
    heard = features[own[1:]], logs[own[1:]]
    alone = adapter.read(features[own[:1]], logs[own[:1]], heard)
    beside = adapter.read(features[own], logs[own], heard)
    np.testing.assert_allclose(beside[0], alone[0])


def test_known_clips_are_read_by_the_adapter_that_never_met_their_share():
    inner, persons = np.array([1, 1, 2, 2, 3]), np.array(list("aabbc"))
    notes = {share: [] for share in (1, 2, 3)}
    adapters = {share: Listener(share, notes[share]) for share in notes}
    features = np.arange(5.0)[:, None]
    read = people.read_out_of_fold(adapters, features, np.zeros((5, 2)), persons, inner)
    np.testing.assert_array_equal(read, np.stack([inner, inner], axis=1))
    assert notes[2] == [([2.0, 3.0], [2.0, 3.0])]


def test_an_adapter_has_not_met_its_share(world, learned):
    known, inner, logs, *_ = world
    changed = known[0] + 5 * (inner == 1)[:, None], known[1], known[2]
    adapter, by_share, _ = learn(changed, inner, logs, n_each=1)
    assert set(by_share) == {1, 2, 3, 4, 5}
    np.testing.assert_array_equal(by_share[1].model.means, learned[1][1].model.means)
    for other, before in ((by_share[2], learned[1][2]), (adapter, learned[0])):
        assert np.abs(other.model.means - before.model.means).max() > 0.1
    assert all(own.guard is adapter.guard for own in by_share.values())


def test_too_few_people_or_a_person_in_two_shares_are_refused(world):
    known, inner, logs, *_ = world
    few = known[2] < 2
    with pytest.raises(arrays.NotEnoughClipsError, match="from 3 known actors or more.*here are 2"):
        learn([values[few] for values in known], inner[few], logs[few])
    with pytest.raises(arrays.NotEnoughClipsError, match="each unknown to a part of the others"):
        learn(known, np.arange(len(inner)) % 5 + 1, logs)


def test_people_without_whom_all_show_one_emotion_are_refused():
    known = np.eye(6), np.array([0, 0, 0, 0, 1, 1]), np.array(list("aabbcc"))
    with pytest.raises(arrays.NotEnoughClipsError, match="Without actors c the known clips show"):
        learn(known, np.array([1, 1, 2, 2, 3, 3]), np.zeros((6, N_EMOTIONS)))


def test_adaptation_helps_people_never_met_clip_by_clip(world, learned):
    *_, new, plain = world
    features, labels, persons = new
    chosen = persons < N_KNOWN + 8
    rng, options = np.random.default_rng(0), (features[chosen], plain[chosen], persons[chosen])
    right = [(plain[chosen].argmax(axis=1) == labels[chosen]).mean()]
    for n_heard in (12, None):
        read = learned[0].read_people(*options, n_heard=n_heard, rng=rng)
        right.append((read.argmax(axis=1) == labels[chosen]).mean())
    assert right[0] + 0.03 < right[1] <= right[2] + 0.02


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return the facts of a run of three clips with embeddings, judged out of fold."""
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    table = pd.DataFrame({"clip_id": list("abc"), "actor": list("123"), "fold": 1})
    table = table.assign(part=["train", "val", "test"], true="sad", p_happy=0.25, p_sad=0.75)
    facts = {"corpus": "drawn", "protocol": "luna5", "fold": 1, "parameters": {}}
    run = runs.Run("voice", modality="voice", out_of_fold=("train", "val"), **facts)
    run.save_predictions(table, np.eye(3))
    run.finish({})
    return runs.find_run("drawn", "voice")


def test_a_run_is_adapted_and_judged_as_what_it_was(run):
    table, embeddings = people.read_run(run)
    assert embeddings.dtype == np.float64
    judged = people.judge_adapted(table, run | {"inputs": {"audio": "abc"}})
    assert judged.origin == {
        "corpus": "drawn", "protocol": "luna5", "fold": 1, "inputs": {"audio": {"digest": "abc"}},
    }  # fmt: skip
    assert judged.scores.loc["test", "accuracy"] == 1


def test_a_run_that_cannot_be_adapted_says_so(run):
    with pytest.raises(ValueError, match="run of voice in results/.* as notebook 44 leaves them"):
        people.read_run(run | {"out_of_fold": ["val"]})
    (run["folder"] / "embeddings.npy").unlink()
    with pytest.raises(ValueError, match="expected embeddings, and known clips judged out of fold"):
        people.read_run(run)
