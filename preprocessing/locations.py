"""Stand-in until the URL module lands."""

from pathlib import Path


def join(base, name):
    return Path(base) / name


def measure_size(location):
    return Path(location).stat().st_size
