"""When to say "not sure": the threshold of confidence, and the risk–coverage curve."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import beta

from cxrlens.evaluation.blocks import Bootstrap, scores_of
from cxrlens.evaluation.calibration.parts import interval_of, share_of
from cxrlens.evaluation.resampling import Weights

Floats = NDArray[np.float64]

DOUBT = 0.05
"""The risk of the answers may exceed the target in this share of calibration parts."""

LOTS = tuple(round(0.1 * k, 1) for k in range(1, 11))
"""Shares answered, the surest first, that are tried as the default."""

_TIED = 1e-12  # confidences that differ by less are equal: tempering rounds
_POINTS = 60  # of the curve in the file


@dataclass(frozen=True, slots=True)
class ConfidenceRule:
    """Answer only from this confidence on.

    Args:
        confidence: the threshold; ``None`` where none keeps the risk, and then ``reason`` says so.
        answered: share of the calibration images at or above it.
        bound: upper confidence bound of their risk.
        reason: why there is no threshold.
    """

    confidence: float | None
    answered: float
    bound: float | None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        record = {"confidence": self.confidence, "answered_in_calibration": self.answered, "bound": self.bound}
        return {**record, "reason": self.reason} if self.reason else record


def choose_confidence(confidence: Floats, right: NDArray[np.bool_], risk: float) -> ConfidenceRule:
    """Lowest confidence whose answers are shown to be wrong at most at ``risk``.

    Learn then test (Angelopoulos 2025, Ann. Appl. Stat. 19): the surest 10 %, 20 % … 100 % of the images are tried, the
    risk of each lot is bounded from above (Clopper and Pearson) at :data:`DOUBT` divided by the number of lots
    (Bonferroni), and the largest lot whose bound keeps to ``risk`` is taken. Images count as independent, so patients
    with several images make the bound a little too sharp.

    Args:
        confidence: (n,) calibrated top probability of calibration images.
        right: (n,) whether the top label was right.
        risk: target share of wrong answers.
    """
    n = len(confidence)
    order = np.argsort(-confidence, kind="stable")
    values, wrong = confidence[order], np.cumsum(~right[order])
    # A lot holds all images that are tied with its last one.
    sizes = {int((confidence >= values[ceil(share * n) - 1] - _TIED).sum()) for share in LOTS} if n else set()
    for size in sorted(sizes, reverse=True):
        bound = _upper_bound(int(wrong[size - 1]), size, DOUBT / len(LOTS))
        if bound <= risk:
            return ConfidenceRule(float(values[size - 1]), size / n, bound)
    reason = f"{n} calibration images show for no threshold that at most {risk:.0%} of the answers are wrong"
    return ConfidenceRule(None, 0.0, None, reason)


def area_under_risk(confidence: Floats, wrong: NDArray[np.bool_], weights: Weights) -> Floats:
    """(R,) AURC: mean, over all shares answered, of the share wrong among the surest (Geifman 2019, ICLR).

    Images of equal confidence are answered together, so that their order in the table decides nothing.

    Args:
        confidence: (n,).
        wrong: (n,).
        weights: (R, n) how often each image counts.
    """
    order = np.argsort(-confidence, kind="stable")
    starts = np.concatenate([[0], np.flatnonzero(np.diff(confidence[order]) < -_TIED) + 1])
    drawn = weights[:, order]
    groups = np.add.reduceat(drawn, starts, axis=1)
    errors = np.cumsum(np.add.reduceat(drawn * wrong[order], starts, axis=1), axis=1)
    answered = np.cumsum(groups, axis=1)
    risk = np.divide(errors, answered, out=np.zeros_like(errors), where=answered > 0)
    total = groups.sum(axis=1)
    return np.asarray((risk * groups).sum(axis=1) / np.where(total > 0, total, np.nan))


def risk_coverage(rows: pd.DataFrame, probabilities: Floats, bootstrap: Bootstrap) -> dict[str, Any]:
    """The risk–coverage curve by the calibrated top probability, and the areas beside it.

    Returns:
        ``aurc``, ``at_random`` (answering in any order: the share wrong), ``best_possible`` (all right ones first),
        and ``points``: ``answered`` (share), ``risk``, ``confidence`` from the surest on.
    """
    confidence = probabilities.max(axis=1, initial=0.0)
    wrong = probabilities.argmax(axis=1) != scores_of(rows).truth
    ideal = np.empty(len(rows))
    ideal[np.argsort(wrong, kind="stable")] = np.arange(len(rows), 0, -1)
    order = np.argsort(-confidence, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(confidence[order]) < -_TIED, True)) if len(rows) else np.zeros(0, np.intp)
    shown = ends[np.unique(np.linspace(0, len(ends) - 1, min(_POINTS, len(ends))).round().astype(int))]
    running = np.cumsum(wrong[order])
    return {
        "aurc": interval_of(lambda w: area_under_risk(confidence, wrong, w), rows, bootstrap).to_dict(),
        "at_random": share_of(wrong, rows, bootstrap).to_dict(),
        "best_possible": interval_of(lambda w: area_under_risk(ideal, wrong, w), rows, bootstrap).to_dict(),
        "points": [
            {
                "answered": round((int(k) + 1) / len(rows), 6),
                "risk": round(int(running[k]) / (int(k) + 1), 6),
                "confidence": round(float(confidence[order[k]]), 6),
            }
            for k in shown
        ],
    }


def _upper_bound(wrong: int, n: int, doubt: float) -> float:
    """Clopper and Pearson 1934, one-sided."""
    return 1.0 if wrong >= n else float(beta.ppf(1 - doubt, wrong + 1, n - wrong))
