"""``--keep`` and ``--drop``: the user's word against the flags'."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from cxrlens.errors import OptionError

CONFLICT = "conflict"
DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Overrules:
    """Patterns sorted into names (of flags and reasons) and paths."""

    keep_names: frozenset[str]
    drop_names: frozenset[str]
    keep_paths: frozenset[str]
    dropped_by: dict[str, str]
    """Path to the pattern that drops it."""


def sort_patterns(keep: Sequence[str], drop: Sequence[str], names: Iterable[str], paths: Sequence[str]) -> Overrules:
    """Tell names from globs, and match the globs.

    A glob matches a whole path, or its last parts: ``b/*.png`` matches ``/a/b/1.png``.

    Raises:
        OptionError: a pattern that is no name and matches no image.
    """
    known = frozenset(names)

    def matches(pattern: str, option: str) -> list[str]:
        found = [p for p in paths if fnmatchcase(p, pattern) or fnmatchcase(p, f"*/{pattern}")]
        if not found:
            fault = f"'{pattern}' matches no image and is no flag"
            raise OptionError(option, fault, f"give a glob on paths, or one of {', '.join(sorted(known))}")
        return found

    kept: set[str] = set()
    dropped: dict[str, str] = {}
    for pattern in keep:
        if pattern not in known:
            kept.update(matches(pattern, "--keep"))
    for pattern in drop:
        if pattern not in known:
            for path in matches(pattern, "--drop"):
                dropped.setdefault(path, pattern)
    return Overrules(known & set(keep), known & set(drop), frozenset(kept) - set(dropped), dropped)
