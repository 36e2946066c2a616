"""Noisy linear imputation: pixels are taken away so that the hole itself tells the network nothing (ROAD, 2022)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

NOISE = 0.01
"""Standard deviation of the noise on imputed pixels, in units of the image's range [0, 1], as published."""

_COARSEST = 4  # side below which no coarser grid is made
_STEPS = 24  # of conjugate gradients on each grid
_TINY = 1e-20


def impute(frames: Tensor, gone: Tensor, generator: torch.Generator, noise: float = NOISE) -> Tensor:
    """Fill what is gone with the weighted mean of its eight neighbours, and a little noise.

    Rong et al., ICML 2022, section 4.3: each missing pixel is the mean of its direct neighbours (weight 1/6) and its
    diagonal ones (1/12), missing neighbours included, which is one linear system for the whole image. Here it is
    solved by conjugate gradients from coarse grids to fine ones, for many images at once, in place of a sparse solver
    for each: stopped where the mean error is below that of the noise (0.001 of the range where two fifths of a film
    are gone, 0.005 where nine tenths are).

    Args:
        frames: (n, 1, S, S) in [0, 1].
        gone: (n, 1, S, S) bool, true where a pixel is taken away.
        generator: where the noise comes from.
        noise: its standard deviation.

    Returns:
        (n, 1, S, S) in [0, 1]; pixels that are not gone are untouched.
    """
    smooth = _filled(frames, ~gone)
    noisy = smooth + noise * torch.randn(frames.shape, generator=generator)
    return torch.where(gone, noisy.clamp(0, 1), frames)


def _filled(values: Tensor, known: Tensor) -> Tensor:
    """The solution on this grid, begun from the one on a grid of half the side."""
    weight = known.to(values.dtype)
    if min(values.shape[-2:]) > _COARSEST:
        share = F.avg_pool2d(weight, 2, ceil_mode=True, count_include_pad=False)
        mean = F.avg_pool2d(values * weight, 2, ceil_mode=True, count_include_pad=False) / share.clamp_min(1e-6)
        coarse = _filled(mean, share > 0)
        start = F.interpolate(coarse, size=values.shape[-2:], mode="bilinear", align_corners=False)
    else:
        middle = (values * weight).sum(dim=(2, 3), keepdim=True) / weight.sum(dim=(2, 3), keepdim=True).clamp_min(1.0)
        start = middle.expand_as(values)
    return _solved(torch.where(known, values, start), (~known).to(values.dtype))


def _solved(x: Tensor, missing: Tensor) -> Tensor:
    """Conjugate gradients (Hestenes and Stiefel 1952) for the missing pixels of each image, from where they stand."""
    norm = _neighbours(torch.ones_like(x[:1]))
    residual = (_neighbours(x) - norm * x) * missing
    direction, size = residual, _dot(residual, residual)
    for _ in range(_STEPS):
        image = (norm * direction - _neighbours(direction)) * missing
        step = size / _dot(direction, image).clamp_min(_TINY)
        x = x + step * direction
        residual = residual - step * image
        last, size = size, _dot(residual, residual)
        direction = residual + size / last.clamp_min(_TINY) * direction
    return x


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=(2, 3), keepdim=True)


def _neighbours(x: Tensor) -> Tensor:
    """Direct neighbours twice, diagonal ones once: twelve times the mean of the eight, nothing beyond the border."""
    p = F.pad(x, (1, 1, 1, 1))
    rows = p[..., :-2, :] + 2 * p[..., 1:-1, :] + p[..., 2:, :]
    return rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:] - 4 * x
