"""The numbers in the pages, computed a second time from the published files by plain ``csv``.

No module of ``modeling`` is used, so a mistake there cannot hide here.
"""

import csv
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PUBLISHED = REPOSITORY / "modeling" / "published"


def read_rows(name):
    """Return a published table as (clip id, actor, fold, true, predicted) rows."""
    with (PUBLISHED / name / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kinds = [key for key in rows[0] if key.startswith("p_")]
    return [
        (
            row["clip_id"],
            row["actor"],
            row["fold"],
            row["true"],
            max(kinds, key=lambda kind, own=row: float(own[kind]))[2:],
        )
        for row in rows
    ]


def read_page_table(name):
    """Return the cells of a page's table, a dictionary by column for each row's first cell."""
    for page in (REPOSITORY / "README.md", *PUBLISHED.parent.rglob("*.md")):
        found = re.search(
            rf"<!-- results: {name} -->\n(.*?)<!-- end -->", page.read_text("utf-8"), re.DOTALL
        )
        if found:
            lines = [line for line in found.group(1).splitlines() if line.startswith("|")]
            cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
            return {row[0]: dict(zip(cells[0], row, strict=True)) for row in cells[2:]}
    raise AssertionError(f"no page has a table {name}")


def accuracy(rows):
    return sum(true == predicted for *_, true, predicted in rows) / len(rows)


def mean_recall(rows):
    right, all_ = Counter(), Counter()
    for *_, true, predicted in rows:
        all_[true] += 1
        right[true] += true == predicted
    return sum(right[true] / all_[true] for true in all_) / len(all_)


GROUPS = {
    # Of "01-02-01-01-01-01": channel, emotion, intensity, statement, repetition, actor (RAVDESS).
    "gender: men": (lambda code: int(code[5]) % 2 == 1, 720),
    "gender: women": (lambda code: int(code[5]) % 2 == 0, 720),
    "intensity: normal": (lambda code: code[2] == "01", 768),
    "intensity: strong": (lambda code: code[2] == "02", 672),
    "statement: Kids are talking by the door": (lambda code: code[3] == "01", 720),
    "statement: Dogs are sitting by the door": (lambda code: code[3] == "02", 720),
}


@pytest.mark.parametrize("title", GROUPS)
def test_groups_are_what_the_file_names_say(title):
    belongs, count = GROUPS[title]
    table = read_page_table("groups")
    rows = [r for r in read_rows("fusion_three_committees") if belongs(r[0].split("-"))]
    assert len(rows) == count
    shown = table[title]
    assert shown["clips"] == str(count)
    assert shown["accuracy %"] == f"{100 * accuracy(rows):.1f}"
    assert shown["UAR %"] == f"{100 * mean_recall(rows):.1f}"


def test_groups_of_the_best_fusion_are_the_known_ones():
    table = read_page_table("groups")
    known = {
        "intensity: normal": "85.3",
        "intensity: strong": "91.2",
        "statement: Kids are talking by the door": "87.8",
        "statement: Dogs are sitting by the door": "88.3",
    }
    assert {title: table[title]["accuracy %"] for title in known} == known
    assert set(GROUPS) < set(table)


@pytest.mark.parametrize("table", ["branches", "fusion"])
def test_scores_are_those_of_the_published_predictions(table):
    shown = read_page_table(table)
    names = [title.strip("`") for title in shown if title.startswith("`")]
    assert len(names) >= 14
    for name in names:
        rows = read_rows(name)
        assert len(rows) == 1440
        row, by_actor = shown[f"`{name}`"], defaultdict(list)
        assert row["accuracy %"].split(" ")[0] == f"{100 * accuracy(rows):.1f}"
        assert row["UAR %"].split(" ")[0] == f"{100 * mean_recall(rows):.1f}"
        for each in rows:
            by_actor[each[1]].append(each)
        shares = sorted(100 * accuracy(own) for own in by_actor.values())
        assert row["actors, worst to best"] == f"{shares[0]:.0f}–{shares[-1]:.0f}"


def test_recall_is_that_of_the_published_predictions():
    for title, row in read_page_table("recall").items():
        right, all_ = Counter(), Counter()
        for *_, true, predicted in read_rows(title.strip("`")):
            all_[true] += 1
            right[true] += true == predicted
        assert {e: row[e] for e in all_} == {e: f"{100 * right[e] / all_[e]:.0f}" for e in all_}


def test_readme_gives_the_scores_of_the_published_predictions():
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    chosen = read_rows("fusion_three_committees")
    women, men = ([r for r in chosen if int(r[1]) % 2 == odd] for odd in (0, 1))
    assert f"**{100 * accuracy(chosen):.1f}%** of RAVDESS's {len(chosen)} acted clips" in readme
    assert f"emotions' recalls, is {100 * mean_recall(chosen):.1f} too" in readme
    assert f"{100 * accuracy(women):.1f} for the women and {100 * accuracy(men):.1f} for" in readme
    for name in ("audio_moonshine_tiny", "fusion_shipped", "expression_fer2013"):
        assert f"{100 * accuracy(read_rows(name)):.1f}%" in readme, name
