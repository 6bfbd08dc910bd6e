"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
REAL_DATA = Path(os.environ.get("EMOTION_TEST_DATA", REPOSITORY.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data():
    """Return the folder of real clips and weights; skip where it is absent."""
    if not (REAL_DATA / "SHA256SUMS").is_file():
        pytest.skip(f"no real data in {REAL_DATA}; set EMOTION_TEST_DATA to its folder")
    return REAL_DATA
