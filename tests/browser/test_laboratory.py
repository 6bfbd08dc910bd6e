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
    """BRANCHES='video_convlstm audio_conv2d' HEADS="['dense']" """
)
PLOT_S = 20
"""Seconds from *Run All Cells*, the kernel just restarted, to the first plot."""
PLAYING = [path for path in NOTEBOOKS if re.search(r"<(audio|video) ", path.read_text("utf-8"))]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def address(home, tmp_path_factory):
    """Serve copies of the notebooks, whose runs are written elsewhere too."""
    folder = tmp_path_factory.mktemp("notebooks")
    for path in NOTEBOOKS:
        shutil.copy(path, folder)
    environment = {"EMOTION_HOME": str(home), "PYTHONPATH": str(REPOSITORY)}
    with serve_laboratory(folder, tmp_path_factory.mktemp("lab"), environment) as url:
        yield url, folder


def make_small(path, target):
    """Write a copy of a notebook that has the small parameters below its own."""
    given = arguments.parse_parameters(SMALL)
    own = arguments.list_parameters(path)
    given = {name: value for name, value in given.items() if name in own}
    nbformat.write(parameterize_notebook(load_notebook_node(str(path)), given), target)


def test_notebooks_run_in_order_and_are_whole_when_opened_again(
    browser, address, home, monkeypatch
):
    monkeypatch.setenv("EMOTION_HOME", str(home))
    url, folder = address
    for path in RUN:
        if numbers := BEFORE.get(path.name[:2]):
            assert command.main(["--only", numbers, "--parameters", keep_known(numbers)]) == 0
        make_small(path, folder / path.name)
        with open_notebook(browser, url, path) as notebook:
            notebook.restart()
            plot_s, end_s = notebook.run_all(most_s=120)
            print(f"{path.name}: first plot after {plot_s:.1f} s, the end after {end_s:.1f} s")
            assert not notebook.list_failures()
            counts, lengths = notebook.count_outputs(), notebook.play_media()
            notebook.reopen()
            assert notebook.count_outputs() == counts
            assert notebook.play_media() == lengths and all(lengths)
            assert plot_s < PLOT_S


def keep_known(numbers):
    """Return, as the command line takes them, the small parameters that these notebooks have."""
    paths = arguments.find_notebooks(numbers)
    known = {name for path in paths for name in arguments.list_parameters(path)}
    given = arguments.parse_parameters(SMALL)
    return " ".join(f"{name}={value!r}" for name, value in given.items() if name in known)


@pytest.mark.parametrize("path", PLAYING, ids=lambda path: path.stem)
def test_what_was_committed_plays_before_anything_is_run(browser, address, path):
    with open_notebook(browser, address[0], path) as notebook:
        lengths = notebook.play_media()
    assert lengths and all(lengths)
