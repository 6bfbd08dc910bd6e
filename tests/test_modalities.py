"""Late fusion by modality: averages within, a product across, temperatures from validation."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from modeling.fusion import experts, heads
from modeling.training import runs

THREE = ("neutral", "happy", "sad")
COLUMNS = [f"p_{emotion}" for emotion in THREE]


def make_table(seed, *, skill=1.5, sureness=1.0):
    """Return a branch's table: 40 training, 40 validation and 40 test clips, the same for all."""
    labels = np.random.default_rng(0).integers(0, 3, 120)
    seen = np.random.default_rng(seed).normal(size=(120, 3)) + skill * np.eye(3)[labels]
    table = pd.DataFrame({"clip_id": [f"{i:03d}" for i in range(120)], "actor": "1", "fold": 1})
    table = table.assign(part=np.repeat(["train", "val", "test"], 40))
    table["true"] = np.array(THREE)[labels]
    table[COLUMNS] = softmax(sureness * skill * seen, axis=1)
    return table


GROUPS = {"voice": ["voice_x", "audio_y", "again"], "face": ["seen_z"]}


def fit_product(tables):
    return experts.fit_product(tables, THREE, GROUPS)


@pytest.fixture
def tables():
    return {
        "voice_x": make_table(1),
        "audio_y": make_table(2, sureness=3),
        "seen_z": make_table(3),
    }


def test_one_branch_a_modality_gives_the_product_of_experts(tables):
    tables = {name: tables[name] for name in ("voice_x", "seen_z")}
    fused = fit_product(tables).fuse(tables)
    calibrated = [experts.calibrate_predictions(table, THREE)[0] for table in tables.values()]
    plain = experts.fuse_predictions(calibrated, THREE)
    plain, _ = experts.calibrate_predictions(plain, THREE)
    np.testing.assert_allclose(fused[COLUMNS], plain[COLUMNS], atol=0.02)
    np.testing.assert_allclose(fused[COLUMNS].sum(axis=1), 1)


def refit(predictions):
    """Return the temperature that predictions would still need on their validation clips."""
    return experts.calibrate_predictions(predictions, THREE)[1]


def test_every_step_is_calibrated_on_what_the_step_before_made(tables):
    product = fit_product(tables)
    calibrated = product.calibrate(tables)
    for name, table in calibrated.items():
        assert refit(table) == pytest.approx(1, abs=0.01), name
    averages = experts.average_modalities(calibrated, GROUPS, THREE)
    for modality, average in averages.items():
        needed = refit(average)
        assert product.modality_temperatures[modality] == pytest.approx(needed, rel=0.01)
    voices = [calibrated["voice_x"], calibrated["audio_y"]]
    assert refit(experts.fuse_predictions(voices, THREE, fuse=experts.average_posteriors)) < 0.9
    assert refit(product.fuse(tables)) == pytest.approx(1, abs=0.01)


def test_fusion_is_the_mean_within_a_modality_and_the_product_across():
    tables = {
        "voice_x": make_table(1, skill=0.8),
        "audio_y": make_table(2, skill=0.8, sureness=1.5),
        "seen_z": make_table(3, skill=0.8),
    }  # nothing so small that the floor would matter
    product = fit_product(tables)
    heated = {
        name: table[COLUMNS] ** (1 / product.branch_temperatures[name])
        for name, table in tables.items()
    }
    heated = {name: own.div(own.sum(axis=1), axis=0) for name, own in heated.items()}
    voice = (heated["voice_x"] + heated["audio_y"]) / 2
    powers = product.modality_temperatures
    face = heated["seen_z"] ** (1 / powers["face"])
    both = (voice ** (1 / powers["voice"]) * face) ** (1 / product.last_temperature)
    expected = both.div(both.sum(axis=1), axis=0)
    np.testing.assert_allclose(product.fuse(tables)[COLUMNS], expected, atol=1e-6)


def test_a_modality_is_what_the_runs_say_and_not_what_branches_are_called(
    tables, tmp_path, monkeypatch
):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    facts = {"corpus": "drawn", "protocol": "luna5", "fold": 1, "parameters": {}}
    for name, table in tables.items():
        run = runs.Run(name, modality="face" if name == "seen_z" else "voice", **facts)
        run.save_predictions(table)
        run.finish({})
    found = heads.find_branches("drawn", " ".join(tables), protocol="luna5", fold=1)
    groups = heads.group_branches(found)
    assert groups == {"voice": ["voice_x", "audio_y"], "face": ["seen_z"]}
    product = experts.fit_product(tables, THREE, groups)
    voices = {name: tables[name] for name in groups["voice"]}
    averaged = experts.average_posteriors(
        [table[COLUMNS].to_numpy() for table in product.calibrate(voices).values()]
    )
    fused = product.fuse(voices)[COLUMNS].to_numpy()
    np.testing.assert_array_equal(fused.argsort(axis=1), averaged.argsort(axis=1))


def test_a_branch_twice_counts_once(tables):
    once = {name: tables[name] for name in ("voice_x", "seen_z")}
    twice = once | {"again": tables["voice_x"]}
    first, second = (fit_product(own).fuse(own) for own in (once, twice))
    np.testing.assert_allclose(first[COLUMNS], second[COLUMNS], atol=1e-9)


def test_temperatures_come_from_the_validation_clips_alone(tables):
    product = fit_product(tables)
    assert set(product.branch_temperatures) == set(tables)
    assert set(product.modality_temperatures) == {"voice", "face"}
    others = {name: table.copy() for name, table in tables.items()}
    for table in others.values():
        hidden = table["part"] != "val"
        table.loc[hidden, COLUMNS] = 1 / 3
        table.loc[hidden, "true"] = "sad"
    assert fit_product(others) == product


def test_a_branch_of_no_modality_is_refused(tables):
    with pytest.raises(KeyError, match="stranger"):
        fit_product(tables | {"stranger": tables["voice_x"]})


def test_clips_that_a_modality_lacks_are_judged_by_the_other(tables):
    tables["seen_z"] = tables["seen_z"].iloc[:100]
    product = fit_product(tables)
    fused = product.fuse(tables)
    assert len(fused) == 120
    assert fused[COLUMNS].notna().all(axis=None)
    voices = product.fuse({name: tables[name] for name in ("voice_x", "audio_y")})
    np.testing.assert_allclose(fused[COLUMNS].iloc[100:], voices[COLUMNS].iloc[100:])


def test_without_validation_clips_nothing_is_fitted(tables):
    tables = {name: table[table["part"] != "val"] for name, table in tables.items()}
    with pytest.raises(ValueError, match="No clip of part 'val'"):
        fit_product(tables)
