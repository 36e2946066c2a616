"""Learning: the gate's network from the training images, turned, mirrored and inverted, and from made-up pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from cxrlens.allocator import keep_freed_memory
from cxrlens.augmentation import Augmentation, AugmentationOptions
from cxrlens.gate.look import SIDE
from cxrlens.gate.made_up import made_up
from cxrlens.gate.network import GateNetwork
from cxrlens.gate.views import UPRIGHT, VIEWS
from cxrlens.progress import Progress, quiet

_AUGMENTATION = AugmentationOptions(
    rotation_deg=10.0, shift=0.06, zoom=0.12, gamma=0.3, contrast=0.2, noise=0.03, border_width=0.08
)
"""Markers of either letter are laid in either corner: which side is left must be learnt from the heart."""

_STAYS = 0.35
"""Share of films that are not turned and not inverted at all: in a hospital nearly all are so."""

_UPRIGHT = torch.from_numpy(UPRIGHT)


@dataclass(frozen=True, slots=True)
class LearningOptions:
    """How long, and how much at once.

    Args:
        steps: of the optimiser; 1,200 take about 70 s on one core.
        films: training films a step, each in a view drawn anew.
        strangers: made-up pictures a step.
        pool: made-up pictures in all; 4,000 take three seconds to draw.
        lr: largest learning rate of one cycle (Smith and Topin 2019).
        seed: of weights, order, views and pictures.
    """

    steps: int = 1200
    films: int = 64
    strangers: int = 32
    pool: int = 4000
    lr: float = 4e-3
    seed: int = 0


def learn(
    films: NDArray[np.uint8], options: LearningOptions = LearningOptions(), progress: Progress = quiet
) -> GateNetwork:
    """Train the gate's network; torch's global random state is left as it was.

    Args:
        films: (n, 64, 64) uint8, training films as they lie; the few that lie wrong are outvoted.
        options: how long.
        progress: shown over steps.

    Returns:
        The network in evaluation mode, on the CPU.
    """
    keep_freed_memory(whole=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        network = GateNetwork().train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        generator = torch.Generator().manual_seed(options.seed)
        pool = torch.from_numpy(made_up(films, options.pool, options.seed))
        right = torch.from_numpy(films)
        augmentation = Augmentation(_AUGMENTATION)
        optimiser = torch.optim.AdamW(network.parameters(), lr=options.lr, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, options.lr, total_steps=options.steps, pct_start=0.1)
        for _step in progress(range(options.steps), options.steps, "learning which way is up"):
            shown, views = _turned(augmentation(_drawn(right, options.films, generator), generator), generator)
            strange = augmentation(_drawn(pool, options.strangers, generator), generator)
            batch = torch.cat([shown, _quarter_turned(strange, generator)])
            logits = network(batch.contiguous(memory_format=torch.channels_last))
            chest = torch.cat([torch.ones(len(shown)), torch.zeros(len(strange))])
            judged = torch.cat([_UPRIGHT[views], torch.ones(len(strange), dtype=torch.bool)])
            loss = F.cross_entropy(logits[: len(shown), :-1], views, label_smoothing=0.02)
            # Whether it is a chest is only ever asked of a film that was set upright.
            loss = loss + F.binary_cross_entropy_with_logits(logits[judged, -1], chest[judged])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return network.eval().to(memory_format=torch.contiguous_format)  # type: ignore[no-any-return]


def _drawn(pictures: Tensor, count: int, generator: torch.Generator) -> Tensor:
    rows = torch.randint(len(pictures), (count,), generator=generator)
    return pictures[rows].reshape(count, 1, SIDE, SIDE).float() / 255


def _turned(films: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each film in a view of its own: (B, 1, 64, 64), and the view's index (B,). Upright ones come more often."""
    indices = torch.randint(len(VIEWS), (len(films),), generator=generator)
    stays = torch.rand(len(films), generator=generator) < _STAYS
    indices[stays] = indices[stays] % 4 // 2 * 2  # no turn, no inversion; mirrored as drawn
    out = films.clone()
    for index, view in enumerate(VIEWS):
        rows = torch.nonzero(indices == index)[:, 0]
        if len(rows):
            part = films[rows].flip(3) if view.mirrored else films[rows]
            part = torch.rot90(part, view.turns, (2, 3))
            out[rows] = 1 - part if view.inverted else part
    return out, indices


def _quarter_turned(pictures: Tensor, generator: torch.Generator) -> Tensor:
    turns = torch.randint(4, (len(pictures),), generator=generator)
    return torch.stack([torch.rot90(p, int(k), (1, 2)) for p, k in zip(pictures, turns, strict=True)])
