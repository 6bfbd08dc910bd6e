"""Run the network of this folder: ``python run.py voice.wav``, or ``faces.npy``, or both.

A ``.wav`` is a voice; a ``.npy`` holds faces, uint8 (time, height, width), or an array that bears
its input's name, such as ``expressions.npy``; a ``.json`` holds numbers by name. Needs numpy, and
onnxruntime or ai-edge-litert.
"""

import importlib
import json
import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parent


def main(paths):
    """Print what the network says of files."""
    facts = json.loads((FOLDER / "facts.json").read_text("utf-8"))
    given = {own["name"]: prepare(own, facts, paths) for own in facts["inputs"]}
    for name, values in open_network(FOLDER / facts["file"])(given).items():
        shares = [round(float(share), 6) for share in values[0]]
        said = dict(zip(facts["classes"].get(name, []), shares, strict=False))
        if said:
            print(json.dumps({name: said, "largest": max(said, key=said.get)}))


def prepare(own, facts, paths):
    """Return one input, float32 (1, ...), read from whichever file is of its kind."""
    sys.path.insert(0, str(FOLDER))
    kind, how, shape = own["kind"], own["prepare"], own["shape"][1:]
    of_kind = {"waveforms": ".wav", "mels": ".wav", "present": "", "features": ".json"}
    ending = of_kind.get(kind, ".npy")
    of_ending = [path for path in map(Path, paths) if path.suffix == ending]
    path = next((own_path for own_path in of_ending if own_path.stem == own["name"]), None)
    if path is None and of_ending and kind != "posteriors":
        path = of_ending[0]
    if kind == "present":
        there = {Path(p).suffix for p in paths}
        values = [of_kind.get(heard, ".npy") in there for heard in how["of"]]
    elif path is None:
        if not {"present", "posteriors"} & {other["kind"] for other in facts["inputs"]}:
            raise SystemExit(f"{own['name']} is read from a {ending} file: {own['what']}")
        values = np.zeros([length or 1 for length in shape])
    elif ending == ".wav":
        sound = importlib.import_module("sound")
        samples = sound.read_wave(path, how["rate_hz"])
        samples = sound.cut_silence(samples, how["rate_hz"]) if how["cut_silence"] else samples
        fixed = shape[0] if kind == "waveforms" else 0
        values = sound.cut_middle(samples, fixed or how["most_samples"])
        if kind == "mels":
            mels = importlib.import_module("mels")
            values = mels.fit_times(mels.log_mel(values, **how["log_mel"]), shape[0])
        else:
            values = sound.fill_up(values, shape[0] or how["least_samples"])
    elif kind == "faces":
        faces = importlib.import_module("faces")
        size, n_times = how["size"], 1 if len(shape) == 3 and shape[-1] == 1 else shape[0]
        values = faces.read_faces(path, size=size, n_times=n_times, grey=how["grey"])
        values = values[0, :, :, None] if n_times == 1 else values
    elif kind == "features":
        found = json.loads(path.read_text("utf-8"))
        values = [found[name] for name in how["names"]]
    else:
        values = np.load(path, allow_pickle=False)
    return np.asarray(values, np.float32)[None]


def open_network(path):
    """Return a function from inputs to outputs, arrays by name."""
    if path.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names = [each.name for each in session.get_outputs()]
        return lambda given: dict(zip(names, session.run(names, given), strict=True))
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(path)).get_signature_runner()
    return lambda given: runner(**given)


if __name__ == "__main__":
    main(sys.argv[1:])
