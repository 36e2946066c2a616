"""Features: what the trained network itself makes of a picture, layer before last and deepest feature map."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxrlens.gate.spaces import SPACES, Features
from cxrlens.model import LoadedModel, cam_layers
from cxrlens.model.network import head_name
from cxrlens.preprocessing import Preprocessing, to_model_input


@dataclass(frozen=True)
class FeatureReader:
    """Reads both spaces in the network's one pass. Safe to share between threads: one batch at a time.

    Args:
        model: a trained network.
    """

    model: LoadedModel
    _deepest: Any = field(init=False, repr=False)
    _lock: threading.Lock = field(init=False, repr=False, compare=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_deepest", cam_layers(self.model.module)[-1][1])

    @property
    def preprocessing(self) -> Preprocessing:
        """The very one that the network was trained with."""
        return self.model.preprocessing

    @property
    def size(self) -> int:
        """Side of the input in pixels."""
        return self.model.size

    @property
    def hash(self) -> str:
        """SHA-256 of the trained weights."""
        return self.model.hash

    def __call__(self, pixels: NDArray[np.uint8], at_once: int = 64) -> Features:
        """Features of preprocessed pixels (n, S, S) uint8, n at least 1."""
        parts = [self._read(pixels[start : start + at_once]) for start in range(0, len(pixels), at_once)]
        spaces = {name: np.concatenate([p.spaces[name] for p in parts]) for name in SPACES}
        return Features(np.concatenate([p.logits for p in parts]), spaces)

    def _read(self, pixels: NDArray[np.uint8]) -> Features:
        module = self.model.module
        seen: dict[str, Tensor] = {}

        def before(_: Any, inputs: tuple[Tensor, ...]) -> None:
            seen["penultimate"] = inputs[0].flatten(1)

        def after(_: Any, __: Any, output: Tensor) -> None:
            seen["deep"] = output.mean(dim=(2, 3))

        with self._lock:
            hooks = [
                module.get_submodule(head_name(module)).register_forward_pre_hook(before),
                self._deepest.register_forward_hook(after),
            ]
            try:
                with torch.inference_mode():
                    logits = module(torch.from_numpy(to_model_input(np.ascontiguousarray(pixels))))
            finally:
                for hook in hooks:
                    hook.remove()
        return Features(logits.double().numpy(), {name: seen[name].double().numpy() for name in SPACES})
