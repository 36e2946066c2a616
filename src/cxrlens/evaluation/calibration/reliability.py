"""How far the probabilities are from the shares that come true, before and after tempering."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.evaluation.calibration.parts import Places, by_parts, means_of, resampled
from cxrlens.evaluation.calibration.temperature import brier_scores, log_losses
from cxrlens.evaluation.intervals import Interval, from_resamples, wilson
from cxrlens.evaluation.metrics import BINS
from cxrlens.evaluation.resampling import Weights
from cxrlens.labels import CLASSES

Floats = NDArray[np.float64]

_IMAGINED = 1000  # sets of outcomes drawn to see what chance alone would do


def binned_error(said: Floats, came_true: NDArray[np.bool_], weights: Weights, bins: int = BINS) -> Floats:
    """(R,) mean distance of probability and frequency over equal-width bins (lower, upper], weighted by their images.

    With the top label's probability and whether it was right it is the expected calibration error (Guo 2017, eq. 3);
    with one class's probability and whether the image is of it, the class-wise one (Kull 2019, NeurIPS).

    Args:
        said: (n,) probabilities in [0, 1].
        came_true: (n,) what happened.
        weights: (R, n) how often each image counts.
        bins: how many.
    """
    cells = np.zeros((len(said), bins))
    cells[np.arange(len(said)), _bin_of(said, bins)] = came_true - said
    total = weights.sum(axis=1)
    error = np.full(len(weights), np.nan)
    np.divide(np.abs(weights @ cells).sum(axis=1), total, out=error, where=total > 0)
    return error


def expected_by_chance(said: Floats, seed: int, bins: int = BINS) -> float:
    """95th percentile of the binned error if every probability were exactly true (Bröcker and Smith 2007).

    A calibrated model has an error above zero too, on n images: outcomes are drawn from the (n,) probabilities
    themselves, each image independently, so that patients with several images make it a little too low.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.random((_IMAGINED, len(said))) < said
    place = np.eye(bins)[_bin_of(said, bins)]
    return float(np.quantile(np.abs((drawn - said) @ place).sum(axis=1) / len(said), 0.95))


def measure_probabilities(rows: pd.DataFrame, before: Floats, after: Floats, bootstrap: Bootstrap) -> dict[str, Any]:
    """Calibration error, log loss and Brier score before and after tempering, and the paired differences.

    Args:
        rows: n rows of predictions.
        before: (n, 4) the network's own probabilities.
        after: (n, 4) the calibrated ones.
        bootstrap: resamples and seed.

    Returns:
        ``ece`` (``overall``, ``by_source``: of the top label; ``by_class``: class-wise, each class against the rest),
        ``log_loss`` and ``brier`` (all images); each ``before``, ``after``, ``after_minus_before`` (below 0: it
        helped), for ``ece`` also ``by_chance`` (95th percentile for a calibrated model of this n) and ``too_sure``
        (mean probability minus share right, above 0: too sure); ``diagram`` (bins of the top label).
    """
    truth = np.array([CLASSES.index(label) for label in rows["label"]], dtype=np.intp)

    def top(places: Places) -> dict[str, Any]:
        return top_error(rows.iloc[places], before[places], after[places], bootstrap)

    ece = by_parts(rows, top)
    ece["by_class"] = {
        label: _error(rows, [p[:, k] for p in (before, after)], [truth == k] * 2, bootstrap)
        for k, label in enumerate(CLASSES)
        if (truth == k).any()
    }
    losses: dict[str, Callable[[Floats, NDArray[np.intp]], Floats]] = {"log_loss": log_losses, "brier": brier_scores}
    return {
        "ece": ece,
        **{name: _loss(rows, loss(before, truth), loss(after, truth), bootstrap) for name, loss in losses.items()},
        "diagram": {"before": diagram(before, truth), "after": diagram(after, truth)},
    }


def top_error(rows: pd.DataFrame, before: Floats, after: Floats, bootstrap: Bootstrap) -> dict[str, Any]:
    """The calibration error of the top label of n rows: one entry of :func:`measure_probabilities`'s ``ece``."""
    truth = np.array([CLASSES.index(label) for label in rows["label"]], dtype=np.intp)
    right = [p.argmax(axis=1) == truth for p in (before, after)]
    return _error(rows, [p.max(axis=1, initial=0.0) for p in (before, after)], right, bootstrap)


def diagram(probabilities: Floats, truth: NDArray[np.intp], bins: int = BINS) -> list[dict[str, float]]:
    """The reliability diagram's bins that hold images: ``n``, mean ``said``, share ``right`` with Wilson's ends."""
    said, right = probabilities.max(axis=1, initial=0.0), probabilities.argmax(axis=1) == truth
    place = _bin_of(said, bins)
    result = []
    for b in np.unique(place):
        held = place == b
        low, high = wilson(float(right[held].mean()), int(held.sum()))
        record = {"n": int(held.sum()), "said": float(said[held].mean()), "right": float(right[held].mean())}
        result.append({"bin": int(b), **record, "low": low, "high": high})
    return result


def _error(
    rows: pd.DataFrame, said: list[Floats], came_true: list[NDArray[np.bool_]], bootstrap: Bootstrap
) -> dict[str, Any]:
    """Record of one part: (n,) probabilities and outcomes, before and after."""
    if not len(rows):
        return {"n": 0, "before": _none(), "after": _none(), "after_minus_before": _none()}
    value, drawn = resampled(lambda w: _pair(said, came_true, w), rows, bootstrap)
    before, after = (from_resamples(float(value[k]), drawn[:, k], "no images", centred=True) for k in (0, 1))
    change, changes = float(value[1] - value[0]), drawn[:, 1] - drawn[:, 0]
    # Resampling biases both errors upwards, not by the same amount: the draws are centred on the value.
    moved = from_resamples(change, changes - changes.mean() + change if len(changes) else changes, "no images")
    lean = {name: s - c for name, s, c in zip(("before", "after"), said, came_true, strict=True)}
    return {
        "n": len(rows),
        "before": before.to_dict(),
        "after": after.to_dict(),
        "after_minus_before": moved.to_dict(),
        "by_chance": round(expected_by_chance(said[1], bootstrap.seed), 6),
        "too_sure": {name: interval.to_dict() for name, interval in means_of(lean, rows, bootstrap).items()},
    }


def _loss(rows: pd.DataFrame, before: Floats, after: Floats, bootstrap: Bootstrap) -> dict[str, Any]:
    values = {"before": before, "after": after, "after_minus_before": after - before}
    return {name: interval.to_dict() for name, interval in means_of(values, rows, bootstrap).items()}


def _pair(said: list[Floats], came_true: list[NDArray[np.bool_]], weights: Weights) -> Floats:
    """(R, 2) error before and after."""
    return np.column_stack([binned_error(s, c, weights) for s, c in zip(said, came_true, strict=True)])


def _bin_of(said: Floats, bins: int) -> NDArray[np.intp]:
    return np.clip(np.ceil(said * bins).astype(np.intp) - 1, 0, bins - 1)


def _none() -> dict[str, Any]:
    return Interval(None, None, None, "no images").to_dict()
