"""Every published number, recomputed from ``modeling/published/`` in seconds.

python -m modeling.publishing.report            print the tables, draw results/published/
python -m modeling.publishing.report --write    also put the tables into the pages
"""

import argparse
import json
import re
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

from modeling import plots
from modeling.publishing import tables
from modeling.publishing.experiments import CHOSEN, EXPERIMENTS, PUBLISHED, SHIPPED
from modeling.scores import metrics
from modeling.training import runs
from preprocessing.corpora import EMOTIONS
from preprocessing.disk.files import read_table

REPOSITORY = Path(__file__).resolve().parents[2]
PAIRS = (
    (CHOSEN, "audio_two_encoders"),
    (CHOSEN, "face_summary"),
    ("fusion_adapted", CHOSEN),
    ("audio_moonshine_adapted", "audio_moonshine"),
)
"""What is compared on the same clips: the chosen row with its parts, adapted rows with others."""


def main(arguments=None):
    """Print the tables and write the figures; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into the pages")
    options = parser.parse_args(arguments)
    made = make_tables()
    for name, text in made.items():
        print(f"{name}\n\n{text}\n")
    for path in draw_figures(runs.results_folder() / "published"):
        print(f"figure {path.name}")
    if options.write:
        for path in list_pages():
            path.write_text(fill_in(path.read_text("utf-8"), made), "utf-8")
            print(f"{path.relative_to(REPOSITORY)} is written")
    return 0


def list_pages():
    """Return the files that hold tables."""
    return [PUBLISHED / "README.md", *sorted((PUBLISHED.parent / "shipped").glob("*.md"))]


def split_scores(scores):
    """Return the scores of rows as three tables: ``branches``, with the baselines, and two others.

    ``adapted`` are rows that have heard clips of those whom they test, or read such a row;
    ``fusion`` the others that judge by face and voice.
    """
    kinds = np.array([_name_kind(name) for name in scores.index])
    return {kind: scores[kinds == kind] for kind in ("branches", "fusion", "adapted")}


def _name_kind(name):
    own = EXPERIMENTS.get(name)
    if own and any(step.notebooks == "51" for step in own.steps):
        return "adapted"
    return "fusion" if own and own.modality == "face and voice" else "branches"


def make_tables():
    """Return the tables as Markdown by name."""
    told, scores = tables.score_all()
    facts = json.loads((PUBLISHED / "expression_fer2013" / "parameters.json").read_text("utf-8"))
    size = f"{facts['weights']:,} weights, {facts['bytes'] / 1e6:.2f} MB on disk."
    made = {name: tables.tabulate_rows(own) for name, own in split_scores(scores).items()}
    made |= {
        "paired": pd.DataFrame([tables.compare_pair(*pair) for pair in PAIRS]),
        "groups": tables.tabulate_groups(told[CHOSEN]),
        "recall": tables.tabulate_recall(scores.loc[[*EXPERIMENTS[CHOSEN].needs, CHOSEN]]),
        "voice_card": tables.tabulate_card(told[EXPERIMENTS[SHIPPED].needs[0]]),
        "face_card": tables.tabulate_card(told[EXPERIMENTS[SHIPPED].needs[1]]),
        "fusion_card": tables.tabulate_card(told[SHIPPED]),
        "strangers": tables.tabulate_strangers(),
        "curve": tables.tabulate_curve(
            read_table(PUBLISHED / "audio_moonshine_adapted" / "curve.csv")
        ),
        "actor05": tables.tabulate_actor(read_table(PUBLISHED / "actor05.csv")),
        "leak": tables.tabulate_leak(read_table(PUBLISHED / "leak.csv")),
        "degradation": tables.tabulate_degradation(
            read_table(PUBLISHED / SHIPPED / "degradation.csv")
        ),
        "degradation_chosen": tables.tabulate_degradation(
            read_table(PUBLISHED / CHOSEN / "degradation.csv")
        ),
        "expression": tables.tabulate_expression(),
    }
    made = {name: write_markdown(table) for name, table in made.items()}
    made["expression"] += f"\n\n{size}"
    return made


def write_markdown(table):
    """Return a DataFrame as a Markdown table."""
    lines = [table.columns, ["---"] * len(table.columns), *table.itertuples(index=False)]
    rows = (f"| {' | '.join(map(str, cells))} |" for cells in lines)
    return "\n".join(row.replace("|  |", "| |") for row in rows)


def fill_in(text, made):
    """Return a page's text with tables between ``<!-- results: name -->`` and ``<!-- end -->``.

    Raises:
        ValueError: A mark names a table that there is none of.
    """

    def replace(found):
        name = found.group(1)
        if name not in made:
            raise ValueError(f"A page asks for the results {name!r}; there are {list(made)}.")
        return f"<!-- results: {name} -->\n{made[name]}\n<!-- end -->"

    return re.sub(r"<!-- results: (\w+) -->\n.*?<!-- end -->", replace, text, flags=re.DOTALL)


def draw_figures(folder):
    """Draw the figures of the published results; return their paths."""
    matplotlib.use("agg")
    told, scores = tables.score_all()
    adapted = split_scores(scores)["adapted"]
    plain = scores.drop(index=adapted.index)
    best = told[CHOSEN]
    true, posteriors = metrics.read_scored(best, EMOTIONS)
    predicted, people = runs.name_predicted(best), metrics.PEOPLE["ravdess"]
    drawn = {
        "scores": plots.plot_scores(plain),
        "scores_adapted": plots.plot_scores(adapted),
        "recall": plots.plot_recall_table(plain, EMOTIONS),
        "confusion": plots.plot_confusion(best["true"], predicted, EMOTIONS),
        "actors": plots.plot_by_actor(best["actor"], best["true"], predicted, people=people),
        "reliability": plots.plot_reliability(true, {CHOSEN: posteriors}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, ax in drawn.items():
        paths.append(folder / f"{name}.png")
        ax.figure.savefig(paths[-1], dpi=110, bbox_inches="tight")
    return paths


if __name__ == "__main__":
    sys.exit(main())
