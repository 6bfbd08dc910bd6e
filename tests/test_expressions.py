import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from data_augmentation.quiet_keras import keras
from modeling.expressions import expression_network, fer2013, others, stored, targets
from modeling.training import inputs, runs
from preprocessing.disk import arrays
from tests.made_corpus import EMOTIONS, write_made_corpus

FOLDERS = {"neutral": "neutral", "happy": "happy", "surprised": "surprise", "disgust": "disgust"}


def draw(seed):
    return np.random.default_rng(seed).integers(0, 255, (48, 48), dtype=np.uint8)


def encode(pixels):
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=95)
    return data.getvalue()


@pytest.fixture
def faces(tmp_path):
    """A tiny FER2013: names, (emotion, seed of the picture); some pictures stand twice."""
    listed = {
        "Training_1.jpg": ("happy", 1),
        "Training_2.jpg": ("surprised", 2),
        "Training_3.jpg": ("happy", 1),  # again in training
        "Training_4.jpg": ("disgust", 12),  # again in test
        "PublicTest_5.jpg": ("neutral", 5),
        "PublicTest_6.jpg": ("happy", 13),  # again in test
        "PrivateTest_7.jpg": ("neutral", 12),
        "PrivateTest_8.jpg": ("happy", 13),
        "PrivateTest_9.jpg": ("happy", 13),  # twice in test: the test part is left as it is
    }
    folder = tmp_path / "fer2013"
    for name, (emotion, seed) in listed.items():
        part = "train" if name.startswith("Training") else "test"
        path = folder / part / FOLDERS[emotion] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(draw(seed)))
    return folder


def write_votes(path, **rows):
    columns = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"]
    columns += ["contempt", "unknown", "NF"]
    table = pd.DataFrame(
        [dict.fromkeys(columns, 0) | votes | {"image": f"{n}.jpg"} for n, votes in rows.items()]
    )
    table.to_csv(path, index=False)


def test_copies_leave_training_and_validation_never_the_test(faces):
    parts, n_copies = fer2013.read_parts(faces)
    assert n_copies == 3
    assert {name: len(part) for name, part in parts.items()} == {"train": 2, "val": 1, "test": 3}
    names = [fer2013.CLASSES[label] for label in parts["train"].labels]
    assert sorted(names) == ["happy", "surprised"]
    seen = {
        part.x[row].tobytes() for part in (parts["train"], parts["val"]) for row in range(len(part))
    }
    assert not seen & {face.tobytes() for face in parts["test"].x}


def test_a_zip_and_a_folder_are_the_same(faces, tmp_path):
    with zipfile.ZipFile(tmp_path / "fer2013.zip", "w") as archive:
        for path in faces.rglob("*.jpg"):
            archive.write(path, path.relative_to(faces).as_posix())
    zipped, _ = fer2013.read_parts(tmp_path / "fer2013.zip")
    unpacked, _ = fer2013.read_parts(faces)
    for name, part in zipped.items():
        order = [unpacked[name].x.tolist().index(face.tolist()) for face in part.x]
        np.testing.assert_array_equal(part.labels, unpacked[name].labels[order])


def test_the_challenges_csv_is_read_with_microsofts_votes(tmp_path):
    usage = ["Training", "PublicTest", "PrivateTest"]
    pixels = [" ".join(map(str, draw(seed).ravel())) for seed in range(3)]
    table = pd.DataFrame({"emotion": [3, 6, 0], "pixels": pixels, "Usage": usage})
    table.to_csv(tmp_path / "fer2013.csv", index=False)
    write_votes(
        tmp_path / "votes.csv",
        a={"happiness": 10},
        b={"neutral": 4, "sadness": 4, "unknown": 2},
        c={"anger": 6, "disgust": 3, "contempt": 1},
    )
    named = pd.read_csv(tmp_path / "votes.csv").drop(columns="image")
    named.insert(0, "Image name", ["1.png", "2.png", ""])
    named.to_csv(tmp_path / "fer2013new.csv", index=False)
    parts, _ = fer2013.read_parts(tmp_path / "fer2013.csv")
    np.testing.assert_array_equal(parts["train"].x[0], draw(0))
    assert [fer2013.CLASSES[part.labels[0]] for part in parts.values()] == [
        "happy",
        "neutral",
        "angry",
    ]
    assert [part.majority[0] for part in parts.values()] == [1, -1, 3]
    angry = parts["test"].votes[0]
    assert angry[fer2013.VOTED.index("angry")] == pytest.approx(6 / 9)  # one vote is a slip
    assert angry[fer2013.VOTED.index("contempt")] == 0
    named.iloc[:2].to_csv(tmp_path / "fer2013new.csv", index=False)
    with pytest.raises(ValueError, match="2 rows for 3 faces"):
        fer2013.read_parts(tmp_path / "fer2013.csv")


def test_faces_that_most_voters_call_no_face_have_no_votes(faces):
    write_votes(
        faces.parent / "ferplus_votes.csv",
        Training_1={"happiness": 3, "NF": 7},
        Training_2={"surprise": 7, "NF": 3},
        PublicTest_5={"neutral": 10},
    )
    parts, _ = fer2013.read_parts(faces)
    by_label = dict(zip(parts["train"].labels, parts["train"].votes.sum(axis=1), strict=True))
    assert by_label == {fer2013.CLASSES.index("happy"): 0, fer2013.CLASSES.index("surprised"): 1}
    assert (parts["test"].majority == -1).all()


def test_missing_and_broken_fer2013_say_what_is_wrong(faces, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="EMOTION_FER2013"):
        fer2013.read_parts(tmp_path / "nowhere")
    monkeypatch.setenv("EMOTION_FER2013", str(faces))
    assert fer2013.find_source() == faces
    broken = next(faces.rglob("Training_1.jpg"))
    broken.write_bytes(b"not a picture")
    with pytest.raises(ValueError, match="Training_1.jpg cannot be read"):
        fer2013.read_parts(faces)
    broken.write_bytes(encode(np.zeros((20, 20), np.uint8)))
    with pytest.raises(ValueError, match=r"\(20, 20\); FER2013's faces are 48"):
        fer2013.read_parts(faces)


@pytest.mark.real_data
def test_real_fer2013_has_its_known_numbers(real_data):
    parts, n_copies = fer2013.read_parts(real_data / "fer2013")
    assert len(parts["test"]) == 3589
    assert (parts["test"].majority >= 0).sum() == 3137  # as in the literature on FER+
    assert n_copies == 1836
    digests = {n: {face.tobytes() for face in part.x} for n, part in parts.items()}
    assert not digests["train"] & (digests["val"] | digests["test"])
    assert not digests["val"] & digests["test"]


@pytest.fixture(scope="module")
def network():
    face = keras.Input((48, 48, 1))
    x = keras.layers.Conv2D(4, 5, strides=8, activation="relu", name="maps")(face / 255)
    x = keras.layers.GlobalAveragePooling2D(name="embedding")(x)
    outputs = {
        name: keras.layers.Dense(n, "softmax", name=name)(x)
        for name, n in (("fer2013", 7), ("ferplus", 8))
    }
    return keras.Model(face, outputs)


def test_batches_hold_both_targets_and_no_loss_without_votes():
    rng = np.random.default_rng(0)
    votes = np.zeros((4, 8), np.float32)
    votes[0, 1], votes[1, [1, 7]] = 1, (0.6, 0.4)
    part = fer2013.Faces(
        rng.integers(0, 255, (4, 48, 48), dtype=np.uint8),
        np.array([1, 2, 3, 0]),
        votes,
        np.zeros(4),
    )
    x, y, weights = next(iter(targets.make_batches(part, votes=0.5, batch_size=4)))
    y = {name: np.asarray(targets) for name, targets in y.items()}
    assert x.shape == (4, 48, 48, 1)
    np.testing.assert_allclose(y["fer2013"].sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(y["fer2013"][1, [1, 2]], [0.5, 0.5])
    np.testing.assert_allclose(y["ferplus"][:2], votes[:2])
    np.testing.assert_allclose(y["ferplus"].sum(axis=1), 1)
    np.testing.assert_allclose(weights["ferplus"], [1, 1, 0, 0])
    np.testing.assert_allclose(weights["fer2013"], 1, rtol=1e-6)
    hard = next(iter(targets.make_batches(part, votes=0, batch_size=4)))[1]["fer2013"]
    np.testing.assert_array_equal(np.argmax(hard, axis=1), part.labels)


def test_a_face_without_votes_teaches_the_crowds_output_nothing():
    faces = np.random.default_rng(0).integers(0, 255, (4, 48, 48), dtype=np.uint8)
    part = fer2013.Faces(faces, np.arange(4), np.zeros((4, 8), np.float32), np.zeros(4))
    start = keras.Input((48, 48, 1))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(start))
    sizes = {"fer2013": 7, "ferplus": 8}
    outputs = {n: keras.layers.Dense(size, "softmax", name=n)(x) for n, size in sizes.items()}
    model = keras.Model(start, outputs)
    model.compile(keras.optimizers.SGD(1.0), loss=dict.fromkeys(sizes, "categorical_crossentropy"))
    before = {name: model.get_layer(name).get_weights() for name in sizes}
    model.fit(targets.make_batches(part, batch_size=4), epochs=2, verbose=0)
    for old, new in zip(before["ferplus"], model.get_layer("ferplus").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert not np.allclose(before["fer2013"][1], model.get_layer("fer2013").get_weights()[1])


def test_faces_of_any_size_and_colour_are_described_and_black_ones_are_zeros(network):
    faces = np.random.default_rng(1).integers(1, 255, (2, 3, 30, 30, 3), dtype=np.uint8)
    faces[1, 2] = 0
    posteriors, embeddings = expression_network.describe_faces(network, faces)
    assert posteriors.shape == (2, 3, 7)
    assert embeddings.shape == (2, 3, 4)
    np.testing.assert_allclose(posteriors[0].sum(axis=1), 1, rtol=1e-5)
    assert not posteriors[1, 2].any()
    assert not embeddings[1, 2].any()
    maps = expression_network.map_faces(network, faces)
    assert maps.shape == (2, 3, 3, 3, 4)
    assert not maps[1, 2].any()


def test_mirror_images_are_judged_alike(network):
    faces = np.random.default_rng(1).integers(0, 255, (5, 48, 48), dtype=np.uint8)
    seven, eight = expression_network.judge_faces(network, faces)
    mirrored = expression_network.judge_faces(network, faces[:, :, ::-1])
    np.testing.assert_allclose(seven, mirrored[0], atol=1e-6)
    assert eight.shape == (5, 8)
    labels = np.array([0, 1, -1, 3, 4])
    table = targets.tabulate_faces(labels, seven, fer2013.CLASSES, fold=1)
    assert list(table["clip_id"]) == ["00000", "00001", "00003", "00004"]
    assert list(table["true"]) == [fer2013.CLASSES[label] for label in (0, 1, 3, 4)]
    np.testing.assert_allclose(table["p_sad"][2], seven[3, 2], atol=1e-5)


def make_clips():
    return pd.DataFrame(
        {
            "clip_id": ["01-03-01-01-01-01", "01-04-01-01-01-01", "other"],
            "start_s": [1.0, 0.0, 0.0],
            "window_s": [0.5, 2.0, 2.0],
        }
    )


def write_posteriors(path, **changed):
    classes = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    posterior = np.eye(7, dtype=np.float16)[[3] * 60 + [4] * 10]
    found = {
        "clip_id": ["01-01-03-01-01-01-01", "01-01-04-01-01-01-01"],
        "offsets": [0, 60, 70],
        "frame": [*range(1, 61), *range(1, 11)],
        "posterior": posterior,
        "classes": classes,
    } | changed
    np.savez(path, **{name: np.array(value) for name, value in found.items() if value is not None})


def test_another_networks_posteriors_are_cut_to_the_window_and_reordered(tmp_path):
    write_posteriors(tmp_path / "p.npz")
    found = others.read_posteriors(tmp_path / "p.npz", make_clips(), fps=30)
    seen, times, silences = found.expressions, found.times, found.silences
    assert found.source["network"].startswith("another")
    assert found.embeddings is None
    assert seen.shape == (3, 16, 7)  # frames 31 to 46 lie between 1.0 and 1.5 s
    assert (seen[0].argmax(axis=1) == fer2013.CLASSES.index("happy")).all()
    assert (seen[1, :10].argmax(axis=1) == fer2013.CLASSES.index("sad")).all()
    assert not seen[1, 10:].any()
    assert not seen[2].any()
    np.testing.assert_allclose(times[0, [0, 15]], [0, 0.5], atol=1e-6)
    assert silences.shape == (3, 2, 7)
    assert (silences[0].argmax(axis=1) == fer2013.CLASSES.index("happy")).all()
    assert not silences[2].any()


def test_silences_are_the_frames_outside_the_window(tmp_path):
    posterior = np.eye(7, dtype=np.float16)[[3] * 30 + [4] * 16 + [0] * 14 + [4] * 10]
    write_posteriors(tmp_path / "p.npz", posterior=posterior)
    found = others.read_posteriors(tmp_path / "p.npz", make_clips(), fps=30)
    seen, silences = found.expressions, found.silences
    assert (seen[0].argmax(axis=1) == fer2013.CLASSES.index("sad")).all()
    before, after = silences[0]
    assert before.argmax() == fer2013.CLASSES.index("happy")
    assert after.argmax() == fer2013.CLASSES.index("angry")
    np.testing.assert_allclose([before.max(), after.max()], 0, atol=1e-6)
    np.testing.assert_allclose(before.min(), np.log(stored.FLOOR), atol=1e-5)


def test_the_summary_counts_frames_with_a_face_alone():
    rng = np.random.default_rng(0)
    seen = rng.dirichlet(np.ones(7), (3, 5)).astype(np.float32)
    padded = np.concatenate([seen, np.zeros((3, 4, 7), np.float32)], axis=1)
    padded[2] = 0
    units, silences = np.full((3, 2), 4.0, np.float32), np.full((3, 2, 7), -1.0, np.float32)
    summary = stored.summarize_expressions(padded, silences, units)
    assert summary.shape == (3, 4 * 7 + 2 * 7 + 2 * 2)
    assert summary.dtype == np.float32
    np.testing.assert_allclose(summary[:2, 14:21], seen[:2].mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(
        summary[:2, 7:14],
        np.log(np.maximum(seen[:2], stored.FLOOR)).std(axis=1),
        rtol=1e-4,
    )
    np.testing.assert_array_equal(summary[0, -4:], [4, 4, 2, 2])
    assert not summary[2].any()
    assert stored.summarize_expressions(padded).shape == (3, 28)


def test_files_of_posteriors_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "p.npz"
    with pytest.raises(FileNotFoundError, match="No such file"):
        others.read_posteriors(path, make_clips())
    write_posteriors(path, classes=["anger", "bored", "c", "d", "e", "f", "g"])
    with pytest.raises(ValueError, match="has no posteriors of"):
        others.read_posteriors(path, make_clips())
    write_posteriors(path, frame=None)
    with pytest.raises(ValueError, match="frame is not a file"):
        others.read_posteriors(path, make_clips())
    write_posteriors(path, clip_id=["x", "y"])
    with pytest.raises(ValueError, match="knows none of the 3 clips: it names x"):
        others.read_posteriors(path, make_clips())
    path.write_text("not an archive")
    with pytest.raises(ValueError, match=r"p.npz cannot be read as \.npz"):
        others.read_posteriors(path, make_clips())


@pytest.mark.parametrize("separator", [";", ","])
def test_action_units_are_read_with_either_separator(tmp_path, separator):
    path = tmp_path / "au.csv"
    rows = {"AU01_r": [0.5, 2.0], "AU01_c": [0.1, 1.0], "name": ["other", "01-01-03-01-01-01-01"]}
    pd.DataFrame(rows).to_csv(path, sep=separator, index=False)
    units = others.read_action_units(path, make_clips())
    assert list(units) == ["AU01_r", "AU01_c"]
    assert (units.dtypes == np.float32).all()
    np.testing.assert_allclose(units, [[2.0, 1.0], [0, 0], [0.5, 0.1]])
    path.write_text("name,x\n1,2\n")
    with pytest.raises(ValueError, match="begins with 'AU'"):
        others.read_action_units(path, make_clips())


def test_expressions_are_an_array_of_the_corpus_that_a_branch_reads(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    folder = write_made_corpus(tmp_path)
    with pytest.raises(FileNotFoundError, match="31_expression_network"):
        stored.choose_input(folder)
    seen = np.full((72, 4, 7), 1 / 7, np.float32)
    seen[5] = 0  # a clip without a face
    times = np.tile(np.arange(4, dtype=np.float32) / 4, (72, 1))
    another = {"network": "another", "file": "abc"}
    summary = stored.write_expressions("ravdess", stored.Seen(seen, times, another))
    np.testing.assert_array_equal(summary, arrays.read_array(folder, "expression_summary"))
    assert stored.choose_input(folder) == "expressions"
    assert stored.choose_input(folder, "summary") == "expression_summary"
    with pytest.raises(FileNotFoundError, match="another network"):
        stored.choose_input(folder, "embeddings")
    with pytest.raises(ValueError, match="expected auto, expressions"):
        stored.choose_input(folder, "pixels")
    assert stored.measure_step(folder) == pytest.approx(0.25)
    facts = arrays.read_facts(folder, "expressions")
    assert stored.note_origin(facts) == "another network's expressions"
    assert stored.list_inputs(facts) == {"expressions": facts}
    parts = inputs.read_parts("ravdess", "expressions")
    assert sum(map(len, parts.values())) == 71
    assert parts["train"].emotions == EMOTIONS


def test_action_units_go_into_the_summary_and_are_an_array_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    folder = write_made_corpus(tmp_path)
    seen = stored.Seen(
        np.full((72, 4, 7), 1 / 7, np.float32), np.zeros((72, 4), np.float32), {"network": "other"}
    )
    units = pd.DataFrame(np.ones((72, 2), np.float32), columns=["AU01_r", "AU02_r"])
    stored.write_action_units("ravdess", units)
    assert stored.write_expressions("ravdess", seen, units=units).shape == (72, 4 * 7 + 2 * 2)
    assert arrays.read_facts(folder, "expressions")["parameters"]["units"]
    assert stored.choose_input(folder, "action_units") == "action_units"
    facts = arrays.read_facts(folder, "action_units")
    assert facts["units"] == list(units)
    assert stored.note_origin(facts) == "OpenFace's action units"
    assert stored.name_origin(facts) == "OpenFace"


def test_a_run_on_our_expressions_names_the_detector_of_the_faces(network, tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    folder = write_made_corpus(tmp_path)
    arrays.write_stage(
        folder,
        "faces",
        parameters={"detector": "haar"},
        arrays={
            "faces": np.full((72, 2, 20, 20), 9, np.uint8),
            "face_times": np.zeros((72, 2), np.float32),
        },
        detector="haar",
    )
    seen = expression_network.look_at_corpus(network, "ravdess")
    stored.write_expressions("ravdess", seen)
    assert stored.choose_input(folder) == "expression_embeddings"
    facts = arrays.read_facts(folder, "expressions")
    assert stored.note_origin(facts) == ""
    listed = stored.list_inputs(facts)
    assert listed["faces"]["digest"] == arrays.read_facts(folder, "faces")["digest"]
    run = runs.Run(
        "video_expression",
        modality="face",
        corpus="ravdess",
        protocol="luna5",
        fold=1,
        parameters={},
        inputs=listed,
    )
    assert run.facts["detector"] == "haar"
    made = {"faces": np.full((72, 3, 20, 20), 9, np.uint8)}
    arrays.write_stage(folder, "faces", parameters={"detector": "resnet_ssd"}, arrays=made)
    with pytest.raises(ValueError, match="another state of the faces. Rerun .*31_expression"):
        stored.choose_input(folder)


def test_a_network_to_go_on_from_is_a_file_or_the_newest_run(network, tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    path = tmp_path / "mine.keras"
    network.save(path)
    facts = {"corpus": "fer2013", "protocol": "official", "fold": 1, "parameters": {}}
    run = runs.Run("expression", modality="face", **facts)
    run.save_model(network)
    run.save_predictions(targets.tabulate_faces(np.array([0]), np.eye(7), fer2013.CLASSES, fold=1))
    run.finish({})
    for start in (path, str(path), "newest"):
        loaded = expression_network.load_network(start)
        for own, other in zip(loaded.get_weights(), network.get_weights(), strict=True):
            np.testing.assert_array_equal(own, other)
    with pytest.raises(FileNotFoundError, match="is no file; name a .keras file or 'newest'"):
        expression_network.load_network("nowhere.keras")


def test_parts_of_fer2013_are_joined_row_by_row():
    parts = [
        fer2013.Faces(
            np.full((n, 48, 48), n, np.uint8),
            np.full(n, n),
            np.full((n, 8), n, np.float32),
            np.full(n, -n),
        )
        for n in (2, 3)
    ]
    joined = parts[0].join(parts[1])
    assert joined.x[:, 0, 0].tolist() == joined.labels.tolist() == [2, 2, 3, 3, 3]
    assert joined.votes[:, 0].tolist() == [2, 2, 3, 3, 3]
    assert joined.majority.tolist() == [-2, -2, -3, -3, -3]
