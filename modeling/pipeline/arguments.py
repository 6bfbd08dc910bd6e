"""What the command line asks for: which notebooks, with which parameters."""

import argparse
import ast
import difflib
import math
import os
import shlex
import tempfile
from pathlib import Path

import nbformat

from modeling.training import runs
from preprocessing import corpora

REPOSITORY = Path(__file__).resolve().parents[2]


KINDS = {bool: "True or False", int: "a whole number", float: "a number", list: "a list"}


class ArgumentsError(ValueError):
    """What was asked for on the command line does not exist."""


def settle_home():
    """Make ``$EMOTION_HOME`` absolute: notebooks run in folders of their own.

    Raises:
        ArgumentsError: Nothing can be written there.
    """
    if home := os.environ.get("EMOTION_HOME"):
        os.environ["EMOTION_HOME"] = find_path(home)
    folder = results = runs.results_folder()
    while not os.path.lexists(folder):
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ArgumentsError(
            f"{results} cannot be written: {error.strerror}. Set EMOTION_HOME to a folder of yours."
        ) from error


def find_path(text):
    """Return the absolute path, without links, that a user's text means where they stand."""
    return os.path.realpath(Path(os.path.expandvars(text)).expanduser())


def parse_arguments(arguments, description):
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m modeling.pipeline", description=description)
    parser.add_argument("--corpus", default="drawn", help="a name of preprocessing.corpora")
    parser.add_argument("--data", default="", help="where the corpus's raw clips lie")
    parser.add_argument("--only", default="", help="first digits of the notebooks: 3 or 11,12")
    parser.add_argument("--parameters", default="", help='such as "EPOCHS=5 N_FRAMES=12"')
    parser.add_argument("--folds", default="", help="folds to train and test on: all, or 1,3")
    parser.add_argument(
        "--jobs",
        type=int,
        default=min(2, os.cpu_count() or 1),
        help="notebooks that run at a time where none reads what the other writes, 2 GB each",
    )
    parser.add_argument("--scheduler", default="", help="Dask scheduler: tcp://10.0.0.1:8786")
    parser.add_argument(
        "--in-place", action="store_true", help="execute the notebooks themselves, to commit them"
    )
    return parser.parse_args(arguments)


def find_notebooks(only=""):
    """Return the notebooks in order, reduced to the numbers that begin with those asked for.

    Raises:
        ArgumentsError: No notebook's number begins so.
    """
    every = sorted(REPOSITORY.glob("*/[0-9][0-9]_*.ipynb"), key=lambda path: path.name)
    prefixes = only.replace(",", " ").split()
    for prefix in prefixes:
        if not any(path.name.startswith(prefix) for path in every):
            numbers = ", ".join(path.name[:2] for path in every)
            raise ArgumentsError(f"ONLY={prefix} matches no notebook; there are {numbers}.")
    return [path for path in every if path.name.startswith(tuple(prefixes) or "")]


def list_parameters(notebook):
    """Return the names and defaults that a notebook's parameters cell declares."""
    found = {}
    for cell in nbformat.read(notebook, as_version=4).cells:
        if "parameters" not in cell.metadata.get("tags", []):
            continue
        for line in ast.parse(cell.source).body:
            if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                found[line.targets[0].id] = ast.literal_eval(line.value)
    return found


def parse_parameters(text, *, files=True):
    """Return the parameters of a text such as ``EPOCHS=5 NAME='a b' FER2013=C:\\me\\fer2013.zip``.

    A word ``@recipe.txt`` stands for what is written in that file (with ``files``); what is said
    twice counts as said last.

    Raises:
        ArgumentsError: A word is not of the form NAME=VALUE, a quote is not closed, or there is no
            such file.
    """
    lexer, parameters = shlex.shlex(text, posix=True), {}
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
    try:
        words = list(lexer)
    except ValueError as error:
        raise ArgumentsError(
            f"P holds a quote that is not closed: {text}. Close it, as in P=\"NAME='a b'\"."
        ) from error
    for word in words:
        if files and word.startswith("@"):
            parameters |= parse_parameters(_read_words(word[1:]), files=False)
            continue
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            raise ArgumentsError(f"P holds {word!r}; expected NAME=VALUE, as in P='EPOCHS=5'.")
        try:
            parameters[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            parameters[name] = value
    return parameters


def _read_words(path):
    try:
        return Path(find_path(path)).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentsError(f"P names @{path}, which cannot be read: {error}.") from error


def fit_value(name, value, default):
    """Return a given value as a notebook's parameter of that default takes it.

    A word for a word (or True and False: PRETRAINED), a whole number for a whole number, any number
    for a number, a list for a list.

    Raises:
        ArgumentsError: It is of another kind.
    """
    kind = type(default)
    if kind is bool and isinstance(value, str):
        value = {"true": True, "false": False}.get(value.lower(), value)
    elif kind is str and type(value) in (int, float):
        value = str(value)
    elif kind is list and isinstance(value, tuple):
        value = list(value)
    if not _fits(value, default):
        hint = KINDS.get(kind, "a word")
        hint += "" if kind is bool else f" such as {default!r}"
        raise ArgumentsError(f"{name} = {value!r} does not suit; expected {hint}.")
    return value


def _fits(value, default):
    """Return whether a value is of the kind of a default."""
    if isinstance(default, list):
        known = default and [isinstance(each, str) for each in default][:1]
        return isinstance(value, list) and (
            not known or all([isinstance(each, str)] == known for each in value)
        )
    if isinstance(default, str):
        return isinstance(value, str | bool)
    if isinstance(default, float):
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is type(default)


def share_parameters(notebooks, options):
    """Return, by notebook, those of the options and of the given parameters that it declares.

    Raises:
        ArgumentsError: The corpus is unknown, no chosen notebook declares a name, or a value is of
            another kind than the notebook's own.
    """
    if options.corpus not in corpora.NAMES:
        raise ArgumentsError(
            f"CORPUS={options.corpus} is unknown; expected one of {', '.join(corpora.NAMES)}."
        )
    given = parse_parameters(options.parameters)
    if given.get("CORPUS", options.corpus) != options.corpus:
        corpus = given["CORPUS"]
        raise ArgumentsError(f"P holds CORPUS={corpus}; say it apart: CORPUS={corpus}.")
    data = str(given.pop("DATA", options.data))
    if data and "://" not in data:
        data = find_path(data)  # notebooks run in folders of their own
    declared = {notebook: list_parameters(notebook) for notebook in notebooks}
    known = {name: value for own in declared.values() for name, value in own.items()}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ArgumentsError(
                f"No chosen notebook has a parameter {name}.{hint} "
                f"There are {', '.join(sorted(known))}."
            )
    standard = {"CORPUS": options.corpus, "DATA": data, "SCHEDULER": options.scheduler}
    given = {name: value for name, value in standard.items() if value} | given
    return {
        notebook: {n: fit_value(n, value, own[n]) for n, value in given.items() if n in own}
        for notebook, own in declared.items()
    }
