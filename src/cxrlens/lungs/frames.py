"""Frames of any side to the segmenter's own, and its answers back to masks; whatever runs the network between.

No torch here: ``explain`` and the audit run the network with it, an exported model with onnxruntime.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
Masks = NDArray[np.bool_]
Probabilities = NDArray[np.float32]

SIDE = 128
"""Side in pixels of the frame that the network sees; frames of other sides are resized to it and back."""


def to_segmenter(frames: Frames) -> NDArray[np.float32]:
    """Preprocessed frames (B, S, S) uint8 to what the network takes, (B, 1, 128, 128) float32 in [0, 255].

    Raises:
        ValueError: another type or shape.
    """
    if frames.dtype != np.uint8 or frames.ndim != 3 or frames.shape[1] != frames.shape[2]:
        raise ValueError(f"preprocessed frames are (B, S, S) uint8, not {frames.shape} {frames.dtype}")
    return np.stack([_sized(frame, SIDE) for frame in frames])[:, None].astype(np.float32)


def from_segmenter(probabilities: Probabilities, side: int) -> Probabilities:
    """The network's probabilities (B, 128, 128) at the side of the frames, (B, S, S)."""
    return np.stack([_sized(one, side) for one in probabilities])


def to_masks(probabilities: Probabilities) -> Masks:
    """(B, S, S) true where lung is likelier than not, without specks and holes (:func:`tidy`)."""
    return tidy(probabilities > 0.5)


def tidy(masks: Masks) -> Masks:
    """Drop specks and fill holes, (B, S, S): a body counts from a 400th of the frame and a twelfth of the largest one.

    Smaller bodies were, wherever they were looked at, bubbles of gas in the bowel.
    """
    return np.stack([_tidied(mask) for mask in masks]) if len(masks) else masks


def _tidied(mask: Masks) -> Masks:
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    least = max(mask.size / 400, max(map(cv2.contourArea, outlines), default=0.0) / 12)
    filled = np.zeros(mask.shape, dtype=np.uint8)
    for outline in outlines:
        if cv2.contourArea(outline) >= least:
            cv2.drawContours(filled, [outline], -1, 1, cv2.FILLED)
    return filled.astype(bool)


def _sized(values: NDArray[np.generic], side: int) -> NDArray[np.generic]:
    """(S, S) to (side, side): area means where it shrinks, linear where it grows."""
    if values.shape[0] == side:
        return values
    how = cv2.INTER_AREA if side < values.shape[0] else cv2.INTER_LINEAR
    resized: NDArray[np.generic] = cv2.resize(values, (side, side), interpolation=how)
    return resized
