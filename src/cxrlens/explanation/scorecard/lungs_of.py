"""Lungs of frames, or why there are none to speak of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cxrlens.doubts.places import Mask
from cxrlens.lungs import LungWeightsError, lung_masks, lungs_found


def find_lungs(frames: NDArray[np.uint8]) -> list[Mask | None]:
    """The lungs (S, S) that the segmenter finds in each frame (n, S, S); ``None`` where they are not like two lungs."""
    if not len(frames):
        return []
    try:
        masks = lung_masks(frames)
    except LungWeightsError:  # an installation without the segmenter can still explain; the lungs are then not checked
        return [None] * len(frames)
    return [mask if lungs_found(mask).ok else None for mask in masks]
