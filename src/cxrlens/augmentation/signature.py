"""What gives a source away: its film's or display's tone curve, its resolution, its local contrast. All write in place.

A network that sees every radiograph with another curve, sharpness and local contrast cannot learn the class from those
of its source. After Billot et al. (SynthSeg, Medical Image Analysis 2023) and Zhang et al. (BigAug, IEEE TMI 2020):
stacked strong changes of look let networks carry over to scanners that they never saw.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator
from torch import Tensor
from torch.nn import functional as F

from cxrlens.augmentation.parameters import Parameters

_LEVELS = 256


def curve_(pixels: Tensor, p: Parameters) -> Tensor:
    """A monotone smooth tone curve through the drawn knots (Fritsch & Carlson 1980); black stays black, white white."""
    knots = torch.cat([torch.zeros(len(p), 1), p.curve.cumsum(1) / p.curve.sum(1, keepdim=True)], 1).double().numpy()
    places = np.linspace(0, 1, knots.shape[1])
    curves = PchipInterpolator(places, knots, axis=1)(np.linspace(0, 1, _LEVELS))  # (B, levels)
    table = torch.from_numpy(curves).to(pixels.device, pixels.dtype)
    at = pixels.mul(_LEVELS - 1)
    low = at.floor().clamp_(0, _LEVELS - 2)
    index = low.long().flatten(1)
    below, above = (table.gather(1, i).view_as(pixels) for i in (index, index + 1))
    return pixels.copy_(torch.lerp(below, above, at.sub_(low))).clamp_(0, 1)


def resolution_(pixels: Tensor, p: Parameters) -> Tensor:
    """Reduced to a share of the side with antialiasing, and enlarged again."""
    side = pixels.shape[-1]
    sides = (p.resolution * side).round().long().clamp_(1, side)
    for small in sorted(set(sides.tolist())):
        if small < side:
            chosen = (sides == small).nonzero().flatten().to(pixels.device)
            reduced = F.interpolate(pixels[chosen], (small, small), mode="bilinear", antialias=True)
            pixels[chosen] = F.interpolate(reduced, (side, side), mode="bilinear").clamp_(0, 1)
    return pixels


def local_contrast_(pixels: Tensor, p: Parameters) -> Tensor:
    """What departs from the local mean, larger or smaller: processing by unsharp masks, or none of it.

    The local mean is that of a grid of a drawn number of cells, bilinear in between, as adaptive equalisation has it.
    """
    side = pixels.shape[-1]
    for cells in sorted(set(p.local_cells.tolist())):
        chosen = (p.local_cells == cells).nonzero().flatten()
        gain = p.local_gain[chosen][:, None, None, None].to(pixels.device)
        chosen = chosen.to(pixels.device)
        some = pixels[chosen]
        mean = F.interpolate(F.adaptive_avg_pool2d(some, cells), (side, side), mode="bilinear")
        pixels[chosen] = torch.lerp(mean, some, gain).clamp_(0, 1)
    return pixels
