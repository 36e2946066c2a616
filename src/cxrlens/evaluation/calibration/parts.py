"""A figure for all images, for each class and for each source; and its interval by patient, whatever the figure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.evaluation.blocks import Bootstrap, mean_interval
from cxrlens.evaluation.intervals import Interval, from_resamples
from cxrlens.evaluation.resampling import Weights, bootstrap_weights, clusters
from cxrlens.labels import CLASSES

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Statistic = Callable[[Weights], Floats]
"""(R, n) weights of the images to (R,) values."""


def by_parts(rows: pd.DataFrame, measure: Callable[[Places], dict[str, Any]]) -> dict[str, Any]:
    """``measure`` of the places of all rows, of each class of the truth, and of each source, largest first.

    Args:
        rows: n rows of predictions.
        measure: from places in 0..n-1 to a record; what it is given may be empty.

    Returns:
        ``overall``, ``by_class`` (all four, always) and ``by_source``.
    """
    labels, sources = rows["label"].to_numpy(), rows["source"].astype(str).to_numpy()
    names, counts = np.unique(sources, return_counts=True)
    return {
        "overall": measure(np.arange(len(rows), dtype=np.intp)),
        "by_class": {label: measure(np.flatnonzero(labels == label)) for label in CLASSES},
        "by_source": {
            str(names[k]): measure(np.flatnonzero(sources == names[k])) for k in np.argsort(-counts, kind="stable")
        },
    }


def share_of(held: NDArray[np.bool_], rows: pd.DataFrame, bootstrap: Bootstrap, missing: str = "no images") -> Interval:
    """Interval of the share of ``held`` (n,) among n rows, resampled by patient."""
    if not len(rows):
        return Interval(None, None, None, missing)
    return mean_interval(held.astype(np.float64), clusters(rows), bootstrap, share=True)


def interval_of(
    statistic: Statistic, rows: pd.DataFrame, bootstrap: Bootstrap, *, centred: bool = False, missing: str = "no images"
) -> Interval:
    """Interval of any statistic of image weights, resampled by patient.

    Args:
        statistic: (R, n) weights to (R,) values, NaN where undefined.
        rows: the n rows of predictions.
        bootstrap: resamples and seed; the same ones give paired draws.
        centred: see :func:`cxrlens.evaluation.intervals.from_resamples`.
        missing: the reason where it is undefined.
    """
    if not len(rows):
        return Interval(None, None, None, missing)
    value, drawn = resampled(statistic, rows, bootstrap)
    return from_resamples(value, drawn, missing, centred=centred)


def resampled(statistic: Statistic, rows: pd.DataFrame, bootstrap: Bootstrap) -> tuple[float, Floats]:
    """The statistic on the n ≥ 1 images themselves, and (R,) on each resample of patients."""
    rng = np.random.default_rng(bootstrap.seed)
    parts = [statistic(weights) for weights in bootstrap_weights(clusters(rows), bootstrap.resamples, rng)]
    value = float(statistic(np.ones((1, len(rows))))[0])
    return value, np.concatenate(parts) if parts else np.zeros(0)
