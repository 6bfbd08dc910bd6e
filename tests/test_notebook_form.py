"""Branch notebooks stay thin: what two of them do alike is a function of a module."""

import re

import nbformat
import pytest

from tests.conftest import REPOSITORY

PATHS = sorted(REPOSITORY.glob("*/[0-9][0-9]_*.ipynb"))
BRANCHES = [path for path in PATHS if path.name[0] in "34"]
SEARCH = "73"
"""Shows the network of 41 once more; ``test_search`` holds the two to each other."""
MOST_LINES = 80
TRIVIAL = 10
"""Characters of a line, such as a closing bracket, that says nothing by itself."""

IMPORT = re.compile(r"^(?:import|from) .*?(?:\([^)]*\))?$", re.MULTILINE)
"""An import, on one line or in brackets on several."""


def list_lines(path):
    """Return a notebook's lines of code, without imports and parameters: those only declare."""
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    code = [cell.source for cell in code if "parameters" not in cell.metadata.get("tags", [])]
    sources = [IMPORT.sub("", source) for source in code]
    lines = [line.strip() for source in sources for line in source.splitlines()]
    return [line for line in lines if len(line) > TRIVIAL]


def test_less_than_a_fifth_of_a_branch_stands_in_another_notebook():
    lines = {path: list_lines(path) for path in PATHS}
    shares = {}
    for path in BRANCHES:
        others = [own for p, own in lines.items() if p != path and p.name[:2] != SEARCH]
        others = {line for own in others for line in own}
        shares[path.name] = sum(line in others for line in lines[path]) / len(lines[path])
    assert {name: share for name, share in shares.items() if share >= 0.2} == {}


@pytest.mark.parametrize("number", ["30", "40", "41", "42", "43", "44"])
def test_a_branch_is_no_longer_than_its_own_idea(number):
    (path,) = (path for path in BRANCHES if path.name.startswith(number))
    assert len(list_lines(path)) <= MOST_LINES
    source = "\n".join(list_lines(path))
    assert "runs.save_run(" in source, "all parameters are kept with the run"
    assert "keras.Model(" in source, "the network is visible in the notebook"


def test_every_training_can_be_watched():
    sources = {path.name: "\n".join(list_lines(path)) for path in PATHS}
    trained = {name for name, source in sources.items() if "loop.train_" in source}
    assert trained >= {path.name for path in BRANCHES if path.name[:2] not in ("44",)}
    assert all("logs.open_log(LOG, " in sources[name] for name in trained)


@pytest.mark.parametrize(
    ("number", "save", "then"),
    [
        ("31", "run.finish(", "look_at_corpus("),
        ("32", "runs.save_run(", "compare_predictions("),
        ("40", "runs.save_run(", "measure_leak("),
        ("50", "run.finish(", "measure_degradation("),
    ],
)
def test_what_was_trained_is_saved_before_what_may_still_fail(number, save, then):
    (path,) = (path for path in PATHS if path.name.startswith(number))
    source = "\n".join(list_lines(path))
    assert 0 < source.index(save) < source.index(then)
