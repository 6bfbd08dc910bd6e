"""The published rows: how each is run, kept and run again; ``published/recipes.toml`` lists them.

    make reproduce EXPERIMENT=audio_yamnet DATA=/path/to/ravdess
    make reproduce EXPERIMENT=expression P="FER2013=/path/to/fer2013.zip"

    python -m modeling.publishing.experiments list
    python -m modeling.publishing.experiments publish audio_yamnet

``reproduce`` runs the notebooks of a row, and of those it needs, for every fold, and compares the
outcome with ``modeling/published/<row>/``; ``publish`` replaces what is published by the newest
runs, and refuses runs that are not what the recipe says (``checks``).
"""

import argparse
import shlex
import sys
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from modeling.fusion import damage
from modeling.pipeline import command
from modeling.pipeline.arguments import find_notebooks, list_parameters, parse_parameters
from modeling.publishing import checks
from modeling.scores import metrics
from modeling.training import provenance, runs
from preprocessing.disk import arrays
from preprocessing.disk.files import read_table

PUBLISHED = Path(__file__).resolve().parents[1] / "published"
RECIPES = PUBLISHED / "recipes.toml"
DECIMALS = 4
"""Of the published posteriors."""


@dataclass(frozen=True)
class Step:
    """Notebooks run with the same parameters; ``recipes.toml`` explains the attributes."""

    notebooks: str
    parameters: dict = field(default_factory=dict)
    asks: tuple = ()
    every_fold: bool = True


@dataclass(frozen=True)
class Experiment:
    """A row of ``recipes.toml``, which explains the attributes.

    ``steps`` are those of the rows it needs, the shared ones and its own: each once, in order.
    """

    title: str
    branch: str
    modality: str
    steps: tuple
    needs: tuple = ()
    remark: str = ""
    corpus: str = "ravdess"
    protocol: str = "luna5"
    tables: dict = field(default_factory=dict)


def read_recipes(path=RECIPES):
    """Return the ``Experiment`` of every published row by name, in the order of the table."""
    table = tomllib.loads(path.read_text("utf-8"))
    shared = {name: Step(**own) for name, own in table["steps"].items()}
    found = {}
    for name, row in table["rows"].items():
        needs = [found[need] for need in row.get("needs", ())]
        steps = [step for need in needs for step in need.steps]
        steps += [shared[step] for step in row.pop("steps", ())]
        own = {key: row.pop(key) for key in Step.__dataclass_fields__ if key in row}
        steps += [Step(**own)] if own else []
        row["steps"] = tuple(s for i, s in enumerate(steps) if s not in steps[:i])
        remarks = {row.get("remark", ""), *(need.remark for need in needs)}
        row["remark"] = "; ".join(sorted(remarks - {""}))
        found[name] = Experiment(**{"tables": {name: "predictions"}} | row)
    return found


EXPERIMENTS = read_recipes()
CHOSEN = "fusion_nested"
"""The row that stands for the project: chosen on out-of-fold scores, not because it tests best."""

SHIPPED = "fusion_shipped"
"""The pair of networks that ``modeling/shipped/`` holds: a voice and a face."""


def main(arguments=None):
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["list", "reproduce", "publish"])
    parser.add_argument("experiment", nargs="?", default="")
    parser.add_argument("--data", default="", help="where RAVDESS lies")
    parser.add_argument("--parameters", default="", help='such as "EPOCHS=5", over all notebooks')
    options = parser.parse_args(arguments)
    name = options.experiment
    if options.action == "list":
        width = max(map(len, EXPERIMENTS))
        for row, experiment in EXPERIMENTS.items():
            print(f"{row:{width}} {experiment.title}")
        return 0
    if name not in EXPERIMENTS:
        print(f"EXPERIMENT={name} is unknown; expected one of {', '.join(EXPERIMENTS)}.")
        return 2
    if options.action == "publish":
        publish_experiment(name)
        return 0
    given = parse_parameters(options.parameters)
    status = run_steps(name, given, data=options.data)
    if not status:
        compare_outcome(name)
    return status


def run_steps(name, given, *, data=""):
    """Run the steps of an experiment in order, ``given`` parameters over theirs.

    Returns:
        The exit status: 0, that of the first notebook that failed, or 2 where a step asks for a
        file that was not named.
    """
    experiment = EXPERIMENTS[name]
    steps = experiment.steps
    asked = dict.fromkeys(ask for step in steps for ask in step.asks)
    if missing := [ask for ask in asked if ask not in given]:
        print(f"{name} needs {' and '.join(missing)}: P='{missing[0]}=/path/to/file ...'.")
        return 2
    corpus = "drawn" if experiment.corpus == "fer2013" else experiment.corpus  # the clips' corpus
    for number, step in enumerate(steps, 1):
        notebooks = find_notebooks(step.notebooks)
        declared = {key for path in notebooks for key in list_parameters(path)}
        own = step.parameters | {key: value for key, value in given.items() if key in declared}
        print(f"step {number} of {len(steps)}: notebooks {step.notebooks} {own}", flush=True)
        words = shlex.join(f"{key}={value!r}" for key, value in own.items())
        options = ["--corpus", corpus, "--data", data, "--only", step.notebooks]
        options += ["--folds", "all"] if step.every_fold else []
        status = command.main([*options, "--parameters", words])
        if status in (1, 2):
            return status
    return 0


def find_newest(name):
    """Return the facts of an experiment's newest run of every fold.

    Raises:
        FileNotFoundError: There are no runs.
    """
    own = EXPERIMENTS[name]
    found = runs.list_runs(own.corpus, branch=own.branch, protocol=own.protocol)
    newest = {facts["fold"]: facts for facts in found}
    if not newest:
        raise FileNotFoundError(f"No run of {own.branch}; run: make reproduce EXPERIMENT={name}.")
    return [newest[fold] for fold in sorted(newest)]


def pool_parts(found, parts, source="predictions"):
    """Return the predictions of some parts, of runs one a fold, below each other, by clip and fold.

    Raises:
        ValueError: The runs have read different arrays.
    """
    for facts in found[1:]:
        if not provenance.read_same_arrays(facts, found[0]):
            raise ValueError(
                f"Folds {found[0]['fold']} and {facts['fold']} of {facts['branch']} have read "
                "different arrays; expected the same. Run all folds again: make reproduce."
            )
    table = pd.concat(runs.read_predictions(facts["folder"], source) for facts in found)
    table = table[table["part"].isin(parts)]
    return table.sort_values(["clip_id", "fold"]).reset_index(drop=True)


def compare_outcome(name):
    """Print the scores of an experiment's newest runs beside the published ones."""
    for row, source in EXPERIMENTS[name].tables.items():
        found, kept = pool_parts(find_newest(name), ["test"], source), read_published(row)
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


def publish_experiment(name):
    """Write ``published/<row>/``: the predictions of all folds, and how they came about.

    ``predictions.csv`` holds the test actors of every fold. ``out_of_fold.csv`` holds others
    judged by a network that never trained on them: those who validate, of a nested head all who
    are not tested. A fusion has none, since its temperatures and weights are fitted on these very
    clips; it can be made of those of its parts. ``steps`` are those of the recipe; ``folds`` is
    what the runs themselves say, see ``checks``.

    Raises:
        FileNotFoundError: There are no runs.
        ValueError: The runs are not what ``checks.check_row`` asks for.
    """
    own, found = EXPERIMENTS[name], find_newest(name)
    checks.check_row(name, found, EXPERIMENTS)
    last = found[-1]
    facts = {key: last[key] for key in ("corpus", "protocol", "notes", "commit", "versions")}
    facts |= {key: value for key, value in asdict(own).items() if key != "tables"}
    facts["folds"] = [describe_fold(run) for run in found]
    if name == "expression":
        size = (PUBLISHED.parent / "shipped" / "expression.keras").stat().st_size
        facts |= {"weights": last["parameters"]["weights"], "bytes": size}
    for row, source in own.tables.items():
        table = pool_parts(found, ["test"], source)
        write_predictions(PUBLISHED / row / "predictions.csv", table)
        arrays.write_json(PUBLISHED / row / "parameters.json", {"experiment": row} | facts)
        print(f"published {row}: {len(table)} clips")
        validated = pool_parts(found, last.get("out_of_fold", ["val"]), source)
        if len(validated) and not own.needs:
            write_predictions(PUBLISHED / row / "out_of_fold.csv", validated)
    if own.tables and (last["folder"] / "curve.csv").is_file():
        curves = [read_table(run["folder"] / "curve.csv").assign(fold=run["fold"]) for run in found]
        arrays.write_table(PUBLISHED / name / "curve.csv", pd.concat(curves).round(DECIMALS))
    if own.branch == "strangers":
        scores = [
            read_table(run["folder"] / "scores.csv").assign(fold=run["fold"]) for run in found
        ]
        arrays.write_table(PUBLISHED / name / "scores.csv", pd.concat(scores).round(DECIMALS))
        arrays.write_json(PUBLISHED / name / "parameters.json", {"experiment": name} | facts)
        print(f"published {name}: {len(found)} folds")
    if name == "audio_features":
        arrays.write_table(PUBLISHED / "leak.csv", read_table(found[0]["folder"] / "leak.csv"))
    if name in (SHIPPED, CHOSEN) and any(last["folder"].glob("*_over_the_voice.csv")):
        arrays.write_table(PUBLISHED / name / "degradation.csv", collect_degradation(name, found))


def describe_fold(facts):
    """Return what a run of a fold says of itself, for publishing."""
    kept = ("commit", "clean", "clips", "inputs", "files", "versions", "notes", "detector", "runs")
    said = provenance.sign_run(facts) | {key: facts[key] for key in kept}
    prepared = {stage: checks.drop_places(made) for stage, made in facts["prepared"].items()}
    return said | {"prepared": prepared, "parameters": checks.drop_places(facts["parameters"])}


def write_predictions(path, table):
    """Write a table of predictions with rounded posteriors."""
    columns = [column for column in table if column.startswith("p_")]
    arrays.write_table(path, table.round(dict.fromkeys(columns, DECIMALS)))


def collect_degradation(name, found):
    """Return what noise and lost frames did in notebook 50: means of the folds' accuracies."""
    pieces = []
    for facts in found:
        for kind in damage.CONDITIONS:
            path = facts["folder"] / f"{kind.replace(' ', '_')}.csv"
            if path.is_file():
                own = read_table(path)
                own = own.rename(columns={own.columns[0]: "amount"}).melt(
                    "amount", var_name="judged by", value_name="accuracy"
                )
                pieces.append(own.assign(damage=kind))
    names = ["damage", "judged by", "amount"]
    means = pd.concat(pieces).groupby(names, sort=False)["accuracy"].mean()
    rows = {EXPERIMENTS[need].branch: need for need in EXPERIMENTS[name].needs}
    return means.round(DECIMALS).reset_index().replace({"judged by": rows})


def read_published(name):
    """Return the published predictions of a row; None where there are none."""
    path = PUBLISHED / name / "predictions.csv"
    return runs.read_predictions(path.parent) if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
