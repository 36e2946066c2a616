"""Cascading randomisation: the network's layers lose what they learnt, from the top down (Adebayo et al. 2018)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

MOST_STAGES = 5
"""Stages that are looked at, however many layers there are: the top layer alone, all layers, and steps between."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The network with its top layers random.

    Args:
        randomised: how many layers are, from the top.
        of: how many there are.
        down_to: name of the lowest one that is.
        module: a network of its own, in evaluation mode.
    """

    randomised: int
    of: int
    down_to: str
    module: nn.Module


def cascade(module: nn.Module, side: int, seed: int = 0, most: int = MOST_STAGES) -> Iterator[Stage]:
    """Networks with ever more of their layers initialised anew, the lowest last (Adebayo et al., NeurIPS 2018).

    A layer is a module with weights of its own together with the normalisation that follows it.

    Args:
        module: (B, 1, side, side) to logits; it is not changed.
        side: of its input in pixels.
        seed: of the random weights.
        most: stages at most, 1 for the wholly random network alone.
    """
    layers = layers_from_the_top(module, side)
    if not layers:
        return
    steps = np.unique(np.round(np.linspace(1 if most > 1 else len(layers), len(layers), most)).astype(int))
    random, done = copy.deepcopy(module).eval(), 0
    for step in (int(s) for s in steps):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + done)
            for names in layers[done:step]:
                for name in names:
                    _forget(random.get_submodule(name))
        done = step
        yield Stage(step, len(layers), layers[step - 1][0].removeprefix("network."), copy.deepcopy(random))


def random_network(module: nn.Module, side: int, seed: int = 0) -> nn.Module:
    """The same architecture with every layer random."""
    return [copy.deepcopy(module), *(stage.module for stage in cascade(module, side, seed, most=1))][-1]


def layers_from_the_top(module: nn.Module, side: int) -> list[list[str]]:
    """Names of the modules with weights of their own, in the reverse of the order in which an image passes them.

    Each entry begins with the layer and goes on with the normalisations behind it. What no image passes is left out.
    """
    names = {part: name for name, part in module.named_modules()}
    passed: list[nn.Module] = []

    def note(part: nn.Module, *_: object) -> None:
        if part not in passed:
            passed.append(part)

    own = [m for m in module.modules() if any(True for _ in m.parameters(recurse=False))]
    hooks = [part.register_forward_hook(note) for part in own]
    parameter = next(module.parameters())
    try:
        with torch.no_grad():
            module(torch.zeros(1, 1, side, side, device=parameter.device, dtype=parameter.dtype))
    finally:
        for hook in hooks:
            hook.remove()
    layers: list[list[str]] = []
    for part in passed:
        if layers and "norm" in type(part).__name__.lower():
            layers[-1].append(names[part])
        else:
            layers.append([names[part]])
    return layers[::-1]


def _forget(part: nn.Module) -> None:
    """Initial weights by the module's own rule; shuffled ones where it has none."""
    reset = getattr(part, "reset_parameters", None)
    if callable(reset):
        reset()
        return
    for weights in part.parameters(recurse=False):
        flat: Tensor = weights.data.flatten()
        weights.data.copy_(flat[torch.randperm(len(flat))].view_as(weights))
