"""Group-robust training: the worst (class, source) group counts most."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from lightning_fabric import Fabric
from torch import Tensor

from cxrlens.training.balance import Groups
from cxrlens.training.objective import Objective, Share


class GroupRobust(Objective):
    """Group DRO (Sagawa et al., ICLR 2020, algorithm 1, with the batch form of the authors' code).

    Of each step the mean loss ℓ of every group is taken; group weights, equal at first, are multiplied by exp(step × ℓ)
    and brought back to the sum 1; the step's loss is the sum of group weight × ℓ. Groups that a step lacks have ℓ = 0.
    Within a group images count by their weight, so that only doubts remain of it: class and source weights cancel.

    Args:
        fabric: device and processes.
        weights: (n,) of every train image.
        smoothing: share of each target spread over all classes.
        groups: of the train images.
        step: η of the paper: how fast the weights follow the losses.
        dtype: of the group weights.
    """

    def __init__(
        self, fabric: Fabric, weights: Tensor, smoothing: float, groups: Groups, step: float, dtype: torch.dtype
    ) -> None:
        super().__init__(fabric, weights, smoothing)
        self.groups = torch.from_numpy(groups.of).to(fabric.device)
        self.eta = step
        self.shares = torch.full((len(groups),), 1 / len(groups), dtype=dtype, device=fabric.device)

    def loss(self, share: Share) -> Tensor:
        """This share's part of the sum over groups; the group weights move on."""
        each = share.cross_entropy(self.smoothing)
        groups, weights = self.groups[share.rows], self.weights.to(each.dtype)[share.rows]
        table = torch.zeros(2, len(self.shares), dtype=each.dtype, device=each.device)
        table[0].index_add_(0, groups, (each * weights).detach())
        table[1].index_add_(0, groups, weights)
        total, mass = self.sum_over_processes(table)
        per_group = torch.where(mass > 0, total / mass.clamp_min(1e-12), 0)
        raised = self.shares * torch.exp(self.eta * per_group).to(self.shares.dtype)
        self.shares = raised / raised.sum()
        factor = (self.shares.to(each.dtype) / mass.clamp_min(1e-12))[groups]
        loss: Tensor = (each * weights * factor).sum()
        return loss

    def state(self) -> dict[str, Tensor]:
        """The group weights."""
        return {"shares": self.shares}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Group weights of a checkpoint."""
        self.shares = state["shares"].to(self.shares)
