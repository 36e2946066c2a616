"""Temperature scaling (Guo 2017, ICML): one number that makes a network's probabilities softer or sharper."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from cxrlens.calibrated import tempered
from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.evaluation.calibration.options import FEWEST
from cxrlens.evaluation.intervals import Interval, from_resamples
from cxrlens.evaluation.metrics import Scores
from cxrlens.evaluation.resampling import bootstrap_weights

Floats = NDArray[np.float64]

LIMITS = (0.05, 20.0)
"""Temperatures that are looked at; a fit that ends at one of them has no optimum inside."""

_REFITS = 200  # of the interval; each one is an optimisation


@dataclass(frozen=True, slots=True)
class Temperature:
    """A fitted temperature.

    Args:
        interval: the temperature, above 1 where the network is too sure, with its 95 % interval by patient.
        reason: why it was left at 1; empty where it was fitted.
    """

    interval: Interval
    reason: str = ""

    @property
    def value(self) -> float:
        """The temperature; 1 (probabilities stay as they are) where none could be fitted."""
        return 1.0 if self.interval.value is None else self.interval.value


def fit_temperature(scores: Scores, units: NDArray[np.intp], bootstrap: Bootstrap) -> Temperature:
    """The temperature with the lowest log loss on n calibration images, none of them seen in training.

    Where fewer than :data:`~cxrlens.evaluation.calibration.options.FEWEST` independent units are there, or all images
    are named rightly (any sharpening would then look like a gain) or all wrongly, nothing is fitted, and the reason
    says so.

    Args:
        scores: truth and the network's own probabilities.
        units: (n,) patient or group of each image.
        bootstrap: seed of the interval.
    """
    count = len(np.unique(units))
    right = scores.predicted == scores.truth
    if count < FEWEST:
        return _unfitted(f"{count} independent calibration images are too few, {FEWEST} are needed")
    if right.all() or not right.any():
        which = "rightly" if right.all() else "wrongly"
        return _unfitted(f"all {len(right)} calibration images are named {which}, so no temperature is best")
    value = best_temperature(scores, np.ones(len(right)))
    rng = np.random.default_rng(bootstrap.seed)
    weights = np.concatenate(list(bootstrap_weights(units, min(_REFITS, bootstrap.resamples), rng)))
    drawn = np.array([best_temperature(scores, each) for each in weights])
    return Temperature(from_resamples(value, drawn, ""))


def best_temperature(scores: Scores, weights: Floats) -> float:
    """Where the log loss of (n,) weighted images is lowest, within :data:`LIMITS`; it is convex in 1/T."""

    def loss(log_temperature: float) -> float:
        return float(weights @ log_losses(tempered(scores.probabilities, np.exp(log_temperature)), scores.truth))

    low, high = np.log(LIMITS)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def log_losses(probabilities: Floats, truth: NDArray[np.intp]) -> Floats:
    """(n,) −log of the probability of the true class, in nats; finite also where it underflowed."""
    return np.asarray(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-300)))


def brier_scores(probabilities: Floats, truth: NDArray[np.intp]) -> Floats:
    """(n,) squared distance of the probabilities from the truth, 0 to 2 (Brier 1950)."""
    hit = np.eye(probabilities.shape[1])[truth]
    return np.asarray(((probabilities - hit) ** 2).sum(axis=1))


def _unfitted(reason: str) -> Temperature:
    return Temperature(Interval(None, None, None, reason), reason)
