"""What the command line asks for: which notebooks, with which parameters."""

import argparse
import ast
import difflib
import os
import shlex
from pathlib import Path

import nbformat

from preprocessing import corpora

REPOSITORY = Path(__file__).resolve().parents[2]


class ArgumentsError(ValueError):
    """What was asked for on the command line does not exist."""


def parse_arguments(arguments, description):
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m modeling.pipeline", description=description)
    parser.add_argument("--corpus", default="drawn", help="a name of preprocessing.corpora")
    parser.add_argument("--data", default="", help="where the corpus's raw clips lie")
    parser.add_argument("--only", default="", help="first digits of the notebooks: 3 or 11,12")
    parser.add_argument("--parameters", default="", help='such as "EPOCHS=5 N_FRAMES=12"')
    parser.add_argument("--folds", default="", help="folds to train and test on: all, or 1,3")
    parser.add_argument(
        "--committee", action="store_true", help="five members a fold, each stopped on others"
    )
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


def parse_parameters(text):
    """Return the parameters of a text such as ``EPOCHS=5 NAME='a b'``.

    Raises:
        ArgumentsError: A word is not of the form NAME=VALUE.
    """
    parameters = {}
    for word in shlex.split(text):
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            raise ArgumentsError(f"P holds {word!r}; expected NAME=VALUE, as in P='EPOCHS=5'.")
        try:
            parameters[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            parameters[name] = value
    return parameters


def share_parameters(notebooks, options):
    """Return, by notebook, those of the options and of the given parameters that it declares.

    Raises:
        ArgumentsError: The corpus is unknown, no chosen notebook declares a name, or a number is
            given as a word.
    """
    if options.corpus not in corpora.NAMES:
        raise ArgumentsError(
            f"CORPUS={options.corpus} is unknown; expected one of {', '.join(corpora.NAMES)}."
        )
    given, data = parse_parameters(options.parameters), options.data
    if data and "://" not in data:
        data = str(Path(data).resolve())  # notebooks run in folders of their own
    declared = {notebook: list_parameters(notebook) for notebook in notebooks}
    known = {name: value for own in declared.values() for name, value in own.items()}
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ArgumentsError(
                f"No chosen notebook has a parameter {name}.{hint} "
                f"There are {', '.join(sorted(known))}."
            )
        if isinstance(known[name], int | float) and not isinstance(value, int | float):
            raise ArgumentsError(f"{name}={value} is a word; expected a number like {known[name]}.")
    standard = {"CORPUS": options.corpus, "DATA": data, "SCHEDULER": options.scheduler}
    given = {name: value for name, value in standard.items() if value} | given
    return {
        notebook: {name: value for name, value in given.items() if name in own}
        for notebook, own in declared.items()
    }
