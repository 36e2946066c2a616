"""``plain``: the CNN of the original document."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from cxrlens.model.network import initialise

GRID = 4
"""Side of the last feature map, whatever the input's size: the dense layers stay about 1 M parameters at every size."""


class Plain(nn.Module):
    """Convolutions of varying filter size and stride, max-pooling, flatten, dense ReLU layers with dropout, classes.

    Batch normalisation after each convolution earns its place: see ``docs/experiments.md``.

    Args:
        classes: outputs.
        size: side of the input in pixels, at least 64.
        dropout: share of dense activations switched off in training.
    """

    def __init__(self, classes: int, size: int, dropout: float = 0.4) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                block1=nn.Sequential(*_convolution(1, 32, kernel=7, stride=2)),
                block2=nn.Sequential(nn.MaxPool2d(2), *_convolution(32, 48, kernel=5)),
                block3=nn.Sequential(nn.MaxPool2d(2), *_convolution(48, 96), *_convolution(96, 96)),
                block4=nn.Sequential(nn.MaxPool2d(2), *_convolution(96, 128), *_convolution(128, 128)),
                pool=pool_to(GRID, ((size + 1) // 2) // 8),
            )
        )
        self.classifier = nn.Sequential(
            OrderedDict(
                flatten=nn.Flatten(),
                dense1=nn.Linear(128 * GRID * GRID, 256),
                relu1=nn.ReLU(),
                dropout1=nn.Dropout(dropout),
                dense2=nn.Linear(256, 64),
                relu2=nn.ReLU(),
                dropout2=nn.Dropout(dropout / 2),
                classes=nn.Linear(64, classes),
            )
        )
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, S, S) to (B, classes)."""
        logits: Tensor = self.classifier(self.features(x))
        return logits


def pool_to(grid: int, side: int) -> nn.Module:
    """Max-pooling from ``side`` to exactly ``grid``: adaptive, but with one window size."""
    stride = side // grid
    return nn.MaxPool2d(side - (grid - 1) * stride, stride)


def _convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU()
