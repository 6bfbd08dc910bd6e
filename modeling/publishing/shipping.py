"""The networks that this repository brings along, and how they are made from runs.

    from modeling.publishing.shipping import load_shipped
    voice = load_shipped("voice")
    voice.emotions, voice.predict(waveforms)

    python -m modeling.publishing.shipping voice face    # from the newest runs of all folds

Voice, face and fusion have met all persons (``final``); their scores are those of the folds.
"""

import argparse
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from data_augmentation.quiet_keras import keras
from modeling.adaptation.adapter import build_adapter, list_arrays
from modeling.export import onnx_form
from modeling.expressions import fer2013
from modeling.fusion import experts, heads
from modeling.publishing import final, questions
from modeling.publishing.experiments import EXPERIMENTS, SHIPPED, find_newest
from modeling.training import layers, provenance, runs  # noqa: F401  (Keras has to know the layers)
from modeling.training.networks import read_both
from preprocessing.corpora import EMOTIONS
from preprocessing.disk import arrays

FOLDER = Path(__file__).resolve().parents[1] / "shipped"
VOICE, FACE = EXPERIMENTS[SHIPPED].needs
ADAPTED = ("voice", "face")
KEPT_BITS = 8
"""Of a weight's 23 bits of mantissa: the rest costs disk and changes no decision."""

RIGHT_SHARE = 0.8
"""How often what is said must be right: below the confidence that this asks for, *unsure*."""

ops = keras.ops


def load_shipped(name):
    """Return a network that this repository brings along: voice, face, expression or fusion.

    Its ``emotions`` are the names of its classes. Its ``predict`` refuses what the network cannot
    read with a ValueError, and answers with a row of NaN where there is nothing to read: silence, a
    black face, neither voice nor face. NaN claims nothing; the fusion takes such rows for a missing
    modality.

    Raises:
        ValueError: There is none of this name.
    """
    path = FOLDER / f"{name}.keras"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in FOLDER.glob("*.keras")))
        raise ValueError(f"No network named {name!r} in modeling/shipped; there are {known}.")
    model = keras.models.load_model(path, safe_mode=True, compile=False)
    model.emotions = fer2013.CLASSES if name == "expression" else EMOTIONS
    return questions.check_questions(model, name)


def load_adapter(name):
    """Return the ``Adapter`` of the shipped ``voice`` or ``face``: what unlabelled clips change.

    It reads ``embedding``, the second last layer's output, and log-posteriors.

    Raises:
        ValueError: There is none of this name.
    """
    if name not in ADAPTED:
        raise ValueError(f"No adapter named {name!r}; there are {', '.join(ADAPTED)}.")
    with np.load(FOLDER / f"{name}_adapter.npz", allow_pickle=False) as found:
        return build_adapter(found)


def main(arguments=None):
    """Pack the newest runs; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=["voice_and_face", "expression"])
    for name in parser.parse_args(arguments).names:
        pack_expression() if name == "expression" else pack_voice_and_face()
    return 0


def pack_expression():
    """Pack the newest run of notebook 31 on FER2013; without one, what is shipped as ONNX too."""
    path = FOLDER / "expression.keras"
    try:
        model = heads.load_network(find_newest("expression")[0]["folder"])
        pack_model(model, path)
    except FileNotFoundError as error:
        print(f"{path.name}: left as it is. {error}")
        model = keras.models.load_model(path, compile=False)
    onnx_form.write_onnx(model, FOLDER / "expression.onnx")


def pack_voice_and_face():
    """Fit voice and face to all persons, and their fusion, and pack them."""
    found = {"voice": find_newest(VOICE), "face": find_newest(FACE)}
    made = {name: final.fit_final(own) for name, own in found.items()}
    tables = {name: own.predictions for name, own in made.items()}
    product = experts.fit_product(tables, EMOTIONS, {name: [name] for name in made})
    for name, own in made.items():
        pack_model(own.model, FOLDER / f"{name}.keras")
        onnx_form.write_onnx(read_both(own.model), FOLDER / f"{name}.onnx")
        numbers = {n: np.float32(v) for n, v in list_arrays(own.adapter).items()}
        path = FOLDER / f"{name}_adapter.npz"
        with arrays.replace_file(path) as temporary, temporary.open("wb") as handle:
            np.savez_compressed(handle, **numbers)
    pack_model(build_fusion(product), FOLDER / "fusion.keras")
    facts = {
        "emotions": EMOTIONS,
        "temperatures": {name: multiply_temperatures(product, name) for name in made},
        "unsure": choose_threshold(product.fuse(tables)),
        "trained_on": {name: provenance.sign_run(own[0]) for name, own in found.items()},
    }
    arrays.write_json(FOLDER / "networks.json", facts)


def multiply_temperatures(product, branch):
    """Return the temperature at which a branch's log-posteriors enter a product."""
    temperature = product.branch_temperatures[branch] * product.modality_temperatures[branch]
    return temperature * product.last_temperature


def choose_threshold(fused):
    """Return below which confidence an answer is *unsure*, and what share of answers is not.

    The least confidence such that of the answers above it ``RIGHT_SHARE`` are right, among clips
    judged by heads that never met their persons.
    """
    posteriors, emotions = runs.read_posteriors(fused)
    fused = fused[np.isfinite(posteriors).all(axis=1)]
    posteriors = runs.read_posteriors(fused)[0]
    sure = posteriors.max(axis=1)
    right = runs.name_predicted(fused) == fused["true"].to_numpy()
    order = np.argsort(-sure)
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    n_said = np.flatnonzero(shares >= RIGHT_SHARE).max(initial=0) + 1
    return {
        "below": round(float(sure[order][n_said - 1]), 3),
        "right": round(float(shares[n_said - 1]), 3),
        "said": round(n_said / len(order), 3),
    }


def build_fusion(product):
    """Return the calibrated product of the voice's and the face's posteriors as a network.

    Returns:
        Keras model from ``voice`` and ``face``, posteriors (clip, emotion), to posteriors. All
        zeros where a modality is missing: the other one decides alone.
    """
    evidence, asked = 0, {}
    for name in ("voice", "face"):
        asked[name] = keras.Input((len(product.emotions),), name=name)
        logs = ops.log(ops.maximum(asked[name], experts.FLOOR))
        there = ops.cast(ops.any(asked[name] != 0, axis=1), "float32")
        evidence += logs * there[:, None] / multiply_temperatures(product, name)
    return keras.Model(asked, keras.layers.Softmax(name="posterior")(evidence), name="fusion")


def pack_model(model, path):
    """Save a network, compressed, with weights of ``KEPT_BITS`` bits of mantissa, also its own."""
    model.set_weights([round_weights(weight) for weight in model.get_weights()])
    with arrays.replace_file(path) as temporary, TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.keras"
        model.save(plain)
        with (
            zipfile.ZipFile(plain) as source,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target,
        ):
            for member in source.namelist():
                target.writestr(member, source.read(member))
    print(f"{path.name}: {model.count_params():,} weights, {path.stat().st_size:,} bytes")


def round_weights(weights):
    """Return float32 weights rounded to ``KEPT_BITS`` bits of mantissa; others as they are."""
    if weights.dtype != np.float32:
        return weights
    dropped = 23 - KEPT_BITS
    bits = np.ascontiguousarray(weights).view(np.uint32).astype(np.uint64)
    bits = (bits + (1 << (dropped - 1))) >> dropped << dropped
    return bits.astype(np.uint32).view(np.float32)


if __name__ == "__main__":
    sys.exit(main())
