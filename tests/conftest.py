"""Fixtures that many test files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Two processes of tests on two cores: more threads than that only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

REAL_DATA = Path(os.environ.get("CXRLENS_REAL_DATA", Path(__file__).resolve().parents[1] / "../shared/data"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real radiographs; the test skips where they are absent."""
    if not (REAL_DATA / "manifest.csv").is_file():
        pytest.skip(f"the real radiographs are not at {REAL_DATA} (set CXRLENS_REAL_DATA)")
    return REAL_DATA.resolve()
