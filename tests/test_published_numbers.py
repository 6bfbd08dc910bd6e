"""The numbers in the pages, computed a second time from the published files by plain ``csv``.

No module of ``modeling`` is used, so a mistake there cannot hide here. The tables are those that
stand in the results page and in the cards: a new one fails here until it is computed, too, or
says why it cannot be.
"""

import csv
import json
import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PUBLISHED = REPOSITORY / "modeling" / "published"
SHIPPED = REPOSITORY / "modeling" / "shipped"
PAGES = [PUBLISHED / "README.md", *sorted(SHIPPED.glob("*.md"))]

RESAMPLES = 4000
NEAR_POINTS = 0.7
"""How far two bootstraps with different draws may lie apart at an end of an interval."""

CHOSEN = "fusion_nested"
VALIDATING = {"03", "06", "10", "11", "08", "17", "01", "14", "02", "05"}
"""Who validates some fold of LUNA5: two actors a fold, our choice."""


class Row(NamedTuple):
    """A clip of a published table; ``confidence`` is the largest posterior in ten-thousandths."""

    clip_id: str
    actor: str
    fold: str
    true: str
    predicted: str
    confidence: int


@dataclass(frozen=True)
class Table:
    """A table of a page: under which mark or heading, its columns, and its rows as dicts."""

    page: Path
    name: str
    columns: tuple
    rows: tuple
    text: str = ""


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def read_rows(name):
    """Return a published table of predictions as ``Row`` after ``Row``."""
    rows = []
    for own in read_csv(PUBLISHED / name / "predictions.csv"):
        posteriors = {key[2:]: float(own[key]) for key in own if key.startswith("p_")}
        predicted = max(posteriors, key=posteriors.get)
        confidence = round(10_000 * posteriors[predicted])
        rows.append(
            Row(own["clip_id"], own["actor"], own["fold"], own["true"], predicted, confidence)
        )
    return tuple(rows)


def read_ravdess(name):
    """Return the rows of RAVDESS's clips, whose actors have numbers."""
    return tuple(row for row in read_rows(name) if row.actor.isdigit())


def read_facts(name):
    return json.loads((PUBLISHED / name / "parameters.json").read_text("utf-8"))


def find_tables(text, page=None):
    """Return the tables of a page; one without a mark is named by its heading and first column."""
    tables, heading, mark, lines = [], "", "", []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            lines.append([cell.strip() for cell in line.strip().strip("|").split("|")])
            continue
        if lines:
            columns, _, *cells = lines
            rows = tuple(dict(zip(columns, row, strict=True)) for row in cells)
            name = mark or f"{heading}: {columns[0]}"
            tables.append(Table(page, name, tuple(columns), rows, text))
            lines = []
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif found := re.fullmatch(r"<!-- results: (\w+) -->", line):
            mark = found.group(1)
        elif line == "<!-- end -->":
            mark = ""
    return tables


TABLES = [table for page in PAGES for table in find_tables(page.read_text("utf-8"), page)]


def read_page_table(name):
    """Return a table of the results page, a dictionary by column for each row's first cell."""
    table = next(table for table in TABLES if table.name == name)
    return {row[table.columns[0]]: row for row in table.rows}


def accuracy(rows):
    return sum(row.true == row.predicted for row in rows) / len(rows)


@cache
def count(rows):
    """Return by emotion its clips, those read right, and how often it was read."""
    all_, right, read = Counter(), Counter(), Counter()
    for row in rows:
        all_[row.true] += 1
        read[row.predicted] += 1
        right[row.true] += row.true == row.predicted
    return all_, right, read


def mean_recall(rows):
    all_, right, _ = count(rows)
    return sum(right[kind] / all_[kind] for kind in all_) / len(all_)


def mean_f1(rows):
    """Return the mean over emotions of 2·right / (clips + times read)."""
    all_, right, read = count(rows)
    return sum(2 * right[kind] / (all_[kind] + read[kind]) for kind in all_) / len(all_)


@cache
def calibration_error(rows):
    """Return the expected calibration error in whole numbers: 15 bins, closed above."""
    gaps = Counter()
    for row in rows:
        number = -(-15 * row.confidence // 10_000)  # rounded up, so an edge falls below
        gaps[number] += row.confidence - 10_000 * (row.true == row.predicted)
    return sum(abs(gap) for gap in gaps.values()) / 10_000 / len(rows)


def score_confusions(confusions):
    """Return accuracy, mean recall and mean F1 of counts (resample, true, read), each an array."""
    right = np.einsum("rkk->rk", confusions)
    all_, read = confusions.sum(axis=2), confusions.sum(axis=1)
    there = all_ > 0
    recalls = np.where(there, right / np.maximum(all_, 1), 0)
    f1s = np.where(there, 2 * right / np.maximum(all_ + read, 1), 0)
    n_there = there.sum(axis=1)
    return {
        "accuracy %": right.sum(axis=1) / all_.sum(axis=1),
        "UAR %": recalls.sum(axis=1) / n_there,
        "macro-F1 %": f1s.sum(axis=1) / n_there,
    }


def cut_tails(values):
    """Return between which values the middle 95% lie."""
    ordered, cut = sorted(values), len(values) // 40
    return ordered[cut], ordered[-cut - 1]


def draw_actors(n_actors):
    """Return which actors are drawn, with replacement, in each resample."""
    return np.random.default_rng(2021).integers(n_actors, size=(RESAMPLES, n_actors))


@cache
def bootstrap(rows):
    """Return the ends of the 95% intervals of three scores over actors, by column."""
    kinds, actors = sorted({row.true for row in rows}), sorted({row.actor for row in rows})
    confusions = np.zeros((len(actors), len(kinds), len(kinds)), dtype=np.int32)
    for row in rows:
        place = kinds.index(row.true), kinds.index(row.predicted)
        confusions[actors.index(row.actor)][place] += 1
    drawn = [confusions[picks].sum(axis=0) for picks in draw_actors(len(actors))]
    scores = score_confusions(np.array(drawn))
    return {column: cut_tails(values) for column, values in scores.items()}


def check_interval(shown, low, high):
    """Assert that an interval such as ``(54.2–68.0)`` lies where another bootstrap has it."""
    ends = [float(end) for end in re.findall(r"[-+]?\d+\.\d", shown)]
    assert ends == pytest.approx([100 * low, 100 * high], abs=NEAR_POINTS)


def check_scores(shown, rows):
    """Assert a row's scores with their intervals; return what other columns it has."""
    rows = tuple(rows)
    scores = {
        "accuracy %": accuracy(rows),
        "UAR %": mean_recall(rows),
        "macro-F1 %": mean_f1(rows),
    }
    intervals = bootstrap(rows)
    for column, score in scores.items():
        value, interval = shown[column].split(" ")
        assert value == f"{100 * score:.1f}", column
        check_interval(interval, *intervals[column])
    assert shown["ECE"] == f"{calibration_error(rows):.3f}"
    return {column: text for column, text in shown.items() if column not in {*scores, "ECE"}}


def show_plain(rows, *, n="clips"):
    """Return the cells of a row of scores without intervals."""
    rows = tuple(rows)
    return {
        "accuracy %": f"{100 * accuracy(rows):.1f}",
        "UAR %": f"{100 * mean_recall(rows):.1f}",
        "ECE": f"{calibration_error(rows):.3f}",
        n: str(len(rows)),
    }


def check_rows(table, modalities, *, adapted=False):
    """Assert a table of runs: those of the modalities, adapted or not, every one, each once.

    Adapted ones say so in their runs' notes.
    """
    names = [row["run"].strip("`") for row in table.rows if row["run"].startswith("`")]
    folders = (path.parent.name for path in PUBLISHED.glob("*/predictions.csv"))
    facts = {name: read_facts(name) for name in folders}
    on_ravdess = {name for name, own in facts.items() if own["corpus"].startswith("ravdess")}
    heard = {name for name in on_ravdess if any("adapted by" in n for n in facts[name]["notes"])}
    own = {name for name in on_ravdess if facts[name]["modality"] in modalities}
    assert sorted(names) == sorted(own & heard if adapted else own - heard)
    for row in table.rows:
        if not row["run"].startswith("`"):
            continue
        rows, by_actor = read_ravdess(row["run"].strip("`")), defaultdict(list)
        for each in rows:
            by_actor[each.actor].append(each)
        shares = sorted(100 * accuracy(own) for own in by_actor.values())
        rest = check_scores(row, rows)
        ends = f"{shares[0]:.0f}–{shares[-1]:.0f}"
        assert rest == {"run": row["run"], "actors, worst to best": ends}


def check_branches(table):
    check_rows(table, {"face", "voice"})
    baselines = {row["run"]: row for row in table.rows if not row["run"].startswith("`")}
    clips = Counter(row.true for row in read_rows(CHOSEN))
    shares = [n / clips.total() for n in clips.values()]
    guess = 1 / len(clips)
    # Guessing one emotion in eight: recall 1/8, precision the emotion's share.
    guessed_f1 = sum(2 * share * guess / (share + guess) for share in shares) * guess
    # Always the most frequent one: recall 1 and precision its share, for it alone.
    often = max(shares)
    majority_f1 = 2 * often / (often + 1) * guess
    nothing = {"ECE": "", "actors, worst to best": ""}
    for name, scores in {
        "chance": (guess, guess, guessed_f1),
        "majority": (often, guess, majority_f1),
    }.items():
        cells = (f"{100 * score:.1f}" for score in scores)
        columns = ("accuracy %", "UAR %", "macro-F1 %")
        expected = {"run": name} | dict(zip(columns, cells, strict=True)) | nothing
        assert baselines.pop(name) == expected
    assert not baselines


def check_fusion(table):
    check_rows(table, {"face and voice"})


def check_adapted(table):
    check_rows(table, {"face", "voice", "face and voice"}, adapted=True)


def two_sided(one, other):
    """Return McNemar's exact p: how often a fair coin falls as unevenly, summed term by term."""
    n = one + other
    tail = sum(math.comb(n, k) for k in range(min(one, other) + 1))
    return min(1.0, 2 * tail / 2**n)


def check_paired(table):
    for row in table.rows:
        names = re.fullmatch(r"`(\w+)` minus `(\w+)`", row["pair"]).groups()
        first, second = ({r.clip_id: r for r in read_rows(name)} for name in names)
        assert first.keys() == second.keys()
        differences, only = defaultdict(list), Counter()
        for clip_id, one in first.items():
            other = second[clip_id]
            assert one.true == other.true
            difference = (one.predicted == one.true) - (other.predicted == one.true)
            differences[one.actor].append(difference)
            only[difference] += 1
        sums = np.array([sum(own) for own in differences.values()])
        sizes = np.array([len(own) for own in differences.values()])
        picks = draw_actors(len(sums))
        low, high = cut_tails(sums[picks].sum(axis=1) / sizes[picks].sum(axis=1))
        value, interval = row["accuracy, points"].split(" ", 1)
        assert value == f"{100 * sums.sum() / sizes.sum():+.1f}"
        check_interval(interval, low, high)
        assert row["only the first right"] == str(only[1])
        assert row["only the second right"] == str(only[-1])
        assert row["McNemar p"] == f"{two_sided(only[1], only[-1]):.2g}"
        assert len(row) == 5


def split_code(row):
    """Return the parts of an id such as 01-02-01-01-01-01.

    They are channel, emotion, intensity, statement, repetition and actor, as RAVDESS's authors
    define them.
    """
    return row.clip_id.split("-")


GROUPS = {
    "gender: men": (lambda row: int(split_code(row)[5]) % 2 == 1, 720),
    "gender: women": (lambda row: int(split_code(row)[5]) % 2 == 0, 720),
    "intensity: normal": (lambda row: split_code(row)[2] == "01", 768),
    "intensity: strong": (lambda row: split_code(row)[2] == "02", 672),
    "statement: Kids are talking by the door": (lambda row: split_code(row)[3] == "01", 720),
    "statement: Dogs are sitting by the door": (lambda row: split_code(row)[3] == "02", 720),
    "actors: who never validate": (lambda row: row.actor not in VALIDATING, 840),
    "actors: who validate another fold": (lambda row: row.actor in VALIDATING, 600),
}


def check_groups(table):
    name = table.columns[0].strip("`")
    assert {row[table.columns[0]] for row in table.rows} == set(GROUPS)
    for shown in table.rows:
        title = shown[table.columns[0]]
        belongs, n = GROUPS[title]
        rows = [row for row in read_rows(name) if belongs(row)]
        assert len(rows) == n
        assert shown == {table.columns[0]: title} | show_plain(rows)


def check_recall(table):
    names = [row["recall %"].strip("`") for row in table.rows]
    assert names == [*read_facts(CHOSEN)["needs"], CHOSEN]
    for name, shown in zip(names, table.rows, strict=True):
        all_, right, _ = count(read_rows(name))
        expected = {kind: f"{100 * right[kind] / all_[kind]:.0f}" for kind in all_}
        assert shown == {"recall %": f"`{name}`"} | expected


def check_card(table):
    """Assert a card's table; the card names the published row that its network belongs to."""
    rows = read_ravdess(re.search(r"experiment\s+`(\w+)`", table.text).group(1))
    parts = {
        "RAVDESS, all 24 actors, five folds": rows,
        "of these, the 12 women": [r for r in rows if int(r.actor) % 2 == 0],
        "of these, the 12 men": [r for r in rows if int(r.actor) % 2 == 1],
    }
    n_actors = [len({row.actor for row in own}) for own in parts.values()]
    assert n_actors == [24, 12, 12]
    assert [row["tested on"] for row in table.rows] == list(parts)
    for shown in table.rows:
        own = parts[shown["tested on"]]
        rest = check_scores(shown, own)
        assert rest == {"tested on": shown["tested on"], "clips": str(len(own))}


def check_expression(table):
    titles = {
        "FER2013, 7 classes, labels as distributed": ("expression_fer2013", 7),
        "FER+, 8 classes, faces with a majority": ("expression_ferplus", 8),
    }
    assert [row["PrivateTest"] for row in table.rows] == list(titles)
    for shown in table.rows:
        name, n_classes = titles[shown["PrivateTest"]]
        rows = read_rows(name)
        share = accuracy(rows)
        expected = show_plain(rows, n="faces")
        expected["accuracy %"] += f" ± {196 * math.sqrt(share * (1 - share) / len(rows)):.1f}"
        assert shown == {"PrivateTest": shown["PrivateTest"]} | expected
        assert len({row.true for row in rows}) == n_classes
    size, facts = (SHIPPED / "expression.keras").stat().st_size, read_facts("expression_fer2013")
    assert f"\n{facts['weights']:,} weights, {size / 1e6:.2f} MB on disk.\n" in table.text


def check_leak(table):
    """Assert the leak table: scores as the run's table has them, training clips by counting."""
    rows = read_rows(CHOSEN)
    by_actor = sum(row.fold != "1" for row in rows)
    n_clips = {"random split": len(rows) * 4 // 5, "by actor": by_actor}
    n_clips["by actor, actors centred"] = by_actor
    published = read_csv(PUBLISHED / "leak.csv")
    assert [own["split"] for own in published] == list(n_clips)
    assert table.rows == tuple(
        {
            "split": own["split"],
            "accuracy %": f"{100 * float(own['accuracy']):.1f}",
            "UAR %": f"{100 * float(own['unweighted_recall']):.1f}",
            "training clips": str(n_clips[own["split"]]),
        }
        for own in published
    )


def check_degradation(table):
    """Assert the damage table as the run's has it; what is undamaged, from the predictions."""
    fused = "fusion_shipped" if table.name == "degradation" else CHOSEN
    groups, undamaged = defaultdict(list), {}
    for own in read_csv(PUBLISHED / fused / "degradation.csv"):
        groups[own["damage"], own["judged by"]].append((own["amount"], float(own["accuracy"])))
    expected = []
    for (damage, judge), steps in groups.items():
        known = (PUBLISHED / judge / "predictions.csv").is_file()
        if known:
            undamaged[judge] = steps[0][1]
        shown = " → ".join(f"{100 * share:.0f}" for _, share in steps)
        amounts = ", ".join(amount for amount, _ in steps)
        title = f"`{judge}`" if known else judge
        expected.append({"damage": f"{damage}: {amounts}", "judged by": title, "accuracy %": shown})
    assert list(table.rows) == expected
    undamaged[fused] = groups["Noise over the voice", "with the rest"][0][1]
    assert undamaged.keys() > {"audio_shipped"} or undamaged.keys() > {"audio_moonshine"}
    for name, share in undamaged.items():
        folds = defaultdict(list)
        for row in read_rows(name):
            folds[row.fold].append(row)
        mean = sum(accuracy(own) for own in folds.values()) / len(folds)
        assert share == pytest.approx(mean, abs=1e-4), name


def check_strangers(table):
    """Assert the strangers' table: means over the folds of the scores that the runs have."""
    shown = list(table.rows)
    trained = {"strangers_ravdess": "RAVDESS", "strangers": "RAVDESS + nEMO"}
    names = {"ravdess": "RAVDESS", "nemo": "nEMO", "tess": "TESS"}
    for row, title in trained.items():
        groups = defaultdict(list)
        for own in read_csv(PUBLISHED / row / "scores.csv"):
            groups[own["corpus"]].append(own)
        for corpus, own in groups.items():
            met = corpus in ("ravdess", "nemo")[: 1 + (row == "strangers")]
            plain = [each for each in own if each["way"] == "plain"]
            most = max(plain, key=lambda each: float(each["times"]))
            expected = {
                "trained on": title,
                "read": names[corpus] + ", other people" * met,
                "chance": f"{100 / int(most['emotions']):.1f}",
                "said most beyond its share": f"{most['most said']}, "
                f"{float(most['times']):.1f} times",
            }
            for way in ("plain", "12 heard", "all heard"):
                shares = [float(each["UAR"]) for each in own if each["way"] == way]
                assert len(shares) == 5
                expected[f"UAR %, {way}"] = f"{100 * sum(shares) / 5:.1f}"
            assert shown.pop(0) == expected
    assert not shown


def check_curve(table):
    groups = defaultdict(list)
    for own in read_csv(PUBLISHED / "audio_moonshine_adapted" / "curve.csv"):
        groups[own["emotions"], int(own["clips"])].append(own)
    clip_s = [float(own["clip_s"]) for rows in groups.values() for own in rows]
    clip_s = sum(clip_s) / len(clip_s)
    titles = {"one": "one", "two": "two emotions", "some": "some emotions", "all": "all emotions"}
    expected = {}
    for (kind, n_clips), rows in groups.items():
        n_episodes = sum(int(own["episodes"]) for own in rows)
        plain, guarded, centred = (
            100 * sum(float(own[way]) * int(own["episodes"]) for own in rows) / n_episodes
            for way in ("plain", "guarded", "centred")
        )
        cell = f"{plain:.0f} → {guarded:.0f} ({centred:.0f})"
        expected.setdefault(titles[kind], {})[f"{n_clips} clips, {n_clips * clip_s:.0f} s"] = cell
    for row in table.rows:
        own = dict(row)
        kind = own.pop("the person shows")
        assert {column: cell for column, cell in own.items() if cell} == expected.pop(kind)
    assert not expected


def check_actor(table):
    rows = read_csv(PUBLISHED / "actor05.csv")
    assert len({row["clip_id"] for row in rows}) == len(rows) == 60
    right = {name: sum(r[name] == r["true"] for r in rows) for name in ("voice", "face", "both")}
    expected = {"clips": "60"} | {f"{name} right": str(n) for name, n in right.items()}
    assert table.rows == (expected,)


CHECKS = {
    "branches": check_branches,
    "fusion": check_fusion,
    "adapted": check_adapted,
    "paired": check_paired,
    "groups": check_groups,
    "recall": check_recall,
    "degradation": check_degradation,
    "degradation_chosen": check_degradation,
    "leak": check_leak,
    "expression": check_expression,
    "voice_card": check_card,
    "face_card": check_card,
    "strangers": check_strangers,
    "actor05": check_actor,
    "curve": check_curve,
    "fusion_card": check_card,
}
ONLY_REPEATED = {
    "leak": "its scores: neither features nor the models' predictions are published",
    "curve": "which clips an episode holds is drawn in the run and not published",
    "strangers": "predictions of strangers are not published, for they are many; scores are",
    "degradation_chosen": "as of the next",
    "degradation": "what is damaged: damaged predictions, and the validation predictions that the "
    "fusions are fitted on, are not published",
}
"""What of the tables above can be compared with the run's own table alone, and why."""

NOT_COMPUTED = {
    "RAVDESS: 24 actors, speaker-independent: system": "other systems, as their authors give them",
    "The drawn corpus: run": "predictions on drawn actors are not published; make run prints them",
}
"""Tables that no published file gives, and why."""


@pytest.mark.parametrize("table", TABLES, ids=lambda table: f"{table.page.name}: {table.name}")
def test_every_table_is_computed_a_second_time_or_says_why_not(table):
    assert table.rows
    if table.name not in NOT_COMPUTED:
        assert table.name in CHECKS, f"{table.page.name}: nobody computes {table.name!r}"
        CHECKS[table.name](table)


def test_nothing_is_computed_or_excused_that_no_page_shows():
    names = [table.name for table in TABLES]
    assert set(names) == CHECKS.keys() | NOT_COMPUTED.keys()
    assert ONLY_REPEATED.keys() < CHECKS.keys()
    twice = [name for name, times in Counter(names).items() if times > 1]
    assert sorted(twice) == ["degradation", "expression", "strangers"]


def test_tables_of_results_stand_in_these_pages_alone():
    pages = set(REPOSITORY.glob("*.md"))
    for stage in ("opencv_model", "preprocessing", "data_augmentation", "modeling"):
        pages |= set((REPOSITORY / stage).rglob("*.md"))
    marked = {page for page in pages if "<!-- results:" in page.read_text("utf-8")}
    assert marked == set(PAGES)


def test_a_table_is_found_with_a_mark_and_without():
    marked_page = "<!-- results: new -->\n| a | b |\n|---|---|\n| 1 | |\n<!-- end -->\n"
    marked, plain = find_tables(f"## New\n{marked_page}\n| c |\n|---|")
    assert (marked.name, marked.rows) == ("new", ({"a": "1", "b": ""},))
    assert (plain.name, plain.rows) == ("New: c", ())


def spoil(text):
    """Return a cell's text as often as it holds numbers, each time with another one wrong.

    An end of an interval, in parentheses, is moved by two; any other number in its last digit.
    """
    spoilt = []
    for found in re.finditer(r"\d+(\.\d+)?", text):
        number = found.group()
        wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
        if "(" in text[: found.start()]:
            wrong = f"{float(number) + 2:.1f}"
        spoilt.append(text[: found.start()] + wrong + text[found.end() :])
    return spoilt


@pytest.mark.parametrize("name", CHECKS)
def test_any_wrong_number_is_found(name):
    table = next(table for table in TABLES if table.name == name)
    n_found = 0
    for position in {0, len(table.rows) - 1}:
        for column, cell in table.rows[position].items():
            for wrong in spoil(cell):
                rows = [dict(row) for row in table.rows]
                rows[position][column] = wrong
                with pytest.raises((AssertionError, FileNotFoundError)):
                    CHECKS[name](replace(table, rows=tuple(rows)))
                n_found += 1
    assert n_found >= len(table.columns)


def test_groups_of_the_best_fusion_are_the_known_ones():
    table = read_page_table("groups")
    known = {
        "intensity: normal": "84.9",
        "intensity: strong": "91.5",
        "statement: Kids are talking by the door": "88.3",
        "statement: Dogs are sitting by the door": "87.6",
    }
    assert {title: table[title]["accuracy %"] for title in known} == known


def test_readme_gives_the_scores_of_the_published_predictions():
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    chosen = read_rows(CHOSEN)
    women, men = ([r for r in chosen if int(r.actor) % 2 == odd] for odd in (0, 1))
    assert f"**{100 * accuracy(chosen):.1f}%** of RAVDESS's {len(chosen)} acted clips" in readme
    assert f"emotions' recalls, is {100 * mean_recall(chosen):.1f}." in readme
    assert f"{100 * accuracy(women):.1f} for the women and {100 * accuracy(men):.1f} for" in readme
    for name in ("audio_shipped", "fusion_shipped"):
        assert f"{100 * accuracy(read_ravdess(name)):.1f}%" in readme, name
    assert f"{100 * accuracy(read_rows('expression_fer2013')):.1f}%" in readme
