"""What the fitted calibration is worth on images that neither training nor calibration has seen."""

from __future__ import annotations

from typing import Any

import pandas as pd

from cxrlens.evaluation.blocks import scores_of
from cxrlens.evaluation.calibration.abstention import risk_coverage
from cxrlens.evaluation.calibration.answers import measure_answers
from cxrlens.evaluation.calibration.benefit import decision_curve, predictive_values
from cxrlens.evaluation.calibration.fitting import Fitted
from cxrlens.evaluation.calibration.operating import measure_point, ranking
from cxrlens.evaluation.calibration.options import CalibrationOptions
from cxrlens.evaluation.calibration.parts import with_units
from cxrlens.evaluation.calibration.reliability import measure_probabilities
from cxrlens.evaluation.calibration.sets import measure_sets
from cxrlens.labels import CLASSES


def measure_calibration(rows: pd.DataFrame, fitted: Fitted, options: CalibrationOptions) -> dict[str, Any]:
    """Every figure of calibration on n ≥ 1 rows of predictions.

    Returns:
        ``n``, ``units``; ``probabilities`` (:func:`measure_probabilities`), ``sets`` (:func:`measure_sets`),
        ``answers`` (:func:`measure_answers`), ``risk_coverage``, and by class ``operating`` (points, and what the
        ranking could do) and ``decision``.
    """
    rows = with_units(rows.reset_index(drop=True))
    bootstrap, given = options.bootstrap, scores_of(rows).probabilities
    calibrated = fitted.runtime.probabilities(given)
    return {
        "n": len(rows),
        "units": int(rows["unit"].nunique()),
        "probabilities": measure_probabilities(rows, given, calibrated, bootstrap),
        "sets": measure_sets(rows, fitted.runtime, fitted.promises, bootstrap),
        "answers": measure_answers(rows, fitted.runtime, bootstrap),
        "risk_coverage": risk_coverage(rows, calibrated, bootstrap),
        "operating": {label: _operating(label, calibrated, rows, fitted, options) for label in CLASSES},
        "decision": {
            label: decision_curve(calibrated[:, k], (rows["label"] == label).to_numpy(), rows, bootstrap)
            for k, label in enumerate(CLASSES)
        },
    }


def _operating(
    label: str, calibrated: Any, rows: pd.DataFrame, fitted: Fitted, options: CalibrationOptions
) -> dict[str, Any]:
    said, positive = calibrated[:, CLASSES.index(label)], (rows["label"] == label).to_numpy()
    points: dict[str, Any] = {}
    for point in fitted.points[label]:
        record = measure_point(point, said, rows, label, options.bootstrap)
        if point.threshold is not None and positive.any() and not positive.all():
            yes = said >= point.threshold
            record["by_prevalence"] = predictive_values(yes, positive, rows, record, options.bootstrap)
        points[point.name] = record
    best = ranking(said, rows, label, options.sensitivity, options.bootstrap)
    return {"points": points, "specificity_at_sensitivity": {"sensitivity": options.sensitivity, **best}}
