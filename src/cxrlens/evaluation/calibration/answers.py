"""What the given answers are worth, and why the others were not given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.calibrated import Calibration
from cxrlens.evaluation.blocks import Bootstrap, scores_of
from cxrlens.evaluation.calibration.parts import Places, by_parts, means_of, share_of

REASONS = {
    "empty": "no class is likely enough for the prediction set",
    "several": "more than one class is likely",
    "another": "the likeliest class is not in the set, another one is",
    "confidence": "the probability is below the threshold",
}
"""Why no answer is given, in the order in which :meth:`cxrlens.calibrated.Calibration.abstain` asks."""


def measure_answers(
    rows: pd.DataFrame, calibration: Calibration, bootstrap: Bootstrap, *, sources: bool = True
) -> dict[str, Any]:
    """Share answered, and how often the answers, the withheld ones and all together are right.

    Args:
        rows: n rows of predictions.
        calibration: what was learnt on the calibration part.
        bootstrap: resamples and seed.
        sources: measure each source too.

    Returns:
        ``overall``, ``by_class`` (of the truth), ``by_source``: each ``n``, ``answered`` (share), ``n_answered``,
        ``accuracy_answered``, ``accuracy_withheld``, ``accuracy_all`` and ``withheld``: how many for each of
        :data:`REASONS`.
    """
    scores = scores_of(rows)
    right = scores.predicted == scores.truth
    why = reasons_of(scores.probabilities, calibration)
    answered = why == ""

    def measure(places: Places) -> dict[str, Any]:
        part, given = rows.iloc[places], answered[places]
        whole = means_of({"answered": given, "right": right[places]}, part, bootstrap)
        return {
            "n": len(part),
            "n_answered": int(given.sum()),
            "answered": whole["answered"].to_dict(),
            "accuracy_answered": share_of(right[places][given], part[given], bootstrap, "no answer given").to_dict(),
            "accuracy_withheld": share_of(right[places][~given], part[~given], bootstrap, "all answered").to_dict(),
            "accuracy_all": whole["right"].to_dict(),
            "withheld": {name: int((why[places] == name).sum()) for name in REASONS},
        }

    return by_parts(rows, measure, sources=sources)


def reasons_of(probabilities: NDArray[np.float64], calibration: Calibration) -> NDArray[np.str_]:
    """(n,) key of :data:`REASONS` for each of (n, 4) images, empty where an answer is given."""
    calibrated, inside = calibration.probabilities(probabilities), calibration.inside(probabilities)
    size, best = inside.sum(axis=1), calibrated.argmax(axis=1)
    why = np.full(len(best), "", dtype="<U10")
    if calibration.confidence is not None:
        why[calibrated.max(axis=1, initial=0.0) < calibration.confidence] = "confidence"
    if calibration.sets_decide:
        why[~inside[np.arange(len(best)), best]] = "another"
        why[size > 1] = "several"
        why[size == 0] = "empty"
    return why
