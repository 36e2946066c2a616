"""What torch says of images: the probabilities and heat-maps that an exported graph is held to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from cxrlens.model import LoadedModel, cam_layers
from cxrlens.preprocessing import to_model_input
from cxrlens.serving.layers import HIRES_CAM, LayerMaps


def by_torch(
    model: LoadedModel, frames: NDArray[np.uint8], maps: Sequence[LayerMaps]
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float32]]]:
    """Probabilities (n, K), and by name the maps (n, K, h, w) of every class, by torch's own gradients.

    Args:
        model: a trained network.
        frames: (n, S, S) uint8.
        maps: which are wanted.
    """
    blocks = {name.removeprefix("network."): block for name, block in cam_layers(model.module)}
    seen: dict[str, torch.Tensor] = {}

    def keep(name: str) -> torch.utils.hooks.RemovableHandle:
        return blocks[name].register_forward_hook(lambda _, __, output: seen.__setitem__(name, output))

    hooks = [keep(name) for name in blocks]
    try:
        with torch.enable_grad():
            logits = model.module(torch.from_numpy(to_model_input(frames)).requires_grad_())
    finally:
        for hook in hooks:
            hook.remove()
    tensors = list(seen.values())
    found: dict[str, list[torch.Tensor]] = {each.name: [] for each in maps}
    for k in range(len(model.classes)):
        slopes = torch.autograd.grad(logits[:, k].sum(), tensors, retain_graph=True)
        by_block = dict(zip(seen, slopes, strict=True))
        for each in maps:
            slope, activations = by_block[each.layer], seen[each.layer]
            weights = slope if each.method == HIRES_CAM else slope.mean(dim=(2, 3), keepdim=True)
            found[each.name].append((weights * activations).sum(dim=1).relu())
    probabilities = torch.softmax(logits.detach().double(), dim=1).numpy()
    return probabilities, {name: torch.stack(some, dim=1).detach().numpy() for name, some in found.items()}
