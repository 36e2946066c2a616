"""Tinted: a radiograph has no colour; a colour cast means a photograph of a film, or an overlay."""

from __future__ import annotations

from cxrlens.curation.flags.flag import Flag
from cxrlens.curation.view import View


def score(view: View) -> float:
    """Mean saturation before the conversion to grey, in [0, 1]; 0 is grey."""
    return min(1.0, max(0.0, view.radiograph.tint))


FLAG = Flag("tinted", "has a colour cast, as a photographed film has", flag_at=0.10, score=score)
