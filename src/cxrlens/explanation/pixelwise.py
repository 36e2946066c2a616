"""Attribution to the pixels themselves: integrated gradients and occlusion."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from captum.attr import IntegratedGradients, Occlusion
from numpy.typing import NDArray
from torch import Tensor, nn

Signed = NDArray[np.float32]
"""(S, S) float32: above 0 speaks for the class, below 0 against it."""

STEPS = 48


def integrated_gradients(module: nn.Module, pixels: Tensor, target: int, steps: int = STEPS) -> Signed:
    """Gradients of the logit summed on the way from a black image (Sundararajan et al., ICML 2017).

    The sum over pixels is the logit's rise over that of the black image (completeness), up to the error of ``steps``.
    """
    black = torch.zeros_like(pixels)
    attribution = IntegratedGradients(module).attribute(
        pixels.detach(), baselines=black, target=target, n_steps=steps, internal_batch_size=16
    )
    return np.asarray(attribution[0, 0].detach().cpu().numpy(), dtype=np.float32)


def occlusion(module: nn.Module, pixels: Tensor, target: int) -> Signed:
    """Drop of the logit when a square of an eighth of the side is hidden (Zeiler and Fergus, ECCV 2014).

    The square takes the image's mean, moves by half its side, and a pixel gets the mean over the squares that hid it.
    """
    side = max(2, pixels.shape[-1] // 8)
    with torch.no_grad():
        attribution = Occlusion(module).attribute(
            pixels.detach(),
            sliding_window_shapes=(1, side, side),
            strides=(1, side // 2, side // 2),
            baselines=float(pixels.mean()),
            target=target,
            perturbations_per_eval=32,
        )
    return np.asarray(attribution[0, 0].cpu().numpy(), dtype=np.float32)


def magnitude(signed: Signed) -> NDArray[np.float32]:
    """Size of an attribution, smoothed over a fiftieth of the side: single pixels say little to the eye."""
    smooth = cv2.GaussianBlur(np.abs(signed), (0, 0), max(1.0, signed.shape[0] / 50))
    return np.asarray(smooth, dtype=np.float32)


def support(signed: Signed) -> NDArray[np.float32]:
    """The part that speaks for the class, smoothed over half a step of the square so that no edges of it show."""
    smooth = cv2.GaussianBlur(np.maximum(signed, 0.0), (0, 0), max(1.0, signed.shape[0] / 32))
    return np.asarray(smooth, dtype=np.float32)
