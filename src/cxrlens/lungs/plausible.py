"""Is this the outline of two lungs? A mask is checked before anybody relies on it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

SMALLEST, LARGEST = 0.05, 0.75
"""Share of the frame that both lungs together may take: a child on a long film, and a film cut to the lungs."""

LEAST_OF_BOTH = 0.12
"""Share of the lungs' area that the smaller one must have; below it one lung is white, cut off, or not found."""

_WAIST = 0.7  # of a body's height on either side: two lungs that touch are narrower than this where they do


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
    """Check area, number and place of the lungs in a mask (S, S) as :func:`cxrlens.lungs.lung_masks` gives it."""
    area = float(mask.mean())
    if area < SMALLEST:
        return LungsFound(False, f"what looks like lung takes {area:.1%} of the picture, less than {SMALLEST:.0%}")
    if area > LARGEST:
        return LungsFound(False, f"what looks like lung takes {area:.0%} of the picture, more than {LARGEST:.0%}")
    one, other = (side for side in two_sides(mask))
    smaller = min(one.sum(), other.sum()) / mask.sum()
    if smaller < LEAST_OF_BOTH:
        return LungsFound(
            False, f"the smaller lung has {smaller:.0%} of the lungs' area, less than {LEAST_OF_BOTH:.0%}"
        )
    (y_one, x_one), (y_other, x_other) = _centre(one), _centre(other)
    if abs(y_one - y_other) > abs(x_one - x_other):
        return LungsFound(False, "one lung lies above the other, as in a picture turned by 90°")
    return LungsFound(True)


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
    if count == 2 or stats[order[1], cv2.CC_STAT_AREA] < LEAST_OF_BOTH / 2 * mask.sum():
        return _cut(mask, stats[largest, cv2.CC_STAT_LEFT], stats[largest, cv2.CC_STAT_WIDTH])
    first, second = sorted(order[:2], key=lambda body: float(centres[body][0]))
    one = np.isin(marks, [b for b in order if _nearer(centres[b], centres[first], centres[second])])
    return one, mask & ~one


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
