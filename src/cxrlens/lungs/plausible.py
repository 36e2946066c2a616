"""Is this the outline of two lungs? A mask is checked before anybody relies on it.

The limits lie a little beyond the extremes of 662 real radiographs of nine collections (docs/lungs.md). They catch what
is grossly wrong; whether a picture is a chest radiograph at all is a question for the gate.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

SMALLEST, LARGEST = 0.05, 0.75
"""Share of the frame that both lungs together may take: a child on a long film, and a film cut to the lungs."""

LEAST_OF_BOTH = 0.2
"""Share of the lungs' area that the smaller one must have; below it one lung is cut off, or not found."""

SOLID = 0.78
"""Share of a lung's convex hull that the lung must fill."""

SLIM, SLENDER = 0.8, 3.6
"""Least and most height of a lung over its width."""

ABREAST = 0.6
"""Share of the shorter lung's height at which both lungs must lie."""

_WAIST = 0.7  # of a body's height on either side: two lungs that touch are narrower than this where they do
_SPECK = 0.06  # of the lungs' area: what is smaller beside one large body is no second lung


@dataclass(frozen=True, slots=True)
class LungsFound:
    """Whether a mask looks like two lungs.

    Args:
        ok: it does.
        reason: why not, in words that complete "lungs cannot be found: …"; blank where ``ok``.
    """

    ok: bool
    reason: str = ""


def lungs_found(mask: Mask) -> LungsFound:
    """Check area, place and shape of the lungs in a mask (S, S) as :func:`cxrlens.lungs.lung_masks` gives it."""
    area = float(mask.mean())
    if area < SMALLEST:
        return LungsFound(False, f"what looks like lung takes {area:.1%} of the picture, less than {SMALLEST:.0%}")
    if area > LARGEST:
        return LungsFound(False, f"what looks like lung takes {area:.0%} of the picture, more than {LARGEST:.0%}")
    one, other = two_sides(mask)
    smaller = min(one.sum(), other.sum()) / mask.sum()
    if smaller < LEAST_OF_BOTH:
        return LungsFound(
            False, f"the smaller lung has {smaller:.0%} of the lungs' area, less than {LEAST_OF_BOTH:.0%}"
        )
    return LungsFound(*_shaped(one, other))


def _shaped(one: Mask, other: Mask) -> tuple[bool, str]:
    """Place and shape of two lungs, neither of them empty."""
    (y_one, x_one), (y_other, x_other) = _centre(one), _centre(other)
    if abs(y_one - y_other) > abs(x_one - x_other):
        return False, "one lung lies above the other, as in a picture turned by 90°"
    boxes = [cv2.boundingRect(side.astype(np.uint8)) for side in (one, other)]
    common = min(y + h for _, y, _, h in boxes) - max(y for _, y, _, _ in boxes)
    if common < ABREAST * min(h for _, _, _, h in boxes):
        return False, "the lungs do not lie side by side"
    for (_, _, w, h), side in zip(boxes, (one, other), strict=True):
        if not SLIM <= h / w <= SLENDER:
            return False, f"what looks like a lung is {h / w:.1f} times as high as wide, not {SLIM:g} to {SLENDER:g}"
        solid = float(side.sum() / _hull_area(side))
        if solid < SOLID:
            return False, f"what looks like a lung fills {solid:.0%} of its convex hull, less than {SOLID:.0%}"
    return True, ""


def two_sides(mask: Mask) -> tuple[Mask, Mask]:
    """The two lungs, left in the picture first: the two largest bodies with what lies nearest to each.

    Lungs that touch are one body with a waist: it is then cut at its narrowest column in the middle third of its width.
    A body without a waist is one lung, and the other is empty.
    """
    count, marks, stats, centres = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    order = 1 + np.argsort(stats[1:, cv2.CC_STAT_AREA])[::-1]
    if count < 2:
        return mask, np.zeros_like(mask)
    largest = order[0]
    if count == 2 or stats[order[1], cv2.CC_STAT_AREA] < _SPECK * mask.sum():
        return _cut(mask, stats[largest, cv2.CC_STAT_LEFT], stats[largest, cv2.CC_STAT_WIDTH])
    first, second = sorted(order[:2], key=lambda body: float(centres[body][0]))
    one = np.isin(marks, [b for b in order if _nearer(centres[b], centres[first], centres[second])])
    return one, mask & ~one


def _hull_area(side: Mask) -> float:
    """Pixels of the convex hull."""
    filled = np.zeros(side.shape, dtype=np.uint8)
    cv2.fillConvexPoly(filled, cv2.convexHull(cv2.findNonZero(side.astype(np.uint8))), 1)
    return float(filled.sum())


def _nearer(centre: NDArray[np.float64], first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    return bool(np.hypot(*(centre - first)) < np.hypot(*(centre - second)))


def _cut(mask: Mask, left: int, width: int) -> tuple[Mask, Mask]:
    middle = slice(left + width // 3, left + max(width // 3 + 1, 2 * width // 3))
    heights = mask.sum(axis=0)
    column = middle.start + int(np.argmin(heights[middle]))
    one = mask.copy()
    if heights[column] > _WAIST * min(heights[:column].max(initial=0), heights[column:].max(initial=0)):
        return one, np.zeros_like(mask)
    one[:, column:] = False
    return one, mask & ~one


def _centre(mask: Mask) -> tuple[float, float]:
    y, x = np.nonzero(mask)
    return float(y.mean()), float(x.mean())
