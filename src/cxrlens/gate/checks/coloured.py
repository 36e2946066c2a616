"""Coloured: a radiograph has no colour. A cast means a photographed film; more of it means a photograph."""

from __future__ import annotations

from cxrlens.gate.checks.check import Check
from cxrlens.gate.look import Look

WARN_AT = 0.10


def score(look: Look) -> float:
    """Mean saturation before the conversion to grey, in [0, 1]; 0 is grey."""
    return float(look.radiograph.tint)


def words(value: float, limit: float) -> str:
    """The saturation, and what is accepted."""
    return f"is no X-ray but a colour picture: mean saturation {value:.2f}, radiographs here have at most {limit:.2f}"


CHECK = Check("coloured", words, score, least=0.15)
