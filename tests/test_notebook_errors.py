"""In a notebook our errors say first what is wrong; all other errors look as ever."""

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = [
    "from preprocessing.disk import arrays",
    "arrays.read_clips('/nowhere')",
    "import json; json.loads('{')",
    "raise arrays.NotEnoughClipsError('nobody has a face')",
    "import sys; print(type(sys.last_value).__name__)",
    "1 +",
]


@pytest.fixture(scope="module")
def outputs():
    """Return the output of each cell, run in a kernel as Jupyter and papermill run them."""
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, kernel_name="python3", allow_errors=True).execute()
    return [cell.outputs[0] if cell.outputs else None for cell in notebook.cells]


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        (1, "FileNotFoundError: No /nowhere/clips.csv. Run preprocessing/10_corpus.ipynb"),
        (3, "NotEnoughClipsError: nobody has a face"),
    ],
)
def test_our_errors_say_first_what_is_wrong(outputs, cell, line):
    shown = outputs[cell]
    assert line in shown.traceback[0]
    assert f"{shown.ename}: {shown.evalue}".startswith(line)
    assert "Traceback" in "".join(shown.traceback[1:])


def test_errors_of_others_look_as_ever(outputs):
    assert outputs[2].ename == "JSONDecodeError"
    assert "Expecting" not in outputs[2].traceback[0]
    assert outputs[4].text == "NotEnoughClipsError\n"
    assert outputs[5].ename == "SyntaxError"
