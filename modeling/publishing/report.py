"""Every published number, recomputed from ``modeling/published/`` in seconds.

    python -m modeling.publishing.report            print the tables, draw results/published/
    python -m modeling.publishing.report --write    also put the tables into README.md and cards

The tables stand in README.md and in the cards of modeling/shipped/ between
``<!-- results: name -->`` and ``<!-- end -->``. A test recomputes them and compares.
"""

import argparse
import functools
import json
import re
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

from modeling import plots
from modeling.expressions import fer2013
from modeling.publishing.experiments import (
    CORPUS,
    EXPERIMENTS,
    PROTOCOL,
    PUBLISHED,
    SHIPPED,
    read_published,
)
from modeling.scores import bootstrap, metrics
from modeling.split.folds import get_protocol
from modeling.training import runs
from preprocessing.corpora import ravdess

REPOSITORY = Path(__file__).resolve().parents[2]
RESAMPLES, SEED = 2000, 7
BASELINES = ("chance", "majority")


def main(arguments=None):
    """Print the tables and write the figures; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into the pages")
    options = parser.parse_args(arguments)
    tables = make_tables()
    for name, text in tables.items():
        print(f"{name}\n\n{text}\n")
    for path in draw_figures(runs.results_folder() / "published"):
        print(f"figure {path.name}")
    if options.write:
        for path in list_pages():
            path.write_text(fill_in(path.read_text("utf-8"), tables), "utf-8")
            print(f"{path.relative_to(REPOSITORY)} is written")
    return 0


def list_pages():
    """Return the files that hold tables."""
    cards = sorted((REPOSITORY / "modeling" / "shipped").glob("*.md"))
    return [REPOSITORY / "README.md", *cards]


def read_all():
    """Return the published predictions of every experiment that has any, in the usual order."""
    found = {name: read_published(name) for name in EXPERIMENTS}
    return {name: table for name, table in found.items() if table is not None}


@functools.cache
def score_all():
    """Return the published predictions by name, their emotions and their table of scores."""
    tables = read_all()
    emotions = runs.read_posteriors(next(iter(tables.values())))[1]
    rng = np.random.default_rng(SEED)
    return tables, emotions, bootstrap.tabulate_scores(tables, emotions, rng=rng, n=RESAMPLES)


def make_tables():
    """Return the tables as Markdown by name."""
    tables, emotions, scores = score_all()
    best = find_best(scores)
    made = {
        "branches": write_scores(scores, [n for n in scores.index if not n.startswith("fusion")]),
        "fusion": write_scores(scores, [n for n in scores.index if n.startswith("fusion")]),
        "paired": write_paired(tables, scores, emotions),
        "groups": write_groups(tables[best], emotions, best),
        "recall": write_recall(scores, [*EXPERIMENTS[best].needs, best], emotions),
    }
    voice = EXPERIMENTS[SHIPPED].needs[0]
    for card, name in {"voice_card": voice, "fusion_card": SHIPPED}.items():
        if name in tables:
            made[card] = write_card(tables[name], emotions)
    if (PUBLISHED / "leak.csv").is_file():
        made["leak"] = write_leak(pd.read_csv(PUBLISHED / "leak.csv", index_col="split"))
    if (PUBLISHED / "degradation.csv").is_file():
        made["degradation"] = write_degradation(pd.read_csv(PUBLISHED / "degradation.csv"))
    if (PUBLISHED / "expression_fer2013").is_dir():
        made["expression"] = write_expression()
    return made


def find_best(scores):
    """Return the name of the fusion with the highest accuracy."""
    names = [name for name in scores.index if name.startswith("fusion")]
    return scores.loc[names, "accuracy"].idxmax()


def write_scores(scores, names):
    """Return a table of scores with their intervals, worst and best actor."""
    names = [name for name in names if name in scores.index]
    shown = bootstrap.format_scores(scores.loc[names])[["accuracy %", "UAR %", "macro-F1 %", "ECE"]]
    ends = scores.loc[names, ["worst_actor_accuracy", "best_actor_accuracy"]]
    shown["actors, worst to best"] = [
        "" if np.isnan(low) else f"{100 * low:.0f}–{100 * high:.0f}"
        for low, high in ends.itertuples(index=False)
    ]
    shown.index = [name if name in BASELINES else f"`{name}`" for name in names]
    return write_markdown(shown.rename_axis("run"))


def write_paired(tables, scores, emotions):
    """Return how the two best fusions, and fusion and its best part, differ on the same clips."""
    fusions = [name for name in scores.index if name.startswith("fusion_")]
    ranked = scores.loc[fusions, "accuracy"].sort_values(ascending=False).index
    parts = list(EXPERIMENTS[ranked[0]].needs)
    pairs = [(ranked[1], ranked[0])] if len(ranked) > 1 else []
    pairs += [(scores.loc[parts, "accuracy"].idxmax(), ranked[0])]
    rows = {}
    for first, second in pairs:
        rng = np.random.default_rng(SEED)
        own = bootstrap.compare_predictions(
            tables[first], tables[second], emotions, rng=rng, n=RESAMPLES
        )
        low, high = (100 * own[f"accuracy_difference_{end}"] for end in ("low", "high"))
        difference = f"{100 * own['accuracy_difference']:+.1f}"
        rows[f"`{second}` minus `{first}`"] = {
            "accuracy, points": f"{difference} ({low:+.1f} to {high:+.1f})",
            "only the first right": own["only_second"],
            "only the second right": own["only_first"],
            "McNemar p": f"{own['mcnemar_p']:.2g}",
        }
    return write_markdown(pd.DataFrame(rows).T.rename_axis("pair"))


def write_groups(predictions, emotions, name):
    """Return the scores of a run by gender, intensity and statement, and of LUNA5's val actors."""
    facts = pd.DataFrame([ravdess.read_clip_id(clip_id) for clip_id in predictions["clip_id"]])
    groups = {
        "gender": facts["gender"].map({"male": "men", "female": "women"}),
        "intensity": facts["intensity"],
        "statement": facts["statement"].map(ravdess.SENTENCES),
    }
    validate = {actor for fold in get_protocol(PROTOCOL).val for actor in fold}
    seen = predictions["actor"].isin(validate)
    groups["actors"] = np.where(seen, "who validate another fold", "who never validate")
    rows = {}
    for title, values in groups.items():
        grouped = predictions.assign(**{title: np.asarray(values)})
        table = metrics.score_by(grouped, emotions, title)
        for value, row in table.sort_index().iterrows():
            rows[f"{title}: {value}"] = {
                "accuracy %": f"{100 * row['accuracy']:.1f}",
                "UAR %": f"{100 * row['unweighted_recall']:.1f}",
                "ECE": f"{row['expected_calibration_error']:.3f}",
                "clips": f"{row['n_clips']:.0f}",
            }
    return write_markdown(pd.DataFrame(rows).T.rename_axis(f"`{name}`"))


def write_card(predictions, emotions, fold=1):
    """Return the scores of a network of ``modeling/shipped/``: as published, and its own.

    Args:
        predictions: Published table of predictions of its kind, all folds.
        emotions: Names of the classes in order.
        fold: Whose network it is.
    """
    genders = [ravdess.read_clip_id(clip_id)["gender"] for clip_id in predictions["clip_id"]]
    men = np.array(genders) == "male"
    tables = {
        f"this network: the test actors of fold {fold}": predictions["fold"] == fold,
        "its kind: all 24 actors, five folds": predictions["fold"] > 0,
        "of these, the 12 women": ~men,
        "of these, the 12 men": men,
    }
    scores = bootstrap.tabulate_scores(
        {title: predictions[rows] for title, rows in tables.items()},
        emotions,
        rng=np.random.default_rng(SEED),
        n=RESAMPLES,
    )
    shown = bootstrap.format_scores(scores)[["accuracy %", "UAR %", "macro-F1 %", "ECE", "clips"]]
    return write_markdown(shown.loc[list(tables)].rename_axis("tested on"))


def write_recall(scores, names, emotions):
    """Return the recall of every emotion of several runs."""
    names = [name for name in names if name in scores.index]
    shares = scores.loc[names, [f"recall_{emotion}" for emotion in emotions]]
    shown = (100 * shares).map(lambda share: f"{share:.0f}")
    shown.columns = emotions
    shown.index = [f"`{name}`" for name in names]
    return write_markdown(shown.rename_axis("recall %"))


def write_leak(leak):
    """Return what the leak meter of notebook 40 has measured."""
    shown = pd.DataFrame(
        {
            "accuracy %": [f"{100 * value:.1f}" for value in leak["accuracy"]],
            "UAR %": [f"{100 * value:.1f}" for value in leak["unweighted_recall"]],
            "training clips": leak["train_clips"].astype(int).to_list(),
        },
        index=leak.index,
    )
    return write_markdown(shown.rename_axis("split"))


def write_degradation(table):
    """Return accuracies under noise and with lost frames, means over the folds."""
    rows = []
    for (damage, judge), own in table.groupby(["damage", "judged by"], sort=False):
        steps = " → ".join(f"{100 * share:.0f}" for share in own["accuracy"])
        amounts = ", ".join(own["amount"])
        name = f"`{judge}`" if "_" in judge else judge
        rows.append({"damage": f"{damage}: {amounts}", "judged by": name, "accuracy %": steps})
    return write_markdown(pd.DataFrame(rows).set_index("damage"))


def write_expression():
    """Return the scores of the expression network on FER2013's PrivateTest."""
    rows = {}
    for name, title, classes in (
        ("expression_fer2013", "FER2013, 7 classes, labels as distributed", fer2013.CLASSES),
        ("expression_ferplus", "FER+, 8 classes, faces with a majority", fer2013.VOTED),
    ):
        table = runs.read_predictions(PUBLISHED / name)
        true, posteriors = metrics.read_scored(table, classes)
        right = posteriors.argmax(axis=1) == true
        margin = 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / len(right))
        recall = metrics.unweighted_recall(true, posteriors.argmax(axis=1), len(classes))
        error = metrics.expected_calibration_error(true, posteriors)
        rows[title] = {
            "accuracy %": f"{100 * right.mean():.1f} ± {100 * margin:.1f}",
            "UAR %": f"{100 * recall:.1f}",
            "ECE": f"{error:.3f}",
            "faces": len(right),
        }
    facts = json.loads((PUBLISHED / "expression_fer2013" / "parameters.json").read_text("utf-8"))
    shown = write_markdown(pd.DataFrame(rows).T.rename_axis("PrivateTest"))
    return f"{shown}\n\n{facts['weights']:,} weights, {facts['bytes'] / 1e6:.2f} MB on disk."


def write_markdown(table):
    """Return a DataFrame of text as a Markdown table, its index first."""
    head = [table.index.name or "", *map(str, table.columns)]
    lines = [head, ["---"] * len(head)]
    lines += [list(map(str, row)) for row in table.itertuples(name=None)]
    return "\n".join(f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in lines)


def fill_in(text, tables):
    """Return README's text with the tables between their marks.

    Raises:
        ValueError: A mark names a table that there is none of.
    """

    def replace(found):
        name = found.group(1)
        if name not in tables:
            raise ValueError(f"README.md asks for the results {name!r}; there are {list(tables)}.")
        return f"<!-- results: {name} -->\n{tables[name]}\n<!-- end -->"

    return re.sub(r"<!-- results: (\w+) -->\n.*?<!-- end -->", replace, text, flags=re.DOTALL)


def draw_figures(folder):
    """Draw the figures of the published results; return their paths."""
    matplotlib.use("agg")
    tables, emotions, scores = score_all()
    best = tables[find_best(scores)]
    true, posteriors = metrics.read_scored(best, emotions)
    drawn = {
        "scores": plots.plot_scores(scores),
        "recall": plots.plot_recall_table(scores, emotions),
        "confusion": plots.plot_confusion(best["true"], runs.name_predicted(best), emotions),
        "actors": plots.plot_by_actor(
            best["actor"], best["true"], runs.name_predicted(best), people=metrics.PEOPLE[CORPUS]
        ),
        "reliability": plots.plot_reliability(true, {find_best(scores): posteriors}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, ax in drawn.items():
        paths.append(folder / f"{name}.png")
        ax.figure.savefig(paths[-1], dpi=110, bbox_inches="tight")
    return paths


if __name__ == "__main__":
    sys.exit(main())
