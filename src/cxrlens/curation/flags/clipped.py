"""Clipped: exposure or windowing drove part of the anatomy into pure black or white, and what was there is gone."""

from __future__ import annotations

import numpy as np

from cxrlens.curation.flags.flag import Flag
from cxrlens.curation.view import View

_EDGE = 0.15  # the outer part of the film is mostly air and collimation, rightly black


def score(view: View) -> float:
    """Share of the inner film that is pure black or white, in [0, 1]; higher has lost more."""
    h, w = view.film.shape
    dy, dx = int(h * _EDGE), int(w * _EDGE)
    inner = view.film[dy : h - dy, dx : w - dx]
    return float(np.mean((inner <= 0.004) | (inner >= 0.996)))


FLAG = Flag("clipped", "has lost much of the film to pure black or white", flag_at=0.15, score=score)
