"""Blank: a picture without contrast shows no anatomy."""

from __future__ import annotations

import numpy as np

from cxrlens.curation.flags.flag import Flag
from cxrlens.curation.view import View

_FULL = 0.25  # contrast of a normally exposed film and more


def score(view: View) -> float:
    """1 for a constant picture; falls to 0 where the 2nd and the 98th percentile are a quarter of the range apart."""
    low, high = np.percentile(view.whole[::4, ::4], (2, 98))
    return float(max(0.0, 1.0 - (high - low) / _FULL))


FLAG = Flag("blank", "is blank or nearly so", flag_at=0.6, exclude_at=0.85, score=score)
