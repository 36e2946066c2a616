"""Fixtures that many test files share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
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


@pytest.fixture(scope="session")
def served_run(tmp_path_factory: pytest.TempPathFactory):
    """A run with an untrained network, a calibration and a gate."""
    from serving_model import write_run

    return write_run(tmp_path_factory.mktemp("served") / "run")


@pytest.fixture(scope="session")
def exported(served_run) -> Path:
    """That run's exported model, in its own folder ``export``; not to be changed."""
    from cxrlens.serving.export import About, export_model
    from cxrlens.serving.run_model import default_export
    from serving_model import MEASURED

    out = default_export(served_run.root)
    export_model(served_run, out, About(MEASURED))
    return out


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    """A copy of the exported model to spoil."""
    return Path(shutil.copytree(exported, tmp_path / "model"))


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit's toy networks are trained here: other processes take longer to start than the toys take to learn.

    ``test_audit_retraining.py`` does without it.
    """
    from cxrlens.audit import retraining

    monkeypatch.setattr(retraining, "usable_cores", lambda: 1)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums of floats depend on the number of threads."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
