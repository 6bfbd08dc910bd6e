"""The folds: nobody in two parts, the published numbers, and clear refusals."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling.split import folds, protocol
from modeling.split.protocol import LeakError, check_leak, choose_protocol, count_folds, split_clips
from preprocessing import corpora

RAVDESS = [f"{n:02d}" for n in range(1, 25)]
CREMA_D = [str(n) for n in range(1001, 1092)]
PUBLISHED = {
    "luna5": RAVDESS,
    "msaf6": RAVDESS,
    "emobox6": RAVDESS,
    "gianscuri": RAVDESS,
    "cremad5": CREMA_D,
}


def make_clips(actors, *, emotions=corpora.EMOTIONS, statements=("kids", "dogs"), repetitions="12"):
    """Return an index of made clips: every actor, emotion, statement and repetition once."""
    rows = []
    for values in itertools.product(actors, emotions, statements, repetitions):
        actor, emotion, statement, repetition = values
        clip_id = "-".join(values)
        gender = "male" if int(actor) % 2 else "female"
        file = f"{clip_id}.mp4"
        rows.append([clip_id, file, file, emotion, actor, gender, "normal", statement, repetition])
    return pd.DataFrame(rows, columns=list(corpora.COLUMNS))


def list_actors(clips, parts):
    """Return the set of actors of each part."""
    return {part: set(clips["actor"][parts == part]) for part in protocol.PARTS}


@st.composite
def corpora_with_protocols(draw):
    """Return clips of a made corpus in any order, and a protocol and fold that may fit."""
    name = draw(st.sampled_from([*PUBLISHED, "group_kfold", "statement", "random"]))
    pool = PUBLISHED.get(name, RAVDESS)
    low, high = (1, 2) if name == "statement" else (3, 24)
    actors = draw(st.lists(st.sampled_from(pool), min_size=low, max_size=high, unique=True))
    emotions = draw(st.integers(2, 8))
    clips = make_clips(
        actors,
        emotions=corpora.EMOTIONS[:emotions],
        statements=("kids", "dogs", "door")[: draw(st.integers(2, 3))],
    )
    clips = clips.sample(
        frac=draw(st.floats(0.3, 1)),
        ignore_index=draw(st.booleans()),
        random_state=draw(st.integers(0, 99)),
    )
    return clips, name, draw(st.integers(1, count_folds(name, clips)))


@settings(max_examples=150, deadline=None)
@given(corpora_with_protocols())
def test_actor_never_in_two_parts(case):
    clips, name, fold = case
    try:
        parts = split_clips(clips, protocol=name, fold=fold, allow_leak=name == "random")
    except LeakError:
        raise
    except ValueError:
        return  # a fold this corpus does not fill; the refusals have tests of their own
    assert parts.shape == (len(clips),)
    assert set(parts) - {""} == set(protocol.PARTS)
    if name == "random":
        return
    column = "statement" if name == "statement" else "actor"
    values = clips[column].to_numpy()
    rest = {"test": parts == "test", "train": parts == "train", "val": parts == "val"}
    assert not set(values[rest["test"]]) & set(values[rest["train"] | rest["val"]])
    if name != "statement":
        assert not set(values[rest["val"]]) & set(values[rest["train"]])


@pytest.mark.parametrize("name", [*PUBLISHED, "group_kfold", "statement", "random"])
def test_every_clip_is_tested_once_whatever_the_order_of_rows(name):
    actors = PUBLISHED.get(name, ["05"] if name == "statement" else RAVDESS)
    clips = make_clips(actors)
    shuffled = clips.sample(frac=1, random_state=1)
    n_tested = np.zeros(len(clips), int)
    for fold in range(1, count_folds(name, clips) + 1):
        parts = split_clips(clips, protocol=name, fold=fold, allow_leak=name == "random")
        again = split_clips(shuffled, protocol=name, fold=fold, allow_leak=name == "random")
        np.testing.assert_array_equal(parts[shuffled.index], again)
        n_tested += parts == "test"
    expected = clips["actor"].isin(["21", "22", "23", "24"]) & (clips["emotion"] != "neutral")
    np.testing.assert_array_equal(n_tested, expected if name == "gianscuri" else 1)


def test_published_folds_have_the_published_actors():
    assert folds.PROTOCOLS["luna5"].test[1] == ("03", "06", "07", "13", "18")
    assert folds.PROTOCOLS["luna5"].val == (
        ("03", "06"), ("10", "11"), ("08", "17"), ("01", "14"), ("02", "05")
    )  # fmt: skip
    assert folds.PROTOCOLS["msaf6"].test[5] == ("21", "22", "23", "24")
    assert folds.PROTOCOLS["msaf6"].val[5] == ("01", "02", "03", "04")
    assert folds.PROTOCOLS["emobox6"].test[3] == ("03", "05", "07", "24")
    assert [len(fold) for fold in folds.PROTOCOLS["cremad5"].test] == [18, 18, 18, 18, 19]
    assert {len(fold) for fold in folds.PROTOCOLS["cremad5"].val} == {15}
    for name, actors in PUBLISHED.items():
        assert list(folds.PROTOCOLS[name].actors) == actors
        assert all(len(val) >= 1 for val in folds.PROTOCOLS[name].val)


def test_luna5_first_fold_holds_the_stated_actors():
    clips = make_clips(RAVDESS)
    actors = list_actors(clips, split_clips(clips, protocol="luna5", fold=1))
    assert actors["test"] == {"02", "05", "14", "15", "16"}
    assert actors["val"] == {"03", "06"}
    assert len(actors["train"]) == 17


def test_gianscuri_leaves_neutral_out():
    clips = make_clips(RAVDESS)
    parts = split_clips(clips, protocol="gianscuri", fold=1)
    np.testing.assert_array_equal(parts == "", clips["emotion"] == "neutral")
    sizes = {part: len(actors) for part, actors in list_actors(clips, parts).items()}
    assert sizes == {"train": 18, "val": 2, "test": 4}


@pytest.mark.parametrize(("n_actors", "n_folds"), [(3, 3), (4, 4), (7, 4), (12, 4), (24, 4)])
def test_group_kfold_balances_genders(n_actors, n_folds):
    clips = make_clips(RAVDESS[:n_actors])
    assert count_folds("group_kfold", clips) == n_folds
    for fold in range(1, n_folds + 1):
        actors = list_actors(clips, split_clips(clips, protocol="group_kfold", fold=fold))
        assert len(actors["val"]) == max(1, round(n_actors / 6))
        for part in ("test", "val"):
            women = sum(int(actor) % 2 == 0 for actor in actors[part])
            assert abs(2 * women - len(actors[part])) <= 1
        assert abs(len(actors["test"]) - n_actors / n_folds) < 1


@st.composite
def groups_of_clips(draw):
    """Return clips of actors of any genders in any order, their groups, and a number of shares."""
    genders = draw(st.lists(st.sampled_from(["female", "male", ""]), min_size=1, max_size=15))
    n_clips = draw(st.lists(st.integers(1, 3), min_size=len(genders), max_size=len(genders)))
    actors = np.repeat([f"{n:02d}" for n in range(len(genders))], n_clips)
    clips = pd.DataFrame({"actor": actors, "gender": np.repeat(genders, n_clips)})
    clips = clips.sample(frac=1, random_state=draw(st.integers(0, 99)))
    return clips, draw(st.integers(1, 6))


@settings(max_examples=100, deadline=None)
@given(groups_of_clips())
def test_dealt_groups_stay_whole_and_genders_are_spread(case):
    clips, n_shares = case
    shares = protocol.deal_groups(clips, clips["actor"], n_shares)
    people = clips.assign(share=shares).drop_duplicates(["actor", "share"])
    assert not people["actor"].duplicated().any()
    assert set(shares) == set(range(1, min(n_shares, len(people)) + 1))
    every = range(1, n_shares + 1)
    for own in (people, *(own for _, own in people.groupby("gender"))):
        counts = own["share"].value_counts().reindex(every, fill_value=0)
        assert counts.max() - counts.min() <= 1
    turned = clips[::-1]
    np.testing.assert_array_equal(
        protocol.deal_groups(turned, turned["actor"], n_shares), shares[::-1]
    )


def test_a_group_of_both_genders_is_dealt_whole():
    clips = make_clips(RAVDESS[:4])
    shares = protocol.deal_groups(clips, clips["statement"], 2)
    assert set(zip(clips["statement"], shares, strict=True)) == {("dogs", 1), ("kids", 2)}


def test_group_kfold_needs_no_gender():
    clips = make_clips(RAVDESS[:6]).assign(gender="")
    assert set(split_clips(clips, protocol="group_kfold", fold=1)) == set(protocol.PARTS)


def test_statement_validates_on_a_quarter_of_each_emotion():
    clips = make_clips(["05"], repetitions="1234")
    parts = split_clips(clips, protocol="statement", fold=1)
    assert set(clips["statement"][parts == "test"]) == {"dogs"}
    counts = clips[parts == "val"].groupby("emotion").size()
    assert counts.to_dict() == dict.fromkeys(corpora.EMOTIONS, 1)
    assert (parts == "train").sum() == 24


def test_forms_of_one_take_stay_together():
    clips = make_clips(["05"], repetitions="1234")
    twins = clips.assign(clip_id="again-" + clips["clip_id"], video="", audio="")
    both = pd.concat([clips, twins], ignore_index=True)
    for name in ("statement", "random"):
        parts = split_clips(both, protocol=name, fold=2, allow_leak=True)
        np.testing.assert_array_equal(parts[: len(clips)], parts[len(clips) :])


def test_auto_takes_the_corpus_own_protocol_only_where_it_fits():
    assert choose_protocol(make_clips(RAVDESS), "ravdess") == "luna5"
    assert choose_protocol(make_clips(RAVDESS[:10]), "ravdess") == "group_kfold"
    assert choose_protocol(make_clips(["1", "2", "3"]), "folder") == "group_kfold"
    assert choose_protocol(make_clips(["05"]), "ravdess") == "statement"
    assert choose_protocol(make_clips(["05"]), "ravdess", "msaf6") == "msaf6"
    assert choose_protocol(make_clips(["05", "06"]), "folder") == "statement"


def test_auto_refuses_one_actor_with_one_statement():
    with pytest.raises(ValueError, match="1 actors and 1 statements"):
        choose_protocol(make_clips(["05"], statements=["kids"]), "folder")


def test_leak_of_an_actor_raises_and_names_the_actor():
    clips = make_clips(["05", "06", "07"])
    parts = np.where(clips["actor"] == "06", "val", "train").astype("<U5")
    check_leak(clips, parts)
    parts[0] = "test"
    with pytest.raises(LeakError, match=r"Actor in two parts: 05 \(test, train\)"):
        check_leak(clips, parts)
    parts[clips["actor"] == "05"] = ""
    check_leak(clips, parts)


@pytest.mark.parametrize(
    ("column", "message"),
    [("clip_id", "Clip in two"), ("video", "File in two"), ("audio", "File in two")],
)
def test_leak_of_a_clip_or_file_raises(column, message):
    clips = make_clips(["05", "06"], repetitions="1")
    parts = np.where(clips["actor"] == "06", "test", "train")
    clips.loc[len(clips) - 1, column] = ("" if column == "clip_id" else "./") + clips[column][0]
    with pytest.raises(LeakError, match=message):
        check_leak(clips, parts)


def test_leak_of_a_take_raises():
    clips = make_clips(["05"], repetitions="1")
    twins = clips.assign(clip_id="again-" + clips["clip_id"], video="", audio="")
    parts = np.repeat(["train", "val"], len(clips))
    with pytest.raises(LeakError, match=r"Take in two parts: 05\|angry\|normal\|dogs\|1"):
        check_leak(pd.concat([clips, twins], ignore_index=True), parts, group=None)


@pytest.mark.parametrize(
    "actors", [("01", "02"), ("01", "03"), ("02", "03")], ids=["test", "val", "test and val"]
)
def test_split_refuses_a_file_shared_by_two_parts(actors):
    clips = make_clips(RAVDESS)  # luna5, fold 1: 01 trains, 03 validates, 02 tests
    clips.loc[clips["actor"].isin(["01", "04"]), "audio"] = "both train.wav"
    assert set(split_clips(clips, protocol="luna5", fold=1)) == set(protocol.PARTS)
    clips.loc[clips["actor"].isin(actors), "audio"] = "one.wav"
    with pytest.raises(LeakError, match=r"File in two parts: one\.wav"):
        split_clips(clips, protocol="luna5", fold=1)


@pytest.mark.parametrize("column", ["actor", "emotion", "intensity", "statement", "repetition"])
def test_clips_that_differ_in_any_fact_are_two_takes(column):
    clips = make_clips(["05"], emotions=["happy"], statements=["kids"], repetitions="1")
    other = clips.assign(**{"clip_id": "other", column: "otherwise"})
    takes = protocol.name_takes(pd.concat([clips, clips.assign(clip_id="form"), other]))
    assert takes[0] == takes[1] != takes[2]


@pytest.mark.parametrize("column", ["statement", "repetition"])
def test_a_clip_of_which_too_little_is_known_is_a_take_of_its_own(column):
    clips = make_clips(["05"]).assign(**{column: ""})
    assert protocol.name_takes(clips).tolist() == clips["clip_id"].tolist()


def test_leaky_protocols_must_be_asked_for():
    clips = make_clips(RAVDESS)
    for name in ("random", "statement"):
        with pytest.raises(LeakError, match="allow_leak=True"):
            split_clips(clips, protocol=name, fold=1)
        actors = list_actors(clips, split_clips(clips, protocol=name, fold=1, allow_leak=True))
        assert actors["test"] & actors["train"]


def test_a_random_split_must_be_asked_for_with_one_actor_too():
    clips = make_clips(["05"])
    with pytest.raises(LeakError, match="random tests on speakers that were trained on"):
        split_clips(clips, protocol="random", fold=1)
    assert set(split_clips(clips, protocol="statement", fold=1)) == set(protocol.PARTS)


def test_random_folds_are_of_one_size():
    clips = make_clips(["05", "06", "07"], statements=["kids"])  # 6 takes of each of 8 emotions
    sizes = [
        (split_clips(clips, protocol="random", fold=fold, allow_leak=True) == "test").sum()
        for fold in range(1, protocol.N_RANDOM_FOLDS + 1)
    ]
    assert sum(sizes) == len(clips)
    assert max(sizes) - min(sizes) <= 1


def test_what_validates_is_not_what_comes_first_by_name():
    clips = make_clips(["05"], statements=("kids", "dogs", "door"), repetitions="1234")
    validates = clips[split_clips(clips, protocol="statement", fold=1) == "val"]
    assert len(validates) == 16
    assert set(validates["statement"]) == {"kids", "door"}
    assert set(validates["repetition"]) == set("1234")


def test_random_split_is_stratified():
    clips = make_clips(RAVDESS)
    parts = split_clips(clips, protocol="random", fold=3, allow_leak=True)
    shares = pd.Series(parts == "test").groupby(clips["emotion"]).mean()
    np.testing.assert_allclose(shares, 0.2, atol=0.02)
    assert 0.1 < np.mean(parts == "val") < 0.2


def test_missing_actors_are_explained():
    clips = make_clips(["05"])
    with pytest.raises(ValueError, match=r"train and val \(actors 03, 06\).*holds actors 05"):
        split_clips(clips, protocol="luna5", fold=1)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"protocol": "luna6"}, "'luna6' is unknown; expected 'auto' or one of luna5"),
        ({}, {"fold": 6}, "FOLD = 6; luna5 has folds 1 to 5"),
        ({}, {"fold": 0}, "FOLD = 0"),
        ({}, {"fold": "1"}, "FOLD = '1'"),
        ({"actor": ""}, {}, "have no actor"),
        ({"actor": "5"}, {}, "does not know actors 5; it names 01 to 24"),
        ({"statement": ""}, {"protocol": "statement"}, "have no statement"),
        ({"actor": "05"}, {"protocol": "group_kfold"}, "needs 3 actors; the corpus holds 1"),
        (
            {"actor": "05", "statement": "kids"},
            {"protocol": "statement"},
            "needs 2 statements; the corpus holds 1",
        ),
    ],
)
def test_unfit_clips_are_refused(change, options, message):
    clips = make_clips(RAVDESS).assign(**change)
    with pytest.raises(ValueError, match=message):
        split_clips(clips, **({"protocol": "luna5", "fold": 1} | options))


def test_no_clips_are_refused():
    with pytest.raises(ValueError, match="no rows"):
        split_clips(make_clips([]), protocol="luna5", fold=1)


@pytest.mark.real_data
def test_real_names_give_the_published_counts(real_data):
    names = sorted(path.stem for path in (real_data / "ravdess").glob("Actor_*/03-*.flac"))
    rows = [
        [name, "", f"{name}.flac", corpora.EMOTIONS[int(name[6:8]) - 1], name[18:], "",
         name[9:11], name[12:14], name[15:17]]
        for name in names
    ]  # fmt: skip
    clips = pd.DataFrame(rows, columns=list(corpora.COLUMNS))
    for fold, n_test in enumerate([300, 300, 300, 300, 240], 1):
        parts = split_clips(clips, protocol="luna5", fold=fold)
        assert {part: (parts == part).sum() for part in protocol.PARTS} == {
            "train": 1440 - n_test - 120,
            "val": 120,
            "test": n_test,
        }
    assert (split_clips(clips, protocol="gianscuri", fold=1) == "").sum() == 96
    alone = clips[clips["actor"] == "05"]
    parts = split_clips(alone, protocol="statement", fold=1)
    assert [(parts == part).sum() for part in protocol.PARTS] == [22, 8, 30]
