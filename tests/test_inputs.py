import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeling.training import inputs
from preprocessing.disk import arrays
from tests.made_corpus import EMOTIONS, write_made_corpus


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    return tmp_path


def test_actor_never_in_two_parts_of_the_data(home):
    write_made_corpus(home)
    parts = inputs.read_parts("ravdess", "faces", protocol="luna5", fold=1)
    actors = {name: set(part.clips["actor"]) for name, part in parts.items()}
    assert actors["test"] == {"02", "05", "14", "15", "16"}
    assert actors["val"] == {"03", "06"}
    assert not actors["train"] & (actors["val"] | actors["test"])


def test_rows_and_labels_belong_to_their_clips(home):
    folder = write_made_corpus(home)
    faces = arrays.read_array(folder, "faces")
    position = {clip: row for row, clip in enumerate(arrays.read_clips(folder)["clip_id"])}
    for part in inputs.read_parts("ravdess", "faces").values():
        for row, clip in part.clips.iterrows():
            assert (part.x[row] == faces[position[clip["clip_id"]]]).all()
            assert part.emotions[part.labels[row]] == clip["emotion"]
        assert part.emotions == EMOTIONS


def test_clips_without_a_face_are_left_out_of_the_face_parts_only(home):
    write_made_corpus(home, missing_face=["01-happy"])
    assert len(inputs.read_parts("ravdess", "faces")["train"]) == 17 * 3 - 1
    assert len(inputs.read_parts("ravdess", "mels")["train"]) == 17 * 3


def test_empty_part_says_what_is_missing(home):
    without = [f"{actor:02d}-{emotion}" for actor in range(1, 25) for emotion in EMOTIONS][:-3]
    write_made_corpus(home, missing_face=without)
    with pytest.raises(arrays.NotEnoughClipsError, match=r"train 3 of 51, val 0 of 6, test 0 of"):
        inputs.read_parts("ravdess", "faces")


def test_augmentation_is_refused_outside_the_training_part(home):
    write_made_corpus(home)
    parts = inputs.read_parts("ravdess", "mels")
    for name in ("val", "test"):
        with pytest.raises(ValueError, match=f"this part is '{name}'"):
            inputs.make_batches(parts[name], augment=lambda x, training: x)
        with pytest.raises(ValueError, match=f"this part is '{name}'"):
            inputs.make_batches(parts[name], mix=lambda x, y, training: (x, y))


def test_copies_are_those_of_training_clips(home):
    write_made_corpus(home)
    parts = inputs.read_parts("ravdess", "mels")
    part, more = parts["train"], inputs.add_copies(parts, n_copies=2)
    n = len(part)
    assert len(more) == 3 * n
    np.testing.assert_allclose(more.x[n : 2 * n], part.x + 1, rtol=1e-5)
    np.testing.assert_allclose(more.x[2 * n :], part.x + 2, rtol=1e-5)
    assert (more.labels == np.tile(part.labels, 3)).all()
    assert set(more.clips["actor"]) == set(part.clips["actor"])


def test_more_copies_than_there_are_is_an_error(home):
    write_made_corpus(home)
    parts = inputs.read_parts("ravdess", "mels")
    with pytest.raises(ValueError, match="holds 2 copies a clip; this notebook asks for 5"):
        inputs.add_copies(parts, n_copies=5)
    (home / "data/ravdess/mels_augmented.npy").unlink()
    assert inputs.add_copies(parts, n_copies=0) is parts["train"]


def test_parts_say_where_they_come_from_and_show_themselves(home):
    write_made_corpus(home)
    parts = inputs.read_parts("ravdess", "mels", fold=2)
    assert parts.emotions == parts["train"].emotions
    facts = arrays.read_facts(arrays.corpus_folder("ravdess"), "audio")
    origin = {"corpus": "ravdess", "protocol": "luna5", "fold": 2, "inputs": {"audio": facts}}
    assert parts.origin == origin
    assert parts.facts == facts
    told = parts.describe()
    assert told.loc["test", "actors"] == 5
    assert told.loc["test", "who"] == "03 06 07 13 18"
    assert repr(parts) == told.to_string()
    doubled = parts.change(lambda part: part.with_x(2 * part.x), train=parts["val"])
    assert (doubled["train"].x == 2 * parts["val"].x).all()
    assert (doubled.origin, doubled.array) == (origin, "mels")


def test_only_training_batches_are_changed(home):
    write_made_corpus(home)
    parts = inputs.read_parts("ravdess", "mels")
    batches = inputs.make_batches(parts["train"], augment=lambda x, training: x * 0, batch_size=8)
    assert all((x.numpy() == 0).all() for x, _ in batches)
    for name in ("val", "test"):
        seen = np.concatenate([x.numpy() for x, _ in inputs.make_batches(parts[name])])
        assert (seen == parts[name].x).all()


def test_same_seed_gives_the_same_order(home):
    write_made_corpus(home)
    part = inputs.read_parts("ravdess", "mels")["train"]
    first, again, other = (
        np.concatenate([y.numpy() for _, y in inputs.make_batches(part, seed=seed)])
        for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert not (first == other).all()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80))
def test_balanced_rows_hold_every_clip_and_each_class_about_equally_often(labels):
    labels = np.array(labels)
    rows = inputs.balance_rows(labels)
    assert set(rows) == set(range(len(labels)))
    counts = np.bincount(labels[rows])
    counts = counts[counts > 0]
    assert counts.max() < 2 * counts.min()


def test_balance_is_refused_outside_the_training_part(home):
    write_made_corpus(home)
    parts = inputs.read_parts("ravdess", "mels")
    with pytest.raises(ValueError, match="this part is 'val'"):
        inputs.make_batches(parts["val"], balance=True)
