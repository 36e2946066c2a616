"""Everything that is learnt from the calibration part, and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from cxrlens.calibrated import Calibration
from cxrlens.errors import DatasetError
from cxrlens.evaluation.blocks import scores_of
from cxrlens.evaluation.calibration.abstention import ConfidenceRule, choose_confidence
from cxrlens.evaluation.calibration.conformal import ClassPromise, class_promises
from cxrlens.evaluation.calibration.operating import OperatingPoint, choose_points
from cxrlens.evaluation.calibration.options import CalibrationOptions
from cxrlens.evaluation.calibration.temperature import Temperature, fit_temperature
from cxrlens.evaluation.metrics import Scores
from cxrlens.evaluation.resampling import clusters
from cxrlens.labels import CLASSES, TUBERCULOSIS


@dataclass(frozen=True, slots=True)
class Fitted:
    """What the calibration part taught.

    Args:
        runtime: what an answer needs.
        temperature: with its interval, or why it was left at 1.
        promises: for each class.
        rule: the threshold of confidence.
        points: operating points of each class.
        facts: how many images, units and images a class it was fitted on.
    """

    runtime: Calibration
    temperature: Temperature
    promises: tuple[ClassPromise, ...]
    rule: ConfidenceRule
    points: dict[str, tuple[OperatingPoint, ...]]
    facts: dict[str, Any]

    def measured(self, words: str) -> Fitted:
        """The same, its shown probabilities saying what they were measured on."""
        return replace(self, runtime=replace(self.runtime, measured_on=words))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        value = self.temperature.interval.to_dict()
        return {
            "fitted": self.facts,
            "temperature": {"value": self.temperature.value, "interval": value, "reason": self.temperature.reason},
            "conformal": {
                "coverage": self.runtime.coverage,
                "classes": {label: p.to_dict() for label, p in zip(CLASSES, self.promises, strict=True)},
            },
            "abstention": {"risk": self.runtime.risk, "sets_decide": self.runtime.sets_decide, **self.rule.to_dict()},
        }


def fit_calibration(rows: pd.DataFrame, options: CalibrationOptions, *, model: str = "") -> Fitted:
    """Fit temperature, sets, abstention and operating points on n images that training has not seen.

    Sets and thresholds use the very images that the temperature was fitted on: one number shared by all of them
    leaves exchangeability all but whole, and the test measures what comes of it.

    Args:
        rows: n rows of predictions, all of them calibration images.
        options: what is to be promised.
        model: SHA-256 of the weights that made the predictions.

    Raises:
        DatasetError: no images at all.
    """
    if not len(rows):
        raise DatasetError(
            "calibration part",
            "holds no image",
            "split again with 'cxrlens split DATASET --calibration 0.05', then train",
        )
    given, units = scores_of(rows), clusters(rows)
    temperature = fit_temperature(given, units, options.bootstrap)
    runtime = Calibration(
        model=model,
        classes=CLASSES,
        temperature=temperature.value,
        coverage=options.coverage,
        thresholds=(None,) * len(CLASSES),
        confidence=None,
        risk=options.risk,
        measured_on="not measured on any image yet",
    )
    calibrated = Scores(given.truth, runtime.probabilities(given.probabilities))
    promises = class_promises(calibrated, options.coverage)
    rule = choose_confidence(calibrated.confidence, calibrated.predicted == calibrated.truth, options.risk)
    points = {
        label: choose_points(
            calibrated.probabilities[:, k], given.truth == k, options.sensitivity, triage=label == TUBERCULOSIS
        )
        for k, label in enumerate(CLASSES)
    }
    runtime = replace(runtime, thresholds=tuple(p.threshold for p in promises), confidence=rule.confidence)
    facts = {
        "n": len(rows),
        "units": len(np.unique(units)),
        "classes": {label: int((given.truth == k).sum()) for k, label in enumerate(CLASSES)},
        "sources": int(rows["source"].nunique()),
    }
    return Fitted(runtime, temperature, promises, rule, points, facts)
