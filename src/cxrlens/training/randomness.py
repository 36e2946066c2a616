"""Random numbers as a function of seed, epoch and step: a resumed run and any number of processes draw the same."""

from __future__ import annotations

import numpy as np
import torch

INITIAL_WEIGHTS, AUGMENTATION, DROPOUT, OTHER, CLEAN_TRAIN, ADVERSARY = range(6)
"""Purposes, so that no two of them share a stream."""


def derived_seed(*numbers: int) -> int:
    """64 well-mixed bits from a few whole numbers (numpy's SeedSequence, after O'Neill)."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def generator(*numbers: int) -> torch.Generator:
    """A CPU generator seeded from a few whole numbers."""
    return torch.Generator().manual_seed(derived_seed(*numbers))
