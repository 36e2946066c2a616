"""From options to the objective: the one place that knows them all."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import nn

from cxrlens.training.adversary import Adversary, AdversaryOptions
from cxrlens.training.data import Loaders
from cxrlens.training.group_robust import GroupRobust
from cxrlens.training.objective import Objective
from cxrlens.training.options import TrainingOptions


def make_objective(options: TrainingOptions, fabric: Fabric, bare: nn.Module, loaders: Loaders) -> Objective:
    """The objective that the options name; :class:`OptionError` where the data do not allow it."""
    o = options
    if o.objective == "group-dro":
        dtype = torch.float64 if next(bare.parameters()).dtype == torch.float64 else torch.float32
        return GroupRobust(fabric, loaders.weights, o.label_smoothing, loaders.groups, o.group_step, dtype)
    if o.objective == "adversary":
        weights = (loaders.weights, loaders.source_weights)
        adversary = AdversaryOptions(o.adversary_strength, o.lr, o.seed)
        return Adversary(fabric, weights, o.label_smoothing, bare, loaders.groups, adversary)
    return Objective(fabric, loaders.weights, o.label_smoothing)
