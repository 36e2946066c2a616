"""Maps that a heat-map must beat: the same heat somewhere else, edges of the film, a blob in the middle."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.borders import Box
from cxrlens.doubts.likeness import centre_prior
from cxrlens.doubts.places import Maps

RIVALS: dict[str, str] = {
    "elsewhere": "the same heat at a random place",
    "edges": "edges of the film (Sobel)",
    "centre": "a blob in the middle",
}
"""What each rival is, in words."""

_RIM = 2  # pixels at the rim of the film where padding makes an edge of its own


def edges(frames: NDArray[np.uint8], films: Sequence[Box]) -> Maps:
    """Size of the Sobel gradient (n, S, S), smoothed as the pixel-wise methods are; 0 at the film's own rim.

    Args:
        frames: (n, S, S) uint8.
        films: where the film lies in each frame; the rest is padding.
    """
    found = np.zeros(frames.shape, dtype=np.float32)
    for out, frame, film in zip(found, frames.astype(np.float32), films, strict=True):
        size = np.hypot(cv2.Sobel(frame, cv2.CV_32F, 1, 0), cv2.Sobel(frame, cv2.CV_32F, 0, 1))
        inner = np.s_[film.y0 + _RIM : film.y0 + film.h - _RIM, film.x0 + _RIM : film.x0 + film.w - _RIM]
        kept = np.zeros_like(size)
        kept[inner] = size[inner]
        smooth = cv2.GaussianBlur(kept, (0, 0), max(1.0, len(frame) / 50))
        out[:] = smooth / max(float(smooth.max()), 1e-9)
    return found


def centre(count: int, side: int) -> Maps:
    """The prior of :func:`cxrlens.doubts.likeness.centre_prior`, ``count`` times."""
    return np.repeat(centre_prior((side, side))[None], count, axis=0)
