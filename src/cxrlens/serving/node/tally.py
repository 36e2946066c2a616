"""What the node has done since it started, for a line in its log now and then: numbers, nothing of a patient."""

from __future__ import annotations

import logging
from collections import Counter
from threading import Lock

log = logging.getLogger("cxrlens.node")
"""Lines hold numbers, AE titles, addresses and reasons; no name, identifier, UID or date of a patient or image."""

_ALWAYS = ("accepted", "answered", "failed")


class Tally:
    """Counts that threads share."""

    def __init__(self) -> None:
        self._lock, self._counts, self._told = Lock(), Counter[str](), ""

    def add(self, what: str, count: int = 1) -> None:
        """So many more of it."""
        with self._lock:
            self._counts[what] += count

    def __getitem__(self, what: str) -> int:
        with self._lock:
            return self._counts[what]

    def line(self, waiting: int) -> str:
        """All counts in one line, with how many images wait."""
        with self._lock:
            names = [*_ALWAYS, *sorted(set(self._counts) - set(_ALWAYS))]
            return ", ".join([*(f"{name} {self._counts[name]}" for name in names), f"waiting {waiting}"])

    def tell(self, waiting: int) -> None:
        """Log the line, where it is another one than last time."""
        line = self.line(waiting)
        if line != self._told:
            self._told = line
            log.info("so far: %s", line)
