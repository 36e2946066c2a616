"""The learning rate as a function of the step alone: nothing to save, nothing to restore."""

from __future__ import annotations

import math

FLOOR = 0.01
"""The last step's rate as a share of the highest."""


def learning_rate(highest: float, step: int, steps: int, warmup_steps: int) -> float:
    """Linear rise over ``warmup_steps``, then a cosine to ``FLOOR * highest`` (Loshchilov & Hutter, ICLR 2017).

    Args:
        highest: the peak.
        step: from 0 to ``steps - 1``.
        steps: of the whole training.
        warmup_steps: fewer than ``steps``.
    """
    if step < warmup_steps:
        return highest * (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(1, steps - 1 - warmup_steps)
    return highest * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))
