"""Lateral: the file's own header says that the film was taken from the side. Of pixels this check knows nothing."""

from __future__ import annotations

from cxrlens.gate.checks.check import Check
from cxrlens.gate.look import Look

_NONE, _SURE = 0.0, 2.0


def score(look: Look) -> float:
    """2 where the header's view is LATERAL, else 0."""
    return _SURE if look.radiograph.metadata.get("view", "") == "LATERAL" else _NONE


def _words(value: float, limit: float) -> str:
    del value, limit
    return "is a lateral view by its own header; the model knows frontal films only"


CHECK = Check("lateral", _words, score, least=1.0, fixed=True)
