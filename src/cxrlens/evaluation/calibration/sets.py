"""Coverage and size of prediction sets on images that neither training nor calibration has seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from cxrlens.calibrated import Calibration
from cxrlens.evaluation.blocks import Bootstrap, scores_of
from cxrlens.evaluation.calibration.conformal import ClassPromise
from cxrlens.evaluation.calibration.parts import Places, by_parts, means_of
from cxrlens.labels import CLASSES


def measure_sets(
    rows: pd.DataFrame,
    calibration: Calibration,
    promises: Sequence[ClassPromise],
    bootstrap: Bootstrap,
    *,
    sources: bool = True,
) -> dict[str, Any]:
    """How often the set holds the true class, and how large it is.

    Args:
        rows: n rows of predictions.
        calibration: what was learnt on the calibration part.
        promises: for each class, what that part could promise.
        bootstrap: resamples and seed.
        sources: measure each source too.

    Returns:
        ``overall``, ``by_class``, ``by_source``: each ``n``, ``coverage``, ``size`` (mean number of classes), the
        shares ``one``, ``several``, ``empty``; and for classes ``promised`` (false where the calibration part was too
        small) and ``surprise`` (probability of so little coverage under exchangeability).
    """
    scores = scores_of(rows)
    inside = calibration.inside(scores.probabilities)
    covered = inside[range(len(rows)), scores.truth]
    size = inside.sum(axis=1)

    def measure(places: Places) -> dict[str, Any]:
        part, classes = rows.iloc[places], size[places]
        shares = {"one": classes == 1, "several": classes > 1, "empty": classes == 0}
        columns = {"coverage": covered[places], "size": classes.astype(float), **shares}
        found = means_of(columns, part, bootstrap)
        return {"n": len(part), **{name: interval.to_dict() for name, interval in found.items()}}

    record = by_parts(rows, measure, sources=sources)
    for k, (label, promise) in enumerate(zip(CLASSES, promises, strict=True)):
        held = covered[scores.truth == k]
        entry = record["by_class"][label]
        entry["promised"] = promise.threshold is not None
        entry["surprise"] = promise.surprise(int(held.sum()), len(held))
    return record
