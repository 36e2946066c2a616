"""Deletion and insertion: does the probability follow the heat?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cxrlens.doubts.places import Maps, hottest
from cxrlens.explanation.scorecard.imputation import impute
from cxrlens.explanation.scorecard.maps import AT_ONCE, of_target

SHARES: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4)
"""Hottest shares of the frame's pixels that are taken away, or alone kept."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Followed:
    """How the class's probability followed one kind of map.

    Args:
        drop: (n,) probability of the whole image minus its mean with the hottest pixels gone. Higher is better.
        kept: (n,) mean probability with nothing but the hottest pixels left. Higher is better.
    """

    drop: Floats
    kept: Floats


def follow(module: nn.Module, frames: Tensor, targets: NDArray[np.intp], maps: Maps, seed: int = 0) -> Followed:
    """Deletion and insertion curves (Petsiuk et al., BMVC 2018), with imputed pixels (ROAD; Rong et al., ICML 2022).

    **The drop by deletion is the main metric.** It asks what a reader takes from a map: that the network needs the hot
    place. Insertion shows a film of which most is imputed, far from any that the network knows, and is told beside it.
    Imputed pixels rather than black or blurred ones, since the edge of a hole is a sign of its own, and a network's
    answer to it says nothing of what was there.

    Args:
        module: (B, 1, S, S) to logits.
        frames: (n, 1, S, S) in [0, 1].
        targets: (n,) class of each.
        maps: (n, S, S); where several pixels are as hot, chance decides which goes first.
        seed: of chance and of the imputed noise.
    """
    whole = of_target(module, frames, targets)
    gone = [hide(module, frames, targets, hottest(maps, share, seed), seed) for share in SHARES]
    left = [hide(module, frames, targets, ~hottest(maps, share, seed), seed) for share in SHARES]
    return Followed(whole - np.mean(gone, axis=0), np.mean(left, axis=0))


def hide(
    module: nn.Module, frames: Tensor, targets: NDArray[np.intp], gone: NDArray[np.bool_], seed: int = 0
) -> Floats:
    """Probability (n,) of each frame's class with the pixels in ``gone`` (n, S, S) imputed."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for start in range(0, len(frames), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        filled = impute(frames[part], torch.from_numpy(gone[part])[:, None], generator)
        parts.append(of_target(module, filled, targets[part]))
    return np.concatenate(parts) if parts else np.zeros(0)
