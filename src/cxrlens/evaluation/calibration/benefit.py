"""What a threshold would mean elsewhere: predictive values by prevalence, and the decision curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.evaluation.calibration.parts import units_of
from cxrlens.evaluation.intervals import Interval, from_resamples
from cxrlens.evaluation.resampling import Weights, bootstrap_weights

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PREVALENCES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.10, 0.20, 0.50)
"""From a screened population to a specialist's clinic."""

DECISIONS = tuple(round(0.02 * k, 2) for k in range(1, 48))
"""Threshold probabilities of the decision curve, 0.02 to 0.94."""


def predictive_values(
    yes: Bools, positive: Bools, rows: pd.DataFrame, ends: dict[str, Any], bootstrap: Bootstrap
) -> list[dict[str, Any]]:
    """Positive and negative predictive value at each of :data:`PREVALENCES`, by Bayes' rule.

    Sensitivity and specificity are taken to be the same at every prevalence, which another spectrum of patients would
    not grant. Intervals resample patients; where sensitivity or specificity is 0 or 1 on the images, and so in every
    resample, the ends of their own (Wilson) intervals are put in instead.

    Args:
        yes: (n,) called positive.
        positive: (n,) is positive.
        rows: the n rows of predictions.
        ends: ``sensitivity`` and ``specificity`` as JSON intervals.
        bootstrap: resamples and seed.
    """
    one, drawn = _rates(yes, positive, np.ones((1, len(yes)))), _drawn_rates(yes, positive, rows, bootstrap)
    result = []
    for prevalence in PREVALENCES:
        record: dict[str, Any] = {"prevalence": prevalence}
        for name, rule in (("ppv", _ppv), ("npv", _npv)):
            value = float(rule(*one, prevalence)[0])
            interval = from_resamples(value, rule(*drawn, prevalence), "nothing was called so")
            if any(float(rate[0]) in (0.0, 1.0) for rate in one) and interval.value is not None:
                interval = _by_ends(rule, ends, prevalence, value)
            record[name] = interval.to_dict()
        record["referred"] = round(float(one[0][0] * prevalence + (1 - one[1][0]) * (1 - prevalence)), 6)
        result.append(record)
    return result


def decision_curve(said: Floats, positive: Bools, rows: pd.DataFrame, bootstrap: Bootstrap) -> dict[str, Any]:
    """Net benefit of acting from a threshold probability on, beside acting on all and on none.

    Vickers and Elkin 2006, Medical Decision Making 26: true positives a person, minus false positives a person weighed
    by the odds of the threshold. At the prevalence of these very images, which is no population's.

    Args:
        said: (n,) calibrated probability of the class.
        positive: (n,).
        rows: the n rows of predictions.
        bootstrap: resamples and seed.

    Returns:
        ``prevalence`` and ``points``: ``threshold``, ``model`` and ``model_minus_best`` (over the better of all and
        none) with intervals, ``all``; acting on none is 0.
    """
    thresholds = np.array(DECISIONS)
    one = _benefits(said, positive, thresholds, np.ones((1, len(said))))
    rng = np.random.default_rng(bootstrap.seed)
    parts = [
        _benefits(said, positive, thresholds, w) for w in bootstrap_weights(units_of(rows), bootstrap.resamples, rng)
    ]
    drawn = [np.concatenate([part[i] for part in parts]) if parts else np.zeros((0, len(thresholds))) for i in (0, 1)]
    points = []
    for j, threshold in enumerate(DECISIONS):
        model, everyone = float(one[0][0, j]), float(one[1][0, j])
        gain = drawn[0][:, j] - np.maximum(drawn[1][:, j], 0)
        points.append(
            {
                "threshold": threshold,
                "model": from_resamples(model, drawn[0][:, j], "no images").to_dict(),
                "model_minus_best": from_resamples(model - max(everyone, 0.0), gain, "no images").to_dict(),
                "all": round(everyone, 6),
            }
        )
    return {"prevalence": round(float(positive.mean()), 6), "points": points}


def _benefits(said: Floats, positive: Bools, thresholds: Floats, weights: Weights) -> tuple[Floats, Floats]:
    """(R, T) net benefit of the model, and of acting on all."""
    yes = said[:, None] >= thresholds[None, :]
    odds = thresholds / (1 - thresholds)
    total = weights.sum(axis=1, keepdims=True)
    gained, lost = weights @ (yes & positive[:, None]) / total, weights @ (yes & ~positive[:, None]) / total
    share = weights @ positive[:, None].astype(float) / total
    return gained - lost * odds, share - (1 - share) * odds


def _rates(yes: Bools, positive: Bools, weights: Weights) -> tuple[Floats, Floats]:
    """(R,) sensitivity and specificity; NaN where a kind is missing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found = weights @ (yes & positive).astype(float) / (weights @ positive.astype(float))
        spared = weights @ (~yes & ~positive).astype(float) / (weights @ (~positive).astype(float))
    return np.asarray(found), np.asarray(spared)


def _drawn_rates(yes: Bools, positive: Bools, rows: pd.DataFrame, bootstrap: Bootstrap) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(bootstrap.seed)
    parts = [_rates(yes, positive, w) for w in bootstrap_weights(units_of(rows), bootstrap.resamples, rng)]
    if not parts:
        return np.zeros(0), np.zeros(0)
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def _by_ends(rule: Any, ends: dict[str, Any], prevalence: float, value: float) -> Interval:
    """Predictive values rise with both rates: the lower ends of both give the lower end."""
    sides = []
    for side in ("low", "high"):
        rates = [ends[name][side] for name in ("sensitivity", "specificity")]
        if None in rates:
            return Interval(value, None, None, "too few images for an interval")
        sides.append(float(rule(np.array([rates[0]]), np.array([rates[1]]), prevalence)[0]))
    low, high = (s if np.isfinite(s) else value for s in sides)
    return Interval(value, min(low, value), max(high, value), "from the ends of sensitivity and specificity")


def _ppv(sensitivity: Floats, specificity: Floats, prevalence: float) -> Floats:
    hit, false = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(hit / (hit + false))


def _npv(sensitivity: Floats, specificity: Floats, prevalence: float) -> Floats:
    clear, missed = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(clear / (clear + missed))
