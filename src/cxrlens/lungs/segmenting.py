"""From preprocessed frames to lungs: probabilities and masks of any side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from cxrlens.lungs.frames import Frames, Masks, Probabilities, from_segmenter, to_masks, to_segmenter
from cxrlens.lungs.weights import WEIGHTS, load_segmenter

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
    found = np.empty(frames.shape, dtype=np.float32)
    network = load_segmenter(weights)
    for start in range(0, len(frames), batch):
        inputs = torch.from_numpy(to_segmenter(frames[start : start + batch]))
        with torch.inference_mode():
            probabilities = torch.sigmoid(network(inputs.to(memory_format=torch.channels_last)))
        found[start : start + batch] = from_segmenter(probabilities[:, 0].contiguous().numpy(), frames.shape[1])
    return found


def lung_masks(frames: Frames, *, batch: int = BATCH) -> Masks:
    """(B, S, S) true where lung is likelier than not, without specks and holes.

    Args and errors as :func:`segment_lungs`.
    """
    return to_masks(segment_lungs(frames, batch=batch))
