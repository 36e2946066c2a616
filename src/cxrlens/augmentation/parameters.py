"""What happens to each image of a batch: drawn here, applied elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from cxrlens.augmentation.options import AugmentationOptions

NOISE_OFFSETS = 256
"""Windows into the noise table start at one of 256 × 256 places."""
CURVE_PARTS = 6
"""Of the tone curve, between knots."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """One row an image, on the CPU; drawn for the global batch, so that ranks which slice see what one process sees.

    Args:
        angle_deg: (B,) clockwise.
        shift: (B, 2) right and down, in shares of the side.
        zoom: (B,) above 1 enlarges.
        flip: (B,) bool.
        gamma: (B,) exponent.
        contrast: (B,) slope about mid-grey.
        brightness: (B,) added.
        blur: (B,) bool.
        noise: (B,) standard deviation at white.
        noise_offset: (B, 2) int64, window into the noise table.
        erase: (B, 5) top, left, height, width in shares of the side, and grey; height 0 where there is none.
        border: (B, 4) top, bottom, left, right in shares of the side; 0 where there is none.
        marker: (B, 5) letter (0 L, 1 R, -1 none), centre row and column, height in shares of the side, and grey.
        curve: (B, 6) rises of the tone curve between evenly spaced knots, relative to each other.
        resolution: (B,) share of the side that the detail is reduced to.
        local_gain: (B,) of what departs from the local mean.
        local_cells: (B,) int64, cells of the grid of local means, along a side.
    """

    angle_deg: Tensor
    shift: Tensor
    zoom: Tensor
    flip: Tensor
    gamma: Tensor
    contrast: Tensor
    brightness: Tensor
    blur: Tensor
    noise: Tensor
    noise_offset: Tensor
    erase: Tensor
    border: Tensor
    marker: Tensor
    curve: Tensor
    resolution: Tensor
    local_gain: Tensor
    local_cells: Tensor

    def __len__(self) -> int:
        return int(self.zoom.shape[0])

    def slice(self, start: int, stop: int) -> Parameters:
        """Rows ``start`` to ``stop``: one rank's share."""
        return Parameters(**{f.name: getattr(self, f.name)[start:stop] for f in fields(self)})


def sample(options: AugmentationOptions, count: int, generator: torch.Generator) -> Parameters:
    """Draw for ``count`` images; the generator (CPU) alone decides.

    Every effect draws in every call, whether it is on or off: switching one off leaves the others' draws as they were.
    """

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    def happens(probability: float) -> Tensor:
        return torch.rand(count, generator=generator) < probability

    steepest = math.log1p(options.gamma)
    geometry = {
        "angle_deg": uniform(-options.rotation_deg, options.rotation_deg),
        "shift": uniform(-options.shift, options.shift, 2),
        "zoom": uniform(1 - options.zoom, 1 + options.zoom),
        "flip": happens(options.flip_probability),
    }
    tone = {
        "gamma": uniform(-steepest, steepest).exp(),
        "contrast": uniform(1 - options.contrast, 1 + options.contrast),
        "brightness": uniform(-options.brightness, options.brightness),
        "blur": happens(options.blur_probability),
        "noise": uniform(0, options.noise),
        "noise_offset": torch.randint(NOISE_OFFSETS, (count, 2), generator=generator),
    }

    area, slender = uniform(0.2, 1.0) * options.erase_area, uniform(-0.7, 0.7).exp()
    height = (area * slender).sqrt() * happens(options.erase_probability)
    width = (area / slender).sqrt()
    corner = uniform(0, 1, 2)
    erase = [corner[:, 0] * (1 - height), corner[:, 1] * (1 - width), height, width, uniform(0, 1)]

    sides = uniform(0, options.border_width, 4) * happens(options.border_probability)[:, None]

    letter = torch.randint(2, (count,), generator=generator)
    letter[~happens(options.marker_probability)] = -1
    left = torch.rand(count, generator=generator) < 0.5
    column = uniform(0.06, 0.16)
    marker = [letter, uniform(0.06, 0.18), torch.where(left, column, 1 - column), uniform(0.05, 0.09), uniform(0.75, 1)]

    # Drawn last: what the others draw from the same generator is what it was before these effects were there.
    bent, gain = math.log1p(options.curve), math.log1p(options.local_contrast)
    signature = {
        "curve": uniform(-bent, bent, CURVE_PARTS).exp(),
        "resolution": uniform(1 - options.resolution, 1),
        "local_gain": uniform(-gain, gain).exp(),
        "local_cells": torch.randint(3, 13, (count,), generator=generator),
    }
    on_film = {"erase": torch.stack(erase, 1), "border": sides, "marker": torch.stack(marker, 1)}
    return Parameters(**geometry, **tone, **on_film, **signature)
