"""The gate's own small network: which of the sixteen views a film shows, and whether it is a chest at all."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cxrlens.gate.look import SIDE
from cxrlens.gate.views import VIEWS

_CHANNELS = (16, 32, 64, 96)
_HIDDEN = 96
_AT_ONCE = 256


class GateNetwork(nn.Module):
    """Four strided convolutions, the map flattened (which way is up is a matter of place), two dense layers.

    0.25 M parameters. It learns from the training images alone, which it turns, mirrors and inverts itself (learning by
    predicting rotations: Gidaris et al., ICLR 2018), and from made-up pictures of what is no chest.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 1
        for depth, outputs in enumerate(_CHANNELS):
            kernel = 3 if depth else 5
            layers += [
                nn.Conv2d(inputs, outputs, kernel, stride=2, padding=kernel // 2, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
            inputs = outputs
        self.features = nn.Sequential(*layers)
        side = SIDE // 2 ** len(_CHANNELS)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(inputs * side * side, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, len(VIEWS) + 1),
        )

    def forward(self, films: Tensor) -> Tensor:
        """(B, 1, 64, 64) float32 in [0, 1] to (B, 17): logits of the views, then the logit of being a chest."""
        logits: Tensor = self.head(self.features((films - 0.5) / 0.25))
        return logits

    def read(self, films: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """:func:`read_films`, as the examiner asks for it."""
        return read_films(self, films)


def read_films(network: GateNetwork, films: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ask the network, in evaluation mode, about n films.

    Args:
        network: trained.
        films: (n, 64, 64) uint8.

    Returns:
        Probabilities of the views (n, 16), and the logit of being a chest film (n,), higher is more of a chest.
    """
    views, chest = [np.zeros((0, len(VIEWS)))], [np.zeros(0)]
    with torch.inference_mode():
        for start in range(0, len(films), _AT_ONCE):
            part = torch.from_numpy(np.ascontiguousarray(films[start : start + _AT_ONCE]))
            logits = network(part.unsqueeze(1).float() / 255).double()
            views.append(torch.softmax(logits[:, :-1], dim=1).numpy())
            chest.append(logits[:, -1].numpy())
    return np.concatenate(views), np.concatenate(chest)
