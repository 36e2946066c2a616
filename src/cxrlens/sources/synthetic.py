"""Tells synthetic pictures by the mark inside their files, so that they are called so wherever they are carried."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cxrlens.sources.phantom.encode import MARK

_HEAD = 4096  # the mark stands before the pixels


def is_synthetic(path: Path) -> bool:
    """Whether the file carries the phantom's mark; an unreadable file carries none."""
    try:
        with path.open("rb") as file:
            return MARK.encode("ascii") in file.read(_HEAD)
    except OSError:
        return False


def any_synthetic(paths: Iterable[str | Path]) -> bool:
    """Whether one of the files is synthetic; one is enough, since figures measured on a mixture are not of patients."""
    return any(is_synthetic(Path(path)) for path in paths)
