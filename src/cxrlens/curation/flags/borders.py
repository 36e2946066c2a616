"""Borders: bars, canvas and collimation around the film cost resolution and name the source of the image."""

from __future__ import annotations

from cxrlens.curation.flags.flag import Flag
from cxrlens.curation.view import View


def score(view: View) -> float:
    """Share of the picture that is uniform frame, in [0, 1]; preprocessing trims it."""
    return 1.0 - view.film.size / view.whole.size


FLAG = Flag("borders", "lies in wide uniform borders", flag_at=0.25, score=score)
