"""What a radiograph may go through before the segmenter learns from it: pose, build, film, camera, and disease.

Much stronger than :mod:`cxrlens.augmentation`, since an outline survives what a diagnosis would not: frames may be
turned, squeezed, cut, shaded, and whitened inside the lungs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from cxrlens.augmentation import Augmentation, AugmentationOptions

FILM = Augmentation(
    AugmentationOptions(
        rotation_deg=0.0,
        shift=0.0,
        zoom=0.0,
        gamma=0.8,
        contrast=0.4,
        brightness=0.15,
        noise=0.08,
        blur_probability=0.2,
        erase_probability=0.25,
        erase_area=0.08,
        border_probability=0.0,
        marker_probability=0.3,
    )
)
"""Tone, noise, blur, occluding boxes and markers, as in training the classifier but stronger."""


def augment(pixels: Tensor, truth: Tensor, side: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Frames (B, 1, S, S) in [0, 1] and truths (B, 1, S, S) of 0, 1, 2 to the same of ``side``; 2 stays unknown.

    What lies beyond the frame is black and no lung.
    """
    grid = _pose(len(pixels), side, g)
    pixels = F.grid_sample(pixels, grid, mode="bilinear", align_corners=False)
    truth = F.grid_sample(truth, grid, mode="nearest", align_corners=False)
    pixels = _opaque(pixels, truth, g)
    pixels = _shaded(pixels, g)
    pixels = _coarse(pixels, g)
    return _margins(FILM(pixels, g), truth, g)


def _uniform(shape: tuple[int, ...], low: float, high: float, g: torch.Generator) -> Tensor:
    return torch.empty(shape).uniform_(low, high, generator=g)


def _chance(count: int, share: float, g: torch.Generator) -> Tensor:
    """(count, 1, 1, 1) of 1 with the given chance, else 0."""
    return (torch.rand((count, 1, 1, 1), generator=g) < share).float()


def _pose(count: int, side: int, g: torch.Generator) -> Tensor:
    """Sampling grid (B, side, side, 2): turn, shear, build, distance, shift, mirror, and a smooth bend."""
    angle = torch.randn(count, generator=g).mul(8).clamp(-25, 25).deg2rad()
    angle = angle + (torch.rand(count, generator=g) < 0.05) * torch.randint(1, 4, (count,), generator=g) * math.pi / 2
    zoom, aspect = _uniform((count,), -0.28, 0.25, g).exp(), _uniform((count,), -0.15, 0.15, g).exp()
    mirror = 1 - 2 * (torch.rand(count, generator=g) < 0.25).float()
    shear, shift = _uniform((count,), -0.1, 0.1, g), _uniform((count, 2), -0.2, 0.2, g)
    cos, sin = angle.cos(), angle.sin()
    a, b = zoom * aspect * cos * mirror, zoom / aspect * (shear - sin)
    c, d = zoom * aspect * sin * mirror, zoom / aspect * cos
    theta = torch.stack([torch.stack([a, b, shift[:, 0]], 1), torch.stack([c, d, shift[:, 1]], 1)], 1)
    grid = F.affine_grid(theta, [count, 1, side, side], align_corners=False)
    bend = torch.randn((count, 2, 5, 5), generator=g) * 0.03
    bend = F.interpolate(bend, size=(side, side), mode="bicubic", align_corners=True)
    return grid + bend.permute(0, 2, 3, 1)


def _opaque(pixels: Tensor, truth: Tensor, g: torch.Generator) -> Tensor:
    """Disease: soft white clouds inside the lungs of two films in five, as consolidation and fluid make them."""
    count, side = len(pixels), pixels.shape[-1]
    cloud = torch.randn((count, 1, 5, 5), generator=g)
    cloud = F.interpolate(cloud, size=(side, side), mode="bicubic", align_corners=True)
    strength = _chance(count, 0.4, g) * _uniform((count, 1, 1, 1), 0.2, 0.9, g)
    alpha = torch.sigmoid(4 * (cloud - 0.4)) * strength * F.avg_pool2d((truth == 1).float(), 5, 1, 2)
    white = torch.quantile(pixels.flatten(1), 0.8, dim=1)[:, None, None, None]
    return pixels + alpha * (torch.maximum(white, pixels) - pixels)


def _shaded(pixels: Tensor, g: torch.Generator) -> Tensor:
    """A light box that is brighter on one side; a camera that equalises; the film's slow changes taken out."""
    count, side = len(pixels), pixels.shape[-1]
    light = F.interpolate(torch.randn((count, 1, 3, 3), generator=g), size=(side, side), mode="bicubic")
    pixels = pixels * (1 + 0.15 * _chance(count, 0.4, g) * light)
    slow = F.interpolate(F.avg_pool2d(pixels, side // 8), size=(side, side), mode="bicubic")
    share = _chance(count, 0.3, g) * _uniform((count, 1, 1, 1), 0, 0.7, g)
    return (pixels - share * (slow - slow.mean(dim=(2, 3), keepdim=True))).clamp(0, 1)


def _coarse(pixels: Tensor, g: torch.Generator) -> Tensor:
    """One film in seven went through a small picture."""
    side = pixels.shape[-1]
    small = F.interpolate(
        F.interpolate(pixels, size=(side // 3, side // 3), mode="area"), size=(side, side), mode="bilinear"
    )
    return torch.lerp(pixels, small, _chance(len(pixels), 0.15, g))


def _margins(pixels: Tensor, truth: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """One film in five has black or white margins, as collimators, pages and light boxes leave them: no lung there."""
    side = pixels.shape[-1]
    for at in torch.nonzero(torch.rand(len(pixels), generator=g) < 0.2).flatten().tolist():
        top, bottom, left, right = (int(m) for m in torch.randint(0, side // 7, (4,), generator=g))
        outside = torch.ones((side, side), dtype=torch.bool)
        outside[top : side - bottom, left : side - right] = False
        pixels[at, 0, outside] = float(torch.rand(1, generator=g) < 0.5)
        truth[at, 0, outside] = 0
    return pixels, truth
