"""Films are judged together, since that is faster, and one by one where that fails: no film fails for another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from cxrlens.errors import UnreadableImageError

T = TypeVar("T")
R = TypeVar("R")


def or_apart(
    judge: Callable[[Sequence[T]], list[R]], films: Sequence[T], failed: Callable[[T, Exception], R]
) -> list[R]:
    """What ``judge`` says of all, in order; of a film that it fails for, alone too, what ``failed`` says.

    Args:
        judge: an answer for each film it is given.
        films: any number.
        failed: given the film and whatever was raised for it, which nobody foresaw.
    """
    try:
        return judge(films)
    except Exception as error:  # a network, OpenCV and the system raise what they like
        if len(films) > 1:
            return [answer for film in films for answer in or_apart(judge, [film], failed)]
        if not films:
            raise
        return [failed(films[0], error)]


def not_judged(name: str | Path, error: Exception) -> UnreadableImageError:
    """The same words for it at every door."""
    if isinstance(error, MemoryError):
        return UnreadableImageError(name, "does not fit into memory", "shrink it")
    fault = f"cannot be judged ({type(error).__name__})"
    return UnreadableImageError(name, fault, "look at it, and report it if it is a film")
