"""The README and its sisters: short enough, their links lead somewhere, what they print is true."""

import re
import subprocess
import sys
from urllib.parse import unquote

import nbformat
import pytest

from modeling.expressions import fer2013
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
    """Return the Python of *Read a clip of your own*, and the lines that it is said to print."""
    found = re.search(
        r"<!-- own clip -->\n```python\n(.*?)```\n(.*?)\n## ", README.read_text("utf-8"), re.DOTALL
    )
    return found.group(1), re.findall(r"^    (\w+: .*)$", found.group(2), re.MULTILINE)


def test_readme_is_short():
    assert len(README.read_bytes()) <= 12_000


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


def run_block(code, path):
    """Return the lines that a block prints of a clip, in a process of its own without network."""
    assert code.count('"my_clip.mp4"') == 1
    code = NO_NETWORK + code.replace('"my_clip.mp4"', repr(str(path)))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_blocks_for_own_clips_run_as_printed(tmp_path):
    """The README's block prints what it promises; the fusion's card goes on from there."""
    path = tmp_path / clip.film_take(tmp_path, clip.Take(1, "happy", 1))
    code, promised = read_own_clip_block()
    card = (REPOSITORY / "modeling" / "shipped" / "fusion.md").read_text("utf-8")
    load = 'fusion = load_shipped("fusion")\n'
    assert load.strip() in card
    found = re.search(r"## Feed it a clip\n.*?```python\n(.*?)```", card, re.DOTALL).group(1)
    code += load + found + "print('fused:', *posteriors.shape)\n"
    printed = run_block(code, path)
    assert printed[-1] == f"fused: 1 {len(EMOTIONS)}"
    words = {"voice": EMOTIONS, "face": fer2013.CLASSES}
    printed = [line for line in printed if line.startswith(("voice: ", "face: "))]
    for lines in (promised, printed):
        assert len(lines) == len(words)
        for line, (modality, known) in zip(lines, words.items(), strict=True):
            emotion, confidence = re.fullmatch(rf"{modality}: (\w+) ([01]\.\d\d)", line).groups()
            assert emotion in known
            assert 1 / len(known) <= float(confidence) <= 1


@pytest.mark.real_data
def test_lines_in_the_readme_are_what_its_clip_gives(real_data):
    code, promised = read_own_clip_block()
    path = real_data / "ravdess" / "Actor_05" / "01-01-03-01-01-02-05.mp4"
    assert path.name in README.read_text("utf-8")
    for line, other in zip(run_block(code, path)[-2:], promised, strict=True):
        (*words, confidence), (*others, expected) = line.split(), other.split()
        assert words == others
        assert abs(float(confidence) - float(expected)) <= 0.02
