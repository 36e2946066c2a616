"""Places of a map: the hottest ones, the same heat somewhere else, and what of it lies in the lungs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cxrlens.borders import Box

Maps = NDArray[np.float32]
"""(n, S, S) float32 in [0, 1]: heat in the network's frame, 1 at the hottest place, all 0 where there is no heat."""

Mask = NDArray[np.bool_]


def hottest(maps: Maps, share: float, seed: int = 0) -> Mask:
    """(n, S, S) true at the hottest ``share`` of each map's pixels, exactly so many; ties are broken by chance."""
    n, side = len(maps), maps.shape[-1]
    chance = np.random.default_rng(seed).random(side * side)
    count = max(1, round(share * side * side))
    chosen = np.zeros((n, side * side), dtype=np.bool_)
    for row, heat in zip(chosen, maps.reshape(n, -1), strict=True):
        least = np.partition(heat, heat.size - count)[heat.size - count]
        row[heat > least] = True
        tied = np.flatnonzero(heat == least)
        row[tied[np.argsort(chance[tied])[: count - int(row.sum())]]] = True
    return chosen.reshape(maps.shape)


def elsewhere(maps: Maps, rng: np.random.Generator) -> Maps:
    """Each map moved round the frame by a quarter to three quarters of its side: same shape and size, random place.

    A random map with other grain than the method's would be easier or harder to beat for its grain alone.
    """
    side = maps.shape[-1]
    moves = rng.integers(side // 4, side - side // 4 + 1, size=(len(maps), 2))
    return np.stack([np.roll(m, tuple(move), axis=(0, 1)) for m, move in zip(maps, moves, strict=True)])


def share_in_lungs(maps: Maps, lungs: Sequence[Mask]) -> NDArray[np.float64]:
    """Share of each map's heat (n, S, S) that lies in its lungs, (n,) in [0, 1]; NaN for a map without heat."""
    total = maps.sum(axis=(1, 2), dtype=np.float64)
    inside = np.array([float(m[mask].sum(dtype=np.float64)) for m, mask in zip(maps, lungs, strict=True)])
    return np.where(total > 0, inside / np.maximum(total, 1e-12), np.nan)


def share_of_film(lungs: Mask, film: Box) -> float:
    """Share of the film's area in the frame that is lung: what even heat over the film would score."""
    seen = lungs[film.y0 : film.y0 + film.h, film.x0 : film.x0 + film.w]
    return float(seen.mean())
