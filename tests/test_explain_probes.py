"""What embeddings of made clips know: no more than was put into them."""

import numpy as np
import pandas as pd
import pytest

from modeling.explain import probes
from modeling.explain.branches import find_runs
from modeling.plots import explaining as plots


@pytest.fixture
def clips():
    """Return a table of 8 actors x 2 statements x 8 clips."""
    rows = [(f"{a}", "female" if a % 2 else "male", f"{s}") for a in range(8) for s in range(2)]
    clips = pd.DataFrame(rows * 8, columns=["actor", "gender", "statement"])
    clips["rms_db"] = np.random.default_rng(1).normal(-30, 5, len(clips))
    return clips


def embed(clips, *columns):
    """Return embeddings that hold some columns of clips, noise beside them."""
    rng = np.random.default_rng(0)
    parts = [pd.get_dummies(clips[name]).to_numpy(float) * 3 for name in columns]
    return np.hstack([*parts, rng.normal(size=(len(clips), 8))])


def test_a_probe_finds_what_is_there_and_nothing_else(clips):
    known = probes.describe_clips(clips, "drawn")
    embeddings = {"knows": embed(clips, "gender"), "blind": embed(clips)}
    table = probes.probe_runs(embeddings, known, rng=np.random.default_rng(0), n_shuffles=5)
    table = table.set_index(["run", "what"])
    assert set(table.index.get_level_values("what")) == {"actor", "gender", "statement", "loudness"}
    assert table.loc[("knows", "gender"), "recall"] > 0.95
    assert table.loc[("knows", "statement"), "recall"] < 0.7
    assert (table.xs("blind")["recall"] < table.xs("blind")["chance"] + 0.2).all()
    assert table.loc[("knows", "actor"), "apart"] == "statement"
    assert table.loc[("knows", "gender"), "apart"] == "actor"


def test_an_actor_who_is_known_by_the_statement_alone_is_not_known(clips):
    """Embeddings that know who says what, but nothing that two statements share."""
    takes = clips.assign(take=clips["actor"] + clips["statement"])
    table = probes.probe_embedding(
        embed(takes, "take"), clips["actor"], clips["statement"], rng=np.random.default_rng(0)
    )
    assert table["recall"] < 0.3


def test_shares_of_a_probe_keep_groups_apart(clips):
    shares = probes.deal_probe(clips["gender"].to_numpy(), clips["actor"].to_numpy())
    assert pd.Series(shares).groupby(clips["actor"].to_numpy()).nunique().max() == 1
    alone = np.full(len(clips), "one")
    assert (probes.deal_probe(clips["gender"].to_numpy(), alone) == -1).all()


def test_people_are_shuffled_whole(clips):
    rng = np.random.default_rng(0)
    shuffled = probes.shuffle_values(clips["gender"].to_numpy(), clips["actor"].to_numpy(), rng)
    assert pd.Series(shuffled).groupby(clips["actor"].to_numpy()).nunique().max() == 1
    other = probes.shuffle_values(clips["statement"].to_numpy(), clips["actor"].to_numpy(), rng)
    assert pd.Series(other).groupby(clips["actor"].to_numpy()).nunique().max() == 2


def test_features_are_grouped_by_what_they_measure():
    names = [
        "mfcc_01_mean",
        "mfcc_02_std",
        "f0_mean_hz",
        "f0_low_hz",
        "spectral_contrast_1_mean_db",
    ]
    names += ["spectral_centroid_std_hz", "zero_crossing_rate_mean", "voiced_run_s", "jitter_local"]
    names += ["alpha_ratio_mean_db", "speaking_rate_hz", "harmonicity_db", "chroma_c_sharp_mean"]
    families = probes.group_features(names)
    assert list(families) == [
        "mfcc", "f0", "spectral contrast", "spectral centroid", "zero crossing rate", "voiced",
        "jitter", "alpha ratio", "speaking rate", "harmonicity", "chroma",
    ]  # fmt: skip
    assert families["f0"] == [2, 3]
    assert sorted(sum(families.values(), [])) == list(range(len(names)))


def test_importance_and_tree_find_the_one_feature_that_decides():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(120, 4)), np.arange(120) % 3
    x[:, 1] = x[:, 2] = labels + rng.normal(0, 0.05, 120)  # each stands in for the other
    tree = probes.grow_tree(x, labels, depth=2)
    assert tree.get_depth() <= 2 and tree.score(x, labels) == 1
    families = {"decides": [1, 2], "noise": [0, 3]}
    table = probes.measure_importance(tree, x, labels, families, rng=rng, n_repeats=3)
    assert table.index[0] == "decides" and table["loss"].iloc[0] > 0.4
    assert table.loc["noise", "loss"] == 0
    ax = plots.plot_tree(tree, list("abcd"), ["happy", "sad", "angry"])
    words = "\n".join(text.get_text() for text in ax.texts)
    assert "40 clips\nsad" in words and "value" not in words
    assert plots.plot_lost_without(table).get_yticklabels()[0].get_text() == "decides (2)"


@pytest.mark.parametrize("way", ["pca", "tsne"])
def test_clips_are_placed_in_a_plane_as_before(clips, way):
    points = probes.place_clips(embed(clips, "gender")[:30], way=way)
    assert points.shape == (30, 2) and np.isfinite(points).all()
    np.testing.assert_array_equal(points, probes.place_clips(embed(clips, "gender")[:30], way=way))


def test_an_unknown_way_to_place_clips_is_named(clips):
    with pytest.raises(ValueError, match="expected 'pca' or 'tsne'"):
        probes.place_clips(embed(clips), way="umap")


def test_clips_that_all_get_wrong_come_first():
    def tabulate(*answers):
        table = pd.DataFrame({"clip_id": list("abc"), "part": "test", "true": "sad"})
        table["p_sad"] = [float(answer == "sad") for answer in answers]
        return table.assign(p_happy=1 - table["p_sad"])

    tables = {"one": tabulate("sad", "happy", "happy"), "two": tabulate("sad", "happy", "sad")}
    tables["three"] = tabulate("sad", "happy", "sad").iloc[:2]
    found = probes.count_errors(tables)
    assert found.index.tolist() == ["b", "c", "a"]
    assert found["wrong"].tolist() == [3, 1, 0] and found["judged"].tolist() == [3, 2, 3]
    assert found.loc["b", "one"] == "happy"


def test_runs_that_are_absent_are_named_and_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    assert find_runs("drawn", "audio_conv2d", protocol="group_kfold", fold=1) == {}
    assert capsys.readouterr().out.startswith("no run of audio_conv2d for group_kfold, fold 1")


def test_pictures_of_maps_and_probes(clips):
    faces = np.full((2, 16, 16), 100, np.uint8)
    maps = np.zeros((2, 16, 16))
    maps[0, 4, 4], maps[1, 5, 5] = 2, -1
    red, blue = (plots.overlay_maps(faces, maps)[n, 4 + n, 4 + n].astype(int) for n in (0, 1))
    assert red[0] > red[2] and blue[2] > blue[0]
    assert (plots.overlay_maps(faces, maps)[0, 0, 0] == 100).all()
    ax = plots.plot_contributions({"prior": -1.0, "voice": 2.0, "face": 0.5})
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["-1.00", "+2.00", "+0.50", "+1.50 = 82%"]
    known = probes.describe_clips(clips, "drawn")
    table = probes.probe_runs(
        {"r": embed(clips)}, known, rng=np.random.default_rng(0), n_shuffles=2
    )
    assert len(plots.plot_probes(table).get_yticklabels()) == 4
