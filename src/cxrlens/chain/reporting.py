"""Reports for people, of a run or of a dataset."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from cxrlens.chain.saying import shown
from cxrlens.errors import RunError
from cxrlens.folders import DatasetFolder, RunFolder, check_writable
from cxrlens.report import write_checklists, write_curation_report, write_model_card, write_run_report


def write_report(root: Path, console: Console) -> int:
    """Write the report of a run folder or of a dataset folder; returns how many things were passed over (none)."""
    check_writable(root)
    run, dataset = RunFolder(root), DatasetFolder(root)
    if run.config_path.is_file():
        console.print(f"report: {shown(write_run_report(run))}")
        console.print(f"model card: {shown(write_model_card(run))}")
        console.print(f"reporting checklists: {shown(write_checklists(run))}")
    elif dataset.manifest_path.is_file():
        console.print(f"report: {shown(write_curation_report(dataset))}")
    else:
        raise RunError(
            root, "is neither a run folder nor a dataset folder", "make one with 'cxrlens curate' or 'cxrlens train'"
        )
    return 0
