"""Class activation maps: Grad-CAM, Grad-CAM++ and HiRes-CAM, as formulas on activations and gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cxrlens.explanation.watching import watched

Map = NDArray[np.float32]
"""(h, w) float32, 0 or more: evidence for the class at the layer's own resolution."""

Formula = Callable[[Tensor, Tensor], Tensor]
"""Activations (C, h, w) and gradients (C, h, w) of the class's logit to an (h, w) map."""


def grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Channels weighted by their mean gradient, summed, positive part (Selvaraju et al., ICCV 2017, eq. 1 and 2)."""
    weights = gradients.mean(dim=(1, 2), keepdim=True)
    return (weights * activations).sum(dim=0).relu()


def hires_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Activations times gradients place by place, summed over channels, positive part (Draelos and Carin 2020)."""
    return (gradients * activations).sum(dim=0).relu()


def grad_cam_plus_plus(activations: Tensor, gradients: Tensor) -> Tensor:
    """Positive gradients weighted by alpha (Chattopadhay et al., WACV 2018, equations 10, 11 and 19).

    With the exponential of the logit as score, as in the paper, higher derivatives are powers of the first; the common
    factor exp(logit) falls out when the map is scaled.
    """
    total = activations.sum(dim=(1, 2), keepdim=True)
    denominator = 2 * gradients**2 + total * gradients**3
    alpha = torch.where(denominator == 0, 0.0, gradients**2 / torch.where(denominator == 0, 1.0, denominator))
    weights = (alpha * gradients.relu()).sum(dim=(1, 2), keepdim=True)
    return (weights * activations).sum(dim=0).relu()


def layer_maps(
    module: nn.Module, pixels: Tensor, target: int, layers: Sequence[nn.Module], formula: Formula
) -> list[Map]:
    """Maps of one image for one class, one a layer, from a single pass forward and back.

    Args:
        module: network in eval mode, (1, 1, S, S) to (1, K) logits.
        pixels: (1, 1, S, S) float32 in [0, 1].
        target: the class to explain, 0..K-1.
        layers: modules whose output is (1, C, h, w).
        formula: one of the three above.

    Raises:
        ValueError: a layer that the pass does not reach, or that gives no map.
    """
    with torch.enable_grad(), watched(layers) as seen:
        # Where the weights are frozen, the input keeps the graph alive.
        logits = module(pixels.detach().clone().requires_grad_())
        missing = [layer for layer in layers if layer not in seen or seen[layer].ndim != 4]
        if missing:
            raise ValueError(f"{type(missing[0]).__name__} gives no (1, C, h, w) map to explain")
        activations = [seen[layer] for layer in layers]
        gradients = torch.autograd.grad(logits[0, target], activations)
    maps = [formula(a[0].detach(), g[0]) for a, g in zip(activations, gradients, strict=True)]
    return [np.nan_to_num(m.cpu().numpy().astype(np.float32)) for m in maps]
