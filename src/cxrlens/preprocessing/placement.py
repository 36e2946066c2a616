"""Placement: where a radiograph's pixels lie in the network's frame, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.borders import Box


@dataclass(frozen=True, slots=True)
class Placement:
    """A crop of the original (H, W), resized to ``inner`` and laid into the network's (S, S) frame.

    Args:
        height: rows of the original, H.
        width: columns of the original, W.
        crop: the part of the original that the network sees, in the original's pixels.
        inner: where that part lies in the frame, in the frame's pixels; the rest of the frame is padding.
        size: side of the frame, S.
    """

    height: int
    width: int
    crop: Box
    inner: Box
    size: int

    @property
    def scale(self) -> tuple[float, float]:
        """Frame pixels for one original pixel, (vertically, horizontally)."""
        return self.inner.h / self.crop.h, self.inner.w / self.crop.w

    def to_original(self, heat: NDArray[np.floating]) -> NDArray[np.float32]:
        """Heat-map (S, S) of the frame to (H, W) of the original; 0 where the network saw nothing.

        Raises:
            ValueError: ``heat`` is not (S, S).
        """
        if heat.shape != (self.size, self.size):
            raise ValueError(f"a map of this frame is ({self.size}, {self.size}), not {heat.shape}")
        i, c = self.inner, self.crop
        seen = np.ascontiguousarray(heat[i.y0 : i.y0 + i.h, i.x0 : i.x0 + i.w], dtype=np.float32)
        original = np.zeros((self.height, self.width), dtype=np.float32)
        original[c.y0 : c.y0 + c.h, c.x0 : c.x0 + c.w] = _resized(seen, c.h, c.w)
        return original

    def mask_to_frame(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Mask (H, W) of the original to (S, S) of the frame: true where at least half of a frame pixel is covered.

        Raises:
            ValueError: ``mask`` is not (H, W).
        """
        if mask.shape != (self.height, self.width):
            raise ValueError(f"a mask of this radiograph is ({self.height}, {self.width}), not {mask.shape}")
        i, c = self.inner, self.crop
        seen = np.ascontiguousarray(mask[c.y0 : c.y0 + c.h, c.x0 : c.x0 + c.w], dtype=np.float32)
        frame = np.zeros((self.size, self.size), dtype=bool)
        frame[i.y0 : i.y0 + i.h, i.x0 : i.x0 + i.w] = _resized(seen, i.h, i.w) >= 0.5
        return frame

    def point_to_original(self, y: float, x: float) -> tuple[float, float]:
        """Centre of frame pixel (y, x) in the original's pixels; pixel centres lie at whole numbers in both."""
        vertical, horizontal = self.scale
        return (
            self.crop.y0 + (y - self.inner.y0 + 0.5) / vertical - 0.5,
            self.crop.x0 + (x - self.inner.x0 + 0.5) / horizontal - 0.5,
        )


def _resized(values: NDArray[np.float32], h: int, w: int) -> NDArray[np.float32]:
    """Area means where it shrinks, linear where it grows: neither invents values outside the given range."""
    how = cv2.INTER_AREA if h <= values.shape[0] and w <= values.shape[1] else cv2.INTER_LINEAR
    resized: NDArray[np.float32] = cv2.resize(values, (w, h), interpolation=how)
    return resized
