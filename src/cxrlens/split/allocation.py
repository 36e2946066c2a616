"""Allocation of units to parts so that class and source are spread alike over all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def allocate(units: list[list[int]], strata: list[NDArray[np.int64]], shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Part of each unit, (len(units),) int64.

    Greedy: large units first, then in the order given, each unit goes to the part that is furthest behind its share of
    what has been seen so far, summed over the strata of the unit's images (stratification for groups after Sechidis,
    Tsoumakas and Vlahavas 2011; the deficits are cumulative, as in error diffusion, so that small strata are not all
    rounded to the same part). Moves of single units then take out what is left of the error.

    Args:
        units: the images of each unit.
        strata: one array (n,) a level, such as all, class, class and source: each image's stratum at that level.
        shares: (P,) asked share of each part; sums to 1.
    """
    levels = [_counts(units, stratum) for stratum in strata]
    sizes = np.array([len(unit) for unit in units])
    order = np.argsort(-sizes, kind="stable")
    parts = np.full(len(units), -1, dtype=np.int64)
    deficits = [np.zeros((level.shape[1], len(shares))) for level in levels]
    allowed = shares > 0
    for unit in order:
        score = np.zeros(len(shares))
        for level, deficit in zip(levels, deficits, strict=True):
            deficit += np.outer(level[unit], shares)
            score += level[unit] @ deficit
        part = int(np.argmax(np.where(allowed, score, -np.inf)))
        parts[unit] = part
        for level, deficit in zip(levels, deficits, strict=True):
            deficit[:, part] -= level[unit]
    _improve(parts, order[::-1], levels, deficits, allowed)
    return parts


def _improve(
    parts: NDArray[np.int64],
    order: NDArray[np.int64],
    levels: list[NDArray[np.float64]],
    deficits: list[NDArray[np.float64]],
    allowed: NDArray[np.bool_],
) -> None:
    """Move units, small ones first, while a move lowers the sum of squared deficits; a few passes suffice."""
    for _ in range(4):
        moved = False
        for unit in order:
            here = int(parts[unit])
            gain = np.zeros(len(allowed))
            for level, deficit in zip(levels, deficits, strict=True):
                row = level[unit]
                # Squared error falls by 2 c (D_there - D_here) - 2 c², for each stratum's count c.
                gain += row @ (deficit - deficit[:, [here]]) - row @ row
            gain[here] = 0.0
            there = int(np.argmax(np.where(allowed, gain, -np.inf)))
            if gain[there] > 1e-9:
                parts[unit] = there
                moved = True
                for level, deficit in zip(levels, deficits, strict=True):
                    deficit[:, here] += level[unit]
                    deficit[:, there] -= level[unit]
        if not moved:
            return


def _counts(units: list[list[int]], stratum: NDArray[np.int64]) -> NDArray[np.float64]:
    """Images of each unit in each stratum, (units, strata)."""
    counts = np.zeros((len(units), int(stratum.max()) + 1 if len(stratum) else 1))
    for unit, images in enumerate(units):
        np.add.at(counts[unit], stratum[images], 1)
    return counts
