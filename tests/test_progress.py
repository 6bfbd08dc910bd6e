"""A progress bar is seen while it runs, and nothing of it is left in a saved notebook."""

import nbclient
import nbformat

from modeling.pipeline import execution
from preprocessing.workers.progress import open_bar
from tests.conftest import REPOSITORY

CELL = """
import time
from preprocessing.workers.parallel import stream_results
for _ in stream_results(time.sleep, [(0.6,)] * 3, lost=print, n_jobs=0, title="resting"):
    pass
print("done")
"""


def execute(path, cell):
    """Execute a notebook of one cell; return its outputs and every text shown on the way."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    shown = []

    class Watcher(nbclient.NotebookClient):
        def process_message(self, message, *rest):
            shown.append(message["content"].get("data", {}).get("text/plain", ""))
            return super().process_message(message, *rest)

    Watcher(notebook, resources={"metadata": {"path": str(REPOSITORY)}}, timeout=120).execute()
    nbformat.write(notebook, path)
    return nbformat.read(path, as_version=4).cells[0].outputs, shown


def test_a_progress_bar_leaves_neither_a_widget_nor_text(tmp_path):
    outputs, shown = execute(tmp_path / "run.ipynb", CELL)
    assert any("resting" in text and "3" in text for text in shown)
    data = [dict(output.data) for output in outputs if "data" in output]
    assert data == [{"text/plain": ""}]
    assert [output.text for output in outputs if "text" in output] == ["done\n"]
    execution.keep_executed(tmp_path / "kept.ipynb", tmp_path / "run.ipynb")
    kept = nbformat.read(tmp_path / "kept.ipynb", as_version=4).cells[0].outputs
    assert [output.output_type for output in kept] == ["stream"]


def test_a_progress_bar_of_a_program_is_text_on_its_error_output(capsys):
    with open_bar(total=2, desc="resting") as bar:
        bar.update(2)
    said = capsys.readouterr()
    assert "resting" in said.err and not said.out
