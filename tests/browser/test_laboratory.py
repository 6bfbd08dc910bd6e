"""Notebooks in JupyterLab, in a real browser: they run, stay whole when saved, and play."""

import re
import shutil

import nbformat
import pytest
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from modeling.pipeline import arguments, command
from tests.browser.laboratory import open_notebook, serve_laboratory
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow

NOTEBOOKS = arguments.find_notebooks()
RUN = [path for path in NOTEBOOKS if path.name[:2] in ("10", "30", "50", "60", "70", "71")]
BEFORE = {"30": "11", "50": "12,41"}
"""What is run without a browser before each."""
SMALL = (
    "N_ACTORS=6 N_TAKES=1 N_FRAMES=4 FACE_SIZE=32 N_MELS=32 N_COPIES=0 EPOCHS=2 RESAMPLES=100 "
    "N_CLIPS=2 N_RANDOM=1 N_SHUFFLES=2 "
    """BRANCHES='video_convlstm audio_conv2d' HEADS="['dense']" """
)
PLOT_S = 20
"""Seconds from *Run All Cells*, the kernel just restarted, to the first plot."""
PLAYING = [path for path in NOTEBOOKS if re.search(r"<(audio|video) ", path.read_text("utf-8"))]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def served(home, tmp_path_factory):
    """Serve a folder for copies of notebooks; return its address and the folder."""
    folder = tmp_path_factory.mktemp("notebooks")
    environment = {"EMOTION_HOME": str(home), "PYTHONPATH": str(REPOSITORY)}
    with serve_laboratory(folder, tmp_path_factory.mktemp("lab"), environment) as address:
        yield address, folder


def find_small(*paths):
    """Return those of the small parameters that one of the notebooks has."""
    known = {name for path in paths for name in arguments.list_parameters(path)}
    given = arguments.parse_parameters(SMALL)
    return {name: value for name, value in given.items() if name in known}


def run_before(numbers):
    """Run notebooks without a browser."""
    small = find_small(*arguments.find_notebooks(numbers))
    words = " ".join(f"{name}={value!r}" for name, value in small.items())
    assert command.main(["--only", numbers, "--parameters", words]) == 0


def test_notebooks_run_in_order_and_are_whole_when_opened_again(browser, served, home, monkeypatch):
    monkeypatch.setenv("EMOTION_HOME", str(home))
    address, folder = served
    for path in RUN:
        if numbers := BEFORE.get(path.name[:2]):
            run_before(numbers)
        small = parameterize_notebook(load_notebook_node(str(path)), find_small(path))
        nbformat.write(small, folder / path.name)
        with open_notebook(browser, address, path.name) as notebook:
            notebook.restart()
            plot_s, end_s = notebook.run_all(most_s=300)
            print(f"{path.name}: first plot after {plot_s:.1f} s, the end after {end_s:.1f} s")
            assert not notebook.list_failures()
            counts, lengths = notebook.count_outputs(), notebook.play_media()
            notebook.reopen()
            assert notebook.count_outputs() == counts
            assert notebook.play_media() == lengths and all(lengths)
            assert plot_s < PLOT_S


@pytest.mark.parametrize("path", PLAYING, ids=lambda path: path.stem)
def test_what_was_committed_plays_before_anything_is_run(browser, served, path):
    address, folder = served
    (folder / "cloned").mkdir(exist_ok=True)
    shutil.copy(path, folder / "cloned")
    with open_notebook(browser, address, f"cloned/{path.name}") as notebook:
        lengths = notebook.play_media()
        assert lengths and all(lengths)
