"""The contenders of the benchmarks do the same work."""

import numpy as np
import pytest

from opencv_model.resnet_ssd import open_detector
from preprocessing import audio


@pytest.mark.real_data
def test_contenders_give_faces_and_features_of_the_same_clip(real_data, monkeypatch):
    from benchmarks import contenders

    weights = real_data / "face_detector" / "opencv_face_detector_uint8.pb"
    monkeypatch.setenv("EMOTION_DETECTOR", str(weights))
    detector = open_detector("resnet_ssd")
    path = sorted((real_data / "ravdess").rglob("*.mp4"))[0]
    assert contenders.decode_all(path) == 93
    names = (detector.name, detector.weights_sha256)
    _, rows, record = contenders.process_clip(0, path, names)
    assert rows["faces"].shape == (16, 64, 64)
    assert rows["mels"].shape[1] == 64
    assert set(audio.FEATURE_NAMES) <= set(record["numbers"])
    crops, mel, numbers = contenders.read_usually(path, detector)
    assert crops.shape == (16, 64, 64)
    assert np.isfinite(numbers).all()
    assert abs(mel.shape[1] - len(rows["mels"])) <= 3
    assert crops.std(axis=(1, 2)).min() > 20
    assert rows["faces"].std(axis=(1, 2)).min() > 20
