"""Layers that see the whole batch although each process holds a share: N processes give the one-process result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn

from cxrlens.training.randomness import DROPOUT, generator


@dataclass(slots=True)
class StepContext:
    """Which step runs, and where in its batch of ``size`` images this process's share begins."""

    seed: int = 0
    epoch: int = 0
    step: int = 0
    start: int = 0
    size: int = 0


class GlobalDropout(nn.Module):
    """Dropout whose mask is drawn for the whole batch from seed, epoch, step and layer; a process takes its rows."""

    def __init__(self, p: float, layer: int, context: StepContext) -> None:
        super().__init__()
        self.p = p
        self.layer = layer
        self.context = context

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) to the same; the identity in evaluation mode."""
        if not self.training or self.p == 0:
            return x
        c = self.context
        draws = torch.rand(c.size, *x.shape[1:], generator=generator(c.seed, DROPOUT, c.epoch, c.step, self.layer))
        kept = draws[c.start : c.start + x.shape[0]].to(x.device) >= self.p
        return x * kept / (1 - self.p)


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the images of all processes, on any device: torch's SyncBatchNorm knows CUDA only."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        if not self.training:
            return super().forward(x)
        axes = (0, 2, 3)
        wide = at_least_single(x)
        count = torch.tensor([float(wide.numel() // wide.shape[1])], device=x.device, dtype=wide.dtype)
        torch.distributed.all_reduce(count)
        mean = _sum_over_processes(wide.sum(axes)) / count
        # Two passes: the mean first, since E[x²] - E[x]² loses digits where the mean is large.
        variance = _sum_over_processes((wide - mean[None, :, None, None]).square().sum(axes)) / count
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            with torch.no_grad():
                self.num_batches_tracked += 1
                momentum = self.momentum if self.momentum is not None else 1.0 / float(self.num_batches_tracked)
                self.running_mean.lerp_(mean, momentum)
                self.running_var.lerp_(variance * count / (count - 1), momentum)
        scale = torch.rsqrt(variance + self.eps)
        shift = -mean * scale
        if self.affine:
            scale, shift = scale * self.weight, shift * self.weight + self.bias
        out: Tensor = (wide * scale[None, :, None, None] + shift[None, :, None, None]).to(x.dtype)
        return out


class _Sum(torch.autograd.Function):
    """Sum over processes whose gradient is the sum of their gradients: every process's loss looks at every sum."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        torch.distributed.all_reduce(total)
        return total


def _sum_over_processes(values: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return total


def share_batches(model: nn.Module, context: StepContext, world_size: int) -> nn.Module:
    """Put :class:`GlobalDropout` and, for several processes, :class:`GlobalBatchNorm2d` in place of torch's own.

    The names and tensors of the state stay as they were. Networks of others that draw random numbers by other means
    (EfficientNet's drop-connect) repeat in one process, but several processes draw otherwise than one.
    """
    layers = 0
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Dropout:
                setattr(parent, name, GlobalDropout(child.p, layers, context))
                layers += 1
            elif type(child) is nn.BatchNorm2d and world_size > 1:
                setattr(parent, name, _global_norm(child))
    return model


def _global_norm(norm: nn.BatchNorm2d) -> GlobalBatchNorm2d:
    made = GlobalBatchNorm2d(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    made.load_state_dict(norm.state_dict())
    return made


def at_least_single(values: Tensor) -> Tensor:
    """Half precision to float32; float32 and float64 as they are."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values
