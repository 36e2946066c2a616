"""Clipped: exposure or windowing drove part of the anatomy into pure black or white, and what was there is gone."""

from __future__ import annotations

from cxrlens.gate.checks.check import Check
from cxrlens.gate.look import Look
from cxrlens.radiograph import share_clipped

WARN_AT = 0.15


def score(look: Look) -> float:
    """Share of the inner film that is pure black or white, in [0, 1]."""
    return share_clipped(look.inner)


def words(value: float, limit: float) -> str:
    """The share, and what is accepted."""
    return f"has lost {value:.0%} of the inner film to pure black or white; {limit:.0%} are accepted"


CHECK = Check("clipped", words, score, least=0.25)
