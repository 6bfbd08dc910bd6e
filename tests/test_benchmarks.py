"""The contenders of the benchmarks do the same work."""

import inspect
import re

import nbformat
import numpy as np
import pytest

from opencv_model.resnet_ssd import open_detector
from preprocessing.voice import spectra


@pytest.mark.real_data
def test_contenders_give_faces_and_features_of_the_same_clip(real_data, monkeypatch):
    from benchmarks import contenders

    weights = real_data / "face_detector" / "opencv_face_detector_uint8.pb"
    monkeypatch.setenv("EMOTION_DETECTOR", str(weights))
    detector = open_detector("resnet_ssd")
    path = sorted((real_data / "ravdess").rglob("*.mp4"))[0]
    assert contenders.decode_all(path) == 93
    _, rows, record = contenders.process_clip(0, path, contenders.describe_work(detector))
    assert rows["faces"].shape == (16, 64, 64)
    assert rows["mels"].shape[1] == 64
    assert set(spectra.FEATURE_NAMES) <= set(record["numbers"])
    crops, mel, numbers = contenders.read_usually(path, detector)
    assert crops.shape == (16, 64, 64)
    assert np.isfinite(numbers).all()
    assert abs(mel.shape[1] - len(rows["mels"])) <= 3
    assert crops.std(axis=(1, 2)).min() > 20
    assert rows["faces"].std(axis=(1, 2)).min() > 20


def test_every_notebook_of_the_benchmark_has_a_first_check():
    from benchmarks import modeling as benchmark

    numbers = set(re.findall(r'"([345]\d)"', inspect.getsource(benchmark)))
    assert numbers == {"30", "32", "41", "42", "43"}
    for number in numbers:
        (path,) = benchmark.arguments.find_notebooks(number)
        code = "".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
        assert any(check in code for check in benchmark.FIRST_CHECKS), path.name


def test_benchmark_runs_a_notebook_up_to_its_first_check(tmp_path, monkeypatch):
    from benchmarks import modeling as benchmark

    cells = [nbformat.v4.new_code_cell(text) for text in ("UNITS = 3", "size = 2 * UNITS")]
    cells[0].metadata["tags"] = ["parameters"]
    cells.append(nbformat.v4.new_code_cell(f"training.{benchmark.FIRST_CHECKS[0]}1 / 0)"))
    path = tmp_path / "39_made.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    monkeypatch.setattr(benchmark.arguments, "find_notebooks", lambda number: [path])
    assert benchmark.open_notebook("39")["size"] == 6
    assert benchmark.open_notebook("39", UNITS=5)["size"] == 10


def test_benchmark_measures_training_judging_and_input():
    import tensorflow as tf

    from benchmarks import modeling as benchmark

    start = benchmark.keras.Input((4,))
    model = benchmark.keras.Model(start, benchmark.keras.layers.Dense(2, "softmax")(start))
    model.compile("sgd", loss="categorical_crossentropy")
    x = np.ones((8, 4), np.float32)
    batches = tf.data.Dataset.from_tensor_slices((x, np.ones((8, 2)))).batch(4)
    own = [benchmark.Contender(name, model, batches, model, x, 4) for name in ("a", "b")]
    rounds = [benchmark.measure_all(own, 0.05) for _ in range(2)]
    table = benchmark.summarise(rounds)
    assert list(table.index) == ["a", "b"]
    assert (table > 0).all(axis=None)
    assert benchmark.find_ratio(rounds, "a", "a") == 1


def test_benchmark_of_an_answer_measures_all_contenders(tmp_path):
    from benchmarks import predict as benchmark

    film = benchmark.make_film(tmp_path / "film.mp4", 3)
    assert benchmark.decode_all(film) == 75
    short = benchmark.cut_film(tmp_path / "short.mp4", film, 1)
    assert 20 <= benchmark.decode_all(short) <= 30
    shipped = benchmark.networks.load_networks()
    rounds = [benchmark.measure_round(short, short, tmp_path, shipped)]
    found = benchmark.summarise(rounds, 1.0)
    assert found["answer / floor"] > 1 and found["film / length"] > 0 and found["start_s"] > 0


@pytest.mark.real_data
def test_adapting_helps_a_long_recording_of_a_stranger(real_data, tmp_path):
    from benchmarks import long_recordings as benchmark
    from modeling.predict import predict_clip

    sentences = benchmark.find_sentences(real_data / "tess")
    own = sentences[sentences["actor"] == "YAF"]
    chosen = benchmark.choose_sentences(own, "mixed", 40, np.random.default_rng(8))
    path = tmp_path / "recording.wav"
    spans = benchmark.join_sentences(chosen, path)
    plain, adapted = (
        benchmark.score_windows(predict_clip(path, adapt=adapt).table, spans)
        for adapt in (False, True)
    )
    assert plain > 2 / 7
    assert adapted > plain + 0.1
