"""The shell around every network of the zoo: input checked and standardised, logits out."""

from __future__ import annotations

from torch import Tensor, nn

INPUT_MEAN = 0.5
INPUT_STD = 0.25
"""Rough mean and spread of a preprocessed radiograph; the exact values matter little, that they never change does."""


class Classifier(nn.Module):
    """(B, 1, S, S) float32 in [0, 1] to (B, classes) logits.

    Args:
        network: takes (B, 1, S, S) standardised pixels, gives (B, classes) logits.
        name: its name in the zoo.
        classes: how many outputs.
        size: S, the side of the input in pixels.
    """

    def __init__(self, network: nn.Module, *, name: str, classes: int, size: int) -> None:
        super().__init__()
        self.network = network
        self.name = name
        self.classes = classes
        self.size = size
        for module in network.modules():  # in-place activations would overwrite what Grad-CAM's hooks have seen
            if getattr(module, "inplace", False):
                module.inplace = False  # type: ignore[assignment]

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (B, classes); ``ValueError`` for another shape."""
        if pixels.ndim != 4 or pixels.shape[1] != 1 or pixels.shape[2] != self.size or pixels.shape[3] != self.size:
            raise ValueError(f"{self.name} takes (B, 1, {self.size}, {self.size}), not {tuple(pixels.shape)}")
        logits: Tensor = self.network((pixels - INPUT_MEAN) / INPUT_STD)
        return logits


def parameter_count(module: nn.Module) -> int:
    """Numbers that training adjusts."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def head_name(module: nn.Module) -> str:
    """Dotted name of the last dense layer: the one whose outputs are the classes."""
    dense: list[str] = [name for name, layer in module.named_modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]
    return dense[-1]


def initialise(module: nn.Module) -> None:
    """Kaiming-normal weights before a ReLU (He et al., ICCV 2015), zero biases, near-zero logits; global generator."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(
                layer.weight, mode="fan_out" if isinstance(layer, nn.Conv2d) else "fan_in", nonlinearity="relu"
            )
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)
    # All classes equally likely at first: otherwise the first steps only unlearn what chance put there.
    nn.init.normal_(module.get_submodule(head_name(module)).weight, std=0.01)  # type: ignore[arg-type]
