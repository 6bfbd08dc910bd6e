"""The rules of the house: who imports whom, who owns which library, how notebooks look."""

import ast
import importlib.util
import re
import subprocess
import sys

import nbformat
import pytest

from tests.conftest import REPOSITORY

STAGES = ["opencv_model", "preprocessing", "data_augmentation", "modeling"]
OWNERS = {
    "av": {"preprocessing/clips", "preprocessing/corpora/drawn"},
    "cv2": {"opencv_model/resnet_ssd.py", "preprocessing/faces", "preprocessing/corpora/drawn"},
    "librosa": {"preprocessing/voice"},
    "audiomentations": {"data_augmentation/waveforms.py"},
    "tensorflow": {"modeling"},
    "keras": {"data_augmentation", "modeling"},
}
MODULES = sorted(p for stage in STAGES for p in (REPOSITORY / stage).rglob("*.py"))
NOTEBOOKS = sorted(REPOSITORY.glob("*/[0-9][0-9]_*.ipynb"))
IN_ORDER = [path.relative_to(REPOSITORY).as_posix() for path in NOTEBOOKS]


def list_imports(source):
    """Return the dotted names that Python source imports, wherever the import stands."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def read_code(path):
    """Return a module's source, or a notebook's code cells joined."""
    if path.suffix == ".py":
        return path.read_text("utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


@pytest.mark.parametrize("path", [*MODULES, *NOTEBOOKS], ids=lambda p: p.name)
def test_imports_only_point_to_earlier_stages(path):
    stage = STAGES.index(path.relative_to(REPOSITORY).parts[0])
    later = [
        name for name in list_imports(read_code(path)) if name.split(".")[0] in STAGES[stage + 1 :]
    ]
    assert not later


@pytest.mark.parametrize(
    "path",
    [p for p in [*MODULES, *NOTEBOOKS] if p.relative_to(REPOSITORY).parts[0] == "modeling"],
    ids=lambda p: p.name,
)
def test_modeling_depends_on_files_not_on_the_code_that_made_them(path):
    allowed = ("disk", "corpora", "plots", "workers")
    allowed = tuple(f"preprocessing.{name}" for name in allowed)
    used = [n for n in list_imports(read_code(path)) if n.startswith("preprocessing")]
    assert all(name.startswith(allowed) for name in used), used


@pytest.mark.parametrize("library", OWNERS)
def test_each_heavy_library_has_its_owner(library):
    users = {
        path.relative_to(REPOSITORY).as_posix()
        for path in MODULES
        if any(name.split(".")[0] == library for name in list_imports(read_code(path)))
    }
    strangers = {user for user in users if not user.startswith(tuple(OWNERS[library]))}
    assert not strangers


def test_first_stage_starts_without_tensorflow():
    code = (
        "import sys, preprocessing.extract, preprocessing.analyse, preprocessing.plots\n"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.name)
def test_no_module_hides_a_library(path):
    if path.stem.startswith("__"):
        return
    top = [name for name in (path.stem,) if importlib.util.find_spec(name)]
    assert not top, f"in Jupyter {path.name} would be imported instead of the library"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_notebook_is_committed_executed_in_order(path):
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    counts = [cell.execution_count for cell in cells]
    assert counts == list(range(1, len(cells) + 1))
    assert not [o for cell in cells for o in cell.outputs if o.output_type == "error"]
    assert path.stat().st_size < 1_000_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_notebook_keeps_to_its_form(path):
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    tagged = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    names = re.findall(r"^([A-Z][A-Z0-9_]*) = ", tagged[0].source, re.MULTILINE)
    assert 1 <= len(names) <= 15
    assert all("#" in line for line in tagged[0].source.splitlines() if " = " in line)
    assert all(len(cell.source.splitlines()) <= 26 for cell in code)
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert "What you should see" in text
    assert "Try next" in text
    assert "sys.path" not in read_code(path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_notebook_shows_no_path_of_the_machine_and_no_noise(path):
    found = []
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
            if output.get("name") == "stderr" or str(REPOSITORY) in text or "/home/" in text:
                found.append(text[:200])
    assert not found
