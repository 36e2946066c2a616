"""``CHECKLISTS.md``: the reporting checklists of a run, for an author to complete and a reviewer to check."""

from __future__ import annotations

from pathlib import Path

from cxrlens.folders import RunFolder, write_atomically
from cxrlens.report.checklists.assessment import STATES, assess
from cxrlens.report.records import read_run
from cxrlens.report.rendering import render
from cxrlens.report.run_facts import run_facts


def write_checklists(run: RunFolder) -> Path:
    """Write ``CHECKLISTS.md`` into the run folder.

    Returns:
        Path of the file.

    Raises:
        RunError: the folder is no run folder, or one of another version.
    """
    record = read_run(run)
    text = render(
        "checklists.md.j2",
        name=run.root.resolve().name,
        synthetic=record.dataset.synthetic,
        assessments=assess(run_facts(record)),
        states=STATES,
    )
    path = run.root / "CHECKLISTS.md"
    write_atomically(path, text.encode())
    return path
