"""Check: what one question is called, and from which score on the answer is no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cxrlens.gate.look import Look


@dataclass(frozen=True, slots=True)
class Check:
    """One question about an image. Higher scores are worse.

    Args:
        name: as it stands in an answer's scores.
        words: the reason in words for a score and its limit, completing "the image …".
        score: from the image alone; none where a network has to be asked.
        least: the limit is never below this, whatever the validation images say.
        fixed: the limit is :attr:`least`, for every collection.
    """

    name: str
    words: Callable[[float, float], str]
    score: Callable[[Look], float] | None = None
    least: float = -float("inf")
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """Where a check's scores lie, and from where on they are too high.

    Args:
        usual: score of a typical radiograph.
        limit: highest score that is accepted; above :attr:`usual`.
    """

    usual: float
    limit: float

    def __call__(self, score: float) -> float:
        """0 for a typical radiograph, 1 at the limit, more beyond it."""
        return (score - self.usual) / (self.limit - self.usual)
