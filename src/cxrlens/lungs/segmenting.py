"""From preprocessed frames to lungs: probabilities and masks of any side."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cxrlens.lungs.network import SIDE
from cxrlens.lungs.weights import WEIGHTS, load_segmenter

Frames = NDArray[np.uint8]
Masks = NDArray[np.bool_]
Probabilities = NDArray[np.float32]

BATCH = 16
"""Frames a pass: on a CPU small passes stay in the cache, and are as fast as larger ones or faster."""


def segment_lungs(frames: Frames, *, batch: int = BATCH, weights: Path = WEIGHTS) -> Probabilities:
    """Probability of lung at each pixel. Lungs are meant to the spine: the part behind the heart belongs to them.

    Args:
        frames: (B, S, S) uint8 as :class:`cxrlens.preprocessing.Preprocessing` makes them, of any side S.
        batch: frames a pass.
        weights: the segmenter's file; the shipped one by default.

    Returns:
        (B, S, S) float32 in [0, 1].

    Raises:
        ValueError: another type or shape.
        LungWeightsError: the segmenter's files are missing or damaged.
    """
    if frames.dtype != np.uint8 or frames.ndim != 3 or frames.shape[1] != frames.shape[2]:
        raise ValueError(f"preprocessed frames are (B, S, S) uint8, not {frames.shape} {frames.dtype}")
    network = load_segmenter(weights)
    found = np.empty(frames.shape, dtype=np.float32)
    for start in range(0, len(frames), batch):
        part = frames[start : start + batch]
        inputs = torch.from_numpy(np.stack([_sized(frame, SIDE) for frame in part]))[:, None]
        with torch.inference_mode():
            probabilities = torch.sigmoid(network(inputs.float().to(memory_format=torch.channels_last)))
        side = frames.shape[1]
        for row, one in enumerate(probabilities[:, 0].contiguous().numpy()):
            found[start + row] = _sized(one, side)
    return found


def lung_masks(frames: Frames, *, batch: int = BATCH) -> Masks:
    """(B, S, S) true where lung is likelier than not, without specks and holes (:func:`tidy`).

    Args and errors as :func:`segment_lungs`.
    """
    return tidy(segment_lungs(frames, batch=batch) > 0.5)


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
