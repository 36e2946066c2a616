"""``calibrate``: fit on the calibration part of a run, measure on its test, write ``calibration.json`` and figures."""

from __future__ import annotations

import hashlib
from typing import Any

import pandas as pd

from cxrlens.calibrated import Calibration
from cxrlens.errors import RunError
from cxrlens.evaluation.blocks import PROBABILITY_COLUMNS
from cxrlens.evaluation.calibration.fitting import Fitted, fit_calibration
from cxrlens.evaluation.calibration.measuring import measure_calibration
from cxrlens.evaluation.calibration.options import DEFAULTS, CalibrationOptions
from cxrlens.evaluation.calibration.pictures import draw_calibration
from cxrlens.evaluation.evaluate import INFLATED, MEANINGS
from cxrlens.evaluation.figures import spoken
from cxrlens.evaluation.prediction import PREDICTION_COLUMNS
from cxrlens.folders import RUN_FORMAT, RunFolder, read_json, write_json
from cxrlens.labels import CLASSES

MEASURED_ON = ("test", "validation")
"""Parts to measure on, the first that has images; validation chose the epoch and is labelled so."""


def calibrate(run: RunFolder, options: CalibrationOptions = DEFAULTS, *, figures: bool = True) -> dict[str, Any]:
    """Calibrate a run that has been evaluated.

    Args:
        run: a run folder with ``predictions.csv`` and ``metrics.json``.
        options: what is to be promised.
        figures: draw ``calibration/*.png`` too.

    Returns:
        What ``calibration.json`` holds: ``format``, ``model``, ``dataset``, ``dataset_hash``, ``predictions_sha256``,
        ``split_kind``, ``synthetic``, ``options``, ``runtime`` (:class:`cxrlens.calibrated.Calibration`), what was
        fitted (:meth:`Fitted.to_dict`) and ``measured`` (:func:`measure_calibration` with ``split`` and ``meaning``;
        null where no independent image is left).

    Raises:
        RunError: no run folder, not evaluated, evaluated with other weights, or no calibration part.
    """
    metrics = current_metrics(run)
    predictions = read_predictions(run)
    parts = {str(name): rows.reset_index(drop=True) for name, rows in predictions.groupby("split", sort=False)}
    if "calibration" not in parts:
        remedy = "split again with 'cxrlens split DATASET --calibration 0.05', then train and evaluate"
        raise RunError(
            run.root, "has no calibration part: every image was trained on, chose the epoch or is test", remedy
        )
    synthetic = run.dataset().synthetic
    fitted = fit_calibration(parts["calibration"], options, model=str(metrics["model"]["hash"]))
    split = next((name for name in MEASURED_ON if name in parts), None)
    measured = None
    kind = str(metrics.get("split_kind", "unknown"))
    if split is not None:
        meaning = "not a test score: it chose the epoch" if split == "validation" else MEANINGS[split]
        if kind == "random":
            meaning = f"{meaning}; {INFLATED}"
        if synthetic:
            meaning = f"SYNTHETIC radiographs; {meaning}"
        measured = {"split": split, "meaning": meaning, **measure_calibration(parts[split], fitted, options)}
    fitted = fitted.measured(words_of(fitted, measured, kind, str(metrics.get("dataset", "unknown"))))
    record = {
        "format": RUN_FORMAT,
        "model": metrics["model"],
        "dataset": metrics.get("dataset", "unknown"),
        "dataset_hash": metrics.get("dataset_hash", ""),
        "predictions_sha256": predictions_hash(run),
        "split_kind": kind,
        "synthetic": synthetic,
        "classes": list(CLASSES),
        "options": {name: getattr(options, name) for name in options.__slots__},
        "runtime": fitted.runtime.to_dict(),
        **fitted.to_dict(),
        "measured": measured,
    }
    write_json(run.calibration_path, record)
    if figures and split is not None:
        draw_calibration(record, parts[split], run.root / "calibration")
    return record


def current_metrics(run: RunFolder) -> dict[str, Any]:
    """``metrics.json`` of the very model that the run holds; :class:`RunError` where it is another's or missing."""
    model = run.model()
    if not run.metrics_path.is_file() or not run.predictions_path.is_file():
        raise RunError(run.root, "has no predictions yet", "run 'cxrlens evaluate' first")
    metrics = read_json(run.metrics_path)
    named = metrics.get("model")
    if not isinstance(named, dict) or named.get("hash") != model.get("weights_sha256"):
        raise RunError(run.root, "has predictions of another model than it holds now", "run 'cxrlens evaluate' again")
    return metrics


def stored_calibration(run: RunFolder) -> dict[str, Any] | None:
    """``calibration.json`` where it is of the model and the predictions that the run holds now; else ``None``."""
    if not run.calibration_path.is_file():
        return None
    try:
        record = read_json(run.calibration_path)
        Calibration.from_dict(record).of_model(str(run.model().get("weights_sha256")))
    except RunError:
        return None
    return record if record.get("predictions_sha256") == predictions_hash(run) else None


def predictions_hash(run: RunFolder) -> str:
    """SHA-256 of ``predictions.csv``."""
    return hashlib.sha256(run.predictions_path.read_bytes()).hexdigest()


def read_predictions(run: RunFolder) -> pd.DataFrame:
    """``predictions.csv``, probabilities as float64 and the rest as str; :class:`RunError` where it is torn."""
    remedy = "run 'cxrlens evaluate' again"
    try:
        table = pd.read_csv(run.predictions_path, keep_default_na=False, dtype=str)
        missing = [name for name in PREDICTION_COLUMNS if name not in table]
        if missing:
            raise RunError(run.predictions_path, f"lacks the column {missing[0]}", remedy)
        for name in PROBABILITY_COLUMNS:
            table[name] = table[name].astype(float)
    except (OSError, ValueError) as error:
        raise RunError(run.predictions_path, f"cannot be read ({error})".replace("\n", " "), remedy) from error
    if not table["label"].isin(CLASSES).all():
        raise RunError(run.predictions_path, "names a class that is none of the four", remedy)
    return table


def words_of(fitted: Fitted, measured: dict[str, Any] | None, kind: str, dataset: str) -> str:
    """What a shown probability was measured on, for beside it."""
    words = f"probability calibrated on {fitted.facts['n']} images set aside of dataset '{dataset}'"
    if fitted.temperature.reason:
        words = f"probability as the network gives it ({fitted.temperature.reason})"
    if measured is None:
        return f"{words}; measured on no independent image"
    error = measured["probabilities"]["ece"]["overall"]["after"]
    inflated = ", random split: too good to be true" if kind == "random" else ""
    where = f"the {measured['n']} images of its {measured['split']} set{inflated}"
    return f"{words}; on {where} it is off by {spoken(error, percent=False)} on average; other hospitals: unknown"
