"""What a run was made of, observed and not declared: code, arrays, other runs."""

import hashlib
import subprocess
from pathlib import Path

from preprocessing.disk import arrays

REPOSITORY = Path(__file__).resolve().parents[2]

RESULTS = (":(exclude)modeling/published", ":(exclude)modeling/shipped/*.md")
"""Tracked files that say what came out and shape no run."""

CODE = (".py", ".ipynb")
"""Files that can shape a run before git knows them."""


def describe_origin(corpus, inputs, sources):
    """Return what a run keeps of where it comes from.

    Args:
        corpus: A name of ``corpora.NAMES``.
        inputs: Facts of the stages that were read, by stage.
        sources: Facts of the runs that were read; where there are any, what they have read stands
            for the arrays.

    Returns:
        ``commit`` and ``clean`` of ``read_code``, ``files`` and ``prepared`` of
        ``describe_arrays``, and ``runs``, the signatures of the sources.
    """
    joined = {"runs": [sign_run(facts) for facts in sources], "files": {}, "prepared": {}}
    if not sources:
        joined |= describe_arrays(corpus, inputs)
    for facts in sources:
        for name in ("files", "prepared"):
            joined[name] |= facts.get(name, {})
    return read_code() | joined


def read_code():
    """Return ``commit``, twelve digits, and whether the working tree is ``clean``.

    It is where no tracked file has changed, no new module or notebook lies beside them (what is
    called ``data`` or ``results`` does not count), and all that was so when this process started
    too. Outside a checkout the commit is ``""`` and nothing is clean.
    """
    now = _ask_git()
    return now | {"clean": now["clean"] and now == _AT_START}


def _ask_git():
    git = ["git", "--no-optional-locks", "-C", str(REPOSITORY)]
    status = ["status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--"]
    reading = {"stderr": subprocess.DEVNULL, "text": True, "errors": "replace"}
    try:
        commit, changes = (
            subprocess.check_output([*git, *command], **reading)
            for command in (["rev-parse", "--short=12", "HEAD"], [*status, ".", *RESULTS])
        )
    except (OSError, subprocess.CalledProcessError):
        return {"commit": "", "clean": False}
    lines = [line for line in changes.split("\0") if line]
    return {"commit": commit.strip(), "clean": not any(map(_shapes_runs, lines))}


def _shapes_runs(line):
    """Return whether a line of ``git status`` names a file that may shape a run."""
    path = Path(line[3:])
    made = {"data", "results"} & set(path.parts)
    return not line.startswith("??") or (path.suffix in CODE and not made)


_AT_START = _ask_git()


def describe_arrays(corpus, inputs):
    """Return what the arrays of some stages are, as they lie on disk now.

    Args:
        corpus: A name of ``corpora.NAMES``.
        inputs: Facts of the stages that were read, by stage; those of which other arrays lie there
            now are left out.

    Returns:
        ``files``, the SHA-256 of each of the stages' files, and ``prepared``, the parameters of
        these stages, and of those they come from, by stage.
    """
    folder, files, prepared = arrays.corpus_folder(corpus), {}, {}
    for stage, read in inputs.items():
        if not (folder / f"{stage}.json").is_file():
            continue
        facts = arrays.read_facts(folder, stage)
        if read["digest"] != arrays.sign_stage(folder, stage, facts["parameters"]):
            continue
        files |= {name: digest_file(folder / name) for name in facts["files"]}
        while stage:
            facts = arrays.read_facts(folder, stage)
            prepared[stage] = facts["parameters"] | facts.get("notebook", {})
            stage = arrays.MADE_FROM.get(stage)
    return {"files": files, "prepared": prepared}


def sign_run(facts):
    """Return where a run lies below ``results/``, what it is, and its predictions' SHA-256."""
    folder = facts["folder"]
    kept = {name: facts[name] for name in ("branch", "protocol", "fold")}
    digest = digest_file(folder / "predictions.csv")
    return {"run": f"{folder.parent.name}/{folder.name}", **kept, "predictions": digest}


def read_same_arrays(first, second):
    """Say whether two runs, of facts, have read the same arrays: only such folds are pooled."""
    return all(first.get(name) == second.get(name) for name in ("clips", "inputs", "files"))


def digest_file(path):
    """Return the SHA-256 of a file, ``""`` where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
