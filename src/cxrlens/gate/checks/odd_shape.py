"""Odd shape: a strip or a banner is a part of a film, several films, or none."""

from __future__ import annotations

from cxrlens.gate.checks.check import Check
from cxrlens.gate.look import Look


def score(look: Look) -> float:
    """Longer over shorter side: 1 for a square; frontal films are below 1.5."""
    sides = sorted((look.radiograph.height, look.radiograph.width))
    return sides[1] / sides[0]


def _words(value: float, limit: float) -> str:
    return f"is {value:.1f} times as long as wide; chest films are at most {limit:.1f} times"


CHECK = Check("odd shape", _words, score, least=2.0)
