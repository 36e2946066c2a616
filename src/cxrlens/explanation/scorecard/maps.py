"""Heat-maps of many frames by one method at one layer, in the network's own frame."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cxrlens.doubts.places import Maps
from cxrlens.explanation.heat import scaled
from cxrlens.explanation.methods import METHODS

AT_ONCE = 16
"""Frames in one pass: small enough that what a pass makes stays in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Explainer:
    """A network, a method and a layer.

    Args:
        module: in evaluation mode; (B, 1, S, S) to (B, K) logits.
        method: a key of :data:`cxrlens.explanation.METHODS`.
        layer: name of the module that a map by layer is taken from.
    """

    module: nn.Module
    method: str
    layer: str

    def __call__(self, frames: Tensor, targets: Sequence[int] | NDArray[np.intp]) -> Maps:
        """Maps (n, S, S) of frames (n, 1, S, S) for a class each; the top of each map is 1, or all of it is 0."""
        layer = self.module.get_submodule(self.layer)
        side = frames.shape[-1]
        made: Iterable[NDArray[np.float32]] = (
            METHODS[self.method].maps(self.module, frames[i : i + 1], int(target), [layer])[-1]
            for i, target in enumerate(targets)
        )
        heats = [scaled(m, side) for m in made]
        return np.stack(heats) if heats else np.zeros((0, side, side), dtype=np.float32)

    def named(self, frames: Tensor) -> NDArray[np.intp]:
        """The class (n,) with the highest probability."""
        return np.asarray(probabilities(self.module, frames).argmax(axis=1), dtype=np.intp)


def probabilities(module: nn.Module, frames: Tensor) -> NDArray[np.float64]:
    """Probabilities (n, K) of frames (n, 1, S, S), a few at a time."""
    with torch.no_grad():
        parts = [torch.softmax(module(part).double(), dim=1) for part in torch.split(frames, AT_ONCE)]
    return torch.cat(parts).cpu().numpy()


def of_target(module: nn.Module, frames: Tensor, targets: NDArray[np.intp]) -> NDArray[np.float64]:
    """Probability (n,) of each frame's own class in ``targets``."""
    shares = probabilities(module, frames)
    return np.asarray(shares[np.arange(len(targets)), targets], dtype=np.float64)


def fast_copy(module: nn.Module) -> nn.Module:
    """A copy on the CPU with its channels last, which halves the time of a convolution there; the original stays."""
    made: nn.Module = copy.deepcopy(module).cpu().eval()
    return made.to(memory_format=torch.channels_last)  # type: ignore[no-any-return,call-overload]
