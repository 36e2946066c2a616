"""The network's input: its shape and range, stated once and enforced."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_model_input(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Preprocessed pixels (S, S) or (B, S, S) uint8 to the network's (B, 1, S, S) float32 in [0, 1] = uint8 / 255.

    Raises:
        ValueError: another type or shape.
    """
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
        raise ValueError(f"preprocessed pixels are (S, S) or (B, S, S) uint8, not {pixels.shape} {pixels.dtype}")
    stacked = pixels.reshape(-1, 1, *pixels.shape[-2:])
    return stacked.astype(np.float32) / np.float32(255)


def check_model_input(batch: Any, size: int | None = None) -> None:
    """Raise ``ValueError`` unless ``batch``, an array or a tensor, is (B, 1, S, S) of floats, finite, in [0, 1].

    Args:
        batch: numpy array or torch tensor; only its shape, type and extremes are asked for.
        size: S, where it is known.
    """
    shape = tuple(int(n) for n in batch.shape)
    square = len(shape) == 4 and shape[1] == 1 and shape[2] == shape[3] and shape[0] > 0
    if not square or (size is not None and shape[2] != size):
        side = "S" if size is None else str(size)
        raise ValueError(f"model input must be (B, 1, {side}, {side}) with B > 0, not {shape}")
    if "float" not in str(batch.dtype):
        raise ValueError(f"model input must be floating point in [0, 1], not {batch.dtype}: divide uint8 by 255")
    low, high = float(batch.min()), float(batch.max())
    if not (low >= 0.0 and high <= 1.0):  # also false for NaN
        raise ValueError(f"model input must be finite and lie in [0, 1], not [{low}, {high}]")
