"""Progress as a callable, so that the work knows nothing of terminals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Wraps an iterable and shows how far it is. ``rich_progress`` draws a bar; ``quiet`` draws nothing."""

    def __call__(self, items: Iterable[T], total: int, what: str) -> Iterator[T]:
        """Yield ``items`` unchanged; ``what`` is a short phrase such as ``"reading images"``."""
        ...


def quiet(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Show nothing."""
    del total, what
    yield from items


def rich_progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Bar with count, rate and time left, on standard error; plain silence where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        for item in items:
            yield item
            bar.advance(task)
