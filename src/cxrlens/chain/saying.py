"""What the commands say to a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from cxrlens.errors import CxrlensError, RunError, printable

_SHOWN = 8


def shown(thing: Path | str) -> str:
    """A path or a name as a terminal may be given it: no markup of ours, and no line break or escape of its own."""
    return escape(printable(str(thing)))


def passed_over(problems: Sequence[CxrlensError]) -> int:
    """Print the first few problems, a line each, on standard error; how many there are."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    for problem in problems[:_SHOWN]:
        errors.print(f"[yellow]passed over:[/] {escape(str(problem))}")
    if len(problems) > _SHOWN:
        errors.print(f"[yellow]passed over:[/] and {len(problems) - _SHOWN} more")
    return len(problems)


def as_problems(step: str, record: Mapping[str, Any]) -> list[CxrlensError]:
    """What a step passed over, from the record that it left."""
    return [RunError(step, str(line), "the rest was done") for line in record.get("problems", [])]


def spoken(interval: dict[str, Any]) -> str:
    """``0.871 (0.850 to 0.891)``, or the reason why there is no such figure."""
    if interval.get("value") is None:
        return f"not defined ({interval.get('reason', 'no reason given')})"
    if interval.get("low") is None:
        return f"{interval['value']:.3f} (no interval: {interval.get('reason', 'no reason given')})"
    return f"{interval['value']:.3f} ({interval['low']:.3f} to {interval['high']:.3f})"
