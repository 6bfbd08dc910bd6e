import dataclasses

import numpy as np
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from data_augmentation.quiet_keras import keras
from modeling.fusion import experts, heads
from modeling.training import inputs, judging, logs, loop, networks, runs, starts
from modeling.training.layers import FusedBatchNormalization
from preprocessing.disk import arrays
from tests.made_corpus import EMOTIONS, write_made_corpus

SHARED = {"corpus": "ravdess", "protocol": "luna5", "fold": 1, "parameters": {}}


@pytest.fixture
def parts(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    write_made_corpus(tmp_path, missing_face=["02-happy", "04-sad"])
    return inputs.read_parts("ravdess", "faces")


def build_model(part, name="model"):
    loop.set_seed(1)
    clip = keras.Input(part.x.shape[1:])
    x = keras.layers.Rescaling(1 / 255)(clip)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(8, activation="relu", name="embedding")(x)
    posterior = keras.layers.Dense(len(part.emotions), activation="softmax")(x)
    model = keras.Model(clip, posterior, name=name)
    model.compile("adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def save_run(parts, branch, array, modality):
    model = build_model(parts["train"])
    batches = (inputs.make_batches(parts[name], seed=1) for name in ("train", "val"))
    history = loop.train_model(model, *batches, epochs=3, patience=3)
    predictions, embeddings = loop.predict_parts(model, parts, fold=1)
    run = runs.Run(branch, modality=modality, **SHARED, array=array)
    run.save_model(model)
    run.save_history(history)
    run.save_predictions(predictions, embeddings)
    return run.finish({"accuracy": 1.0}), predictions


def test_untrained_loss_is_near_guessing(parts):
    loss, guessing = loop.measure_untrained_loss(build_model(parts["train"]), parts["val"])
    assert guessing == pytest.approx(np.log(3))
    assert loss == pytest.approx(guessing, abs=0.5)


def test_one_batch_can_be_overfitted_and_the_model_stays_as_it_was(parts):
    model = build_model(parts["train"])
    before = [w.copy() for w in model.get_weights()]
    losses = loop.overfit_batch(model, parts["train"], steps=80)
    assert losses.shape == (80,)
    assert losses[-1] < 0.1 < losses[0]
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_training_keeps_the_best_epoch(parts, capsys):
    model = build_model(parts["train"])
    batches = (inputs.make_batches(parts[name], seed=1) for name in ("train", "val"))
    history = loop.train_model(model, *batches, epochs=4, patience=1)
    assert list(history["epoch"]) == list(range(1, len(history) + 1))
    assert history.loc[history["best"], "val_loss"].item() == history["val_loss"].min()
    kept = model.evaluate(inputs.make_batches(parts["val"]), verbose=0, return_dict=True)
    assert kept["loss"] == pytest.approx(history["val_loss"].min(), rel=1e-3)
    assert "kept epoch" in capsys.readouterr().out


def test_curves_for_tensorboard_are_those_of_the_history(parts):
    log = logs.open_log("tensorboard", "ravdess", "video")
    for number in ("", "-2"):  # trained again, into a folder of its own
        model = build_model(parts["train"])
        batches = (inputs.make_batches(parts[name], seed=1) for name in ("train", "val"))
        history = loop.train_model(model, *batches, epochs=3, patience=3, log=log)
        for side, prefix in {"train": "", "validation": "val_"}.items():
            events = EventAccumulator(str(log / f"model{number}" / side)).Reload()
            for score in ("loss", "accuracy"):
                tensors = events.Tensors(f"epoch_{score}")
                written = [make_ndarray(own.tensor_proto).item() for own in tensors]
                assert written == pytest.approx(history[f"{prefix}{score}"].tolist())
    assert log.parent.parent == runs.results_folder() / "ravdess-video"
    assert not runs.list_runs("ravdess")
    assert logs.open_log("", "ravdess", "video") is None
    with pytest.raises(ValueError, match="LOG = 'tensorbord'; expected one of '', 'tensorboard'"):
        logs.open_log("tensorbord", "ravdess", "video")


def test_a_run_is_whole_or_not_there(parts):
    folder, predictions = save_run(parts, "video", "faces", "face")
    assert runs.find_run("ravdess", "video")["folder"] == folder
    assert (runs.read_predictions(folder)["clip_id"] == predictions["clip_id"]).all()
    assert len(runs.read_embeddings(folder)) == len(predictions)
    unfinished = runs.Run("video", modality="face", **SHARED)
    unfinished.save_predictions(predictions)
    assert runs.find_run("ravdess", "video")["folder"] == folder


@pytest.mark.parametrize("modality", ["", "audio", None, "voice and face"])
def test_a_run_without_a_modality_is_refused(parts, modality):
    with pytest.raises(ValueError, match=f"{modality!r}; expected one of 'face', 'voice'"):
        runs.Run("audio_x", modality=modality, **SHARED)
    assert not list(runs.results_folder().glob("*"))


def test_a_run_says_its_modality_and_keeps_every_parameter(parts):
    namespace = {"EPOCHS": 3, "RATE": 2e-3, "WEIGHTS": None, "HEADS": ["a", "b"], "AUGMENT": True}
    kept = namespace | {"RANGES": {"low": (1, 2.5)}, "N_16": "text"}
    other = {
        "x": 1,
        "Model": 2,
        "_A": 3,
        "SCORES": np.ones(2),
        "NP": np.float64(1),
        "DEEP": [set()],
    }
    assert runs.take_parameters(kept | other | {"KEYS": {1: 2}}) == kept
    run = runs.Run("x", modality="voice", **SHARED | {"parameters": kept})
    run.finish({})
    facts = runs.find_run("ravdess", "x")
    assert facts["modality"] == "voice"
    assert facts["parameters"] == kept | {"RANGES": {"low": [1, 2.5]}}


def test_missing_run_says_what_to_do(parts):
    with pytest.raises(FileNotFoundError, match="Run the notebook of that branch first"):
        runs.find_run("ravdess", "video", protocol="luna5", fold=1)
    with pytest.raises(FileNotFoundError):
        heads.find_branches("ravdess", "video audio", protocol="luna5", fold=1)


def test_posteriors_that_are_none_are_refused(parts):
    n = len(EMOTIONS)
    for width, value in ((n - 1, 1 / (n - 1)), (n, 1), (n, 1.004 / n)):
        wrong = {name: np.full((len(part), width), value) for name, part in parts.items()}
        with pytest.raises(ValueError, match="(?i)posteriors"):
            loop.tabulate_parts(parts, wrong, fold=1)
    few = {name: np.full((1, n), 1 / n) for name in parts}
    with pytest.raises(ValueError, match=r"posteriors have shape \(3, 3\)"):
        loop.tabulate_parts(parts, few, fold=1)


def test_branches_are_stacked_with_zeros_where_missing_and_can_be_fine_tuned(parts):
    save_run(parts, "video", "faces", "face")
    save_run(inputs.read_parts("ravdess", "mels"), "audio", "mels", "voice")
    found = heads.find_branches("ravdess", "video audio nobody", protocol="luna5", fold=1)
    assert list(found) == ["video", "audio"]
    assert heads.list_without_embeddings(found) == []
    stacked, scales = heads.stack_embeddings(found, EMOTIONS)
    assert sum(len(part) for part in stacked.values()) == 72
    test = stacked["test"]
    missing = (test.clips["clip_id"] == "02-happy").to_numpy()
    assert ((test.x[:, 0] == 0).all(axis=1) == missing).all()
    assert (test.x[:, 1] != 0).any(axis=1).all()
    head_input = keras.Input(test.x.shape[1:])
    head = keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(head_input))
    model = keras.Model(head_input, head)
    whole = heads.build_joint_model(found, scales, model)
    raw = heads.read_inputs(found, test)
    expected = networks.run_network(model, test.x)
    np.testing.assert_allclose(networks.run_network(whole, raw.x), expected, atol=2e-3)
    hidden = heads.hide_branches(test, [0])
    assert (hidden.x[:, 0] == 0).all()
    assert np.isfinite(networks.run_network(model, hidden.x)).all()
    (found["audio"]["folder"] / "embeddings.npy").unlink()
    assert heads.list_without_embeddings(found) == ["audio"]


def test_late_fusion_predicts_every_clip_that_any_branch_judged(parts):
    tables = [
        save_run(parts, "video", "faces", "face")[1],
        save_run(inputs.read_parts("ravdess", "mels"), "audio", "mels", "voice")[1],
    ]
    fused = experts.fuse_predictions(tables, EMOTIONS)
    assert len(fused) == 72
    assert not fused.isna().any().any()


def test_runs_are_pooled_over_folds_and_carry_their_notes(parts):
    predictions = save_run(parts, "video", "faces", "face")[1]
    for fold in (1, 2):
        facts = SHARED | {"fold": fold, "modality": "voice"}
        run = runs.Run("vgg", notes=["random init"], **facts)
        run.save_predictions(predictions.assign(fold=fold))
        run.finish({})
    pooled = runs.pool_runs("ravdess", protocol="luna5")
    assert pooled["vgg"].folds == "1, 2"
    assert pooled["vgg"].notes == "random init"
    assert len(pooled["vgg"].predictions) == 2 * len(predictions)


def test_an_epoch_can_be_some_of_the_batches(parts):
    model = build_model(parts["train"])
    batches = (inputs.make_batches(parts[name], batch_size=4, seed=1) for name in ("train", "val"))
    loop.train_model(model, *batches, epochs=3, patience=3, steps=2)
    assert int(model.optimizer.iterations) == 3 * 2


def test_the_most_accurate_epoch_can_be_kept_instead(parts):
    model = build_model(parts["train"])
    batches = (inputs.make_batches(parts[name], seed=1) for name in ("train", "val"))
    history = loop.train_model(
        model, *batches, epochs=6, patience=6, watch="val_accuracy", metric="accuracy"
    )
    assert history.loc[history["best"], "val_accuracy"].item() == history["val_accuracy"].max()
    _, accuracy = model.evaluate(inputs.make_batches(parts["val"]), verbose=0)
    assert accuracy == pytest.approx(history["val_accuracy"].max())


def test_the_epoch_of_least_training_loss_can_be_kept_whatever_validation_says(parts):
    """Where validation clips are learned from too, they can no longer choose."""
    model = build_model(parts["train"])
    train = inputs.make_batches(parts["train"], seed=1)
    n_classes = len(parts["val"].emotions)
    wrong = dataclasses.replace(parts["val"], labels=(parts["val"].labels + 1) % n_classes)
    settings = {"epochs": 6, "patience": 6, "watch": "loss"}
    history = loop.train_model(model, train, inputs.make_batches(wrong), **settings)
    assert history.loc[history["best"], "loss"].item() == history["loss"].min()


@pytest.mark.parametrize(
    ("losses", "best", "better"),
    [
        ([0.9, 0.8], [False, False, False, True], True),
        ([1.1, 1.2], [False, True, False, False], False),
    ],
)
def test_two_trainings_in_a_row_have_one_best_epoch(losses, best, better):
    joined, found = loop.join_histories(make_history([1.5, 1.0]), make_history(losses))
    assert joined["epoch"].tolist() == [1, 2, 3, 4]
    assert joined["best"].tolist() == best
    assert found is better


def make_history(losses):
    history = pd.DataFrame({"epoch": [1, 2], "val_loss": losses})
    return history.assign(best=history["val_loss"] == history["val_loss"].min())


def test_encoded_parts_keep_their_clips(parts):
    part = parts["val"]
    model = build_model(part)
    encoder = keras.Model(model.inputs, model.get_layer("embedding").output)
    encoded = networks.encode_part(encoder, part, batch_size=4, dtype="float32")
    np.testing.assert_allclose(encoded.x, encoder.predict(part.x, verbose=0), atol=1e-4)
    assert list(encoded.clips["clip_id"]) == list(part.clips["clip_id"])
    assert (encoded.labels == part.labels).all()


def test_encoding_without_the_zeros_gives_the_same(parts):
    rng = np.random.default_rng(2)
    sounds = np.zeros((len(parts["val"]), 50), np.float32)
    lengths = rng.integers(1, 50, len(sounds))
    for sound, length in zip(sounds, lengths, strict=True):
        sound[:length] = rng.uniform(0.1, 1, length)
    sounds[3] = 0
    start, seen = keras.Input((None,)), []
    model = keras.Model(start, keras.ops.sum(start**2, axis=1, keepdims=True))
    judge = model.predict_on_batch
    model.predict_on_batch = lambda x: seen.append(x.shape[1]) or judge(x)
    encoded = networks.encode_part(
        model, parts["val"].with_x(sounds), batch_size=1, dtype="float32", shortest=20
    )
    np.testing.assert_allclose(encoded.x[:, 0], (sounds**2).sum(axis=1), rtol=1e-5)
    lengths[3] = 50  # without a voice there is no end
    assert seen == sorted(np.maximum(lengths, 20))


def test_averaged_models_give_the_mean_of_their_posteriors(parts):
    def build(seed):
        loop.set_seed(seed)
        start = keras.Input((4, 16, 16))
        x = keras.layers.Dense(6, name="embedding")(keras.layers.Flatten()(start / 255))
        x = keras.layers.Dropout(0.5)(x)
        return keras.Model(start, keras.layers.Dense(3, "softmax", name="posterior")(x))

    models = [build(seed) for seed in (1, 2, 3)]
    joined = networks.average_models(models, name="all")
    x = parts["val"].x.astype("float32")
    each = np.mean([model.predict(x, verbose=0) for model in models], axis=0)
    np.testing.assert_allclose(joined.predict(x, verbose=0), each, atol=1e-5)
    assert joined.get_layer("embedding").output.shape == (None, 18)
    assert networks.average_models(models[:1], name="one") is models[0]


def test_test_score_is_that_of_the_test_part_alone(parts):
    _, predictions = save_run(parts, "audio_conv2d", "faces", "face")
    predictions = predictions.copy()
    wrong = predictions["part"] != "test"
    columns = [f"p_{emotion}" for emotion in EMOTIONS]
    predictions[columns] = np.eye(3)[[EMOTIONS.index(e) for e in predictions["true"]]]
    predictions.loc[wrong, columns] = 1 / 3
    assert heads.score_test(predictions, EMOTIONS) == 1


def test_every_layer_is_listed_inside_networks_and_for_every_frame(parts):
    layers = keras.layers
    inside = keras.Sequential(
        [keras.Input((6,)), *(layers.Dense(6) for _ in range(10))], name="ten"
    )
    clip = keras.Input((4, 8, 8, 1))
    x = layers.TimeDistributed(layers.Conv2D(2, 3, padding="same", name="look"))(clip)
    x = layers.Dense(6)(layers.Flatten()(x))
    model = keras.Model(clip, layers.Dense(3)(inside(x)))
    table = networks.list_layers(model)
    rows = table.set_index("layer")
    assert rows.loc[f"{networks.INDENT}look (Conv2D)", "output"] == "8 x 8 x 2"
    assert rows.loc[f"{networks.INDENT}look (Conv2D)", "weights"] == 20
    assert rows.loc["ten (Sequential)", "weights"] == 420
    assert rows.loc[f"{networks.INDENT}… 4 more layers", "weights"] == 4 * 42
    assert table["layer"].str.startswith(f"{networks.INDENT}dense").sum() == 6
    assert table["weights"].iloc[-1] == model.count_params()
    short = networks.list_layers(model, inside, longest=3)
    assert short["weights"].iloc[-1] == model.count_params() + 420
    assert short["layer"].str.startswith("…").any()


def test_no_name_of_a_layer_is_cut_in_a_notebook():
    start = keras.Input((4,))
    model = keras.Model(start, FusedBatchNormalization(name="fused_batch_normalization_1")(start))
    table = networks.list_layers(model)
    assert table["layer"][1] == "fused_batch_normalization_1"
    assert "..." not in table.to_html()


def test_clips_are_counted_in_whole_numbers():
    scores = pd.DataFrame({"accuracy": [0.5, 0.125], "n_clips": [48.0, np.nan]})
    assert judging.tidy_scores(scores).to_numpy().tolist() == [["0.500", "48"], ["0.125", ""]]


def test_networks_with_several_outputs_run_in_batches(parts):
    start = keras.Input((4,))
    model = keras.Model(start, {"double": 2 * start, "sum": keras.ops.sum(start, axis=1)})
    x = np.arange(28).reshape(7, 4)
    seen = []
    judge = model.predict_on_batch
    model.predict_on_batch = lambda rows: seen.append(len(rows)) or judge(rows)
    found = networks.run_network(model, x, batch_size=3)
    np.testing.assert_allclose(found["double"], 2 * x)
    np.testing.assert_allclose(found["sum"], x.sum(axis=1))
    assert seen == [3, 3, 3], "one size of batch, traced once"


def test_an_encoder_and_a_head_become_one_network_with_both_weights(parts):
    low = keras.Input((5,))
    encoder = keras.Model(low, keras.layers.Dense(4)(low))
    start = keras.Input((4,))
    x = keras.layers.Dense(3, name="embedding")(keras.layers.Dropout(0.5)(start))
    posterior = networks.make_posterior(2)(keras.layers.Dropout(0.5)(x))
    head = keras.Model(start, posterior)
    whole = networks.join_models(encoder, head, name="whole")
    x = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    expected = head.predict_on_batch(encoder.predict_on_batch(x))
    np.testing.assert_allclose(whole.predict_on_batch(x), expected, atol=1e-6)
    assert whole.get_layer("embedding").output.shape == (None, 3)
    np.testing.assert_array_equal(whole.get_layer(encoder.name)(x), encoder(x))
    assert whole.count_params() == encoder.count_params() + head.count_params()


def test_features_are_scaled_by_the_training_clips_and_small_ones_stay_small():
    features = np.random.default_rng(1).normal(3, [1, 2, 1e-4], (500, 3)).astype("float16")
    scaled = np.asarray(networks.scale_features(features)(features.astype("float32")))
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=0.01)
    np.testing.assert_allclose(scaled[:, :2].std(axis=0), 1, atol=0.05)
    assert scaled[:, 2].std() < 0.05


def test_a_tuned_network_is_kept_only_if_validation_prefers_it(parts, capsys):
    model = build_model(parts["train"])
    settings = {"n_clips": 12, "batch_size": 4, "seed": 1, "epochs": 2, "patience": 2}
    first = loop.train_parts(model, parts, **settings)
    assert int(model.optimizer.iterations) == 2 * 3
    before = [weight.copy() for weight in model.get_weights()]
    loop.compile_model(model, keras.optimizers.SGD(1e4))
    joined = loop.train_parts(model, parts, first=first, **settings)
    assert len(joined) == 4
    assert "kept as it was before" in capsys.readouterr().out
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_judged_parts_say_where_a_network_errs_and_are_saved_with_all(parts, capsys):
    model = build_model(parts["train"])
    history = pd.DataFrame({"epoch": [1], "loss": [1.0]})
    judged = judging.judge_parts(model, parts, history)
    assert "most confused: " in capsys.readouterr().out
    assert "NaN" not in repr(judged)
    assert "<NA>" not in judged._repr_html_()
    tables = {"extra": pd.DataFrame({"a": [1]})}
    names = {"EPOCHS": 3, "model": model}
    facts = {"notes": ["random init"], "array": "faces", "tables": tables, "chosen": {"head": "a"}}
    folder = runs.save_run("x", judged, names, modality="face", **facts)
    kept = {path.name for path in folder.iterdir()}
    assert kept == {
        "model.keras",
        "history.csv",
        "predictions.csv",
        "embeddings.npy",
        "parameters.json",
        "extra.csv",
        "test.png",
    }
    found = runs.find_run("ravdess", "x", protocol="luna5", fold=1)
    assert found["parameters"] == {"EPOCHS": 3, "head": "a"}
    assert found["notes"] == ["random init"]
    assert found["inputs"] == {"faces": parts.facts["digest"]}
    said = capsys.readouterr().out
    assert "saved results/ravdess-x/" in said
    assert " s on " in said


def test_errors_are_named_most_frequent_first():
    emotions = ("neutral", "happy", "sad")
    true = ["neutral"] * 4 + ["happy"] * 4 + ["sad"] * 4
    predicted = [0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 2, 1]
    table = pd.DataFrame({"clip_id": map(str, range(12)), "actor": ["1", "2"] * 6, "true": true})
    table[[f"p_{e}" for e in emotions]] = np.eye(3)[predicted]
    assert judging.describe_errors(table.assign(part="test", fold=1), emotions) == (
        "most confused: happy read as sad (4 of 4), neutral read as happy (1 of 4), "
        "sad read as happy (1 of 4)\n"
        "read below chance (33%): happy 0%\n"
        "actors: from 33% (2) to 67% (1)"
    )


def test_folds_made_from_other_arrays_are_left_out_and_named(parts):
    predictions = save_run(parts, "video", "faces", "face")[1]
    new = parts.facts["digest"]
    for fold, digest in ((1, "old"), (2, new), (3, new)):
        facts = {"faces": {"digest": digest}}
        run = runs.Run("x", modality="face", **SHARED | {"fold": fold}, inputs=facts)
        run.save_predictions(predictions.assign(fold=fold))
        run.finish({})
    pooled = runs.pool_runs("ravdess", protocol="luna5")["x"]
    assert pooled.folds == "2, 3"
    assert pooled.notes == "fold 1 left out: made from other arrays"
    assert set(pooled.predictions["fold"]) == {2, 3}


def save_made_run(predictions, branch="x", **facts):
    run = runs.Run(branch, modality="face", **SHARED | facts)
    run.save_predictions(predictions)
    return run.finish({})


def make_predictions(parts):
    even = {name: np.full((len(part), 3), 1 / 3) for name, part in parts.items()}
    return loop.tabulate_parts(parts, even, fold=1)


def test_runs_of_other_clips_are_left_out_and_named(parts, tmp_path, capsys):
    predictions = make_predictions(parts)
    first = save_made_run(predictions)
    save_made_run(predictions, branch="y")
    write_made_corpus(tmp_path, actors=range(1, 21))
    with pytest.raises(FileNotFoundError, match=f"x/{first.name} left out: of other clips"):
        runs.find_run("ravdess", "x")
    again = save_made_run(predictions)
    assert runs.find_run("ravdess", "x")["folder"] == again
    assert list(runs.pool_runs("ravdess", protocol="luna5")) == ["x"]
    assert f"ravdess-x/{first.name}, ravdess-y/" in capsys.readouterr().out
    assert list(heads.find_branches("ravdess", "x y", protocol="luna5", fold=1)) == ["x"]
    assert "no run of y for this protocol and fold, only of other clips" in capsys.readouterr().out


def test_a_run_of_a_list_that_is_back_is_found_again(parts, tmp_path):
    first = save_made_run(make_predictions(parts))
    write_made_corpus(tmp_path, actors=range(1, 21))
    write_made_corpus(tmp_path, missing_face=["02-happy", "04-sad"])
    assert runs.find_run("ravdess", "x")["folder"] == first


def test_fusion_refuses_a_run_of_other_faces_at_once_and_says_which_notebook(parts, tmp_path):
    made = save_made_run(make_predictions(parts), "video_convlstm", inputs={"faces": parts.facts})
    find = {"protocol": "luna5", "fold": 1}
    assert list(heads.find_branches("ravdess", "video_convlstm", **find)) == ["video_convlstm"]
    folder = arrays.corpus_folder("ravdess")
    facts = arrays.read_facts(folder, "faces")
    new = {name: arrays.read_array(folder, name)[:, :2] for name in ("faces", "face_times")}
    new = {name: np.array(values) for name, values in new.items()}
    arrays.write_stage(folder, "faces", parameters={"n_frames": 2}, arrays=new, detector="made")
    said = f"{made.name} was made from other faces than .* Rerun modeling/30_video_convlstm.ipynb"
    with pytest.raises(ValueError, match=said):
        heads.find_branches("ravdess", "video_convlstm", **find)
    assert runs.pool_runs("ravdess", protocol="luna5")["video_convlstm"].notes == (
        "made from earlier faces"
    )
    assert facts["digest"] != arrays.read_facts(folder, "faces")["digest"]


def test_fusion_refuses_runs_of_different_arrays_though_these_are_gone(parts):
    for branch, digest in (("audio_x", "old"), ("audio_conv2d", "new")):
        save_made_run(make_predictions(parts), branch, inputs={"elsewhere": {"digest": digest}})
    with pytest.raises(ValueError, match="audio_x and audio_conv2d were made from different else"):
        heads.find_branches("ravdess", "audio_x audio_conv2d", protocol="luna5", fold=1)


class StopButton(keras.callbacks.Callback):
    """Interrupts training in the second batch of an epoch, counted from 0."""

    def __init__(self, epoch):
        super().__init__()
        self.wanted, self.epoch = epoch, None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (self.wanted, 1):
            raise KeyboardInterrupt


@pytest.fixture
def press_stop(monkeypatch):
    """Return a function that has the stop button pressed in an epoch of all trainings to come."""

    def press(epoch):
        fit = keras.Model.fit

        def fit_until_stopped(self, *data, callbacks, **options):
            return fit(self, *data, callbacks=[*callbacks, StopButton(epoch)], **options)

        monkeypatch.setattr(keras.Model, "fit", fit_until_stopped)

    return press


def train(model, parts, epochs=4):
    batches = (inputs.make_batches(parts[name], seed=1) for name in ("train", "val"))
    return loop.train_model(model, *batches, epochs=epochs, patience=9)


def test_interrupted_training_keeps_the_best_epoch_and_says_so(parts, press_stop, capsys):
    model = build_model(parts["train"])
    press_stop(epoch=2)
    history = train(model, parts)
    assert list(history["epoch"]) == [1, 2]
    assert "interrupted in epoch 3; kept epoch 2" in capsys.readouterr().out
    kept = model.evaluate(inputs.make_batches(parts["val"]), verbose=0, return_dict=True)
    assert kept["loss"] == pytest.approx(history["val_loss"].min(), rel=1e-3)
    run = runs.Run("x", modality="face", **SHARED)
    run.save_history(history)
    run.finish({})
    assert runs.find_run("ravdess", "x")["notes"] == ["training interrupted in epoch 3"]


def test_training_interrupted_in_its_first_epoch_leaves_the_network_as_it_was(parts, press_stop):
    model = build_model(parts["train"])
    before = model.get_weights()
    press_stop(epoch=0)
    with pytest.raises(KeyboardInterrupt):
        train(model, parts)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_training_again_starts_afresh(parts):
    model = build_model(parts["train"])
    model.optimizer.learning_rate = 1e-2
    first = train(model, parts)
    again = train(model, parts)
    assert again["loss"][0] == pytest.approx(first["loss"][0], rel=0.2)
    assert first["loss"].iloc[-1] < 0.7 * again["loss"][0]
    assert int(model.optimizer.iterations) == 4 * -(-len(parts["train"]) // 16)


def test_tuning_again_undoes_the_tuning_but_not_what_was_trained_before(parts):
    x = keras.Input(parts["train"].x.shape[1:])
    base = keras.Model(x, keras.layers.Dense(8, "relu")(keras.layers.Flatten()(x / 255)))
    head = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, "softmax")])
    model = keras.Model(x, head(base(x)))
    features = parts.change(lambda p: p.with_x(networks.run_network(base, p.x)))
    for own, rate in ((head, 1e-2), (model, 1e-2)):
        loop.compile_model(own, keras.optimizers.Adam(rate))
    settings = {"n_clips": 51, "batch_size": 16, "seed": 1, "epochs": 2, "patience": 9}
    start = base.get_weights()
    for _ in range(2):  # both cells, then both again
        first = loop.train_parts(head, features, **settings)
        trained = head.get_weights()
        for _ in range(2):  # the second cell, then it again
            starts.undo_tuning(model)
            for own, before in ((base, start), (head, trained)):
                assert all((a == b).all() for a, b in zip(own.get_weights(), before, strict=True))
            loop.train_parts(model, parts, first=first, **settings)
            assert not (base.get_weights()[0] == start[0]).all()
