"""View: the small picture that all flags look at, made once an image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.borders import content_box
from cxrlens.radiograph import Pixels, Radiograph

SIDE = 256
"""Most pixels of the view's longer side. Flags must cost about a millisecond an image."""


@dataclass(frozen=True, slots=True)
class View:
    """What flags may look at.

    Args:
        radiograph: the image itself, for what its header and its colour say.
        whole: (h, w) float32 in [0, 1], the image reduced to at most :data:`SIDE` pixels a side.
        film: the part of ``whole`` inside uniform frames.
    """

    radiograph: Radiograph
    whole: Pixels
    film: Pixels


def make_view(radiograph: Radiograph) -> View:
    """Reduce by area means; an image that is smaller already stays as it is."""
    scale = SIDE / max(radiograph.height, radiograph.width)
    whole = radiograph.pixels
    if scale < 1:
        size = (max(1, round(radiograph.width * scale)), max(1, round(radiograph.height * scale)))
        reduced: NDArray[np.float32] = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
        whole = np.clip(reduced, 0.0, 1.0)
    box = content_box(whole)
    return View(radiograph, whole, whole[box.y0 : box.y0 + box.h, box.x0 : box.x0 + box.w])
