"""A run that is asked before it was exported, or after it changed, is exported first."""

from __future__ import annotations

import sys
from pathlib import Path


def export_first(run: Path, folder: Path) -> None:
    """Export ``run`` to ``folder`` and say so on standard error, for standard output belongs to the rows."""
    from rich.console import Console

    from cxrlens.chain.serving import export_run

    errors = Console(file=sys.stderr, highlight=False, soft_wrap=True)
    errors.print(f"{run} is exported first, to {folder}", markup=False)
    export_run(run, folder, False, errors)


def exported(given: Path) -> Path:
    """Folder of the exported model behind an exported model or a run, exported first where it was not, or changed."""
    from cxrlens.serving.run_model import find_model

    folder, ready = find_model(given)
    if not ready:
        export_first(given, folder)
    return folder
