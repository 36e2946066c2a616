"""Small: too few pixels to show what a radiologist would look for."""

from __future__ import annotations

from cxrlens.curation.flags.flag import Flag
from cxrlens.curation.view import View

_ENOUGH = 200  # pixels of the shorter side


def score(view: View) -> float:
    """0 from 200 pixels on the shorter side, 0.5 at 100, 1 at none; higher is smaller."""
    return max(0.0, 1.0 - min(view.radiograph.height, view.radiograph.width) / _ENOUGH)


FLAG = Flag("small", "has fewer than 100 pixels on its shorter side", flag_at=0.5, score=score)
