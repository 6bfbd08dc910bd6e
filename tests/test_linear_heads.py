"""Notebooks 44, 32 and 51 on a made corpus: what their runs say, and what their networks say."""

import numpy as np
import pandas as pd
import pytest

from modeling.expressions import stored
from modeling.fusion import heads
from modeling.publishing import final
from modeling.training import freshness, inputs, networks, runs
from preprocessing.disk import arrays
from tests.made_corpus import EMOTIONS, run_cells, write_made_corpus

RATE_HZ, N_SAMPLES = 16000, 3200
SMALL = {"WEIGHTS": "tiny", "LAYERS": [[1, 1], [1, 2]], "STRENGTHS": [0.01, 0.1]}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A made corpus: emotions sound and look their own way; voices have altered copies."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOTION_HOME", str(home))
        folder = write_made_corpus(home, missing_face=["02-happy", "07-sad"])
        clips, rng = arrays.read_clips(folder), np.random.default_rng(0)
        write_voices(folder, clips, rng)
        write_faces(clips, rng)
        yield home


def write_voices(folder, clips, rng):
    """Write waveforms, a tone an emotion in noise, and what comes of them."""
    tones = clips["emotion"].map(dict(zip(EMOTIONS, (200, 800, 3000), strict=True))).to_numpy()
    times = np.arange(N_SAMPLES) / RATE_HZ
    loudness = rng.uniform(0, 0.03, (len(clips), 1))
    sounds = rng.normal(0, 0.1, (len(clips), N_SAMPLES))
    sounds += loudness * np.sin(2 * np.pi * tones[:, None] * times)
    sounds[:, 3000:] = 0
    parameters = {"rate_hz": RATE_HZ}
    sounds = sounds.astype(np.float32)
    arrays.write_stage(folder, "waveforms", parameters=parameters, arrays={"waveforms": sounds})
    mels = np.zeros((len(clips), 4, 2), np.float32)
    arrays.write_stage(folder, "audio", parameters=parameters, arrays={"mels": mels})
    copies = (sounds + np.where(sounds, rng.normal(0, 0.01, sounds.shape), 0)).astype(np.float16)
    made = {"mels_augmented": mels[:, None], "waveforms_augmented": copies[:, None]}
    arrays.write_stage(folder, "augmented", parameters={"n_copies": 1}, arrays=made)


def write_faces(clips, rng):
    """Write expressions of frames and action units; a clip without a face has zeros."""
    labels = clips["emotion"].map(EMOTIONS.index).to_numpy()
    seen = rng.dirichlet(np.ones(7), (len(clips), 1)) + 0.3 * np.eye(7)[labels][:, None]
    seen = seen + 0.1 * rng.random((len(clips), 4, 7))
    seen[~clips["has_face"].to_numpy()] = 0
    seen = (seen / np.maximum(seen.sum(axis=2, keepdims=True), 1e-9)).astype(np.float32)
    times = np.tile(np.arange(4, dtype=np.float32) / 4, (len(clips), 1))
    units = 0.5 * np.eye(3)[labels] + 2 * rng.random((len(clips), 3))
    units[~clips["has_face"].to_numpy()] = 0
    units = pd.DataFrame(units.astype(np.float32), columns=["AU01_r", "AU02_r", "AU12_r"])
    stored.write_action_units("ravdess", units)
    source = {"network": "another", "file": "abc"}
    stored.write_expressions("ravdess", stored.Seen(seen, times, source), units=units)


@pytest.fixture(scope="module")
def voice(home):
    """The facts of a run of notebook 44, whose random encoder asks nobody."""
    run_cells("44", CORPUS="ravdess", PRETRAINED=False, **SMALL)
    return runs.find_run("ravdess", "audio_moonshine")


@pytest.fixture(scope="module")
def face(home):
    """The facts of a run of notebook 32 on the summary of expressions."""
    run_cells("32", CORPUS="ravdess", INPUT="summary")
    return runs.find_run("ravdess", "face_summary")


def check_network(facts, *, atol):
    """Check what a run holds against its own network; return its table of predictions."""
    assert facts["out_of_fold"] == ["train", "val"]
    assert not freshness.list_stale(facts)
    table = runs.read_predictions(facts["folder"])
    parts = inputs.read_parts("ravdess", facts["array"])
    x = np.concatenate([parts[name].x for name in inputs.PARTS])
    assert list(table["clip_id"]) == [c for part in parts.values() for c in part.clips["clip_id"]]
    network = heads.load_network(facts["folder"])
    assert network.input_shape[1:] in (x.shape[1:], (None, *x.shape[2:]))
    said = networks.run_network(network, x)
    posteriors, emotions = runs.read_posteriors(table)
    assert emotions == EMOTIONS
    tested = (table["part"] == "test").to_numpy()
    np.testing.assert_allclose(said[tested], posteriors[tested], atol=1e-4)
    apart = np.abs(said - posteriors).max(axis=1)[~tested]
    assert np.median(apart) > 1e-3, "known clips are judged by networks that never met them"
    encoder = heads.keras.Model(network.inputs, network.get_layer("embedding").output)
    found = networks.run_network(encoder, x)
    np.testing.assert_allclose(found, runs.read_embeddings(facts["folder"]), atol=atol)
    return table


def test_the_network_of_notebook_44_says_what_its_run_says(voice):
    table = check_network(voice, atol=0.05)
    assert voice["modality"] == "voice"
    assert voice["array"] == "waveforms"
    assert voice["parameters"]["layers"] in SMALL["LAYERS"]
    assert voice["parameters"]["strength"] in SMALL["STRENGTHS"]
    assert {"waveforms", "augmented"} <= set(voice["inputs"])
    assert voice["notes"] == ["random init"]
    assert len(table) == 72


def test_without_copies_notebook_44_reads_none(home):
    run_cells("44", CORPUS="ravdess", PRETRAINED=False, N_COPIES=0, NAME="audio_bare", **SMALL)
    assert set(runs.find_run("ravdess", "audio_bare")["inputs"]) == {"waveforms"}


@pytest.mark.parametrize("name", ["summary", "action_units", "statistics"])
def test_one_row_a_clip_is_read_by_a_nested_head(home, face, name):
    if name != "summary":
        run_cells("32", CORPUS="ravdess", INPUT=name)
        face = runs.find_run("ravdess", f"face_{name}")
    table = check_network(face, atol=1e-3)
    assert len(table) == 70
    assert face["modality"] == "face"
    assert face["parameters"]["head"] == "linear"
    assert face["parameters"]["strength"] in face["parameters"]["STRENGTHS"]


def test_statistics_are_the_same_at_any_frame_rate(home):
    run_cells("32", CORPUS="ravdess", INPUT="statistics")
    network = heads.load_network(runs.find_run("ravdess", "face_statistics")["folder"])
    seen = np.random.default_rng(1).dirichlet(np.ones(7), (5, 9)).astype(np.float32)
    slow, fast = network.predict(seen), network.predict(np.repeat(seen, 3, axis=1))
    np.testing.assert_allclose(slow, fast, atol=1e-5)
    padded = np.concatenate([seen, np.zeros_like(seen)], axis=1)
    np.testing.assert_allclose(network.predict(padded), slow, atol=1e-5)


def test_a_sequence_is_read_by_networks_that_met_the_training_clips(home):
    small = {"HEADS": ["statistics"], "EPOCHS": 1, "N_SEEDS": 1}
    run_cells("32", CORPUS="ravdess", INPUT="expressions", **small)
    assert runs.find_run("ravdess", "face_expression")["out_of_fold"] == ["val"]


def test_a_fusion_of_nested_heads_is_fitted_on_all_known_clips(voice, face):
    tables = heads.read_tables({"audio_moonshine": voice, "face_summary": face})
    for table in tables.values():
        assert set(table["part"]) == {"val", "test"}


def test_adaptation_leaves_two_runs_that_say_what_was_heard(face):
    run_cells("51", CORPUS="ravdess", BRANCH="face_summary", N_HEARD=1)
    plain = runs.read_predictions(face["folder"])
    for name, heard in {"adapted": "all clips of the person", "adapted_1": "1 clips of"}.items():
        facts = runs.find_run("ravdess", f"face_summary_{name}")
        assert facts["modality"] == "face"
        assert facts["out_of_fold"] == ["train", "val"]
        assert f"adapted by {heard}" in facts["notes"][-1]
        assert set(face["notes"]) < set(facts["notes"])
        assert [source["branch"] for source in facts["runs"]] == ["face_summary"]
        table = runs.read_predictions(facts["folder"])
        columns = ["clip_id", "actor", "fold", "part", "true"]
        pd.testing.assert_frame_equal(table[columns], plain[columns])
        posteriors = runs.read_posteriors(table)[0]
        np.testing.assert_allclose(posteriors.sum(axis=1), 1, atol=1e-6)
        assert np.abs(posteriors - runs.read_posteriors(plain)[0]).max() > 0.01


def test_what_is_shipped_has_met_everybody_and_is_judged_by_heads_that_had_not(voice):
    made = final.fit_final([voice])
    clips = inputs.read_parts("ravdess", "waveforms")
    x = np.concatenate([clips[name].x for name in inputs.PARTS])
    ids = [clip for name in inputs.PARTS for clip in clips[name].clips["clip_id"]]
    table = made.predictions.set_index("clip_id").loc[ids]
    assert set(table["part"]) == {"val"} and len(table) == 72
    judged, _ = runs.read_posteriors(table)
    said = networks.run_network(made.model, x)
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-5)
    labels = np.array([EMOTIONS.index(emotion) for emotion in table["true"]])
    own = [posteriors[np.arange(72), labels].mean() for posteriors in (said, judged)]
    assert own[0] > own[1] + 0.1, "it knows these clips, and the table does not say so"
    encoder = heads.keras.Model(made.model.inputs, made.model.get_layer("embedding").output)
    read = made.adapter.read(networks.run_network(encoder, x).astype(float), np.log(said + 1e-7))
    np.testing.assert_allclose(np.exp(read).sum(axis=1), 1, atol=1e-6)


def test_most_folds_decide():
    found = [
        {"parameters": {"layers": own, "strength": c}} for own, c in [([1, 3], 1), ([1, 4], 2)]
    ]
    assert final.choose_most([*found, found[1]]) == {"span": (1, 4), "strength": 2}
    faces = [{"parameters": {"strength": 0.1}}]
    assert final.choose_most(faces) == {"span": None, "strength": 0.1}
