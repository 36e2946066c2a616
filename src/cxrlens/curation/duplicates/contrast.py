"""Local contrast: what is left of a radiograph when its brightness, window and slow shading are taken away."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

CLIP = 2.5
"""Local standard deviations at which the contrast is clipped, so that a marker or an arrow cannot outvote the
anatomy."""


def local_contrast(grey: NDArray[np.uint8], sigma: float, floor: float = 2.0) -> NDArray[np.float32]:
    """Subtract the local mean, divide by the local standard deviation.

    Inverting the picture changes the sign alone; a change of window hardly changes anything.

    Args:
        grey: (H, W) uint8.
        sigma: of the Gaussian that says what is local, in pixels.
        floor: grey levels added to the standard deviation: flat regions become 0 instead of amplified noise.

    Returns:
        (H, W) float32 in [-CLIP, CLIP]; all zero for a constant picture.
    """
    values = grey.astype(np.float32)
    edges = values - cv2.GaussianBlur(values, (0, 0), sigma)
    spread = cv2.GaussianBlur(edges * edges, (0, 0), 1.5 * sigma)
    np.sqrt(np.maximum(spread, 0.0, out=spread), out=spread)
    spread += floor
    edges /= spread
    clipped: NDArray[np.float32] = np.clip(edges, -CLIP, CLIP, out=edges)
    return clipped
