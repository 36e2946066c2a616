"""How alike two maps are by rank, and the blob in the middle that a map must differ from."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Heat = NDArray[np.float32]
"""(S, S) float32 in [0, 1]: heat in the network's frame, 1 at the hottest place, all 0 where there is none."""


def spearman(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Spearman's rank correlation of two maps of one shape, in [-1, 1]; equal values share the mean of their ranks.

    A map that is the same everywhere (no heat at all) tells no order: it counts as unlike any other, 0.
    """
    return _correlation(_centred_ranks(a), _centred_ranks(b))


def like_a_blob(heat: Heat) -> float:
    """Rank correlation of a map with :func:`centre_prior`."""
    return _correlation(_centred_ranks(heat), _ranks_of_the_prior(heat.shape[0], heat.shape[1]))


def centre_prior(shape: tuple[int, int]) -> NDArray[np.float32]:
    """(H, W) Gaussian at the middle, deviation a quarter of each side: where lesions lie if one knows nothing else."""
    y, x = (np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (n / 4)) ** 2) for n in shape)
    return np.outer(y, x).astype(np.float32)


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b / size) if size > 0 else 0.0


def _centred_ranks(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Ranks (n,) of all values, less their mean."""
    _, group, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[group]
    return np.asarray(ranks - ranks.mean(), dtype=np.float64)


@lru_cache(maxsize=4)
def _ranks_of_the_prior(height: int, width: int) -> NDArray[np.float64]:
    """The same for every map of a network."""
    return _centred_ranks(centre_prior((height, width)))
