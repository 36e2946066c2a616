"""Blank: a picture without contrast shows no anatomy."""

from __future__ import annotations

import numpy as np

from cxrlens.gate.checks.check import Check
from cxrlens.gate.look import Look

_LEAST = 0.04  # of the full range; the palest films that are still films have twice that
_MOST = 100.0


def score(look: Look) -> float:
    """0.04 over the range from the 2nd to the 98th percentile: 1 where that is 4 % of all greys, 100 for a constant."""
    low, high = np.percentile(look.inner[::2, ::2], (2, 98))
    return float(min(_MOST, _LEAST / max(high - low, 1e-6)))


def _words(value: float, limit: float) -> str:
    del value, limit
    return "is blank or nearly so: there is no contrast in it"


CHECK = Check("blank", _words, score, least=1.0, fixed=True)
