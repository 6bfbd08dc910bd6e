"""The networks that this repository brings along, and how they are made from runs.

    from modeling.publishing.shipping import load_shipped
    voice = load_shipped("voice")

    python -m modeling.publishing.shipping voice expression   # the newest runs of fold 1, packed

Each is the network of one fold, so there are people whom it has never met: its test actors.
"""

import argparse
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from data_augmentation.quiet_keras import keras
from modeling.fusion import experts, heads
from modeling.publishing import questions
from modeling.publishing.experiments import EXPERIMENTS, SHIPPED
from modeling.training import layers, runs  # noqa: F401  (importing layers lets Keras know them)
from preprocessing.disk import arrays

FOLDER = Path(__file__).resolve().parents[1] / "shipped"
FOLD = 1
VOICE, FACE = EXPERIMENTS[SHIPPED].needs
KEPT_BITS = 8
"""Of a weight's 23 bits of mantissa: the rest costs disk and changes no decision."""

ops = keras.ops


def load_shipped(name):
    """Return a network that this repository brings along: ``voice``, ``expression``, ``fusion``.

    Its ``predict`` refuses what the network cannot read with a ValueError, and answers with a row
    of NaN where there is nothing to read: silence, a black face, neither voice nor face. NaN claims
    nothing; the fusion takes such rows for a missing modality.

    Raises:
        ValueError: There is none of this name.
    """
    path = FOLDER / f"{name}.keras"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in FOLDER.glob("*.keras")))
        raise ValueError(f"No network named {name!r} in modeling/shipped; there are {known}.")
    model = keras.models.load_model(path, safe_mode=True, compile=False)
    return questions.check_questions(model, name)


def main(arguments=None):
    """Pack the newest runs; return the exit status."""
    networks = {
        "voice": lambda: heads.load_network(find_network(VOICE)["folder"]),
        "expression": lambda: heads.load_network(find_network("expression")["folder"]),
        "fusion": build_fusion,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=list(networks), help="which networks to pack")
    for name in parser.parse_args(arguments).names:
        try:
            model = networks[name]()
        except FileNotFoundError as error:
            print(f"{name}: left as it is. {error}")
            continue
        path = FOLDER / f"{name}.keras"
        pack_model(model, path)
        print(f"{path.name}: {model.count_params():,} weights, {path.stat().st_size:,} bytes")
    return 0


def find_network(name):
    """Return the facts of the newest run of an experiment for ``FOLD``."""
    own = EXPERIMENTS[name]
    return runs.find_run(own.corpus, own.branch, protocol=own.protocol, fold=FOLD)


def build_fusion():
    """Return the calibrated product of the voice's posteriors and the face's expressions.

    The temperatures are fitted on the validation actors, as notebook 50 does.

    Returns:
        Keras model from ``voice`` (clip, emotion), posteriors, and ``expressions`` (clip, time, 7),
        posteriors frame by frame with zeros behind the last frame, to posteriors (clip, emotion).
        All zeros where a modality is missing: the other one decides alone.
    """
    found = {name: find_network(name) for name in (VOICE, FACE)}
    tables = {name: runs.read_predictions(facts["folder"]) for name, facts in found.items()}
    emotions = runs.read_posteriors(tables[VOICE])[1]
    product = experts.fit_product(tables, emotions, heads.group_branches(found))
    face = heads.load_network(found[FACE]["folder"])
    voice = keras.Input((len(emotions),), name="voice")
    expressions = keras.Input(face.input_shape[1:], name="expressions")
    seen = ops.any(expressions != 0, axis=(1, 2))
    judges = [("voice", voice, ops.any(voice != 0, axis=1)), ("face", face(expressions), seen)]
    evidence = 0
    for (modality, posterior, there), branch in zip(judges, found, strict=True):
        temperature = product.branch_temperatures[branch] * product.last_temperature
        temperature *= product.modality_temperatures[modality]
        logs = ops.log(ops.maximum(posterior, experts.FLOOR)) / temperature
        evidence += logs * ops.cast(there, "float32")[:, None]
    posterior = keras.layers.Softmax(name="posterior")(evidence)
    inputs = {"voice": voice, "expressions": expressions}
    return keras.Model(inputs, posterior, name="fusion")


def pack_model(model, path):
    """Save a network, compressed, with weights of ``KEPT_BITS`` bits of mantissa, also its own."""
    model.set_weights([round_weights(weight) for weight in model.get_weights()])
    with arrays.replace_file(Path(path)) as temporary, TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.keras"
        model.save(plain)
        with (
            zipfile.ZipFile(plain) as source,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target,
        ):
            for name in source.namelist():
                target.writestr(name, source.read(name))


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
