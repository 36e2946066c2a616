"""Adversarial training: features from which the source cannot be told, given the class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from cxrlens.errors import OptionError
from cxrlens.labels import CLASSES, class_index
from cxrlens.model.network import head_name
from cxrlens.training.balance import Groups
from cxrlens.training.objective import Objective, Share
from cxrlens.training.parallel import at_least_single
from cxrlens.training.randomness import ADVERSARY, derived_seed

HIDDEN = 64
STEEPNESS = 10.0
"""Of the ramp, as in the paper."""
BETAS = (0.5, 0.99)
"""Of the head's AdamW: with the usual momentum the two players run in circles (Radford et al., ICLR 2016)."""


@dataclass(frozen=True, slots=True)
class AdversaryOptions:
    """What the adversary may do.

    Args:
        strength: the reversed gradient is multiplied by up to this.
        lr: highest learning rate of the source head.
        seed: of its first weights.
    """

    strength: float
    lr: float
    seed: int


class Adversary(Objective):
    """Gradient reversal (Ganin et al., JMLR 2016), the source head conditional on the class (Li et al., ECCV 2018).

    A head of two dense layers learns to name the source from the penultimate features, among the sources of the image's
    class: naming it among all would ask the features to forget the class too, where sources have one class only. The
    network gets the head's gradient with its sign reversed, times ``strength × (2 / (1 + exp(-10 progress)) - 1)``.
    Each source of a class weighs the same in the head's loss (``balance.image_weights``).

    Args:
        fabric: device and processes.
        weights: (n,) of every train image, for the class loss and for the head's.
        smoothing: of the class loss.
        bare: the network, whose last dense layer takes the features.
        groups: of the train images.
        options: of the adversary.

    Raises:
        OptionError: no class has two sources.
    """

    def __init__(
        self,
        fabric: Fabric,
        weights: tuple[Tensor, Tensor],
        smoothing: float,
        bare: nn.Module,
        groups: Groups,
        options: AdversaryOptions,
    ) -> None:
        super().__init__(fabric, weights[0], smoothing)
        sources = sorted({source for _, source in groups.names})
        known = torch.zeros(len(CLASSES), len(sources), dtype=torch.bool)
        for label, source in groups.names:
            known[class_index(label), sources.index(source)] = True
        if not bool((known.sum(1) > 1).any()):
            fault = "has no class with train images of two sources to tell apart"
            raise OptionError("option objective: 'adversary'", fault, "use 'mean', or add a collection")
        self.strength = options.strength
        self.source_weights = weights[1].to(fabric.device)
        self.unknown = ~known.to(fabric.device)
        by_group = torch.tensor([sources.index(source) for _, source in groups.names])
        self.sources = by_group[torch.from_numpy(groups.of)].to(fabric.device)
        self.layer = bare.get_submodule(head_name(bare))
        width = self.layer.get_parameter("weight").shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(options.seed, ADVERSARY))
            # Features are normalised first: else the network would hide the source by shrinking them.
            head = nn.Sequential(
                nn.LayerNorm(width, elementwise_affine=False),
                nn.Linear(width, HIDDEN),
                nn.ReLU(),
                nn.Linear(HIDDEN, len(CLASSES) * len(sources)),
            )
        dtype = torch.float64 if next(bare.parameters()).dtype == torch.float64 else torch.float32
        self.head = head.to(fabric.device, dtype)
        self.optimizer = torch.optim.AdamW(self.head.parameters(), lr=options.lr, betas=BETAS, weight_decay=0.0)
        self._features: Tensor | None = None

    def predict(self, model: nn.Module, pixels: Tensor) -> Tensor:
        """Logits; the features that the last layer took are kept for :meth:`loss`."""

        def keep(_: nn.Module, taken: tuple[Tensor, ...]) -> None:
            self._features = taken[0]

        watching = self.layer.register_forward_pre_hook(keep)
        try:
            logits: Tensor = model(pixels)
        finally:
            watching.remove()
        return logits

    def loss(self, share: Share) -> Tensor:
        """Class loss plus the head's loss, whose gradient turns round on its way into the network."""
        features, self._features = self._features, None
        assert features is not None
        wide = at_least_single(features)
        wide = wide.mean(tuple(range(2, wide.ndim))) if wide.ndim > 2 else wide
        self.optimizer.zero_grad()
        each = self.source_loss(reverse(wide, self.strength * ramp(share.progress)), share.targets, share.rows)
        source = (each * self.source_weights.to(each.dtype)[share.rows]).sum() / share.size
        return super().loss(share) + source

    def source_loss(self, features: Tensor, targets: Tensor, rows: Tensor) -> Tensor:
        """(B,) cross-entropy of the source among those of the image's class; 0 where there is one only."""
        table = self.head(features).reshape(len(features), len(CLASSES), -1)
        logits = table[torch.arange(len(targets), device=targets.device), targets]
        return F.cross_entropy(
            logits.masked_fill(self.unknown[targets], -math.inf), self.sources[rows], reduction="none"
        )

    def finish(self, lr: float) -> None:
        """A step of the head, at the network's learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        if self.fabric.world_size > 1:
            for parameter in self.head.parameters():
                # Every process has its share times the number of processes, as for the network: their mean is the sum.
                parameter.grad = torch.as_tensor(self.fabric.all_reduce(parameter.grad, reduce_op="mean"))
        self.optimizer.step()

    def state(self) -> dict[str, Tensor]:
        """Weights of the head, and its optimiser's moments."""
        tensors = {f"head.{name}": t for name, t in self.head.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(t) for name, t in moments.items()}
        return tensors

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Head and optimiser of a checkpoint."""
        self.head.load_state_dict({name: state[f"head.{name}"] for name in self.head.state_dict()})
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in state.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".")
                moments.setdefault(int(index), {})[key] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})


def ramp(progress: float) -> float:
    """From 0 towards 1 as training goes from 0 to 1: noise of untrained heads must not steer the network."""
    return 2 / (1 + math.exp(-STEEPNESS * progress)) - 1


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradient, None


def reverse(values: Tensor, strength: float) -> Tensor:
    """The values as they are, whose gradient comes back times ``-strength``."""
    turned: Tensor = _Reverse.apply(values, strength)  # type: ignore[no-untyped-call]
    return turned
