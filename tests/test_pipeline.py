import os
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest

from modeling.pipeline import arguments, command, execution
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
        ["--parameters", "EPOCHS=2.5"],
        ["--parameters", "EPOCHS=True"],
        ["--parameters", "RATE=inf"],
        ["--parameters", "EPOCHS='5"],
        ["--parameters", "CORPUS=tess"],
    ],
)
def test_wrong_arguments_stop_before_anything_runs(notebooks, arguments, capsys):
    assert command.main(arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (notebooks / "results").exists()


@pytest.mark.parametrize(
    ("text", "default", "value"),
    [
        ("GREY=false", True, False),
        ("RATE=1", 0.5, 1),
        ("NAME=7", "a", "7"),
        ("PRETRAINED=False", "if available", False),
        ("FER2013=C:\\Users\\me\\x.zip", "", "C:\\Users\\me\\x.zip"),
        ("HEADS=\"['a', 'b']\"", ["c"], ["a", "b"]),
        ("SPEED=(0.5,1)", [0.9, 1.1], [0.5, 1]),
        ("HEADS=[]", ["c"], []),
    ],
)
def test_values_are_taken_as_they_are_meant(text, default, value):
    ((name, given),) = arguments.parse_parameters(text).items()
    fitted = arguments.fit_value(name, given, default)
    assert fitted == value and type(fitted) is type(value)


@pytest.mark.parametrize(
    ("value", "default", "words"),
    [
        (8.5, 8, "N = 8.5 does not suit; expected a whole number such as 8."),
        ("no", True, "N = 'no' does not suit; expected True or False."),
        ("a", ["b"], "expected a list such as"),
        ([1], ["b"], "expected a list such as"),
        ([1], "b", "expected a word such as"),
    ],
)
def test_values_of_another_kind_are_refused(value, default, words):
    with pytest.raises(arguments.ArgumentsError, match=words):
        arguments.fit_value("N", value, default)


def test_paths_start_where_the_user_stands(notebooks, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    options = arguments.parse_arguments(["--data", "~/x.csv", "--only", "10"], "")
    path = tmp_path / "10_data.ipynb"
    write_made_notebook(path, 'DATA = ""  # where')
    assert arguments.share_parameters([path], options) == {path: {"DATA": f"{tmp_path}/x.csv"}}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMOTION_HOME", "mine")
    assert command.main(["--only", "30"]) == 0
    assert (tmp_path / "mine/results/notebooks/drawn/30_second.ipynb").is_file()
    assert os.environ["EMOTION_HOME"] == str(tmp_path / "mine")


@pytest.mark.parametrize("home", ["a file", "a file/below", "/proc/x"])
def test_a_home_that_cannot_be_written_is_said_before_anything_runs(
    notebooks, monkeypatch, capsys, home
):
    (notebooks / "a file").write_text("")
    monkeypatch.setenv("EMOTION_HOME", str(notebooks / home))
    assert command.main([]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be written" in line and "Set EMOTION_HOME" in line


def test_what_goes_wrong_between_notebooks_is_one_line(notebooks, capsys):
    path = notebooks / "modeling/30_second.ipynb"
    write_made_notebook(path, "FOLD = 1  # which")
    assert command.main(["--only", "30", "--folds", "all"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("FileNotFoundError: No data/drawn/clips.csv. Run ")
    assert "Traceback" in (notebooks / "results/pipeline.log").read_text()


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
    assert "failed: KeyError: 'broken' (in its first cells; in full in results/" in said
    assert "Traceback" not in said
    assert "50_fifth" not in said
    log = notebooks / "results/notebooks/drawn/40_third.log"
    assert "KeyError" in log.read_text()


def test_a_failure_names_its_section_and_stays_one_line(tmp_path):
    output = nbformat.v4.new_output("error", ename="E", evalue="e", traceback=[])
    cells = [nbformat.v4.new_markdown_cell(text) for text in ("# 1 One", "text\n## 2 Two\ntext")]
    cells += [nbformat.v4.new_code_cell("1", outputs=[output])]
    cells += [nbformat.v4.new_markdown_cell("## 3 Three")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    assert execution.find_section(tmp_path / "a.ipynb") == "'2 Two'"
    assert execution.name_error(ValueError("a\n  b")) == "ValueError: a b"


def test_a_kernel_that_dies_is_a_failure_of_its_notebook(notebooks, capsys):
    write_made_notebook(
        notebooks / "modeling/30_second.ipynb", "A = 1  # one", "import os; os._exit(1)"
    )
    assert command.main(["--only", "30"]) == 1
    said = capsys.readouterr().out
    assert "failed: DeadKernelError" in said and "Traceback" not in said


def test_kernels_that_are_busy_at_their_end_say_nothing(notebooks, capfd):
    slow = (
        "import time\n"
        "handlers = get_ipython().kernel.shell_handlers\n"
        "answer = handlers['kernel_info_request']\n"
        "async def answer_slowly(*request):\n"
        "    await answer(*request)\n"
        "    time.sleep(1)\n"
        "handlers['kernel_info_request'] = answer_slowly"
    )
    write_made_notebook(notebooks / "modeling/30_second.ipynb", "A = 1  # one", slow)
    assert command.main(["--only", "30"]) == 0
    assert "KeyboardInterrupt" not in "".join(capfd.readouterr())


RUN = "import sys, pathlib; from modeling.pipeline import arguments, command\n"
RUN += "arguments.REPOSITORY = pathlib.Path(sys.argv[1])\n"
RUN += "sys.exit(command.main(sys.argv[2:]))"


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupt_stops_everything_in_one_line(notebooks, jobs):
    endless = "open('started.txt', 'w').close(); import time; time.sleep(600)"
    write_made_notebook(notebooks / "modeling/30_second.ipynb", "A = 1  # one", endless)
    code = [sys.executable, "-c", RUN, str(notebooks), "--only", "30,40", "--jobs", jobs]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    run = subprocess.Popen(code, start_new_session=True, **pipes)
    while not (notebooks / "modeling/started.txt").exists():
        assert run.poll() is None
        time.sleep(0.1)
    children = psutil.Process(run.pid).children(recursive=True)
    os.killpg(run.pid, signal.SIGINT)
    said = run.communicate(timeout=60)[1]
    assert run.returncode == 130
    (line,) = said.strip().splitlines()
    assert line.startswith("stopped at 30_second.ipynb")
    assert line.endswith("; run again to go on")
    assert len(children) >= 2
    assert not psutil.wait_procs(children, timeout=10)[1]


def test_a_notebook_waits_for_those_it_reads_and_for_no_other():
    paths = arguments.find_notebooks()
    numbers = {p.name[:2]: [n.name[:2] for n in command.list_needed(p, paths)] for p in paths}
    assert numbers.keys() == command.READS.keys()
    assert numbers["10"] == []
    assert numbers["21"] == ["12"]
    assert numbers["32"] == ["30", "31"]
    assert numbers["50"] == ["30", "31", "32", "40", "41", "42", "43", "44"]
    assert numbers["60"] == [*numbers["50"], "50", "51"]
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
    assert numbers[-4:] == ["60", "61", "70", "71"]
    voices = [path.name[:2] for path in arguments.find_notebooks("4")]
    assert voices == ["40", "41", "42", "43", "44"]


def test_parameters_are_read_as_python_reads_them(tmp_path):
    path = tmp_path / "31_made.ipynb"
    cell = nbformat.v4.new_code_cell('DATA = "/mnt/a#1"  # a folder\nA = 1; B = [2, "x"]')
    cell.metadata["tags"] = ["parameters"]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    assert arguments.list_parameters(path) == {"DATA": "/mnt/a#1", "A": 1, "B": [2, "x"]}
