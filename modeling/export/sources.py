"""What can be taken along: the network of a run, or a shipped one, whole, and what it wants.

A ``Source`` reads what a program can prepare. So a head that a run holds alone gets what it stands
on: the shipped expression network below the heads of notebook 32, and below the joint heads of
notebook 50 the networks of all the branches that they fuse.
"""

from dataclasses import dataclass, field
from pathlib import Path

from data_augmentation.quiet_keras import keras
from modeling.export import joining
from modeling.export.plain import rewrite_network
from modeling.expressions import expression_network, fer2013
from modeling.fusion import experts, heads
from modeling.training import networks, runs
from preprocessing import corpora
from preprocessing.corpora import EMOTIONS
from preprocessing.disk import files
from preprocessing.disk.folders import find_home

BRANCHES = (
    *("video_convlstm", "video_expression", "audio_features", "audio_conv2d", "audio_vgg19"),
    *("audio_yamnet", "audio_moonshine", "fusion_dense"),
)
"""Of notebooks 30 to 50, those that hold a network; the other joint heads are asked for by name."""

SHIPPED = Path(__file__).resolve().parents[1] / "shipped"
SHIPPED_WINDOW_S, RATE_HZ = 3.0, 16000
SINGLE_FACE = {"size": fer2013.SIDE, "margin": 0.0, "grey": True}
HEAD_ALONE = {
    "expressions": "the head alone: it reads the posteriors of the expression network, by frame",
    "expression_summary": "the head alone: it reads statistics of expressions over a clip",
    "action_units": "the head alone: it reads OpenFace's action units",
    "features": "all of it, but for the features: librosa and this repository measure them",
}


@dataclass(frozen=True)
class Source:
    """A network to take along.

    Attributes:
        name: Of the bundle, such as ``audio_conv2d`` or ``voice``.
        origin: Where it comes from: ``shipped/voice``, or a run's folder below ``results/``.
        model: Keras model with named inputs, whole.
        classes: Names of its classes, by the name of each output.
        contains: In words, what of the way from a clip to an answer it holds.
        facts: Of its run; empty for a shipped one.
        prepared: By stage, the parameters with which its input was made.
        present: Branches whose presence the input ``present`` says, in order.
        heard: For each of these, the input that it reads.
        names: Of the values of an input ``features``.
        both: Keras model from the same inputs to posterior and embedding; None where there is none.
    """

    name: str
    origin: str
    model: keras.Model
    classes: dict
    contains: str
    facts: dict = field(default_factory=dict)
    prepared: dict = field(default_factory=dict)
    present: tuple = ()
    heard: tuple = ()
    names: tuple = ()
    both: keras.Model | None = None

    @property
    def inputs(self):
        """Return the shapes of its inputs, (clip, ...), by name; None where an axis is free."""
        return {own.name: tuple(own.shape) for own in self.model.inputs}

    @property
    def licence(self):
        """Return under what the network may be used."""
        if not self.facts:
            return "see CARD.md, section Licence"
        corpus = self.facts["corpus"]
        if corpus not in corpora.NAMES:
            return f"{corpus}'s photographs are from the web: clear that before commercial use"
        return f"its corpus {corpus}: {corpora.get(corpus).licence}"

    @property
    def window_s(self):
        """Return how many seconds of a clip it was trained on."""
        kept = self.prepared.get("waveforms") or self.prepared.get("faces") or {}
        return kept.get("window_s", SHIPPED_WINDOW_S)


def find_source(name):
    """Return the ``Source`` of ``shipped/NAME``, or of a run.

    A run is a folder of ``results/`` (``results/drawn-audio_conv2d/2026…``, from anywhere or below
    the home of the data), or ``drawn-audio_conv2d`` for the newest of that name.

    Raises:
        FileNotFoundError: There is no such network or run.
        ValueError: The run holds no network.
    """
    if name.startswith("shipped/"):
        return read_shipped(name.removeprefix("shipped/"))
    folder = next((f for f in _list_folders(name) if (f / "parameters.json").is_file()), None)
    if folder is None:
        raise FileNotFoundError(
            f"No run and no shipped network named {name!r}. Expected shipped/voice, shipped/face, "
            "shipped/expression, shipped/fusion, or a folder of results/."
        )
    return read_run(folder)


def _list_folders(name):
    """Return where a run of this name may lie, the newest of several first."""
    roots = [Path(name), Path(find_home(), name), runs.results_folder() / name]
    return [folder for root in roots for folder in (root, *sorted(root.glob("2*"))[::-1])]


def list_sources(corpus, branches, shipped):
    """Return the ``Source`` of each branch's newest run and of shipped networks, by name.

    Names have spaces between them; ``all`` branches are ``BRANCHES``. Those that have no run, or
    none with a network, are named.
    """
    found = {}
    for name in BRANCHES if branches == "all" else branches.split():
        try:
            found[name] = read_run(runs.find_run(corpus, name)["folder"])
        except (FileNotFoundError, ValueError) as error:
            print(f"without {name}: {str(error).partition('. ')[0]}")
    return found | {f"shipped/{name}": read_shipped(name) for name in shipped.split()}


def read_shipped(name):
    """Return the ``Source`` of a shipped network: voice, face, expression or fusion."""
    path = SHIPPED / f"{name}.keras"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in SHIPPED.glob("*.keras")))
        raise FileNotFoundError(
            f"No network named {name!r} in modeling/shipped; there are {known}."
        )
    model = keras.models.load_model(path, safe_mode=True, compile=False)
    classes, contains = {"posterior": EMOTIONS}, "all of it, encoder and head"
    prepared = {"waveforms": {"window_s": SHIPPED_WINDOW_S, "trim": True, "rate_hz": RATE_HZ}}
    if name == "expression":
        classes = {"fer2013": fer2013.CLASSES, "ferplus": fer2013.VOTED}
        prepared = {"faces": dict(SINGLE_FACE)}
    elif name == "face":
        contains, prepared = HEAD_ALONE["expressions"], {}
    elif name == "fusion":
        contains, prepared = "the fusion alone: it reads the posteriors of voice and face", {}
    return Source(name, f"shipped/{name}", model, classes, contains, prepared=prepared)


def read_run(folder):
    """Return the ``Source`` of a run of notebooks 30 to 50.

    Raises:
        ValueError: The run holds no network, such as a product of posteriors, which has none.
    """
    facts = runs.read_facts(Path(folder))
    named = {"name": facts["branch"], "facts": facts, "prepared": facts.get("prepared", {})}
    named["origin"] = "/".join(facts["folder"].resolve().parts[-2:])
    if not (facts["folder"] / "model.keras").is_file():
        advice = "Products and regressions of posteriors, and adapted branches, have none."
        if facts["branch"] == "audio_features":
            advice = "Run 40_audio_features.ipynb again: by now it saves one."
        raise ValueError(f"{named['origin']} holds no network. {advice}")
    model = heads.load_network(facts["folder"])
    if any(own.dtype_policy.name != "float32" for own in model.layers):
        model = rewrite_network(model)  # in float32: the runtimes compute in nothing less
    if facts["branch"] == "expression":
        named["classes"] = {"fer2013": fer2013.CLASSES, "ferplus": fer2013.VOTED}
        named["prepared"] = {"faces": dict(SINGLE_FACE)}
        return Source(model=model, contains="all of it, encoder and head", **named)
    named["classes"] = {"posterior": _read_emotions(facts)}
    if facts.get("runs") and model.inputs[0].name == "embeddings":
        return _join_branches(model, facts, named)
    if facts["branch"] == "audio_features":
        table = files.read_table(facts["folder"] / "features.csv", text=["name"])
        names = tuple(tell_apart(table["name"]))
        named |= {"names": names, "contains": HEAD_ALONE["features"]}
        return Source(model=model, both=networks.read_both(model), **named)
    below = find_encoder(model, facts)
    if below:
        both = joining.put_encoder(model, below, named["prepared"]["faces"])
        contains = "all of it: the shipped expression network, frame by frame, and the head"
    else:
        both = networks.read_both(model)
        contains = HEAD_ALONE.get(facts.get("array"), "all of it, encoder and head")
    both = joining.rename_input(both, "faces" if below else facts.get("array"))
    model = keras.Model(both.inputs, both.outputs[0], name=facts["branch"])
    return Source(model=model, contains=contains, both=both, **named)


def tell_apart(names):
    """Return names of features, each once: one that comes again is a functional of the spectra."""
    met = set()
    for name in names:
        yield f"functional_{name}" if name in met else name
        met.add(name)


def find_encoder(model, facts):
    """Return the layer of the shipped expression network on which a head stands; "" for none.

    None too where another network than the shipped one saw the expressions.
    """
    made = facts.get("prepared", {}).get("expressions", {})
    if "faces" not in facts.get("prepared", {}) or not made.get("weights"):
        return ""
    layer = {"expression_embeddings": "embedding", "expressions": "fer2013"}
    layer = "maps" if len(model.input_shape) == 5 else layer.get(facts.get("array"), "")
    network = joining.load_expressions()
    weights = expression_network.sign_weights(network)
    return layer if weights == made["weights"] else ""


def _read_emotions(facts):
    """Return the names of the classes that a run's network gives, in order."""
    return runs.read_posteriors(runs.read_predictions(facts["folder"]))[1]


def _join_branches(head, facts, named):
    """Return the ``Source`` of a joint head on the networks of its branches."""
    found, below = {}, {}
    for own in facts["runs"]:
        folder = _find_beside(facts["folder"], own["run"])
        found[own["branch"]] = runs.read_facts(folder)
        below[own["branch"]] = read_run(folder)
    parts, scales = heads.stack_embeddings(found, named["classes"]["posterior"])
    val = experts.take_log(networks.run_network(head, parts["val"].x))
    temperature = experts.fit_temperature(val, parts["val"].labels)  # as notebook 50 does
    models = {name: own.both for name, own in below.items()}
    model = joining.join_branches(models, scales, head, temperature)
    heard = tuple(own.model.inputs[0].name for own in below.values())
    names = next((own.names for own in below.values() if own.names), ())
    contains = f"all of it: {', '.join(below)}, and the head that joins them"
    options = {"present": tuple(below), "heard": heard, "names": names}
    return Source(model=model, contains=contains, **options, **named)


def _find_beside(folder, run):
    """Return the folder of another run, ``branch/time``, of the results in which one lies."""
    beside = folder.resolve().parents[1] / run
    return beside if beside.is_dir() else runs.results_folder() / run
