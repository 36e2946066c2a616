"""Coloured: a radiograph has no colour. A cast means a photographed film, and a warning; what is garish is refused."""

from __future__ import annotations

from cxrlens.gate.checks.check import Check
from cxrlens.gate.look import Look

WARN_AT = 0.10

_GARISH = 0.75  # photographed films of real collections reach 0.5; what else is in colour the gate's network refuses


def score(look: Look) -> float:
    """Mean saturation before the conversion to grey, in [0, 1]; 0 is grey."""
    return float(look.radiograph.tint)


def words(value: float, limit: float) -> str:
    """The saturation, and what is accepted."""
    return f"is no X-ray but a garish picture: mean saturation {value:.2f}, {limit:.2f} is accepted"


CHECK = Check("coloured", words, score, least=_GARISH)
