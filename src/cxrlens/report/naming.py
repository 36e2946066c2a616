"""What an image is called in a report: its file name, unless that name would give a patient's id away."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePath

import pandas as pd

_SHORTEST_ID = 3
_PADDED = 6
"""From so many digits on, leading zeros are taken as padding: NIH's file 00000013_000.png is of patient 13."""

_LONGEST_NAME = 48


@dataclass(frozen=True)
class Namer:
    """Names images for readers; public sets often build file names from patient ids (``00003366_002.png``).

    Args:
        ids: every patient id that the manifest knows.
    """

    ids: frozenset[str] = frozenset()
    _known: frozenset[str] = field(init=False)
    _bare: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        parts = {part for each in self.ids for part in (each.lower(), *_tokens(each))}
        object.__setattr__(self, "_known", frozenset(p for p in parts if len(p) >= _SHORTEST_ID))
        object.__setattr__(self, "_bare", frozenset(p.lstrip("0") for p in parts if p.strip("0")))

    @classmethod
    def of(cls, manifest: pd.DataFrame | None) -> Namer:
        """From a manifest, or for nothing at all."""
        return cls() if manifest is None else cls(frozenset(manifest["patient_id"]) - {""})

    def name(self, path: str, sha256: str = "") -> str:
        """File name without folders; ``image 3f9a12cd`` (start of its SHA-256) where the name holds a patient's id."""
        name = PurePath(path.replace("\\", "/")).name
        if any(self._is_id(token) for token in (name.lower(), PurePath(name).stem.lower(), *_tokens(name))):
            return f"image {sha256[:8]}" if sha256 else "image (its name holds a patient's id)"
        return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 9]}…{name[-8:]}"

    def redact(self, text: str) -> str:
        """``text`` with every word that is a patient's id replaced; for sentences that other parts wrote."""
        return re.sub(r"[A-Za-z0-9]+", lambda m: "(withheld)" if self._is_id(m.group().lower()) else m.group(), text)

    def withhold(self, text: str) -> str:
        """``text`` without ids that cannot be a figure: for sentences full of numbers, which short ids would garble."""
        telling = sorted((each for each in self.ids if _cannot_be_a_figure(each)), key=len, reverse=True)
        lowered = text.lower()
        for each in (known for known in telling if known.lower() in lowered):
            pattern = rf"(?<![A-Za-z0-9]){re.escape(each)}(?![A-Za-z0-9])"
            text = re.sub(pattern, "(withheld)", text, flags=re.IGNORECASE)
        return text

    def _is_id(self, token: str) -> bool:
        return token in self._known or (len(token) >= _PADDED and token.isdigit() and token.lstrip("0") in self._bare)


def _cannot_be_a_figure(each: str) -> bool:
    """Letters and digits mixed, or at least six digits; a name in letters alone could be any word of a sentence."""
    digits = sum(c.isdigit() for c in each)
    return len(each) >= _SHORTEST_ID and digits > 0 and (not each.isdigit() or digits >= _PADDED)


def _tokens(text: str) -> list[str]:
    """Runs of letters and digits that hold a digit: in "patient-0012-b" only 0012 can be an id."""
    return [token for token in re.split(r"[^a-z0-9]+", text.lower()) if any(c.isdigit() for c in token)]
