"""``compact``: a small residual network for CPUs, with global average pooling in place of large dense layers."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional as F

from cxrlens.model.network import initialise


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut (He et al., CVPR 2016); a strided shortcut pools, so no pixel is skipped."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.relu2 = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity(),
                nn.Conv2d(inputs, outputs, 1, bias=False),
                nn.BatchNorm2d(outputs),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, ⌈H/stride⌉, ⌈W/stride⌉)."""
        y = self.relu1(self.norm1(self.conv1(x)))
        out: Tensor = self.relu2(self.norm2(self.conv2(y)) + self.shortcut(x))
        return out


class Compact(nn.Module):
    """A 5×5 stem, four residual stages (32, 64, 128, 192 channels), global average, classes: 0.9 M parameters."""

    def __init__(self, classes: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                stem=nn.Sequential(
                    nn.Conv2d(1, 24, 5, 2, padding=2, bias=False), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2)
                ),
                stage1=ResidualBlock(24, 32, 1),
                stage2=ResidualBlock(32, 64, 2),
                stage3=ResidualBlock(64, 128, 2),
                stage4=ResidualBlock(128, 192, 2),
            )
        )
        self.dropout = nn.Dropout(dropout)
        self.classes = nn.Linear(192, classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, S, S) to (B, classes)."""
        pooled = F.adaptive_avg_pool2d(self.features(x), 1).flatten(1)
        logits: Tensor = self.classes(self.dropout(pooled))
        return logits
