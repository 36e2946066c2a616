"""Tone: bring films of different exposure and windowing to one range of grey."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

_LOW, _HIGH = 0.5, 99.5  # percent; spares the tone curve from burnt-in letters and dead pixels
_FLAT = 2 / 255  # less contrast than this is noise: stretching it would invent a picture


def keep(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """The tone as it was read."""
    return grey


def stretch(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Linear: the 0.5th percentile becomes 0 and the 99.5th 1; beyond is clipped. Flat images stay as they are."""
    low, high = (float(v) for v in np.percentile(grey, (_LOW, _HIGH)))
    if high - low < _FLAT:
        return grey
    stretched: NDArray[np.float32] = np.clip((grey - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    return stretched


def clahe(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """``stretch``, then contrast-limited adaptive equalisation (Zuiderveld 1994): 8 × 8 tiles, clip limit 2."""
    eight_bit = np.round(stretch(grey) * 255).astype(np.uint8)
    equalised: NDArray[np.uint8] = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(eight_bit)
    return equalised.astype(np.float32) / np.float32(255)


TONES: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = MappingProxyType(
    {"stretch": stretch, "none": keep, "clahe": clahe}
)
"""Tone operations by name: (h, w) float32 in [0, 1] to the same."""
