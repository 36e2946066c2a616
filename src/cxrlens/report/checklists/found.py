"""What a piece of evidence is."""

from __future__ import annotations

from dataclasses import dataclass

MANIFEST, SPLIT = "dataset: manifest.csv", "dataset: split.json"


@dataclass(frozen=True, slots=True)
class Found:
    """Evidence for an item, read from files.

    Args:
        words: the fact or figure.
        files: where it stands, never empty: without them the item is missing.
        partly: what these files cannot tell; empty where they tell all that is asked.
    """

    words: str
    files: tuple[str, ...]
    partly: str = ""
