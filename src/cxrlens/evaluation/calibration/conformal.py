"""Class-conditional conformal thresholds: what a prediction set may promise, and from how many images."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from crepes import ConformalClassifier
from numpy.typing import NDArray
from scipy.stats import beta, betabinom

from cxrlens.evaluation.metrics import Scores

Floats = NDArray[np.float64]

_IMPOSSIBLE = 2.0  # a non-conformity above every other one: 1 − p is at most 1


@dataclass(frozen=True, slots=True)
class ClassPromise:
    """What n calibration images of one class can promise.

    Args:
        n: calibration images of the class.
        needed: how many are needed for any promise at this coverage.
        threshold: calibrated probability from which on the class is in the set; ``None``: no promise, always in.
        rank: how many of the n have at least that probability.
    """

    n: int
    needed: int
    threshold: float | None
    rank: int

    @property
    def reason(self) -> str:
        """Why nothing can be promised; empty where it can."""
        return "" if self.threshold is not None else f"{self.n} calibration images, {self.needed} are needed"

    @property
    def expected(self) -> tuple[float, float] | None:
        """Where 95 % of such calibration parts put the coverage in the long run.

        The coverage given the calibration part is Beta(rank, n + 1 − rank) (Vovk 2012, ACML; Angelopoulos and Bates
        2023, section 3.2): with few images it lies well above the promise, or well below by bad luck.
        """
        if self.threshold is None:
            return None
        low, high = beta.ppf([0.025, 0.975], self.rank, self.n + 1 - self.rank)
        return float(low), float(high)

    def surprise(self, covered: int, n: int) -> float | None:
        """Probability of at most ``covered`` of ``n`` new images if they are exchangeable with the calibration's.

        Exact: the count is beta-binomial. Small values speak against the promise. ``None`` where nothing was promised.
        """
        if self.threshold is None or n == 0:
            return None
        return float(betabinom.cdf(covered, n, self.rank, self.n + 1 - self.rank))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        record: dict[str, Any] = {"n": self.n, "needed": self.needed, "threshold": self.threshold, "rank": self.rank}
        expected = self.expected
        if expected is None:
            return {**record, "reason": self.reason}
        return {**record, "expected": {"low": round(expected[0], 6), "high": round(expected[1], 6)}}


def class_promises(scores: Scores, coverage: float) -> tuple[ClassPromise, ...]:
    """One promise a class, from n calibration images that the network has not been trained on.

    Mondrian (label-conditional) conformal classification with the non-conformity 1 − p of the true class (Vovk 2005,
    section 4.5; Sadinle 2019, JASA): a class is in the set where crepes's unsmoothed p-value for it is at least
    1 − ``coverage``. The set holds the true class of at least that share of new images **of each class**, on average
    over calibration parts, whatever the network, as long as they are exchangeable with the calibration's.

    Args:
        scores: truth and calibrated probabilities.
        coverage: promised share, in (0, 1).

    Returns:
        One a class, in the order of the columns.
    """
    return tuple(
        _promise(scores.probabilities[scores.truth == k, k], coverage) for k in range(scores.probabilities.shape[1])
    )


def _promise(true_class: Floats, coverage: float) -> ClassPromise:
    n, needed = len(true_class), ceil(round(1 / (1 - coverage), 9) - 1)
    if not n:
        return ClassPromise(0, needed, None, 0)
    strange = 1 - true_class
    judge = ConformalClassifier().fit(strange)
    asked = np.append(strange, _IMPOSSIBLE)[:, None]
    held = judge.predict_set(asked, confidence=coverage, smoothing=False)[:, 0].astype(bool)
    if held[-1]:  # even an image that the network calls impossible stays in: n is too small to exclude anything
        return ClassPromise(n, needed, None, n)
    threshold = float(true_class[held[:-1]].min())
    return ClassPromise(n, needed, threshold, int((true_class >= threshold).sum()))
