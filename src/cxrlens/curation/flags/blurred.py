"""Blurred: a picture without fine structure, from too little resolution, motion, or enlargement."""

from __future__ import annotations

import cv2
import numpy as np

from cxrlens.curation.flags.flag import Flag
from cxrlens.curation.view import View

_SHARP = 0.02


def score(view: View) -> float:
    """1 without any fine structure; 0 where it is at least 2 % of the contrast. Measured on at most 256 pixels a side.

    The median of the Laplacian's magnitude, over the standard deviation of the grey levels: edges of frames and
    letters do not count, and neither gain nor offset changes it.
    """
    if min(view.film.shape) < 3:
        return 1.0
    spread = float(view.film.std())
    if spread < 1e-3:
        return 1.0
    fine = float(np.median(np.abs(cv2.Laplacian(view.film, cv2.CV_32F)[::3, ::3]))) / spread
    return max(0.0, 1.0 - fine / _SHARP)


FLAG = Flag("blurred", "shows hardly any fine structure", flag_at=0.6, score=score)
