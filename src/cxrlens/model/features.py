"""What a network has made of an image just before it names a class: the input of its last dense layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cxrlens.model.network import Classifier, head_name


@contextmanager
def penultimate(module: nn.Module) -> Iterator[list[Tensor]]:
    """Within the block each pass of ``module`` appends the (B, F) input of its last dense layer to the list."""
    seen: list[Tensor] = []

    def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0].flatten(1))

    handle = module.get_submodule(head_name(module)).register_forward_pre_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()


def features_of(module: Classifier, frames: NDArray[np.uint8], batch: int = 128) -> NDArray[np.float32]:
    """(n, F) float32 features of n preprocessed frames.

    Args:
        module: network in evaluation mode.
        frames: (n, S, S) uint8, S the network's side; may be mapped from disk.
        batch: frames at once.
    """
    device = next(module.parameters()).device
    with torch.inference_mode(), penultimate(module) as seen:
        for start in range(0, len(frames), batch):
            films = torch.from_numpy(np.ascontiguousarray(frames[start : start + batch])).to(device)
            module(films.unsqueeze(1).float() / 255)
            seen[-1] = seen[-1].float().cpu()
    return torch.cat(seen).numpy() if seen else np.zeros((0, 0), dtype=np.float32)
