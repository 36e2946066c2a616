"""Novelty: how far a picture's features lie from those of the training images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxrlens.gate.spaces import Features, Floats

NEIGHBOUR = 10
"""The distance to this nearest training image counts."""

SOFTMAX = "softmax"


@dataclass(frozen=True, slots=True)
class Cloud:
    """The training images in one feature space.

    Args:
        means: (K, D) float32, of each class that training has.
        whitening: (D, D) float32; W with W Wᵀ the inverse of the covariance within the classes.
        bank: (m, D) float32, features of some training images, each of length 1.
    """

    means: NDArray[np.float32]
    whitening: NDArray[np.float32]
    bank: NDArray[np.float32]

    def mahalanobis(self, features: Floats) -> Floats:
        """(n,) distance to the nearest class mean under the shared covariance (Lee et al., NeurIPS 2018)."""
        white = features @ self.whitening - (self.means @ self.whitening)[:, None, :]
        return np.asarray(np.sqrt((white**2).sum(axis=2).min(axis=0)), dtype=np.float64)

    def neighbours(self, features: Floats) -> Floats:
        """(n,) distance in [0, 2] to the 10th nearest training image, features at length 1 (Sun et al., ICML 2022)."""
        k = min(NEIGHBOUR, len(self.bank))
        products = unit(features) @ self.bank.T.astype(np.float64)
        nearest = np.partition(products, -k, axis=1)[:, -k]
        return np.asarray(np.sqrt(np.maximum(2.0 - 2.0 * nearest, 0.0)), dtype=np.float64)


def unit(features: Floats) -> Floats:
    """Rows (n, D) at length 1; a row of zeros stays as it is."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.where(length > 0, length, 1.0), dtype=np.float64)


def novelty(clouds: Mapping[str, Cloud], features: Features) -> dict[str, Floats]:
    """Every measure, (n,) each, higher is farther from training: two distances in each space, and ``softmax``."""
    found = {}
    for space, cloud in clouds.items():
        found[f"mahalanobis, {space}"] = cloud.mahalanobis(features.spaces[space])
        found[f"neighbours, {space}"] = cloud.neighbours(features.spaces[space])
    found[SOFTMAX] = features.doubt
    return found
