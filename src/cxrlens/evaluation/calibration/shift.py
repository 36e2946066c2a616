"""Whether the promise survives a source that the network has never seen."""

from __future__ import annotations

from typing import Any

import pandas as pd

from cxrlens.errors import DatasetError
from cxrlens.evaluation.blocks import scores_of
from cxrlens.evaluation.calibration.answers import measure_answers
from cxrlens.evaluation.calibration.fitting import Fitted, fit_calibration
from cxrlens.evaluation.calibration.options import DEFAULTS, CalibrationOptions
from cxrlens.evaluation.calibration.parts import with_units
from cxrlens.evaluation.calibration.reliability import top_error
from cxrlens.evaluation.calibration.sets import measure_sets


def shift_coverage(
    inside: pd.DataFrame,
    outside: pd.DataFrame,
    options: CalibrationOptions = DEFAULTS,
    *,
    reference: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Calibrate on the sources that a network knows, and measure on the one that was left out of its training.

    Conformal coverage is promised for exchangeable images only (Vovk 2005); images of another hospital are not, and
    nothing that is learnt inside can mend that (Tibshirani 2019, NeurIPS, needs to know the shift). So it is measured.

    Args:
        inside: predictions of known sources, never trained on: all of them are used to fit.
        outside: predictions of the source left out.
        options: what is promised.
        reference: predictions of known sources that were neither trained nor fitted on: the same figures inside.

    Returns:
        ``fitted`` (images behind the fit), ``coverage`` (promised), ``temperature``, and ``outside`` and, where a
        reference is given, ``inside``: each ``n``, ``ece``, ``sets`` and ``answers`` with ``overall`` and ``by_class``.

    Raises:
        DatasetError: no image inside or outside.
    """
    if not len(outside):
        raise DatasetError("the source left out", "holds no image", "give predictions of a source with images")
    fitted = fit_calibration(inside.reset_index(drop=True), options)
    record = {
        "fitted": fitted.facts,
        "coverage": options.coverage,
        "temperature": round(fitted.runtime.temperature, 6),
        "outside": _measured(outside, fitted, options),
    }
    if reference is not None and len(reference):
        record["inside"] = _measured(reference, fitted, options)
    return record


def _measured(rows: pd.DataFrame, fitted: Fitted, options: CalibrationOptions) -> dict[str, Any]:
    rows, bootstrap = with_units(rows.reset_index(drop=True)), options.bootstrap
    given = scores_of(rows).probabilities
    return {
        "n": len(rows),
        "ece": top_error(rows, given, fitted.runtime.probabilities(given), bootstrap),
        "sets": measure_sets(rows, fitted.runtime, fitted.promises, bootstrap, sources=False),
        "answers": measure_answers(rows, fitted.runtime, bootstrap, sources=False),
    }
