"""The README and its sisters: short enough, their links lead somewhere, what they print is true."""

import os
import re
import subprocess
import sys
from urllib.parse import unquote

import nbformat
import pandas as pd
import pytest

from preprocessing.corpora import EMOTIONS
from preprocessing.corpora.drawn import clip
from tests.conftest import REPOSITORY

README = REPOSITORY / "README.md"
STAGES = ("opencv_model", "preprocessing", "data_augmentation", "modeling")
PAGES = [
    *REPOSITORY.glob("*.md"),
    *(page for stage in STAGES for page in (REPOSITORY / stage).rglob("*.md")),
]
NO_NETWORK = """\
import socket

def refuse(*_):
    raise OSError("this test has no network")

socket.socket.connect = socket.getaddrinfo = refuse
"""


def name(path):
    return path.relative_to(REPOSITORY).as_posix()


def list_anchors(text):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


def list_lost_links(page):
    """Return the relative links of a page that lead nowhere."""
    lost = []
    for target in re.findall(r"\]\(([^()\s]+)\)", page.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = (page.parent / path).resolve() if path else page
        anchors = list_anchors(file.read_text("utf-8")) if anchor and file.is_file() else {""}
        if not file.exists() or anchor not in anchors:
            lost.append(target)
    return lost


def read_own_clip_block():
    """Return of *Read a clip of your own* the command, the lines it is said to print, the Python.

    Each line is a list of words.
    """
    found = re.search(
        r"<!-- own clip -->\n    \.venv/bin/python (.*?)\n(.*?)```python\n(.*?)```\n",
        README.read_text("utf-8"),
        re.DOTALL,
    )
    printed = re.findall(r"^ {5,}(.+)$", found.group(2), re.MULTILINE)
    return found.group(1).split(), [line.split() for line in printed], found.group(3)


def test_readme_is_short():
    assert len(README.read_bytes()) <= 9_500


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    assert list_lost_links(page) == []


def test_readme_links_every_notebook_in_order():
    linked = re.findall(r"\]\((\w+/\d\d_\w+\.ipynb)\)", README.read_text("utf-8"))
    notebooks = sorted(REPOSITORY.glob("*/[0-9][0-9]_*.ipynb"), key=lambda path: path.name)
    assert linked == [name(path) for path in notebooks]


def test_sections_that_messages_and_notebooks_name_exist():
    readme = README.read_text("utf-8")
    modules = [path for stage in STAGES for path in (REPOSITORY / stage).rglob("*.py")]
    texts = [path.read_text("utf-8") for path in modules]
    for path in sorted(REPOSITORY.glob("*/[0-9][0-9]_*.ipynb")):
        texts += [cell.source for cell in nbformat.read(path, as_version=4).cells]
    found = {
        section
        for text in texts
        for section in re.findall(r"README,\s+['*]([A-Z][\w ]+)['*]", text)
    }
    assert "Get the data" in found
    assert not {section for section in found if f"\n## {section}\n" not in readme}


def run_without_network(arguments, folder):
    """Return the lines that Python prints, in a process of its own that has no network."""
    guard = folder / "guard"
    guard.mkdir(exist_ok=True)
    (guard / "sitecustomize.py").write_text(NO_NETWORK, "utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(guard), str(REPOSITORY)])}
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def test_readme_leaves_the_files_that_it_promises(tmp_path):
    take = clip.film_take(tmp_path, clip.Take(1, "happy", 1))
    (tmp_path / take).rename(tmp_path / "my_clip.mp4")
    command, promised, code = read_own_clip_block()
    printed = run_without_network(command, tmp_path)
    assert promised[0][:2] in [line[:2] for line in printed]
    found = {path.name for path in (tmp_path / "answers").iterdir()}
    assert found == {f"my_clip.{ending}" for ending in ("csv", "json", "png", "mp4")}
    _, *rows = run_without_network(["-c", code], tmp_path)
    assert [row[0] for row in rows] == ["person", *EMOTIONS, "unsure", "confidence", "read_s"]


@pytest.mark.real_data
def test_lines_in_the_readme_are_what_its_clip_gives(real_data, tmp_path):
    command, promised, _ = read_own_clip_block()
    path = real_data / "ravdess" / "Actor_05" / "01-01-03-01-01-02-05.mp4"
    assert path.name in README.read_text("utf-8")
    command = [str(path) if word == "my_clip.mp4" else word for word in command]
    printed = run_without_network(command, tmp_path)
    header, row = printed[printed.index(promised[0]) :][:2]
    assert header == promised[0]
    assert row[:-1] == promised[1][:-1]
    assert abs(float(row[-1]) - float(promised[1][-1])) <= 0.02


def test_counts_of_actor_05_are_those_published():
    counts = pd.read_csv(REPOSITORY / "modeling" / "published" / "actor05.csv")
    right = {side: int((counts[side] == counts["true"]).sum()) for side in counts.columns[2:]}
    text = " ".join(README.read_text("utf-8").split())
    assert f"read {right['both']} of his {len(counts)} clips right" in text
    assert f"(voice alone {right['voice']}, face alone {right['face']})" in text
