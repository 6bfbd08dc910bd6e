"""The experiments whose results are published: how each is run, kept and run again.

    make reproduce EXPERIMENT=audio_yamnet DATA=/path/to/ravdess
    make reproduce EXPERIMENT=expression P="FER2013=/path/to/fer2013.zip"

    python -m modeling.publishing.experiments list
    python -m modeling.publishing.experiments publish audio_yamnet

``reproduce`` runs the notebooks of an experiment, and of those it needs, for every fold, and
compares the outcome with ``modeling/published/<experiment>/``; ``publish`` replaces what is
published by the newest runs. All are on RAVDESS, fold by fold, but ``expression``: FER2013, once.
``modeling.publishing.report`` recomputes every table from what is published.
"""

import argparse
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from modeling.expressions import expression_network
from modeling.fusion import damage
from modeling.pipeline import command
from modeling.scores import metrics
from modeling.training import runs
from preprocessing.disk import arrays

PUBLISHED = Path(__file__).resolve().parents[1] / "published"
DECIMALS = 4
"""Of the published posteriors."""


@dataclass(frozen=True)
class Step:
    """Notebooks run with the same parameters.

    Attributes:
        notebooks: First digits, as ``make run ONLY=`` takes them.
        parameters: Parameters by name.
        every_fold: Whether they run once for each fold.
        asks: Parameters that name files which the person who runs it has to have.
        committee: Whether five members of a committee run for each fold.
    """

    notebooks: str
    parameters: dict = field(default_factory=dict)
    every_fold: bool = True
    asks: tuple = ()
    committee: bool = False


@dataclass(frozen=True)
class Experiment:
    """One row of the published table.

    Attributes:
        title: What went in and what was done with it.
        branch: Name of the runs that it leaves.
        steps: What is run, in order, after the experiments it needs.
        needs: Names of experiments whose runs it reads.
        remark: What must be said beside its scores.
    """

    title: str
    branch: str
    steps: tuple
    needs: tuple = ()
    remark: str = ""


CORPUS, PROTOCOL = "ravdess", "luna5"
CLIPS = Step("10,11", {"TRIM_DB": 35.0, "WINDOW_S": 3.0}, every_fold=False)
SOUND = Step(
    "12,21",
    {
        "N_COPIES": 6,
        "SPEED": [0.88, 1.12],
        "TEMPO": [0.88, 1.12],
        "PITCH": [-2.0, 2.0],
        "SHIFT_S": [],
        "GAIN_DB": [],
        "SNR_DB": [],
        "PROBABILITY": 0.6,
    },
    every_fold=False,
)
SEEN = Step("31", {"FER_EPOCHS": 0}, every_fold=False, asks=("POSTERIORS", "ACTION_UNITS"))
CONV2D = {
    "FILTERS": 24,
    "N_COPIES": 6,
    "EPOCHS": 80,
    "PATIENCE": 80,
    "PRECISION": "mixed_bfloat16",
}
CONV2D_MEMBER = CONV2D | {
    "FILTERS": 32,
    "EPOCHS": 60,
    "PATIENCE": 60,
    "BATCH_SIZE": 32,
    "LEARNING_RATE": 3e-3,
}
"""Of a committee: channels that fill the units of a CPU with AMX, and fewer, larger steps."""

AUDIO = ("audio_conv2d", "audio_vgg19", "audio_yamnet", "audio_features", "audio_moonshine")
STRANGERS = "expressions by another FER2013 network: the videos are not at hand"


def _fuse(title, way, name, needs, **options):
    """Return an experiment of notebook 50; ``name`` is the first word of its runs' names."""
    branches = " ".join(EXPERIMENTS[need].branch for need in needs)
    parameters = {"BRANCHES": branches, "NAME": name, "HEADS": []} | options
    remarks = sorted({EXPERIMENTS[need].remark for need in needs} - {""})
    step = Step("50", parameters)
    return Experiment(title, f"{name}_{way}", (step,), needs, "; ".join(remarks))


EXPERIMENTS = {
    "audio_features": Experiment(
        "named features and functionals, the classic that validation prefers",
        "audio_features",
        (CLIPS, SOUND, Step("40")),
    ),
    "audio_conv2d": Experiment(
        "Conv2D on log-mels, from scratch",
        "audio_conv2d",
        (CLIPS, SOUND, Step("41", CONV2D)),
    ),
    "audio_vgg19": Experiment(
        "VGG19, ImageNet's blocks 1 to 3, on log-mels",
        "audio_vgg19",
        (CLIPS, SOUND, Step("42", {"N_COPIES": 3, "PRETRAINED": True, "FINE_TUNE_EPOCHS": 0})),
    ),
    "audio_yamnet": Experiment(
        "YAMNet's blocks 1 to 9, blocks 7 to 9 tuned",
        "audio_yamnet",
        (
            CLIPS,
            SOUND,
            Step("43", {"N_COPIES": 6, "PRETRAINED": True, "EPOCHS": 40, "PATIENCE": 40}),
        ),
    ),
    "audio_moonshine": Experiment(
        "Moonshine's convolutions and layers 1 to 5, frozen; a dense head",
        "audio_moonshine",
        (CLIPS, Step("44", {"PRETRAINED": True})),
    ),
    "audio_moonshine_tiny": Experiment(
        "the same with Moonshine's tiny model, layers 1 to 4",
        "audio_moonshine_tiny",
        (
            CLIPS,
            Step(
                "44",
                {
                    "WEIGHTS": "tiny",
                    "LAST_LAYER": 4,
                    "NAME": "audio_moonshine_tiny",
                    "PRETRAINED": True,
                },
            ),
        ),
    ),
    "face_expression": Experiment(
        "posteriors of seven expressions over time",
        "face_expression",
        (CLIPS, SEEN, Step("32", {"INPUT": "expressions"})),
        remark=STRANGERS,
    ),
    "face_action_units": Experiment(
        "OpenFace's action units, means over the clip",
        "face_action_units",
        (CLIPS, SEEN, Step("32", {"INPUT": "action_units"})),
        remark="action units by OpenFace",
    ),
}
EXPRESSION = "expression"
"""The experiment of notebook 31, on FER2013."""

EXPRESSION_STEPS = (
    Step("10,11", every_fold=False),
    Step(
        "31",
        {"FER_EPOCHS": 44, "PRECISION": "mixed_bfloat16"},
        every_fold=False,
        asks=("FER2013",),
    ),
    Step(
        "31",
        {
            "FER_EPOCHS": 36,
            "START": "newest",
            "VOTES": 0.0,
            "LEARNING_RATE": 2e-3,
            "PRECISION": "mixed_bfloat16",
        },
        every_fold=False,
        asks=("FER2013",),
    ),
)
EXPRESSION_TABLES = {"expression_fer2013": "predictions", "expression_ferplus": "ferplus"}
"""What is published of it, and the table of its run."""

WAYS = {
    "mean": "late: mean of the posteriors",
    "late": "late: mean within, product across the modalities, calibrated",
    "logistic": "late: logistic regression, fitted on the validation actors",
    "early": "joint: all embeddings into one logistic regression",
    "dense": "joint: dense head, modality dropout",
    "gated": "joint: gated head, modality dropout",
    "attention": "joint: cross-modal attention, modality dropout",
}
"""The ways of fusion of notebook 50."""

HEADS = ["dense", "gated", "attention"]
FACES = ("face_expression", "face_action_units")
EXPERIMENTS["audio_ensemble"] = _fuse(
    "the five audio branches, calibrated, mean", "late", "audio", AUDIO
)
EXPERIMENTS["face_both"] = _fuse(
    "expressions and action units, calibrated, mean", "late", "face", FACES
)
for _way, _title in WAYS.items():
    EXPERIMENTS[f"fusion_{_way}"] = _fuse(
        f"audio × expressions, {_title}", _way, "fusion", (*AUDIO, FACES[0]), HEADS=HEADS
    )
EXPERIMENTS["fusion_with_action_units"] = _fuse(
    "audio × expressions and action units, late: mean within, product across",
    "late",
    "fusion_with_action_units",
    (*AUDIO, *FACES),
)
EXPERIMENTS |= {
    "audio_yamnet_committee": Experiment(
        "five YAMNets a fold, each stopped on other actors, shorter training",
        "audio_yamnet_committee",
        (
            CLIPS,
            SOUND,
            Step(
                "43",
                {"N_COPIES": 6, "PRETRAINED": True, "EPOCHS": 16, "PATIENCE": 16},
                committee=True,
            ),
        ),
    ),
    "audio_moonshine_committee": Experiment(
        "five heads on Moonshine a fold, each stopped on other actors",
        "audio_moonshine_committee",
        (CLIPS, Step("44", {"PRETRAINED": True}, committee=True)),
    ),
    "face_summary_committee": Experiment(
        "expressions while and around speaking, and action units; five networks a fold",
        "face_summary_committee",
        (CLIPS, SEEN, Step("32", {"INPUT": "summary"}, committee=True)),
        remark=f"{STRANGERS}; action units by OpenFace",
    ),
    "audio_conv2d_committee": Experiment(
        "five Conv2Ds on log-mels a fold, each stopped on other actors",
        "audio_conv2d_committee",
        (CLIPS, SOUND, Step("41", CONV2D_MEMBER, committee=True)),
    ),
    "audio_features_committee": Experiment(
        "named features and functionals, five models a fold",
        "audio_features_committee",
        (CLIPS, SOUND, Step("40", committee=True)),
    ),
}
MOONSHINES, YAMNETS = "audio_moonshine_committee", "audio_yamnet_committee"
CONV2DS, SUMMARIES = "audio_conv2d_committee", "face_summary_committee"
SHIPPED = "fusion_shipped"
"""The pair of networks that modeling/shipped/ holds: a voice and a face."""

for _name, (_title, _way, _needs) in {
    "audio_network_committees": (
        "the committees of YAMNet and of Conv2D, mean",
        "late",
        (YAMNETS, CONV2DS),
    ),
    "audio_two_committees": (
        "the committees of Moonshine and of YAMNet, mean",
        "late",
        (MOONSHINES, YAMNETS),
    ),
    "audio_two_committees_logistic": (
        "the same, logistic regression on out-of-fold log-posteriors",
        "logistic",
        (MOONSHINES, YAMNETS),
    ),
    "fusion_without_moonshine": (
        "YAMNet × the face's summary, committees, late: no speech recogniser in it",
        "late",
        (YAMNETS, SUMMARIES),
    ),
    "fusion_committees": (
        "Moonshine × the face's summary, committees, late: calibrated product",
        "late",
        (MOONSHINES, SUMMARIES),
    ),
    "fusion_committees_logistic": (
        "the same, late: logistic regression on out-of-fold log-posteriors",
        "logistic",
        (MOONSHINES, SUMMARIES),
    ),
    "fusion_three_committees": (
        "Moonshine and YAMNet × the face's summary, late: mean within, product across",
        "late",
        (MOONSHINES, YAMNETS, SUMMARIES),
    ),
    "fusion_four_committees": (
        "Moonshine, YAMNet and Conv2D × the face's summary, late: mean within, product across",
        "late",
        (MOONSHINES, YAMNETS, CONV2DS, SUMMARIES),
    ),
    SHIPPED: (
        "Moonshine's tiny model × expressions, late: calibrated product",
        "late",
        ("audio_moonshine_tiny", FACES[0]),
    ),
}.items():
    EXPERIMENTS[_name] = _fuse(_title, _way, _name.removesuffix("_logistic"), _needs)


def main(arguments=None):
    """Do what the command line says; return the exit status."""
    options = parse_arguments(arguments)
    if options.action == "list":
        titles = {name: experiment.title for name, experiment in EXPERIMENTS.items()}
        titles[EXPRESSION] = "expressions of single faces, FER2013"
        width = max(map(len, titles))
        for name, title in titles.items():
            print(f"{name:{width}} {title}")
        return 0
    if options.experiment not in (*EXPERIMENTS, EXPRESSION):
        known = ", ".join([*EXPERIMENTS, EXPRESSION])
        print(f"EXPERIMENT={options.experiment} is unknown; expected one of {known}.")
        return 2
    if options.action == "publish":
        if options.experiment == EXPRESSION:
            publish_expression()
        else:
            publish_experiment(options.experiment)
        return 0
    given = command.parse_parameters(options.parameters)
    if options.experiment == EXPRESSION:
        return run_steps(EXPRESSION, EXPRESSION_STEPS, given)
    steps = list_steps(options.experiment)
    status = run_steps(options.experiment, steps, given, corpus=CORPUS, data=options.data)
    if not status:
        compare_outcome(options.experiment)
    return status


def parse_arguments(arguments):
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["list", "reproduce", "publish"])
    parser.add_argument("experiment", nargs="?", default="")
    parser.add_argument("--data", default="", help="where RAVDESS lies")
    parser.add_argument("--parameters", default="", help='such as "EPOCHS=5", over all notebooks')
    return parser.parse_args(arguments)


def list_steps(name):
    """Return the steps of an experiment and of all it needs, each once, in order."""
    steps = [step for need in EXPERIMENTS[name].needs for step in list_steps(need)]
    unique = []
    for step in (*steps, *EXPERIMENTS[name].steps):
        if step not in unique:
            unique.append(step)
    return unique


def run_steps(name, steps, given, *, corpus="drawn", data=""):
    """Run the steps of an experiment in order.

    Args:
        name: Of the experiment.
        steps: ``Step`` after ``Step``.
        given: Parameters over those of the steps, such as file names that a step asks for.
        corpus: Name of the corpus.
        data: Where it lies.

    Returns:
        The exit status: 0, that of the first notebook that failed, or 2 where a step asks for a
        file that was not named.
    """
    if missing := [ask for step in steps for ask in step.asks if ask not in given]:
        print(f"{name} needs {' and '.join(missing)}: P='{missing[0]}=/path/to/file ...'.")
        return 2
    for number, step in enumerate(steps, 1):
        declared = {
            key
            for notebook in command.find_notebooks(step.notebooks)
            for key in command.list_parameters(notebook)
        }
        own = step.parameters | {key: value for key, value in given.items() if key in declared}
        print(f"step {number} of {len(steps)}: notebooks {step.notebooks} {own}", flush=True)
        words = shlex.join(f"{key}={value!r}" for key, value in own.items())
        options = ["--corpus", corpus, "--data", data, "--only", step.notebooks]
        options += ["--folds", "all"] if step.every_fold else []
        options += ["--committee"] if step.committee else []
        status = command.main([*options, "--parameters", words])
        if status in (1, 2):
            return status
    return 0


def compare_outcome(name):
    """Print the scores of an experiment's newest runs beside the published ones."""
    found, kept = pool_tests(name), read_published(name)
    emotions = runs.read_posteriors(found)[1]
    for title, table in {"now": found, "published": kept}.items():
        if table is not None:
            scores = metrics.score_predictions(table, emotions)
            accuracy, recall = scores["accuracy"], scores["unweighted_recall"]
            print(f"{title:10} accuracy {accuracy:.3f}, UAR {recall:.3f}")
    if kept is not None:
        both = found.set_index("clip_id").loc[kept["clip_id"]]
        same = runs.name_predicted(both) == runs.name_predicted(kept)
        print(f"the same emotion for {same.mean():.1%} of the clips")


def pool_tests(name):
    """Return the test predictions of the newest runs of an experiment over all folds.

    Raises:
        FileNotFoundError: There are no runs.
    """
    branch = EXPERIMENTS[name].branch
    pooled = runs.pool_runs(CORPUS, protocol=PROTOCOL)
    if branch not in pooled:
        raise FileNotFoundError(f"No run of {branch}; run: make reproduce EXPERIMENT={name}.")
    table = pooled[branch].predictions
    return table[table["part"] == "test"].sort_values("clip_id").reset_index(drop=True)


def publish_experiment(name):
    """Write ``published/<name>/``: the test predictions of all folds, and how they came about."""
    experiment = EXPERIMENTS[name]
    newest = runs.list_runs(CORPUS, branch=experiment.branch, protocol=PROTOCOL)[-1]
    facts = {
        "title": experiment.title,
        "remark": experiment.remark,
        "branch": experiment.branch,
        "needs": experiment.needs,
        "steps": [_describe_step(step) for step in list_steps(name)],
        "inputs": newest["inputs"],
    }
    write_published(name, pool_tests(name), newest, facts)
    if name in EXTRAS:
        file, collect = EXTRAS[name]
        arrays.write_table(PUBLISHED / file, collect(experiment.branch))


def collect_leak(branch):
    """Return what the leak meter of notebook 40 measured, on all clips, in the run of fold 1."""
    found = runs.find_run(CORPUS, branch, protocol=PROTOCOL, fold=1)
    return pd.read_csv(found["folder"] / "leak.csv")


def collect_degradation(branch):
    """Return what noise and lost frames did in notebook 50: means of the folds' accuracies."""
    pieces = []
    for fold in list_folds(branch):
        folder = runs.find_run(CORPUS, branch, protocol=PROTOCOL, fold=fold)["folder"]
        for kind in damage.CONDITIONS:
            path = folder / f"{kind.replace(' ', '_')}.csv"
            if path.is_file():
                own = pd.read_csv(path).rename(columns={damage.AXIS[kind]: "amount"})
                own = own.melt("amount", var_name="judged by", value_name="accuracy")
                pieces.append(own.assign(damage=kind))
    names = ["damage", "judged by", "amount"]
    means = pd.concat(pieces).groupby(names, sort=False)["accuracy"].mean()
    return means.round(DECIMALS).reset_index()


def list_folds(branch):
    """Return the numbers of the folds that a branch has runs of."""
    found = runs.list_runs(CORPUS, branch=branch, protocol=PROTOCOL)
    return sorted({facts["fold"] for facts in found})


EXTRAS = {
    "audio_features": ("leak.csv", collect_leak),
    "fusion_late": ("degradation.csv", collect_degradation),
}
"""What is published beside an experiment's predictions."""


def publish_expression():
    """Write what the newest run of notebook 31 says about FER2013's test faces.

    That run has to have judged them with the network that is shipped (``FER_EPOCHS = 0``).
    """
    newest = runs.find_run("fer2013", EXPRESSION, protocol="official", fold=1)
    size = expression_network.SHIPPED.stat().st_size
    facts = {"weights": newest["parameters"]["weights"], "bytes": size}
    facts["steps"] = [_describe_step(step) for step in EXPRESSION_STEPS]
    for name, source in EXPRESSION_TABLES.items():
        write_published(name, runs.read_predictions(newest["folder"], source), newest, facts)


def write_published(name, table, newest, facts):
    """Write a table of test predictions and the facts about it.

    Args:
        name: Of the folder.
        table: Predictions, all of part ``test``.
        newest: Facts of a run that they come from.
        facts: More facts, by name.
    """
    columns = [column for column in table if column.startswith("p_")]
    table[columns] = table[columns].round(DECIMALS)
    own = {key: newest[key] for key in ("corpus", "protocol", "notes", "commit", "versions")}
    arrays.write_table(PUBLISHED / name / "predictions.csv", table)
    arrays.write_json(PUBLISHED / name / "parameters.json", {"experiment": name} | own | facts)
    print(f"published {name}: {len(table)} clips")


def read_published(name):
    """Return the published predictions of an experiment; None where there are none."""
    path = PUBLISHED / name / "predictions.csv"
    return runs.read_predictions(path.parent) if path.is_file() else None


def _describe_step(step):
    own = {"notebooks": step.notebooks, "parameters": step.parameters}
    own |= {"asks": step.asks, "every_fold": step.every_fold}
    return own | ({"committee": True} if step.committee else {})


if __name__ == "__main__":
    from modeling.publishing import (
        experiments,  # under its own name, by which workers find its functions
    )

    sys.exit(experiments.main())
