"""A value and the range it may lie in, as ``metrics.json`` holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Floats = NDArray[np.float64]

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % interval; ``None`` where undefined, and then ``reason`` says why.

    Args:
        value: the point estimate on the images themselves.
        low: lower end of the interval.
        high: upper end.
        reason: why the value or the interval is missing, or how it was made where not by the percentile bootstrap.
    """

    value: float | None
    low: float | None
    high: float | None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """``{"value", "low", "high"}``; ``"reason"`` where one of them is missing, ``"note"`` where none is."""
        record: dict[str, Any] = {"value": _rounded(self.value), "low": _rounded(self.low), "high": _rounded(self.high)}
        if self.reason:
            record["reason" if self.low is None else "note"] = self.reason
        return record


def from_resamples(value: float, resampled: Floats, undefined: str, *, centred: bool = False) -> Interval:
    """95 % percentile bootstrap interval (Efron and Tibshirani 1993, chapter 13).

    Args:
        value: the estimate itself; NaN where undefined.
        resampled: (R,) the same estimate on each resample; NaN where a resample lacks what it needs.
        undefined: the reason to give where ``value`` is undefined.
        centred: shift the resamples so that their mean is the value. For estimates that resampling biases upwards,
            such as a calibration error: there the plain percentiles need not even hold the value.
    """
    if not np.isfinite(value):
        return Interval(None, None, None, undefined)
    defined = resampled[np.isfinite(resampled)]
    if len(defined) * 2 < max(1, len(resampled)):
        return Interval(float(value), None, None, "too few images for an interval")
    if centred:
        defined = np.maximum(defined - defined.mean() + value, 0.0)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(float(value), float(low), float(high), "percentiles centred on the value" if centred else "")


def proportion(value: float, resampled: Floats, units: int, undefined: str) -> Interval:
    """Interval of a share: the bootstrap, or Wilson's where no resample could show doubt (0 or 1 in all of them).

    Args:
        value: the share in [0, 1]; NaN where undefined.
        resampled: (R,) the share on each resample.
        units: independent units (patients) behind the share; the n of Wilson's interval.
        undefined: the reason to give where ``value`` is undefined.
    """
    if np.isfinite(value) and value in (0.0, 1.0):
        low, high = wilson(value, units)
        return Interval(float(value), low, high, f"Wilson interval of {units} independent unit(s)")
    return from_resamples(value, resampled, undefined)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927, J. Am. Stat. Assoc. 22); (0, 1) for n = 0."""
    if n <= 0:
        return 0.0, 1.0
    z = float(norm.ppf(1 - (1 - LEVEL) / 2))
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    return max(0.0, middle - half), min(1.0, middle + half)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
