"""The segmenter: a small U-shaped network that says of each pixel of a radiograph whether it is lung."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

_WIDTHS = (16, 32, 64, 80)  # channels at a half, a quarter, an eighth and a sixteenth of the side
_FLAT = 1e-3  # standard deviation below which a frame is taken as empty rather than stretched into noise


class _Twice(nn.Sequential):
    """Two 3 × 3 convolutions, each with batch normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        layers: list[nn.Module] = []
        for channels in (inputs, outputs):
            layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        super().__init__(*layers)


class LungNetwork(nn.Module):
    """After U-Net (Ronneberger, Fischer and Brox, MICCAI 2015), with skips that are added rather than concatenated.

    The frame is first folded to half its side and four channels (nothing is skipped), and the answer is given at half
    the side and enlarged: lungs have no finer outline than that, and the full side would cost four times as much.
    Each frame is standardised by its own mean and deviation, so that exposure and window matter little.
    """

    def __init__(self) -> None:
        super().__init__()
        first, *_, last = _WIDTHS
        self.down = nn.ModuleList(
            _Twice(inputs, outputs) for inputs, outputs in zip((4, *_WIDTHS[:-1]), _WIDTHS, strict=True)
        )
        self.narrow = nn.ModuleList(
            nn.Conv2d(deep, shallow, 1) for deep, shallow in zip(_WIDTHS[:0:-1], _WIDTHS[-2::-1], strict=True)
        )
        self.up = nn.ModuleList(_Twice(width, width) for width in _WIDTHS[-2::-1])
        self.bottom = _Twice(last, last)
        self.lung = nn.Conv2d(first, 1, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, 1, 128, 128) float32 of any linear scale to (B, 1, 128, 128) logits; above 0 is lung."""
        mean = frames.mean(dim=(2, 3), keepdim=True)
        deviation = frames.std(dim=(2, 3), keepdim=True)
        x = F.pixel_unshuffle((frames - mean) / deviation.clamp_min(_FLAT), 2)
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        x = self.bottom(skips.pop()) + x
        for narrow, block in zip(self.narrow, self.up, strict=True):
            enlarged = F.interpolate(narrow(x), scale_factor=2.0, mode="nearest")
            x = block(enlarged + skips.pop())
        logits: Tensor = F.interpolate(self.lung(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        return logits


def parameters_of(network: nn.Module) -> int:
    """Number of trained values."""
    return sum(p.numel() for p in network.parameters())


def fused(network: LungNetwork) -> LungNetwork:
    """The same network with every batch normalisation folded into its convolution; for use, not for training."""
    network.eval()
    for block in network.modules():
        if not isinstance(block, _Twice):
            continue
        for at in (0, 3):
            convolution, norm = block[at], block[at + 1]
            assert isinstance(convolution, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            block[at], block[at + 1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network
