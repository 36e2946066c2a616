"""Clipped: exposure or windowing drove part of the anatomy into pure black or white, and what was there is gone."""

from __future__ import annotations

import numpy as np

from cxrlens.gate.checks.check import Check
from cxrlens.gate.look import Look

WARN_AT = 0.15
_EDGE = 0.15  # the outer part of the film is mostly air and collimation, rightly black


def score(look: Look) -> float:
    """Share of the inner film that is pure black or white, in [0, 1]."""
    h, w = look.inner.shape
    dy, dx = int(h * _EDGE), int(w * _EDGE)
    inner = look.inner[dy : h - dy, dx : w - dx]
    return float(np.mean((inner <= 0.004) | (inner >= 0.996)))


def words(value: float, limit: float) -> str:
    """The share, and what is accepted."""
    return f"has lost {value:.0%} of the inner film to pure black or white; {limit:.0%} are accepted"


CHECK = Check("clipped", words, score, least=0.25)
