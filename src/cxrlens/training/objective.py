"""What a step makes small: the mean loss over images, or a remedy against sources that give the class away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from cxrlens.training.parallel import at_least_single


@dataclass(frozen=True, slots=True)
class Share:
    """One process's share of a step.

    Args:
        logits: (B, classes).
        targets: (B,) int64, on the same device.
        rows: (B,) int64, positions in the train manifest, on the same device.
        size: images of the step over all processes.
        progress: of the whole training, 0 at the first step, below 1 at the last.
    """

    logits: Tensor
    targets: Tensor
    rows: Tensor
    size: int
    progress: float

    def cross_entropy(self, smoothing: float) -> Tensor:
        """Of each image, (B,), smoothed (Szegedy et al., CVPR 2016)."""
        wide = at_least_single(self.logits)
        return F.cross_entropy(wide, self.targets, reduction="none", label_smoothing=smoothing)


class Objective:
    """The mean over images of weight × smoothed cross-entropy: empirical risk.

    The remedies derive from it. The loop asks, in this order, for :meth:`predict`, :meth:`loss`, and after the backward
    pass :meth:`finish`.

    Args:
        fabric: device and processes.
        weights: (n,) of every train image, with mean 1.
        smoothing: share of each target spread over all classes.
    """

    def __init__(self, fabric: Fabric, weights: Tensor, smoothing: float) -> None:
        self.fabric = fabric
        self.weights = weights.to(fabric.device)
        self.smoothing = smoothing

    def predict(self, model: nn.Module, pixels: Tensor) -> Tensor:
        """(B, 1, S, S) to (B, classes) logits."""
        logits: Tensor = model(pixels)
        return logits

    def loss(self, share: Share) -> Tensor:
        """This share's part: summed over processes it is the step's loss."""
        each = share.cross_entropy(self.smoothing)
        return (each * self.weights.to(each.dtype)[share.rows]).sum() / share.size

    def finish(self, lr: float) -> None:
        """After the backward pass: what the objective itself learns."""

    def state(self) -> dict[str, Tensor]:
        """What a resumed run must know, by name."""
        return {}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """The reverse of :meth:`state`; ``KeyError`` where something is missing."""

    def sum_over_processes(self, values: Tensor) -> Tensor:
        """Element-wise sum, without a gradient."""
        values = values.detach()
        if self.fabric.world_size == 1:
            return values
        return torch.as_tensor(self.fabric.all_reduce(values.clone(), reduce_op="sum"))
