"""A margin around the lungs, so that disease at the rim and behind the heart is not cut away with the rest."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.lungs.plausible import two_sides

Masks = NDArray[np.bool_]

MARGIN = 0.03
"""Default width of the margin, as a share of the frame's side; chosen by ``benchmarks/measure_lungs.py``."""


def dilate(masks: Masks, share: float = MARGIN, *, hull: bool = True) -> Masks:
    """Lungs with a margin: the convex hull of each lung, then a disc moved along its rim.

    Args:
        masks: (B, S, S) lungs.
        share: radius of the disc as a share of S; 0 adds none.
        hull: fill what each lung curves around: the heart's border, consolidation that the segmenter took for wall.

    Returns:
        (B, S, S), nowhere less than ``masks``, and growing with ``share``.

    Raises:
        ValueError: not (B, S, S) bool, or a negative share.
    """
    if masks.dtype != np.bool_ or masks.ndim != 3:
        raise ValueError(f"masks are (B, S, S) bool, not {masks.shape} {masks.dtype}")
    if share < 0:
        raise ValueError(f"a margin of {share} would cut the lungs; give 0 or more")
    radius = round(share * masks.shape[-1])
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    grown = np.zeros_like(masks)
    for row, mask in enumerate(masks):
        whole = (hulls(mask) if hull else mask).astype(np.uint8)
        grown[row] = cv2.dilate(whole, disc).astype(bool) if radius else whole.astype(bool)
    return grown


def hulls(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(S, S) convex hull of each of the two lungs, together."""
    filled = np.zeros(mask.shape, dtype=np.uint8)
    for side in two_sides(mask):
        points = cv2.findNonZero(side.astype(np.uint8))
        if points is not None:
            cv2.fillConvexPoly(filled, cv2.convexHull(points), 1)
    return filled.astype(bool) | mask
