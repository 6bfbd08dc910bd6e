"""Calibration and late fusion: properties that hold for all posteriors, and refusals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from modeling.fusion import experts as fusion
from modeling.fusion import heads
from modeling.split.protocol import LeakError
from modeling.training import runs

THREE = ("neutral", "happy", "sad")


@st.composite
def experts(draw, min_experts=1):
    """Return a list of posteriors (clip, emotion) of the same made clips."""
    n_experts = draw(st.integers(min_experts, 3))
    shape = (n_experts, draw(st.integers(1, 5)), draw(st.integers(2, 8)))
    logits = draw(npst.arrays(np.float64, shape, elements=st.floats(-8, 8)))
    return list(softmax(logits, axis=2))


def draw_clips(rng, *, n=400, n_emotions=4, skill=1.5):
    """Return labels and the logits of a calibrated expert: Bayes' rule for known Gaussians."""
    labels = rng.integers(0, n_emotions, n)
    seen = rng.normal(size=(n, n_emotions)) + skill * np.eye(n_emotions)[labels]
    return labels, seen * skill


def make_table(labels, posteriors, *, parts, ids=None):
    """Return a table of predictions."""
    table = pd.DataFrame(
        {
            "clip_id": ids or [f"clip{i:03d}" for i in range(len(labels))],
            "actor": ["01" if part == "train" else "02" for part in parts],
            "fold": 1,
            "part": parts,
            "true": np.array(THREE)[labels],
        }
    )
    return table.assign(**{f"p_{e}": posteriors[:, i] for i, e in enumerate(THREE)})


def measure_cross_entropy(posteriors, labels):
    return -np.log(posteriors[np.arange(len(labels)), labels]).mean()


@settings(max_examples=60, deadline=None)
@given(experts())
def test_fused_posteriors_are_probabilities(posteriors):
    for fuse in (fusion.average_posteriors, fusion.multiply_experts):
        fused = fuse(posteriors)
        assert fused.shape == posteriors[0].shape
        assert (fused >= 0).all()
        np.testing.assert_allclose(fused.sum(axis=1), 1)


@settings(max_examples=60, deadline=None)
@given(experts(), st.integers(0, 2))
def test_missing_modality_changes_nothing(posteriors, position):
    gap = np.full_like(posteriors[0], np.nan)
    for fuse in (fusion.average_posteriors, fusion.multiply_experts):
        more = [*posteriors]
        more.insert(position, gap)
        np.testing.assert_allclose(fuse(more), fuse(posteriors))


@settings(max_examples=60, deadline=None)
@given(experts(min_experts=2), st.randoms())
def test_order_of_modalities_does_not_matter(posteriors, random):
    shuffled = random.sample(posteriors, len(posteriors))
    for fuse in (fusion.average_posteriors, fusion.multiply_experts):
        np.testing.assert_allclose(fuse(posteriors), fuse(shuffled))


@settings(max_examples=60, deadline=None)
@given(experts())
def test_expert_that_knows_nothing_changes_nothing(posteriors):
    knows_nothing = np.full_like(posteriors[0], 1 / posteriors[0].shape[1])
    np.testing.assert_allclose(
        fusion.multiply_experts([*posteriors, knows_nothing]),
        fusion.multiply_experts(posteriors),
        atol=1e-9,
    )


@settings(max_examples=60, deadline=None)
@given(experts())
def test_single_expert_is_kept(posteriors):
    fused = fusion.multiply_experts([posteriors[0], np.full_like(posteriors[0], np.nan)])
    np.testing.assert_allclose(fused, posteriors[0], atol=1e-6)


def test_product_equals_bayes_rule():
    audio, video = np.array([[0.6, 0.4]]), np.array([[0.3, 0.7]])
    product = fusion.multiply_experts([audio, video])
    np.testing.assert_allclose(product, [[0.18 / 0.46, 0.28 / 0.46]])
    np.testing.assert_allclose(fusion.average_posteriors([audio, video]), [[0.45, 0.55]])


def test_agreeing_experts_are_surer_together():
    posteriors = np.array([[0.6, 0.3, 0.1]])
    assert fusion.multiply_experts([posteriors, posteriors])[0, 0] > 0.6
    np.testing.assert_allclose(fusion.average_posteriors([posteriors, posteriors]), posteriors)


def test_certain_experts_that_contradict_give_no_nan():
    fused = fusion.multiply_experts([np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])])
    np.testing.assert_allclose(fused, [[0.5, 0.5]])


def test_clip_with_one_modality_gets_a_prediction_and_one_with_none_gets_nan():
    audio = np.array([[0.7, 0.3], [np.nan, np.nan], [np.nan, np.nan]])
    video = np.array([[0.7, 0.3], [0.2, 0.8], [np.nan, np.nan]])
    for fuse in (fusion.average_posteriors, fusion.multiply_experts):
        fused = fuse([audio, video])
        np.testing.assert_allclose(fused[1], [0.2, 0.8])
        assert np.isnan(fused[2]).all()
        assert fused[0, 0] >= 0.7 - 1e-12


@settings(max_examples=60, deadline=None)
@given(experts(min_experts=2), st.data())
def test_a_row_with_a_gap_is_no_judgement(posteriors, data):
    row = data.draw(st.integers(0, len(posteriors[0]) - 1))
    column = data.draw(st.integers(0, posteriors[0].shape[1] - 1))
    holed, empty = posteriors[0].copy(), posteriors[0].copy()
    holed[row, column], empty[row] = np.nan, np.nan
    for fuse in (fusion.average_posteriors, fusion.multiply_experts):
        fused = fuse([holed, *posteriors[1:]])
        np.testing.assert_array_equal(fused, fuse([empty, *posteriors[1:]]))
        np.testing.assert_allclose(fused[row], fuse(posteriors[1:])[row])


@pytest.mark.parametrize("posteriors", [[], [np.ones((2, 3)), np.ones((3, 3))]])
def test_unfit_posteriors_are_refused(posteriors):
    with pytest.raises(ValueError, match="array"):
        fusion.multiply_experts(posteriors)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.1, 8), st.integers(0, 1000))
def test_temperature_undoes_overconfidence(factor, seed):
    labels, logits = draw_clips(np.random.default_rng(seed))
    base = fusion.fit_temperature(logits, labels)
    scaled = fusion.fit_temperature(logits * factor, labels)
    np.testing.assert_allclose(scaled, np.clip(base * factor, 0.05, 20), rtol=1e-2)


def test_temperature_of_a_calibrated_expert_is_one():
    labels, logits = draw_clips(np.random.default_rng(0), n=20000)
    assert fusion.fit_temperature(logits, labels) == pytest.approx(1, abs=0.05)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.floats(0.2, 5))
def test_temperature_keeps_the_order_and_lowers_the_cross_entropy(seed, factor):
    labels, logits = draw_clips(np.random.default_rng(seed), n=100)
    logp = log_softmax(logits * factor, axis=1)
    after = fusion.apply_temperature(logp, fusion.fit_temperature(logp, labels))
    np.testing.assert_array_equal(after.argmax(axis=1), logp.argmax(axis=1))
    before = measure_cross_entropy(np.exp(logp), labels)
    assert measure_cross_entropy(after, labels) <= before + 1e-6


def test_temperature_one_is_the_identity():
    posteriors = softmax(np.random.default_rng(0).normal(size=(5, 4)), axis=1)
    same = fusion.apply_temperature(fusion.take_log(posteriors), 1.0)
    np.testing.assert_allclose(same, posteriors)


@pytest.mark.parametrize("small", [1e-2, 1e-4, 1e-6])
def test_an_expert_may_be_almost_sure(small):
    posteriors = np.array([[1 - small, small]])
    np.testing.assert_allclose(fusion.multiply_experts([posteriors]), posteriors, rtol=1e-6)
    nobody = np.array([[0.5, 0.5]])
    np.testing.assert_allclose(fusion.multiply_experts([posteriors, nobody]), posteriors, rtol=1e-6)


def test_no_expert_forbids_what_many_others_say():
    certain, others = np.array([[1.0, 0.0]]), [np.array([[0.05, 0.95]])] * 8
    assert fusion.multiply_experts([certain, *others[:2]])[0, 0] > 0.99
    assert fusion.multiply_experts([certain, *others])[0, 1] > 0.99


def test_unfit_calibration_is_refused():
    with pytest.raises(ValueError, match="NaN or infinity"):
        fusion.fit_temperature(np.array([[0.0, -np.inf]]), [0])


def test_calibration_sees_validation_clips_only():
    rng = np.random.default_rng(0)
    labels, logits = draw_clips(rng, n=300, n_emotions=3)
    parts = np.repeat(["train", "val", "test"], 100)
    table = make_table(labels, softmax(logits * 4, axis=1), parts=parts)
    calibrated, temperature = fusion.calibrate_predictions(table, THREE)
    assert 2 < temperature < 8
    broken = table.assign(true=np.where(parts == "val", table["true"], "sad"))
    assert fusion.calibrate_predictions(broken, THREE)[1] == temperature
    assert list(calibrated.columns) == list(table.columns)
    np.testing.assert_allclose(calibrated[["p_neutral", "p_happy", "p_sad"]].sum(axis=1), 1)
    with pytest.raises(ValueError, match="No clip of part 'val' among 200"):
        fusion.calibrate_predictions(table[parts != "val"], THREE)


def test_late_fusion_beats_its_parts_and_bears_a_gap():
    rng = np.random.default_rng(0)
    labels, audio = draw_clips(rng, n=1200)
    video = 1.5 * (rng.normal(size=audio.shape) + 1.5 * np.eye(4)[labels])
    posteriors = [softmax(3 * audio, axis=1), softmax(video, axis=1)]
    fuse = heads.fit_logistic([p[:400] for p in posteriors], labels[:400], inverse_l2=0.03)
    test = [p[400:].copy() for p in posteriors]
    scores = [(p.argmax(axis=1) == labels[400:]).mean() for p in (*test, fuse(test))]
    assert scores[2] > max(scores[:2])
    test[1][:200] = np.nan
    test[0][:100] = np.nan
    fused = fuse(test)
    assert np.isnan(fused[:100]).all()
    np.testing.assert_allclose(fused[100:].sum(axis=1), 1)
    assert (fused[100:200].argmax(axis=1) == test[0][100:200].argmax(axis=1)).mean() > 0.8
    alone = fuse([np.full_like(test[1], np.nan), test[1]])
    assert (alone[200:].argmax(axis=1) == labels[600:]).mean() > 0.5


def test_late_fusion_keeps_a_place_for_emotions_without_validation_clips():
    rng = np.random.default_rng(0)
    labels, logits = draw_clips(rng, n=100)
    kept = labels != 2
    posteriors = softmax(logits, axis=1)
    fuse = heads.fit_logistic([posteriors[kept]], labels[kept], inverse_l2=0.03)
    fused = fuse([posteriors])
    assert fused.shape == (100, 4)
    assert (fused[:, 2] > 0).all()
    assert (fused.argmax(axis=1) != 2).all()


def test_unfit_late_fusion_is_refused():
    posteriors = np.full((4, 3), 1 / 3)
    with pytest.raises(ValueError, match="fewer than 2 emotions"):
        heads.fit_logistic([posteriors], [1, 1, 1, 1], inverse_l2=1)
    fuse = heads.fit_logistic([posteriors, posteriors], [0, 1, 2, 0], inverse_l2=1)
    with pytest.raises(ValueError, match="expecting 6 features"):
        fuse([posteriors])


def test_alignment_fills_gaps_and_refuses_leaks():
    posteriors = softmax(np.random.default_rng(0).normal(size=(4, 3)), axis=1)
    parts = ["train", "val", "test", "test"]
    audio = make_table([0, 1, 2, 0], posteriors, parts=parts, ids=["b", "a", "d", "c"])
    video = audio.iloc[[2, 0]]
    clips, aligned = fusion.align_predictions([audio, video], THREE)
    assert clips["clip_id"].tolist() == ["a", "b", "c", "d"]
    assert clips["part"].tolist() == ["val", "train", "test", "test"]
    np.testing.assert_array_equal(aligned[0], posteriors[[1, 0, 3, 2]])
    np.testing.assert_array_equal(np.isnan(aligned[1]).all(axis=1), [True, False, True, False])
    fused = fusion.fuse_predictions([audio, video], THREE)
    assert list(fused.columns) == list(audio.columns)
    np.testing.assert_allclose(fused.filter(regex="^p_"), fusion.multiply_experts(aligned))
    mean = fusion.fuse_predictions([audio, video], THREE, fuse=fusion.average_posteriors)
    np.testing.assert_allclose(mean.filter(regex="^p_"), posteriors[[1, 0, 3, 2]])
    with pytest.raises(LeakError, match="Clip d is in part 'test' of one run and 'train'"):
        fusion.align_predictions([audio, video.assign(part="train")], THREE)
    with pytest.raises(ValueError, match="Clip d is sad in one run, happy in another"):
        fusion.align_predictions([audio, video.assign(true="happy")], THREE)
    with pytest.raises(ValueError, match="predicts a clip twice"):
        fusion.align_predictions([pd.concat([audio, audio])], THREE)


def test_fusion_is_fitted_on_the_validation_clips_alone():
    rng = np.random.default_rng(3)
    labels, seen = draw_clips(rng, n=300, n_emotions=3)
    part = np.repeat(["train", "val", "test"], 100)
    table = pd.DataFrame({"clip_id": [f"{i:03d}" for i in range(300)], "actor": "1", "fold": 1})
    table = table.assign(part=part, true=np.array(THREE)[labels])
    columns = [f"p_{emotion}" for emotion in THREE]
    table[columns] = softmax(seen, axis=1)
    shuffled = table.copy()
    others = part != "val"
    shuffled.loc[others, "true"] = rng.permutation(shuffled.loc[others, "true"].to_numpy())
    x = [table[columns].to_numpy()]
    first, second = (heads.fit_on_validation([t], THREE)(x) for t in (table, shuffled))
    np.testing.assert_array_equal(first, second)
    assert (first[200:].argmax(axis=1) == labels[200:]).mean() > 0.6


def test_with_many_validation_actors_the_freedom_is_chosen_on_them(monkeypatch):
    rng = np.random.default_rng(5)
    labels, seen = draw_clips(rng, n=300, n_emotions=3, skill=2.5)
    table = pd.DataFrame({"clip_id": [f"{i:03d}" for i in range(300)], "fold": 1, "part": "val"})
    columns = [f"p_{emotion}" for emotion in THREE]
    table[columns] = softmax(seen, axis=1)
    table["true"] = np.array(THREE)[labels]
    asked = []
    fit = heads.fit_logistic

    def record(posteriors, labels, *, inverse_l2):
        asked.append((len(labels), inverse_l2))
        return fit(posteriors, labels, inverse_l2=inverse_l2)

    monkeypatch.setattr(heads, "fit_logistic", record)
    heads.fit_on_validation([table.assign(actor="1")], THREE)
    assert asked == [(300, min(heads.STRENGTHS))]
    asked.clear()
    many = table.assign(actor=[str(i % 10) for i in range(300)])
    heads.fit_on_validation([many], THREE)
    assert {size for size, _ in asked[:-1]} == {240}, "each fit leaves a fifth of the actors out"
    assert {strength for _, strength in asked} == set(heads.STRENGTHS)
    assert asked[-1][0] == 300, "the last fit takes all"


def make_many_actors(posteriors, labels):
    """Return a table of validation clips of ten actors, who speak one after the other."""
    table = make_table(labels, posteriors, parts=["val"] * len(labels))
    return table.assign(actor=[str(10 * i // len(labels)) for i in range(len(labels))])


@pytest.fixture
def asked(monkeypatch):
    """Return a list that fills with what each logistic regression is fitted on, and how freely."""
    calls, fit = [], heads.fit_logistic

    def record(posteriors, labels, *, inverse_l2):
        calls.append((posteriors[0], inverse_l2))
        return fit(posteriors, labels, inverse_l2=inverse_l2)

    monkeypatch.setattr(heads, "fit_logistic", record)
    return calls


def test_freedom_is_chosen_on_actors_that_the_fit_has_not_met(asked):
    labels, logits = draw_clips(np.random.default_rng(5), n=300, n_emotions=3)
    table = make_many_actors(softmax(logits, axis=1), labels)
    heads.fit_on_validation([table], THREE)
    actor_of = dict(zip(table["p_neutral"], table["actor"], strict=True))
    n_clips = table["actor"].value_counts()
    for posteriors, _ in asked:
        met = pd.Series([actor_of[first] for first in posteriors[:, 0]]).value_counts()
        assert (met == n_clips[met.index]).all(), "an actor is met whole or not at all"
    assert sorted({len(posteriors) for posteriors, _ in asked}) == [240, 300]


def test_timid_posteriors_need_a_free_fit_and_noise_a_tight_one(asked):
    rng = np.random.default_rng(5)
    labels, logits = draw_clips(rng, n=300, n_emotions=3, skill=2.5)
    timid = make_many_actors(softmax(logits / 30, axis=1), labels)
    heads.fit_on_validation([timid], THREE)
    assert asked[-1][1] == max(heads.STRENGTHS)
    noise = make_many_actors(softmax(rng.normal(size=(300, 3)) * 4, axis=1), labels)
    heads.fit_on_validation([noise], THREE)
    assert asked[-1][1] == min(heads.STRENGTHS)


def test_a_missing_modality_weighs_as_much_as_one_that_knows_nothing():
    rng = np.random.default_rng(0)
    labels, logits = draw_clips(rng, n=200)
    _, others = draw_clips(rng, n=200)
    posteriors = [softmax(logits, axis=1), softmax(others, axis=1)]
    fuse = heads.fit_logistic(posteriors, labels, inverse_l2=0.1)
    nothing, missing = (np.full_like(posteriors[0], value) for value in (0.25, np.nan))
    np.testing.assert_allclose(fuse([posteriors[0], missing]), fuse([posteriors[0], nothing]))
    np.testing.assert_allclose(fuse([missing, posteriors[1]]), fuse([nothing, posteriors[1]]))


def test_embeddings_are_scaled_by_the_training_clips_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    rng = np.random.default_rng(0)
    parts = np.repeat(["train", "val", "test"], [40, 10, 10])
    shift = np.select([parts == "val", parts == "test"], [5.0, -20.0])
    made = {"voice": rng.normal(2, 3, (60, 4)) + shift[:, None], "face": rng.normal(0, 1, (60, 2))}
    table = make_table(rng.integers(0, 3, 60), np.full((60, 3), 1 / 3), parts=parts)
    facts = {"corpus": "drawn", "protocol": "luna5", "fold": 1, "parameters": {}}
    for name, embeddings in made.items():
        run = runs.Run(name, modality=name, **facts)
        run.save_predictions(table, embeddings)
        run.finish({})
    found = heads.find_branches("drawn", "voice face", protocol="luna5", fold=1)
    stacked, scales = heads.stack_embeddings(found, THREE)
    for position, (name, embeddings) in enumerate(made.items()):
        train = embeddings[:40]
        expected = (embeddings - train.mean(axis=0)) / train.std(axis=0)
        np.testing.assert_allclose(scales[name][0], train.mean(axis=0), rtol=1e-4)
        for part, rows in {"train": slice(40), "val": slice(40, 50), "test": slice(50, 60)}.items():
            x = stacked[part].x[:, position]
            np.testing.assert_allclose(x[:, : train.shape[1]], expected[rows], rtol=0.01, atol=0.01)
            assert not x[:, train.shape[1] :].any()
    hidden = heads.hide_branches(stacked["test"], [0])
    assert not hidden.x[:, 0].any()
    np.testing.assert_array_equal(hidden.x[:, 1], stacked["test"].x[:, 1])


def test_every_emotion_gets_a_posterior_also_one_never_trained():
    rng = np.random.default_rng(0)
    labels, seen = draw_clips(rng, n=60, n_emotions=4)
    known = labels != 2
    model = LogisticRegression().fit(seen[known], labels[known])
    posteriors = heads.predict_all(model, seen, 4)
    assert posteriors.shape == (60, 4)
    np.testing.assert_allclose(posteriors.sum(axis=1), 1)
    assert posteriors[:, 2].max() < 1e-5
    assert posteriors.min() > 0


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Return a function that saves a run of 12 clips, and then finds all runs that were saved."""
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    parts = np.repeat(["train", "val", "test"], 4)
    table = make_table(np.arange(12) % 3, np.full((12, 3), 1 / 3), parts=parts)
    names = []

    def save(name, **out_of_fold):
        facts = {"corpus": "drawn", "protocol": "luna5", "fold": 1, "parameters": {}}
        run = runs.Run(name, modality="voice", **facts, **out_of_fold)
        run.save_predictions(table)
        run.finish({})
        names.append(name)
        return heads.find_branches("drawn", " ".join(names), protocol="luna5", fold=1)

    return save


def count_parts(found):
    tables = heads.read_tables(found)
    return {name: table["part"].value_counts().to_dict() for name, table in tables.items()}


def test_training_clips_validate_only_where_all_runs_judged_them_out_of_fold(judged, capsys):
    own = {"train": 4, "val": 4, "test": 4}
    assert count_parts(judged("trained")) == {"trained": own}
    found = judged("nested", out_of_fold=("train", "val"))
    assert found["trained"]["out_of_fold"] == ["val"]
    assert found["nested"]["out_of_fold"] == ["train", "val"]
    assert count_parts(found) == {"trained": own, "nested": own}
    assert not capsys.readouterr().out
    assert count_parts({"nested": found["nested"]}) == {"nested": {"val": 8, "test": 4}}
    assert "these clips validate too" in capsys.readouterr().out
    older = {key: value for key, value in found["nested"].items() if key != "out_of_fold"}
    assert count_parts({"nested": found["nested"], "older": older})["nested"] == own
