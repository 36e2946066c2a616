"""What an image is called in a report: its file name, unless that name would give a patient's id away."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePath

import pandas as pd

_SHORTEST_ID = 3
_LONGEST_NAME = 48


@dataclass(frozen=True)
class Namer:
    """Names images for readers; public sets often build file names from patient ids (``00003366_002.png``).

    Args:
        ids: every patient id that the manifest knows.
    """

    ids: frozenset[str] = frozenset()
    _parts: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        parts = {part for each in self.ids for part in (each.lower(), *_tokens(each))}
        object.__setattr__(self, "_parts", frozenset(p for p in parts if len(p) >= _SHORTEST_ID))

    @classmethod
    def of(cls, manifest: pd.DataFrame | None) -> Namer:
        """From a manifest, or for nothing at all."""
        return cls() if manifest is None else cls(frozenset(manifest["patient_id"]) - {""})

    def name(self, path: str, sha256: str = "", collection: str = "") -> str:
        """File name without folders; ``collection, image 3f9a12cd`` (of the SHA-256) where the name holds an id."""
        name = PurePath(path.replace("\\", "/")).name
        if self._gives_away(name):
            what = f"image {sha256[:8]}" if sha256 else "image (name withheld: it holds a patient's id)"
            return f"{collection}, {what}" if collection else what
        return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 9]}…{name[-8:]}"

    def redact(self, text: str) -> str:
        """``text`` with every patient's id replaced; for sentences that other parts wrote."""
        return re.sub(r"[A-Za-z0-9]+", lambda m: "(withheld)" if m.group().lower() in self._parts else m.group(), text)

    def _gives_away(self, name: str) -> bool:
        lower = name.lower()
        whole = any(len(each) >= _SHORTEST_ID and each.lower() in lower for each in self.ids)
        return whole or not self._parts.isdisjoint(_tokens(name))


def _tokens(text: str) -> Iterable[str]:
    return [token for token in re.split(r"[^a-z0-9]+", text.lower()) if any(c.isdigit() for c in token)]
