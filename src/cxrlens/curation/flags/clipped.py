"""Clipped: exposure or windowing drove part of the anatomy into pure black or white, and what was there is gone."""

from __future__ import annotations

from cxrlens.curation.flags.flag import Flag
from cxrlens.curation.view import View
from cxrlens.radiograph import share_clipped


def score(view: View) -> float:
    """Share of the inner film that is pure black or white, in [0, 1]; higher has lost more."""
    return share_clipped(view.film)


FLAG = Flag("clipped", "has lost much of the film to pure black or white", flag_at=0.15, score=score)
