"""A bundle: a folder with a network and all that a program needs to ask it, and no more.

model.onnx or model.tflite    facts.json    run.py    sound.py, mels.py, faces.py    CARD.md
"""

import shutil
from pathlib import Path

import pooch

from modeling.borrowed.readable import SHORTEST
from modeling.export import litert_form, onnx_form
from modeling.export.sources import RATE_HZ, SHIPPED
from preprocessing.disk import arrays

FORMS = {"onnx": "model.onnx", "litert": "model.tflite"}
TAKEN = Path(__file__).with_name("taken")
FILES = {"waveforms": ("sound",), "mels": ("sound", "mels"), "faces": ("faces",)}
"""What prepares each kind of input, of the modules in ``taken/``."""

SHAPES = {
    "waveforms": "a voice, 16 kHz, mono, between -1 and 1, zeros behind its end",
    "mels": "its log-mel spectrogram, (time, mel), decibels relative to full scale",
    "faces": "one person's face, cut out and upright, 0 (black) to 255 (white); zeros: no face",
    "expressions": "posteriors of the expression network, (time, 7); rows of zeros: no face",
    "expression_summary": "statistics of expressions over a clip (modeling/expressions/stored.py)",
    "expression_embeddings": "embeddings of the expression network, by frame",
    "action_units": "means of OpenFace's action units over a clip",
    "features": "named features of the voice; librosa and this repository measure them",
    "present": "1 for each branch whose side of the clip is there, else 0",
    "posteriors": "the posteriors of the network of this name; all zeros where there are none",
}
NOT_FOR = (
    "It names what faces and voices display, as actors showed it: not what anybody feels. Not for "
    "judging, selecting or monitoring people; at work and in schools the EU AI Act (article 5) "
    "prohibits it."
)


def write_bundle(source, folder, *, to, int8=False, length=0):
    """Write a network and what asks it into a folder; return the path of the network.

    Args:
        source: ``sources.Source``.
        folder: Made if absent; files of an earlier bundle are replaced.
        to: ``onnx`` or ``litert``.
        int8: Keep weights in 8 bits; measure what that costs, see ``measuring``.
        length: Fix free axes of time to so many steps or samples (LiteRT alone); 0 leaves them.

    Raises:
        ValueError: The form is unknown.
    """
    folder = Path(folder)
    if to not in FORMS:
        raise ValueError(f"--to {to!r}; expected one of {', '.join(FORMS)}.")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FORMS[to]
    write_model(source, path, int8=int8, length=length)
    facts = describe_source(source) | {"file": path.name, "format": to, "int8": int8}
    facts["sha256"] = pooch.file_hash(path)
    if to == "litert" and length:
        for own in facts["inputs"]:
            own["shape"] = [length if axis is None else axis for axis in own["shape"]]
    for own in facts["inputs"]:
        own["shape"][0] = None if to == "onnx" else 1
    arrays.write_json(folder / "facts.json", facts)
    kinds = [own["kind"] for own in facts["inputs"]]
    for name in {"run", *(name for kind in kinds for name in FILES.get(kind, ()))}:
        shutil.copyfile(TAKEN / f"{name}.py", folder / f"{name}.py")
    (folder / "CARD.md").write_text(write_card(source, facts), "utf-8")
    return path


def find_file(folder, source, form, *, int8=False):
    """Return where ``measuring`` puts a network of a form, ``ONNX`` or ``LiteRT``."""
    name = f"{source.name}_{form.lower()}{'int8' if int8 else ''}"
    return Path(folder, name, FORMS[form.lower()])


def write_model(source, path, *, int8=False, length=0):
    """Write a source's network as ``.onnx`` or ``.tflite``, by the ending of the path."""
    if path.suffix == ".tflite":
        lengths = dict.fromkeys(source.inputs, length) if length else {}
        litert_form.write_litert(source.model, path, lengths=lengths, int8=int8)
    else:
        onnx_form.write_onnx(source.model, path, int8=int8)


def describe_source(source):
    """Return the facts of a source that do not depend on a format."""
    return {
        "schema": 1,
        "name": source.name,
        "of": source.origin,
        "contains": source.contains,
        "classes": {name: list(own) for name, own in source.classes.items()},
        "inputs": [_describe_input(source, name, shape) for name, shape in source.inputs.items()],
        "trained_on": source.facts.get("corpus", "see CARD.md"),
        "licence": source.licence,
        "statement": NOT_FOR,
    }


def _describe_input(source, name, shape):
    """Return what one input wants, and the numbers by which it is prepared."""
    kind, how = name, {}
    voice = {"rate_hz": RATE_HZ, "cut_silence": False, "least_samples": SHORTEST}
    if name in ("waveforms", "mels"):
        kept = source.prepared.get("waveforms", {})
        how = voice | {"cut_silence": bool(kept.get("trim"))}
        how["most_samples"] = round(source.window_s * RATE_HZ)
    if name == "mels":
        kept = source.prepared["audio"]
        how["log_mel"] = {key: kept[key] for key in ("rate_hz", "n_mels", "window_ms", "hop_ms")}
    elif name == "faces" or (name == "face" and len(shape) == 4):
        kind, kept = "faces", source.prepared["faces"]
        how = {key: kept[key] for key in ("size", "margin", "grey")}
    elif name in ("voice", "face"):
        kind = "posteriors"
    elif name == "features":
        how = {"names": list(source.names)}
    elif name == "present":
        how = {"of": list(source.heard), "branches": list(source.present)}
    facts = {"name": name, "kind": kind, "shape": list(shape), "dtype": "float32"}
    return facts | {"what": SHAPES[kind], "prepare": how}


def write_card(source, facts):
    """Return the card of a bundle, Markdown: a shipped network's own, or one made of its run."""
    shipped = SHIPPED / f"{source.name}.md"
    if not source.facts and shipped.is_file():
        return shipped.read_text("utf-8")
    run, scores = source.facts, source.facts["scores"]
    shown = ", ".join(f"{name} {value:.3f}" for name, value in scores.items() if name != "n_clips")
    notes = ", ".join(run["notes"]) or "none"
    wants = "\n".join(f"- `{own['name']}` {own['shape']}: {own['what']}" for own in facts["inputs"])
    return f"""# {source.name}

Of the run `{source.origin}` of Multimodal Emotion Recognition. It holds {source.contains}.

{wants}

Trained on {run["corpus"]} ({run["protocol"]}, fold {run["fold"]}); on test actors whom it never
met: {shown}. Notes: {notes}.

{NOT_FOR}

Licence: {source.licence}; the code is under the MIT licence. Networks trained by others that it
holds keep theirs: VGG19's ImageNet weights CC BY 4.0, YAMNet Apache 2.0, Moonshine MIT; the
expression network learned from FER2013's photographs from the web.
"""
