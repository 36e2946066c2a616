"""How the film was exposed and shown: tone, focus and quantum noise. All write in place."""

from __future__ import annotations

from functools import lru_cache

import torch
from kornia.filters import filter2d_separable
from torch import Tensor

from cxrlens.augmentation.parameters import NOISE_OFFSETS, Parameters

_BLUR = (0.25, 0.5, 0.25)


def tone_(pixels: Tensor, p: Parameters) -> Tensor:
    """Exponent, then slope about mid-grey, then offset; clipped to [0, 1] as a display clips."""
    gamma, contrast, brightness = (
        v[:, None, None, None].to(pixels.device) for v in (p.gamma, p.contrast, p.brightness)
    )
    offset = 0.5 - 0.5 * contrast + brightness
    return pixels.pow_(gamma).mul_(contrast).add_(offset).clamp_(0, 1)


def blur_(pixels: Tensor, p: Parameters) -> Tensor:
    """Binomial 3 × 3 blur of the images that ``p.blur`` names."""
    chosen = p.blur.nonzero().flatten().to(pixels.device)
    if len(chosen):
        kernel = torch.tensor([_BLUR], device=pixels.device, dtype=pixels.dtype)
        pixels[chosen] = filter2d_separable(pixels[chosen], kernel, kernel).clamp_(0, 1)
    return pixels


def noise_(pixels: Tensor, p: Parameters) -> Tensor:
    """Quantum noise: few photons pass where the film is white, so the deviation is largest there, half of it at black.

    Windows of one fixed table of normal numbers stand in for fresh ones: that takes half the time on a CPU, and what is
    drawn stays small enough to be drawn for the global batch.
    """
    side = pixels.shape[-1]
    table = _normal_numbers(side + NOISE_OFFSETS, pixels.device)
    windows = torch.stack([table[y : y + side, x : x + side] for y, x in p.noise_offset.tolist()])[:, None]
    deviation = p.noise[:, None, None, None].to(pixels.device)
    return pixels.add_(windows.mul_(deviation).mul_(pixels.add(1).mul_(0.5))).clamp_(0, 1)


@lru_cache(maxsize=4)
def _normal_numbers(side: int, device: torch.device) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(side, side, generator=generator).to(device)
