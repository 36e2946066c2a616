"""From the training images' features to what novelty is measured against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

from cxrlens.gate.novelty import Cloud, unit
from cxrlens.gate.spaces import Floats

BANK = 2000
"""Training images among which nearest neighbours are sought: a judge must be quick."""


def cloud_of(features: Floats, labels: NDArray[np.str_], seed: int) -> Cloud:
    """Class means, their shared covariance (shrunken: Ledoit and Wolf 2004), and a bank of neighbours.

    Args:
        features: (n, D) of the training images, n at least 2.
        labels: (n,) their classes.
        seed: of the draw of the bank.
    """
    classes = np.unique(labels)
    means = np.stack([features[labels == name].mean(axis=0) for name in classes])
    within = features - means[np.searchsorted(classes, labels)]
    precision = LedoitWolf(assume_centered=True).fit(within).precision_
    jitter = 1e-9 * np.trace(precision) / len(precision) * np.eye(len(precision))  # a dead feature has no variance
    whitening = np.linalg.cholesky(precision + jitter)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(features))[:BANK])
    return Cloud(means.astype(np.float32), whitening.astype(np.float32), unit(features[chosen]).astype(np.float32))
