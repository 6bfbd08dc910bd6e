import nbformat
import pytest

from modeling.pipeline import arguments, command
from tests.made_corpus import write_made_notebook


@pytest.fixture
def notebooks(tmp_path, monkeypatch):
    """Make three tiny notebooks in stage folders and let the pipeline find them."""
    sources = {
        "preprocessing/10_first.ipynb": ['CORPUS = "drawn"  # which\nN_FRAMES = 4  # frames', "1"],
        "modeling/30_second.ipynb": [
            "EPOCHS = 2  # epochs\nRATE = 0.1  # step",
            "open('seen.txt', 'w').write(f'{EPOCHS} {RATE}')",
        ],
        "modeling/40_third.ipynb": [
            "FAIL = ''  # how",
            "class NotEnoughClipsError(ValueError): pass\n"
            "if FAIL == 'skip': raise NotEnoughClipsError('nobody has a face')\n"
            "if FAIL == 'break': raise KeyError('broken')",
        ],
        "modeling/41_fourth.ipynb": ["CORPUS = 'drawn'  # which", "open('fourth.txt', 'w')"],
        "modeling/50_fifth.ipynb": ["CORPUS = 'drawn'  # which", "open('fourth.txt')"],
    }
    for name, cells in sources.items():
        write_made_notebook(tmp_path / name, *cells)
    monkeypatch.setattr(arguments, "REPOSITORY", tmp_path)
    monkeypatch.setenv("EMOTION_HOME", str(tmp_path))
    return tmp_path


def test_notebooks_run_in_order_with_their_parameters(notebooks, capsys):
    assert command.main(["--parameters", "EPOCHS=5"]) == 0
    lines = [line.split()[1:3] for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["1/5]", "10_first"]
    assert sorted(lines[2:5]) == [
        ["2/5]", "30_second"],
        ["3/5]", "40_third"],
        ["4/5]", "41_fourth"],
    ]
    assert lines[5] == ["5/5]", "50_fifth"]
    assert (notebooks / "modeling" / "seen.txt").read_text() == "5 0.1"
    assert (notebooks / "results/notebooks/drawn/30_second.ipynb").is_file()


def test_only_chooses_by_first_digits(notebooks):
    assert [p.stem for p in arguments.find_notebooks("3")] == ["30_second"]
    assert [p.stem for p in arguments.find_notebooks("10,4")] == [
        "10_first",
        "40_third",
        "41_fourth",
    ]


def test_unknown_parameter_is_an_error_that_names_the_nearest(notebooks, capsys):
    assert command.main(["--parameters", "EPOCH=5"]) == 2
    assert "Did you mean EPOCHS?" in capsys.readouterr().err


def test_parameter_of_a_notebook_not_chosen_is_an_error(notebooks):
    assert command.main(["--only", "10", "--parameters", "EPOCHS=5"]) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--only", "7"],
        ["--corpus", "nobody"],
        ["--parameters", "EPOCHS"],
        ["--parameters", "EPOCHS=many"],
    ],
)
def test_wrong_arguments_stop_before_anything_runs(notebooks, arguments):
    assert command.main(arguments) == 2
    assert not (notebooks / "results").exists()


def test_notebook_without_clips_is_skipped_and_the_rest_runs(notebooks, capsys):
    assert command.main(["--parameters", "FAIL=skip"]) == 0
    assert "skipped: nobody has a face" in capsys.readouterr().out


def test_notebooks_executed_in_place_bear_no_traces_of_the_run(notebooks):
    assert command.main(["--only", "10,30", "--in-place"]) == 0
    kept = nbformat.read(notebooks / "modeling/30_second.ipynb", as_version=4)
    assert [cell.execution_count for cell in kept.cells] == [1, 2]
    assert [dict(cell.metadata) for cell in kept.cells] == [{"tags": ["parameters"]}, {}]
    assert set(kept.metadata) <= {"language_info", "kernelspec"}
    first = nbformat.read(notebooks / "preprocessing/10_first.ipynb", as_version=4)
    assert first.cells[1].outputs[0].data == {"text/plain": "1"}


def test_broken_notebook_stops_the_run(notebooks, capsys):
    assert command.main(["--parameters", "FAIL=break"]) == 1
    said = capsys.readouterr().out
    assert "failed: KeyError" in said
    assert "50_fifth" not in said


def test_a_notebook_waits_for_those_it_reads_and_for_no_other():
    paths = arguments.find_notebooks()
    numbers = {p.name[:2]: [n.name[:2] for n in command.list_needed(p, paths)] for p in paths}
    assert numbers.keys() == command.READS.keys()
    assert numbers["10"] == []
    assert numbers["21"] == ["12"]
    assert numbers["32"] == ["30", "31"]
    assert numbers["50"] == ["30", "31", "32", "40", "41", "42", "43", "44"]
    assert numbers["60"] == [*numbers["50"], "50"]
    some = arguments.find_notebooks("10,12,32,41")
    assert [n.name[:2] for n in command.list_needed(some[3], some)] == ["12"]
    assert [n.name[:2] for n in command.list_needed(some[2], some)] == ["10"]
    own = paths[0].with_name("45_audio_mine.ipynb")
    assert len(command.list_needed(own, paths)) == 13, (
        "a notebook of one's own waits for all before"
    )


def test_one_job_runs_one_notebook_after_the_other(notebooks, capsys):
    assert command.main(["--jobs", "1"]) == 0
    said = capsys.readouterr().out
    assert "at a time" not in said
    assert [line[:6].replace(" ", "") for line in said.splitlines()[:5]] == [
        f"[{n}/5]" for n in "12345"
    ]


def test_sorted_order_is_the_order_of_running():
    numbers = [path.name[:2] for path in arguments.find_notebooks()]
    assert numbers == sorted(numbers)
    assert numbers[-2:] == ["50", "60"]
    voices = [path.name[:2] for path in arguments.find_notebooks("4")]
    assert voices == ["40", "41", "42", "43", "44"]


def test_parameters_are_read_as_python_reads_them(tmp_path):
    path = tmp_path / "31_made.ipynb"
    cell = nbformat.v4.new_code_cell('DATA = "/mnt/a#1"  # a folder\nA = 1; B = [2, "x"]')
    cell.metadata["tags"] = ["parameters"]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    assert arguments.list_parameters(path) == {"DATA": "/mnt/a#1", "A": 1, "B": [2, "x"]}
