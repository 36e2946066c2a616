"""The layers that Grad-CAM looks at: found by watching one blank image pass, so every network of the zoo has them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cxrlens.errors import OptionError
from cxrlens.model.network import Classifier

DEPTHS = 3


@dataclass(frozen=True, slots=True)
class _Passed:
    """What one module gave while the blank image passed. The tensor is kept, so that identity can be compared."""

    name: str
    module: nn.Module
    output: Tensor


def cam_layers(model: Classifier) -> list[tuple[str, nn.Module]]:
    """The last convolutional block of each of the three deepest resolutions, shallow to deep.

    A block is a module with a convolution inside that runs once; its output is (B, C, h, w) with h·w > 1. Of each
    resolution the block that finishes last is taken, and a bare layer only where no block ends there. Fewer than three
    come back where a network has fewer resolutions.

    Raises:
        OptionError: no module gives a feature map (a pure transformer).
    """
    passed = _watch(model)
    deepest: dict[tuple[int, int], _Passed] = {}
    for candidate in passed:
        side = (candidate.output.shape[2], candidate.output.shape[3])
        previous = deepest.get(side)
        if previous is not None and _is_block(previous.module) and not _is_block(candidate.module):
            continue
        deepest.pop(side, None)  # put the latest at the end: the order of the dict is the order of depth
        deepest[side] = candidate
    if not deepest:
        raise OptionError(
            f"model '{model.name}'", "has no convolutional feature maps to explain", "choose a convolutional network"
        )
    chosen = sorted(deepest.values(), key=passed.index)[-DEPTHS:]
    return [(block.name, block.module) for block in (_whole_stage(b, passed, chosen) for b in chosen)]


def _watch(model: Classifier) -> list[_Passed]:
    """Modules inside ``model`` that gave a 4-D map with more than one cell, in the order they finished."""
    passed: list[_Passed] = []
    passed_over: list[object] = []  # what pooling gave: a block that ends in it belongs to the next resolution
    calls: Counter[nn.Module] = Counter()
    names = {module: name for name, module in model.named_modules()}

    def note(module: nn.Module, _: tuple[object, ...], output: object) -> None:
        calls[module] += 1
        if _adds_nothing(module):
            passed_over.append(output)
        elif (
            isinstance(output, Tensor)
            and not any(output is o for o in passed_over)
            and output.ndim == 4
            and output.shape[2] * output.shape[3] > 1
        ):
            passed.append(_Passed(names[module], module, output))

    hooks = [module.register_forward_hook(note) for module in model.modules() if module is not model]
    training = model.training
    parameter = next(model.parameters())
    try:
        model.eval()
        with torch.no_grad():
            model(torch.zeros(1, 1, model.size, model.size, device=parameter.device, dtype=parameter.dtype))
    finally:
        for hook in hooks:
            hook.remove()
        model.train(training)
    empty = (nn.Identity, nn.Sequential)
    return [
        p
        for p in passed
        if calls[p.module] == 1
        and p.module is not model.network
        and not (isinstance(p.module, empty) and len(list(p.module.children())) == 0)
    ]


def _is_block(module: nn.Module) -> bool:
    return any(isinstance(part, nn.Conv2d) for part in module.modules() if part is not module)


def _adds_nothing(module: nn.Module) -> bool:
    """Pooling, padding and dropout, and empty containers: no activations worth a look."""
    kind = type(module).__name__
    is_leaf = next(module.children(), None) is None
    return is_leaf and any(word in kind for word in ("Pool", "Pad", "Drop", "Flatten"))


def _whole_stage(block: _Passed, passed: list[_Passed], chosen: list[_Passed]) -> _Passed:
    """The largest module that ends in this block's tensor and holds none of the other chosen ones."""
    others = [c for c in chosen if c is not block]
    ends_here = [p for p in passed if p is block or (p.output is block.output and _is_block(p.module))]
    same = [p for p in ends_here if not any(o.name.startswith(f"{p.name}.") for o in others)]
    return min(same, key=lambda p: p.name.count("."), default=block)
