"""Too small: what a radiologist would look for cannot be in so few pixels."""

from __future__ import annotations

from cxrlens.gate.checks.check import Check
from cxrlens.gate.look import Look

LEAST = 64
"""Pixels of the shorter side, half of what the default network looks at."""


def score(look: Look) -> float:
    """64 pixels over the shorter side: 1 at 64 pixels, 2 at 32."""
    return LEAST / min(look.radiograph.height, look.radiograph.width)


def _words(value: float, limit: float) -> str:
    return f"is too small: {round(LEAST / value)} pixels on its shorter side, {round(LEAST / limit)} are needed"


CHECK = Check("too small", _words, score, least=1.0, fixed=True)
