"""Two copies of a radiograph laid over each other, from the placement that curation found."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.radiograph import Pixels

FRAME = 256
"""Long side of the pictures that are compared, in pixels."""

_POLISH = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-5)


@dataclass(frozen=True, slots=True)
class Shift:
    """How b lies against a, in the columns of ``duplicate_pairs.csv``.

    Args:
        scale: anatomy in b over anatomy in a, frames taken as unit squares.
        rotation_deg: of b against a; positive is clockwise on the screen.
        dx: of a's centre in b, as a fraction of b's width, right positive.
        dy: the same of b's height, down positive.
        inverted: b is a negative of a.
        mirrored: left and right are changed.
    """

    scale: float = 1.0
    rotation_deg: float = 0.0
    dx: float = 0.0
    dy: float = 0.0
    inverted: bool = False
    mirrored: bool = False


def overlay(a: Pixels, b: Pixels, shift: Shift) -> tuple[Pixels, Pixels, NDArray[np.bool_]]:
    """Bring b into a's frame and a's tone.

    The recorded placement is one scale, one angle and a shift; a polish by enhanced correlation (Evangelidis and
    Psarakis 2008, IEEE TPAMI 30) recovers what those leave out (unequal scales), and is dropped where it does not help.

    Returns:
        a reduced to :data:`FRAME`, b in the same frame (same shape, tone fitted linearly to a), and where b covers a.
    """
    a, b = _reduce(a), _reduce(1.0 - b if shift.inverted else b)
    start = _in_pixels(shift, a.shape, b.shape)
    best = max((start, _polished(a, b, start)), key=lambda m: _agreement(a, *_warped(b, m, a.shape)))
    moved, covered = _warped(b, best, a.shape)
    return a, _fit_tone(a, moved, covered), covered


def difference(a: Pixels, b: Pixels, covered: NDArray[np.bool_]) -> Pixels:
    """(H, W) |a - b| stretched fourfold, so that a tenth of the range is plain to see; 0 where b does not reach."""
    return np.asarray(np.clip(4 * np.abs(a - b) * covered, 0, 1), dtype=np.float32)


def _reduce(pixels: Pixels) -> Pixels:
    factor = FRAME / max(pixels.shape)
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    resized = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    return np.asarray(np.clip(resized, 0, 1), dtype=np.float32)


def _in_pixels(shift: Shift, shape_a: tuple[int, ...], shape_b: tuple[int, ...]) -> NDArray[np.float32]:
    """(2, 3) map from a's pixels to b's, both (x, y)."""
    (ha, wa), (hb, wb) = shape_a, shape_b
    angle = math.radians(shift.rotation_deg)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    stretch = np.diag([shift.scale * wb / wa, shift.scale * hb / ha])
    quarter = round(shift.rotation_deg / 90) % 2 == 1
    if quarter:  # a's width lies along b's height
        stretch = np.diag([shift.scale * hb / wa, shift.scale * wb / ha])
    linear = turn @ stretch @ np.diag([-1.0 if shift.mirrored else 1.0, 1.0])
    centre_b = np.array([wb * (0.5 + shift.dx), hb * (0.5 + shift.dy)]) - 0.5
    offset = centre_b - linear @ (np.array([wa, ha]) / 2 - 0.5)
    return np.column_stack([linear, offset]).astype(np.float32)


def _warped(b: Pixels, a_to_b: NDArray[np.float32], shape: tuple[int, ...]) -> tuple[Pixels, NDArray[np.bool_]]:
    size = (shape[1], shape[0])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(b, a_to_b, size, flags=flags, borderMode=cv2.BORDER_CONSTANT)
    inside = cv2.warpAffine(np.ones_like(b), a_to_b, size, flags=flags, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(moved, dtype=np.float32), inside > 0.99


def _polished(a: Pixels, b: Pixels, start: NDArray[np.float32]) -> NDArray[np.float32]:
    try:
        _, found = cv2.findTransformECC(a, b, start.copy(), cv2.MOTION_AFFINE, _POLISH, None, 5)
    except cv2.error:  # it did not converge: flat or unlike pictures
        return start
    return np.asarray(found, dtype=np.float32)


def _agreement(a: Pixels, moved: Pixels, covered: NDArray[np.bool_]) -> float:
    """Pearson correlation where b covers a; -1 where it covers less than a third of it."""
    if covered.mean() < 0.33 or a[covered].std() < 1e-6 or moved[covered].std() < 1e-6:
        return -1.0
    return float(np.corrcoef(a[covered], moved[covered])[0, 1])


def _fit_tone(a: Pixels, moved: Pixels, covered: NDArray[np.bool_]) -> Pixels:
    """Least-squares line from b's tones to a's, so that a new window does not drown the rest of the difference."""
    if not covered.any() or moved[covered].std() < 1e-6:
        return moved
    slope, offset = np.polyfit(moved[covered], a[covered], 1)
    return np.asarray(np.clip(slope * moved + offset, 0, 1) * covered, dtype=np.float32)
