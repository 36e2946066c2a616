"""Stored samples of any depth and colour to grey in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.errors import UnreadableImageError
from cxrlens.radiograph import Pixels

_DEPTHS = (8, 10, 12, 14, 16)
"""Depths that detectors have; 12-bit values in 16-bit samples are common, and would be near black on the full scale."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Pixels as stored.

    Args:
        array: (H, W), or (H, W, 3) BGR, or (H, W, 4) BGRA; integers or floats.
        bit_depth: bits per sample in the file.
        colour_mode: as in ``Radiograph``.
        inverted: the file says that 0 is white.
    """

    array: NDArray[Any]
    bit_depth: int
    colour_mode: str
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class Grey:
    """(H, W) float32 in [0, 1], mean saturation before the conversion, and what was done."""

    pixels: Pixels
    tint: float
    notes: tuple[str, ...]


def to_grey(samples: Samples, path: Path) -> Grey:
    """Luma of ITU-R BT.601 for colour; black behind transparency; integers on the scale of their depth.

    Raises:
        UnreadableImageError: a pixel is NaN or infinite.
    """
    array, notes, tint = samples.array, [], 0.0
    if array.ndim == 3 and array.shape[2] == 4:
        array, composited = _over_black(array)
        if composited:
            notes.append("transparent pixels set on black")
    if array.ndim == 3:
        tint = _saturation(array)
        array = np.asarray(cv2.cvtColor(np.ascontiguousarray(array), cv2.COLOR_BGR2GRAY))
    if array.dtype.kind == "f":
        pixels, note = _scale_floats(array, path)
    else:
        pixels, note = _scale_integers(array)
    if note:
        notes.append(note)
    if samples.inverted:
        pixels = np.subtract(np.float32(1.0), pixels)
        notes.append("inverted, since the file says that 0 is white")
    return Grey(pixels, tint, tuple(notes))


def _over_black(array: NDArray[Any]) -> tuple[NDArray[Any], bool]:
    """Radiographs with an alpha channel mostly use none of it; where they do, black is air."""
    alpha, colour = array[..., 3], array[..., :3]
    full = np.iinfo(array.dtype).max
    if int(alpha.min()) == full:
        return colour, False
    mixed = colour.astype(np.float64) * (alpha[..., None] / full)
    return np.rint(mixed).astype(array.dtype), True


def _saturation(array: NDArray[Any]) -> float:
    """Mean of (max - min) / max over a 4 × 4 grid of pixels; 0 in black ones."""
    blue, green, red = (array[::4, ::4, channel].astype(np.float32) for channel in range(3))
    high = np.maximum(np.maximum(blue, green), red)
    spread = high - np.minimum(np.minimum(blue, green), red)
    return float(np.mean(np.divide(spread, high, out=np.zeros_like(high), where=high > 0)))


def _scale_integers(array: NDArray[Any]) -> tuple[Pixels, str]:
    if array.dtype == np.uint8:
        return np.multiply(array, np.float32(1 / 255), dtype=np.float32), ""  # 255 comes out as 1 exactly
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > 65535:
        return _stretch(array.astype(np.float64), low, high), f"integers from {low} to {high} stretched over the range"
    depth = next(d for d in _DEPTHS if high < 1 << d)
    note = "" if depth == 16 else f"{depth}-bit values in wider samples scaled to the range"
    return (array.astype(np.float32) / np.float32((1 << depth) - 1)).astype(np.float32), note


def _scale_floats(array: NDArray[Any], path: Path) -> tuple[Pixels, str]:
    if not np.isfinite(array).all():
        bad = int(np.count_nonzero(~np.isfinite(array)))
        raise UnreadableImageError(
            path, f"has {bad} pixel(s) that are NaN or infinite", "export it again, with numbers everywhere"
        )
    low, high = float(array.min()), float(array.max())
    if low >= 0.0 and high <= 1.0:
        return array.astype(np.float32), ""
    return _stretch(array.astype(np.float64), low, high), f"floats from {low:g} to {high:g} stretched over the range"


def _stretch(array: NDArray[np.float64], low: float, high: float) -> Pixels:
    """Lowest to 0, highest to 1; a constant picture becomes 0."""
    if high <= low:
        return np.zeros(array.shape, np.float32)
    return ((array - low) / (high - low)).astype(np.float32).clip(0.0, 1.0)
