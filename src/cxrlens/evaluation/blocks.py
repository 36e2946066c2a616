"""The block of metrics of one set of images: a split, a source, an external set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.evaluation import metrics
from cxrlens.evaluation.intervals import Interval, from_resamples, proportion
from cxrlens.evaluation.metrics import Scores
from cxrlens.evaluation.resampling import bootstrap_weights, clusters
from cxrlens.labels import CLASSES
from cxrlens.split import patient_keys

Floats = NDArray[np.float64]

PROBABILITY_COLUMNS: tuple[str, ...] = ("p_normal", "p_covid19", "p_pneumonia", "p_tuberculosis")
"""Columns of ``predictions.csv`` with the probabilities, in the order of :data:`cxrlens.labels.CLASSES`."""


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How intervals are made: ``resamples`` draws of patients from a generator seeded with ``seed``."""

    resamples: int = 2000
    seed: int = 0


def scores_of(predictions: pd.DataFrame) -> Scores:
    """Truth and probabilities of n rows of predictions."""
    truth = np.array([CLASSES.index(label) for label in predictions["label"]], dtype=np.intp)
    return Scores(truth, predictions[list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float64))


def block(predictions: pd.DataFrame, meaning: str, bootstrap: Bootstrap) -> dict[str, Any]:
    """Every metric of one set of images, with 95 % intervals by patient.

    Args:
        predictions: rows of ``predictions.csv``.
        meaning: what this set is, in words; travels with the figures so that no split passes for another.
        bootstrap: resamples and seed.

    Returns:
        ``meaning``, ``n``, ``patients`` (known ones), ``patients_unknown`` (images without an id), ``units`` (what is
        resampled), ``accuracy``, ``balanced_accuracy``, ``macro_f1``, ``macro_auroc``, ``ece``, ``per_class``,
        ``per_source``, ``confusion`` (``classes``, ``counts``: rows are the truth).
    """
    units = clusters(predictions)
    scores = scores_of(predictions)
    value = {name: v[0] for name, v in _all_metrics(scores, scores.ones()).items()}
    drawn = _resampled(scores, units, bootstrap)
    missing = _missing_classes(predictions["label"])
    count = int(units.max()) + 1 if len(units) else 0
    return {
        "meaning": meaning,
        **_counts(predictions, count),
        "accuracy": proportion(value["accuracy"], drawn["accuracy"], count, "no images").to_dict(),
        "balanced_accuracy": _macro("balanced_accuracy", value, drawn, missing),
        "macro_f1": _macro("macro_f1", value, drawn, missing),
        "macro_auroc": _macro("macro_auroc", value, drawn, missing),
        "ece": from_resamples(float(value["ece"]), drawn["ece"], "no images", centred=True).to_dict(),
        "per_class": {label: _one_class(k, predictions, units, value, drawn) for k, label in enumerate(CLASSES)},
        "per_source": per_source(predictions, bootstrap),
        "confusion": {
            "classes": list(CLASSES),
            "counts": scores.confusion(scores.ones())[0].astype(int).tolist(),
        },
    }


def per_source(predictions: pd.DataFrame, bootstrap: Bootstrap) -> dict[str, Any]:
    """Accuracy, balanced accuracy over the classes present, and recall by class, for each source, largest first."""
    sizes = predictions["source"].value_counts(sort=False)
    names = sorted(sizes.index, key=lambda name: (-int(sizes[name]), str(name)))
    result: dict[str, Any] = {}
    for name in names:
        rows = predictions[predictions["source"] == name]
        units, scores = clusters(rows), scores_of(rows)
        count = int(units.max()) + 1
        drawn = _resampled(scores, units, bootstrap)
        value = {key: v[0] for key, v in _all_metrics(scores, scores.ones()).items()}
        present = [k for k, label in enumerate(CLASSES) if (rows["label"] == label).any()]
        balanced = Interval(None, None, None, "the source holds one class only")
        if len(present) > 1:
            means = metrics.mean_of_present(drawn["recall"][:, present])
            balanced = from_resamples(float(np.mean(value["recall"][present])), means, "")
        result[str(name)] = {
            **_counts(rows, count),
            "accuracy": proportion(value["accuracy"], drawn["accuracy"], count, "").to_dict(),
            "balanced_accuracy": balanced.to_dict(),
            "classes": {
                CLASSES[k]: {
                    "n": int((rows["label"] == CLASSES[k]).sum()),
                    "recall": proportion(
                        value["recall"][k], drawn["recall"][:, k], _units_where(rows["label"] == CLASSES[k], units), ""
                    ).to_dict(),
                }
                for k in present
            },
        }
    return result


def accuracy_of(right: NDArray[np.bool_], units: NDArray[np.intp], bootstrap: Bootstrap) -> Interval:
    """Interval of the share of ``right`` (n,) among images whose independent units are given."""
    if not len(right):
        return Interval(None, None, None, "no images")
    drawn = _means(right.astype(np.float64), units, bootstrap)
    return proportion(float(right.mean()), drawn, int(units.max()) + 1, "no images")


def mean_interval(values: Floats, units: NDArray[np.intp], bootstrap: Bootstrap, *, share: bool = False) -> Interval:
    """Interval of the mean of (n,) values, resampled by unit; ``share``: they are shares, not differences."""
    if not len(values):
        return Interval(None, None, None, "no images")
    if share:
        return proportion(float(values.mean()), _means(values, units, bootstrap), len(np.unique(units)), "no images")
    return from_resamples(float(values.mean()), _means(values, units, bootstrap), "no images")


def _means(values: Floats, units: NDArray[np.intp], bootstrap: Bootstrap) -> Floats:
    rng = np.random.default_rng(bootstrap.seed)
    parts = [w @ values / w.sum(axis=1) for w in bootstrap_weights(units, bootstrap.resamples, rng)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _all_metrics(scores: Scores, weights: Floats) -> dict[str, Floats]:
    """Each metric on each row of weights: (R,) or (R, K)."""
    confusion = scores.confusion(weights)
    recall, f1, auroc = metrics.recall(confusion), metrics.f1(confusion), scores.auroc(weights)
    return {
        "accuracy": metrics.accuracy(confusion),
        "balanced_accuracy": recall.mean(axis=1),
        "macro_f1": np.where(np.isfinite(recall).all(axis=1), f1.mean(axis=1), np.nan),
        "macro_auroc": auroc.mean(axis=1),
        "ece": scores.ece(weights),
        "precision": metrics.precision(confusion),
        "recall": recall,
        "specificity": metrics.specificity(confusion),
        "f1": f1,
        "auroc": auroc,
    }


def _resampled(scores: Scores, units: NDArray[np.intp], bootstrap: Bootstrap) -> dict[str, Floats]:
    rng = np.random.default_rng(bootstrap.seed)
    parts = [_all_metrics(scores, w) for w in bootstrap_weights(units, bootstrap.resamples, rng)]
    if not parts:
        return {name: v[:0] for name, v in _all_metrics(scores, scores.ones()).items()}
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _macro(name: str, value: dict[str, Floats], drawn: dict[str, Floats], missing: Sequence[str]) -> dict[str, Any]:
    """A mean over the classes: undefined where one is missing."""
    interval = from_resamples(float(value[name]), drawn[name], f"no image of {' or '.join(missing) or 'any class'}")
    if interval.low is not None and interval.low == interval.high:
        interval = replace(interval, reason="alike in every resample: see the classes' own intervals for the doubt")
    return interval.to_dict()


def _one_class(
    k: int, predictions: pd.DataFrame, units: NDArray[np.intp], value: dict[str, Floats], drawn: dict[str, Floats]
) -> dict[str, Any]:
    label = CLASSES[k]
    true, called = predictions["label"] == label, predictions["predicted"] == label
    shares = {
        "precision": (called, f"nothing was called {label}"),
        "recall": (true, f"no image of {label}"),
        "specificity": (~true, f"every image is {label}"),
    }
    record: dict[str, Any] = {"n": int(true.sum())}
    for name, (rows, undefined) in shares.items():
        units_behind = _units_where(rows, units)
        record[name] = proportion(value[name][k], drawn[name][:, k], units_behind, undefined).to_dict()
    record["f1"] = from_resamples(value["f1"][k], drawn["f1"][:, k], f"no image of {label}, none called so").to_dict()
    one_kind = f"no image of {label}" if not true.any() else f"every image is {label}"
    record["auroc"] = from_resamples(value["auroc"][k], drawn["auroc"][:, k], one_kind).to_dict()
    return record


def _counts(predictions: pd.DataFrame, units: int) -> dict[str, int]:
    known = patient_keys(predictions)
    return {
        "n": len(predictions),
        "patients": int(known[known != ""].nunique()),
        "patients_unknown": int((known == "").sum()),
        "units": units,
    }


def _missing_classes(labels: pd.Series[str]) -> list[str]:
    return [label for label in CLASSES if not (labels == label).any()]


def _units_where(rows: pd.Series[bool], units: NDArray[np.intp]) -> int:
    return len(np.unique(units[rows.to_numpy()]))
