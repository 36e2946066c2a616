"""Verdict: pass, warn or fail, with one sentence that a reviewer can quote; or why a question has no answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["pass", "warn", "fail", "unanswered"]

ORDER: tuple[Status, ...] = ("fail", "warn", "unanswered", "pass")
"""From the one that a reader must see first."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One question of the audit, answered.

    Args:
        question: what was asked, in plain words, ending with a question mark.
        status: ``pass``, ``warn``, ``fail``; ``unanswered`` where the data cannot answer it.
        sentence: the answer with its figures, whole and quotable; ``unanswered`` begins "Cannot be answered, because".
    """

    question: str
    status: Status
    sentence: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture that shows the evidence.

    Args:
        file: name of the PNG inside the audit's folder.
        caption: what it shows, with what was measured on what.
    """

    file: str
    caption: str


@dataclass(frozen=True, slots=True)
class PartResult:
    """What one part of the audit found.

    Args:
        verdicts: one or more, the gravest first or in the order asked.
        figures: JSON values: the evidence as numbers, intervals as ``{"value", "low", "high"}``.
        drawings: pictures in the audit's folder.
    """

    verdicts: tuple[Verdict, ...]
    figures: Mapping[str, Any] = field(default_factory=dict)
    drawings: tuple[Drawing, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For JSON; :meth:`from_dict` reads it back."""
        return {
            "verdicts": [asdict(v) for v in self.verdicts],
            "figures": dict(self.figures),
            "drawings": [asdict(d) for d in self.drawings],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PartResult:
        """The reverse of :meth:`to_dict`; ``KeyError`` or ``TypeError`` for anything else."""
        return cls(
            tuple(Verdict(**v) for v in values["verdicts"]),
            values["figures"],
            tuple(Drawing(**d) for d in values["drawings"]),
        )


def unanswered(question: str, because: str) -> PartResult:
    """A part that has no answer; ``because`` completes "Cannot be answered, because …", without a full stop."""
    return PartResult((Verdict(question, "unanswered", f"Cannot be answered, because {because}."),))


def gravest(verdicts: Iterable[Verdict]) -> Status:
    """The status that stands for all of them."""
    found = {v.status for v in verdicts}
    return next((status for status in ORDER if status in found), "unanswered")


def spoken(interval: Mapping[str, Any], digits: int = 2) -> str:
    """``0.31 (0.22 to 0.41)``; only the value where there is no interval, and words where there is no value."""
    if interval.get("value") is None:
        return f"not defined ({interval.get('reason', 'no reason given')})"
    if interval.get("low") is None:
        return f"{interval['value']:.{digits}f}"
    return f"{interval['value']:.{digits}f} ({interval['low']:.{digits}f} to {interval['high']:.{digits}f})"
