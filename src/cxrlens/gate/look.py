"""Look: the small pictures of a radiograph that the gate's checks work on, made once an image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.borders import content_box, reduced
from cxrlens.radiograph import Pixels, Radiograph

SIDE = 64
"""Pixels a side of the film that the gate's own network sees: enough to tell a chest and which way up it is."""

_MOST = 256  # pixels of the longer side of what the simple measures look at
_LOW, _HIGH = 1.0, 99.0  # percent; the tone between them fills the range, so that exposure says nothing
_FLAT = 2 / 255


@dataclass(frozen=True, slots=True)
class Look:
    """What a check may look at.

    Args:
        radiograph: the image as it was read: size, colour, what its header says.
        inner: (h, w) float32 in [0, 1], at most 256 pixels a side: the film inside uniform frames.
        film: (64, 64) uint8, the same squeezed into a square and stretched to the full range.
    """

    radiograph: Radiograph
    inner: Pixels
    film: NDArray[np.uint8]


def look(radiograph: Radiograph) -> Look:
    """Reduce by area means, trim uniform frames, squeeze into a square: turning and inverting commute with all that."""
    small = reduced(radiograph.pixels, _MOST)
    box = content_box(small)
    inner = small[box.y0 : box.y0 + box.h, box.x0 : box.x0 + box.w]
    return Look(radiograph, inner, _square(inner))


def _square(inner: Pixels) -> NDArray[np.uint8]:
    film = cv2.resize(np.ascontiguousarray(inner), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    low, high = (float(v) for v in np.percentile(film, (_LOW, _HIGH)))
    if high - low >= _FLAT:  # less contrast than this is noise: stretching it would invent a picture
        film = (film - low) / (high - low)
    grey: NDArray[np.uint8] = np.round(np.clip(film, 0.0, 1.0) * 255).astype(np.uint8)
    return grey
