"""``audit``: ask whether the number can be believed, say the verdicts, and write them into the report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from cxrlens import RESEARCH_ONLY, SYNTHETIC_NOTE
from cxrlens.audit.audit import Audited, audit, verdicts_of
from cxrlens.audit.case import AuditOptions
from cxrlens.chain.reporting import write_report
from cxrlens.chain.saying import passed_over, shown
from cxrlens.folders import RunFolder, check_writable
from cxrlens.progress import rich_progress

_MARKS = {
    "fail": "[bold red]FAIL[/]",
    "warn": "[yellow]WARN[/]",
    "unanswered": "[dim]  ? [/]",
    "pass": "[green]pass[/]",
}


def audit_run(root: Path, options: AuditOptions, only: Sequence[str], console: Console) -> int:
    """Audit a run and write its report anew; returns how many parts stopped with an error."""
    check_writable(root)
    run = RunFolder(root)
    began = time.perf_counter()
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    done = audit(run, options, rich_progress, only, told=lambda line: errors.print(escape(line)))
    _say(done, console)
    if run.dataset().synthetic:
        console.print(f"[bold]{SYNTHETIC_NOTE}[/]")
    console.print(RESEARCH_ONLY)
    console.print(f"audited in {(time.perf_counter() - began) / 60:.1f} min; parts lie in {shown(run.audit)}")
    return write_report(root, console) + passed_over(done.problems)


def _say(done: Audited, console: Console) -> None:
    console.print(f"\n[bold]{escape(done.headline)}[/]\n")
    for name, verdict in verdicts_of(done.parts):
        console.print(f"{_MARKS[verdict.status]} [bold]{escape(verdict.question)}[/] [dim]({name})[/]")
        console.print(f"     {escape(verdict.sentence)}")
