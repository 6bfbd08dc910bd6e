"""Late fusion by modality: averages within, a product across, temperatures from validation."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from modeling.fusion import experts, modalities

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


@pytest.fixture
def tables():
    found = {
        "audio_a": make_table(1),
        "audio_b": make_table(2, sureness=3),
        "video_c": make_table(3),
    }
    return {n: experts.calibrate_predictions(table, THREE)[0] for n, table in found.items()}


def test_one_branch_a_modality_gives_the_product_of_experts(tables):
    tables = {name: tables[name] for name in ("audio_a", "video_c")}
    fused = modalities.fit_product(tables, THREE).fuse(tables)
    plain = experts.fuse_predictions(list(tables.values()), THREE)
    plain, _ = experts.calibrate_predictions(plain, THREE)
    np.testing.assert_allclose(fused[COLUMNS], plain[COLUMNS], atol=0.02)
    np.testing.assert_allclose(fused[COLUMNS].sum(axis=1), 1)


def test_a_branch_twice_counts_once(tables):
    once = {name: tables[name] for name in ("audio_a", "video_c")}
    twice = once | {"audio_again": tables["audio_a"]}
    first, second = (modalities.fit_product(own, THREE).fuse(own) for own in (once, twice))
    np.testing.assert_allclose(first[COLUMNS], second[COLUMNS], atol=1e-9)


def test_temperatures_come_from_the_validation_clips_alone(tables):
    product = modalities.fit_product(tables, THREE)
    assert set(product.temperatures) == {"voice", "face", "all"}
    others = {name: table.copy() for name, table in tables.items()}
    for table in others.values():
        hidden = table["part"] != "val"
        table.loc[hidden, COLUMNS] = 1 / 3
        table.loc[hidden, "true"] = "sad"
    assert modalities.fit_product(others, THREE).temperatures == product.temperatures


def test_clips_that_a_modality_lacks_are_judged_by_the_other(tables):
    tables["video_c"] = tables["video_c"].iloc[:100]
    product = modalities.fit_product(tables, THREE)
    fused = product.fuse(tables)
    assert len(fused) == 120
    assert fused[COLUMNS].notna().all(axis=None)
    voices = product.fuse({name: tables[name] for name in ("audio_a", "audio_b")})
    np.testing.assert_allclose(fused[COLUMNS].iloc[100:], voices[COLUMNS].iloc[100:])


def test_without_validation_clips_nothing_is_fitted(tables):
    tables = {name: table[table["part"] != "val"] for name, table in tables.items()}
    with pytest.raises(ValueError, match="No clip of part 'val'"):
        modalities.fit_product(tables, THREE)
