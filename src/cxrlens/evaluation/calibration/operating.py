"""Operating points: a threshold of one class's probability, chosen on the calibration part, measured on the test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.evaluation.calibration.parts import resampled, share_of, units_of
from cxrlens.evaluation.intervals import Interval, proportion
from cxrlens.evaluation.resampling import Weights

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TRIAGE_SENSITIVITY, TRIAGE_SPECIFICITY = 0.90, 0.70
"""Minimum of a triage test for tuberculosis (WHO 2014, high-priority target product profiles)."""

FEWEST_OF_A_KIND = 10
"""Calibration images with the class, and as many without it, below which no threshold is chosen."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold and how it was chosen.

    Args:
        name: ``youden``, ``sensitivity`` or ``triage``.
        words: the same for readers.
        threshold: calibrated probability of the class from which on the answer is yes; ``None``: none chosen.
        reason: why none was chosen.
    """

    name: str
    words: str
    threshold: float | None
    reason: str = ""


def choose_points(
    said: Floats, positive: Bools, sensitivity: float, *, triage: bool = False
) -> tuple[OperatingPoint, ...]:
    """Thresholds from n calibration images.

    ``youden`` has the largest sensitivity + specificity − 1 (Youden 1950). ``sensitivity`` is the highest threshold
    that finds at least that share of the class. ``triage`` lies farthest inside the corner of the WHO's target, by the
    smaller of the two margins; of equally good thresholds it takes the middle one.

    Args:
        said: (n,) calibrated probability of the class.
        positive: (n,) whether the image is of it.
        sensitivity: of the fixed point.
        triage: choose the WHO's point too.
    """
    words = {"youden": "best sum of both (Youden)", "sensitivity": f"sensitivity of at least {sensitivity:.0%}"}
    if triage:
        words["triage"] = "farthest inside the WHO triage target"
    kinds = int(positive.sum()), int((~positive).sum())
    if min(kinds) < FEWEST_OF_A_KIND:
        reason = f"{kinds[0]} calibration images with the class and {kinds[1]} without, {FEWEST_OF_A_KIND} are needed"
        return tuple(OperatingPoint(name, text, None, reason) for name, text in words.items())
    false, true, thresholds = (v[1:] for v in roc_curve(positive, said, drop_intermediate=False))
    margin = np.minimum(true - TRIAGE_SENSITIVITY, 1 - false - TRIAGE_SPECIFICITY)
    best = np.flatnonzero(margin >= margin.max() - 1e-12)
    place = {
        "youden": int(np.argmax(true - false)),
        "sensitivity": int(np.flatnonzero(true >= sensitivity - 1e-12)[0]),
        "triage": int(best[len(best) // 2]),
    }
    return tuple(OperatingPoint(name, text, float(thresholds[place[name]])) for name, text in words.items())


def measure_point(
    point: OperatingPoint, said: Floats, rows: pd.DataFrame, label: str, bootstrap: Bootstrap
) -> dict[str, Any]:
    """Sensitivity and specificity of a threshold on n images that did not choose it.

    Returns:
        ``words``, ``threshold`` (or ``reason``), ``sensitivity``, ``specificity``, with ``n_with``, ``n_without``.
    """
    positive = (rows["label"] == label).to_numpy()
    record: dict[str, Any] = {"words": point.words, "threshold": point.threshold}
    if point.threshold is None:
        unchosen = Interval(None, None, None, point.reason).to_dict()
        return {**record, "reason": point.reason, "sensitivity": unchosen, "specificity": unchosen}
    yes = said >= point.threshold
    shares = {
        "sensitivity": (positive, yes, f"no image of {label}"),
        "specificity": (~positive, ~yes, f"every image is {label}"),
    }
    for name, (kind, held, missing) in shares.items():
        record[name] = share_of(held[kind], rows[kind], bootstrap, missing).to_dict()
    return {**record, "n_with": int(positive.sum()), "n_without": int((~positive).sum())}


def specificity_at(sensitivity: float) -> Callable[[Floats, Bools, Weights], Floats]:
    """Specificity on the ROC curve itself where ``sensitivity`` is first reached, for (R, n) weights: (R,).

    Its threshold is read off the very images that it is measured on, so it says what the ranking could do, not what a
    threshold fixed beforehand does.
    """

    def measure(said: Floats, positive: Bools, weights: Weights) -> Floats:
        order = np.argsort(-said, kind="stable")
        values = said[order]
        ends = np.flatnonzero(np.append(values[1:] != values[:-1], True))  # equal probabilities pass together
        found = np.cumsum(weights[:, order] * positive[order], axis=1)[:, ends]
        false = np.cumsum(weights[:, order] * ~positive[order], axis=1)[:, ends]
        with np.errstate(invalid="ignore", divide="ignore"):
            true_share, false_share = found / found[:, -1:], false / false[:, -1:]
        first = np.argmax(true_share >= sensitivity - 1e-12, axis=1)
        result = 1 - false_share[np.arange(len(weights)), first]
        return np.where((found[:, -1] > 0) & (false[:, -1] > 0), result, np.nan)

    return measure


def ranking(said: Floats, rows: pd.DataFrame, label: str, sensitivity: float, bootstrap: Bootstrap) -> dict[str, Any]:
    """:func:`specificity_at` of one class with its interval."""
    positive = (rows["label"] == label).to_numpy()
    missing = f"no image of {label}, or of nothing else"
    if not positive.any() or positive.all():
        return Interval(None, None, None, missing).to_dict()
    measure = specificity_at(sensitivity)
    value, drawn = resampled(lambda w: measure(said, positive, w), rows, bootstrap)
    return proportion(float(value), drawn, len(np.unique(units_of(rows[~positive]))), missing).to_dict()
