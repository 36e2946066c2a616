"""What the commands share: arguments and options that mean the same everywhere, the terminal, the exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

EXIT_PASSED_OVER = 3
"""Done, but something was passed over; standard error says what."""

Run = Annotated[Path, typer.Argument(help="a run folder, as 'train' writes it", show_default=False)]
Seed = Annotated[int, typer.Option(help="the same seed gives the same result")]


def console() -> Console:
    """Standard output, without colours where it is no terminal."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def finish(passed_over: int) -> None:
    """Leave with :data:`EXIT_PASSED_OVER` where something was passed over."""
    if passed_over:
        raise typer.Exit(EXIT_PASSED_OVER)
