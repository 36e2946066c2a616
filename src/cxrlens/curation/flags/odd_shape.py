"""Odd shape: a strip or a banner is a part of a film, several films, or none."""

from __future__ import annotations

from cxrlens.curation.flags.flag import Flag
from cxrlens.curation.view import View


def score(view: View) -> float:
    """1 - shorter / longer side, in [0, 1): 0 for a square, 0.5 for 2:1; frontal films are mostly below 0.3."""
    sides = sorted((view.radiograph.height, view.radiograph.width))
    return 1.0 - sides[0] / sides[1]


FLAG = Flag("odd-shape", "is about twice as long as wide, or worse", flag_at=0.45, score=score)
