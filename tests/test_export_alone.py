"""Bundles in a Python that has NumPy and a runtime, and nothing of this repository."""

import json
import os
import subprocess
import venv

import numpy as np
import pytest

from modeling.export import bundle, sources
from modeling.export.taken import sound
from modeling.predict import networks
from tests.broken_media import write_wav

pytestmark = pytest.mark.slow
RATE_HZ = 16000


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Return a Python with NumPy, onnxruntime and ai-edge-litert alone."""
    folder = tmp_path_factory.mktemp("alone")
    venv.create(folder, with_pip=True)
    path = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    wanted = ["numpy", "onnxruntime", "ai-edge-litert"]
    install = [path, "-m", "pip", "install", "--quiet", *wanted]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"needs a package registry: {done.stderr[-200:]}")
    code = "import tensorflow"
    assert subprocess.run([path, "-c", code], capture_output=True).returncode != 0
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return a folder with a voice and with faces."""
    folder = tmp_path_factory.mktemp("files")
    times = np.arange(int(1.5 * RATE_HZ)) / RATE_HZ
    tone = 0.3 * np.sin(2 * np.pi * (160 * times + 9 * np.sin(6 * times)))
    samples = np.concatenate([np.zeros(4000), tone, np.zeros(9000)])
    write_wav(folder / "voice.wav", (samples * 32767).astype(np.int16), RATE_HZ)
    rng = np.random.default_rng(0)
    np.save(folder / "faces.npy", rng.integers(0, 255, (48, 48), dtype=np.uint8))
    return folder


@pytest.mark.parametrize("to", ["onnx", "litert"])
def test_voice_and_expression_answer_alone(python, files, tmp_path, to):
    said = {}
    for name, file in {"voice": "voice.wav", "expression": "faces.npy"}.items():
        bundle.write_bundle(sources.read_shipped(name), tmp_path / name, to=to)
        command = [python, "-I", tmp_path / name / "run.py", file]
        done = subprocess.run(command, cwd=files, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said[name] = json.loads(done.stdout.splitlines()[0])
    shipped = networks.load_networks()
    samples = sound.cut_silence(sound.read_wave(files / "voice.wav", RATE_HZ), RATE_HZ)
    heard = shipped.hear([samples])[0]
    seen = shipped.look(np.load(files / "faces.npy")[None])[0]
    np.testing.assert_allclose(list(said["voice"]["posterior"].values()), heard, atol=1e-3)
    np.testing.assert_allclose(list(said["expression"]["fer2013"].values()), seen, atol=1e-3)
