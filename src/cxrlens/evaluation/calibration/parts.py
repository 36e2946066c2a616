"""A figure for all images, for each class and for each source; and its interval by patient, whatever the figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.evaluation.intervals import Interval, from_resamples, proportion
from cxrlens.evaluation.resampling import Weights, bootstrap_weights, clusters
from cxrlens.labels import CLASSES

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Statistic = Callable[[Weights], Floats]
"""(R, n) weights of the images to (R,) values, or to (R, k) of them."""


def by_parts(
    rows: pd.DataFrame, measure: Callable[[Places], dict[str, Any]], *, sources: bool = True
) -> dict[str, Any]:
    """``measure`` of the places of all rows, of each class of the truth, and of each source, largest first.

    Args:
        rows: n rows of predictions.
        measure: from places in 0..n-1 to a record; what it is given may be empty.
        sources: ask for each source too.

    Returns:
        ``overall``, ``by_class`` (all four, always) and, if asked for, ``by_source``.
    """
    labels, source = rows["label"].to_numpy(), rows["source"].astype(str).to_numpy()
    names, counts = np.unique(source, return_counts=True)
    record: dict[str, Any] = {
        "overall": measure(np.arange(len(rows), dtype=np.intp)),
        "by_class": {label: measure(np.flatnonzero(labels == label)) for label in CLASSES},
    }
    if sources:
        order = np.argsort(-counts, kind="stable")
        record["by_source"] = {str(names[k]): measure(np.flatnonzero(source == names[k])) for k in order}
    return record


def with_units(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows with their independent units found once, in the column ``unit``; parts of them keep it."""
    return rows if "unit" in rows else rows.assign(unit=clusters(rows))


def units_of(rows: pd.DataFrame) -> NDArray[np.intp]:
    """(n,) unit of each row, 0..units-1: of :func:`with_units` where it was called, else found here."""
    if "unit" not in rows:
        return clusters(rows)
    return np.unique(rows["unit"].to_numpy(), return_inverse=True)[1].astype(np.intp)


def share_of(held: NDArray[np.bool_], rows: pd.DataFrame, bootstrap: Bootstrap, missing: str = "no images") -> Interval:
    """Interval of the share of ``held`` (n,) among n rows, resampled by patient."""
    return means_of({"": held}, rows, bootstrap, missing)[""]


def means_of(
    columns: Mapping[str, NDArray[Any]], rows: pd.DataFrame, bootstrap: Bootstrap, missing: str = "no images"
) -> dict[str, Interval]:
    """Intervals of several means over the same n rows from the same draws of patients, so that they are drawn once.

    Args:
        columns: (n,) values each; booleans are shares, and have Wilson's interval at 0 and 1.
        rows: the n rows.
        bootstrap: resamples and seed.
        missing: the reason where there are no rows.
    """
    if not len(rows):
        return dict.fromkeys(columns, Interval(None, None, None, missing))
    units = units_of(rows)
    values = np.column_stack([np.asarray(column, dtype=np.float64) for column in columns.values()])
    rng = np.random.default_rng(bootstrap.seed)
    parts = [w @ values / w.sum(axis=1)[:, None] for w in bootstrap_weights(units, bootstrap.resamples, rng)]
    drawn = np.concatenate(parts) if parts else np.zeros((0, len(columns)))
    result = {}
    for j, (name, column) in enumerate(columns.items()):
        value = float(values[:, j].mean())
        if column.dtype == np.bool_:
            result[name] = proportion(value, drawn[:, j], int(units.max()) + 1, missing)
        else:
            result[name] = from_resamples(value, drawn[:, j], missing)
    return result


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
    return from_resamples(float(value), drawn, missing, centred=centred)


def resampled(statistic: Statistic, rows: pd.DataFrame, bootstrap: Bootstrap) -> tuple[Floats, Floats]:
    """The statistic on the n ≥ 1 images themselves, (…), and on each resample of patients, (R, …)."""
    rng = np.random.default_rng(bootstrap.seed)
    parts = [statistic(weights) for weights in bootstrap_weights(units_of(rows), bootstrap.resamples, rng)]
    value = statistic(np.ones((1, len(rows))))
    return value[0], np.concatenate(parts) if parts else value[:0]
