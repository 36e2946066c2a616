"""Metrics of a four-class prediction as functions of image weights, so that a bootstrap is a matrix product."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cxrlens.evaluation.resampling import Weights

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

BINS = 15
"""Equal-width bins of confidence, as in Guo 2017."""


@dataclass(frozen=True)
class Scores:
    """Truth and probabilities of n images, sorted once; every method takes (R, n) weights and returns R values.

    NaN means undefined for those weights (no image of the class, nothing called by that name).

    Args:
        truth: (n,) true class, 0..K-1.
        probabilities: (n, K) in [0, 1], rows adding up to 1.
    """

    truth: Ints
    probabilities: Floats
    predicted: Ints = field(init=False)
    confidence: Floats = field(init=False)
    _orders: tuple[tuple[Ints, Ints], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        n, classes = self.probabilities.shape
        if self.truth.shape != (n,):
            raise ValueError(f"{len(self.truth)} truths do not fit probabilities of shape {self.probabilities.shape}")
        if n and not np.isfinite(self.probabilities).all():
            raise ValueError("probabilities must be finite")
        object.__setattr__(self, "predicted", self.probabilities.argmax(axis=1))
        object.__setattr__(self, "confidence", self.probabilities.max(axis=1, initial=0.0))
        orders = []
        for k in range(classes):
            order = np.argsort(self.probabilities[:, k], kind="stable")
            values = self.probabilities[order, k]
            starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])) if n else np.zeros(0, np.intp)
            orders.append((order, starts))
        object.__setattr__(self, "_orders", tuple(orders))

    @property
    def classes(self) -> int:
        """K, the number of classes."""
        return int(self.probabilities.shape[1])

    def ones(self) -> Weights:
        """(1, n): every image once, for the value itself."""
        return np.ones((1, len(self.truth)))

    def confusion(self, weights: Weights) -> Floats:
        """(R, K, K) summed weights; rows are the truth, columns what was predicted."""
        cells = np.zeros((len(self.truth), self.classes**2))
        cells[np.arange(len(self.truth)), self.truth * self.classes + self.predicted] = 1.0
        return (weights @ cells).reshape(len(weights), self.classes, self.classes)

    def auroc(self, weights: Weights) -> Floats:
        """(R, K) one-vs-rest area under the ROC curve: P(a positive scores above a negative), ties counting half."""
        areas = np.full((len(weights), self.classes), np.nan)
        for k, (order, starts) in enumerate(self._orders):
            if not len(starts):
                continue
            drawn = weights[:, order]
            positive = self.truth[order] == k
            above = np.add.reduceat(np.where(positive, drawn, 0.0), starts, axis=1)
            below = np.add.reduceat(np.where(positive, 0.0, drawn), starts, axis=1)
            beaten = np.cumsum(below, axis=1) - below / 2
            pairs = above.sum(axis=1) * below.sum(axis=1)
            areas[:, k] = ratio((above * beaten).sum(axis=1), pairs)
        return areas

    def ece(self, weights: Weights, bins: int = BINS) -> Floats:
        """(R,) expected calibration error of the top label in [0, 1] over equal-width bins (Guo 2017, ICML, eq. 3)."""
        if not len(self.truth):
            return np.full(len(weights), np.nan)
        place = self.bin_of_confidence(bins)
        gap = (self.predicted == self.truth).astype(np.float64) - self.confidence
        cells = np.zeros((len(self.truth), bins))
        cells[np.arange(len(self.truth)), place] = gap
        return ratio(np.abs(weights @ cells).sum(axis=1), weights.sum(axis=1))

    def bin_of_confidence(self, bins: int = BINS) -> Ints:
        """(n,) bin (lower, upper] that each image's confidence falls into, 0..bins-1."""
        return np.clip(np.ceil(self.confidence * bins).astype(np.intp) - 1, 0, bins - 1)


def accuracy(confusion: Floats) -> Floats:
    """(R,) share of images named rightly, from (R, K, K)."""
    return ratio(np.trace(confusion, axis1=1, axis2=2), confusion.sum(axis=(1, 2)))


def recall(confusion: Floats) -> Floats:
    """(R, K) sensitivity: of the images of a class, the share named so."""
    return ratio(np.diagonal(confusion, axis1=1, axis2=2), confusion.sum(axis=2))


def precision(confusion: Floats) -> Floats:
    """(R, K) of the images named as a class, the share that are."""
    return ratio(np.diagonal(confusion, axis1=1, axis2=2), confusion.sum(axis=1))


def specificity(confusion: Floats) -> Floats:
    """(R, K) of the images of other classes, the share not named so."""
    others = confusion.sum(axis=(1, 2))[:, None] - confusion.sum(axis=2)
    wrong = confusion.sum(axis=1) - np.diagonal(confusion, axis1=1, axis2=2)
    return ratio(others - wrong, others)


def f1(confusion: Floats) -> Floats:
    """(R, K) 2 TP / (2 TP + FP + FN); undefined only where a class is neither present nor predicted."""
    hits = 2 * np.diagonal(confusion, axis1=1, axis2=2)
    return ratio(hits, confusion.sum(axis=1) + confusion.sum(axis=2))


def mean_of_present(values: Floats) -> Floats:
    """(R,) mean over the classes for which (R, K) values are defined; NaN where none is."""
    defined = np.isfinite(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=1), defined.sum(axis=1).astype(np.float64))


def ratio(upper: Floats, lower: Floats) -> Floats:
    """Quotient, NaN where the denominator is zero."""
    result = np.full(np.broadcast(upper, lower).shape, np.nan)
    np.divide(upper, lower, out=result, where=lower > 0)
    return result
