"""Mean recall over the classes that are there: the one figure that can be compared between sources of few classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.evaluation import metrics
from cxrlens.evaluation.blocks import Bootstrap, scores_of
from cxrlens.evaluation.intervals import Interval, from_resamples, proportion
from cxrlens.evaluation.resampling import bootstrap_weights, clusters
from cxrlens.labels import CLASSES

CHANCE = 1 / len(CLASSES)
"""Expected recall of each class, and so of their mean, when one of four classes is named at random."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recall:
    """Mean recall of one set of images, with what is needed to compare it with others.

    Args:
        mean: over the classes that are present.
        by_class: ``{"n", "recall"}`` of each of those.
        drawn: (R,) the mean on each resample; empty where there is one unit only.
    """

    mean: Interval
    by_class: dict[str, Any]
    drawn: Floats


def recall_of(predictions: pd.DataFrame, bootstrap: Bootstrap) -> Recall:
    """Mean recall with its 95 % interval, resampling patients."""
    if not len(predictions):
        return Recall(Interval(None, None, None, "no images"), {}, np.zeros(0))
    scores, units = scores_of(predictions), clusters(predictions)
    rng = np.random.default_rng(bootstrap.seed)
    parts = [metrics.recall(scores.confusion(w)) for w in bootstrap_weights(units, bootstrap.resamples, rng)]
    drawn = np.concatenate(parts) if parts else np.zeros((0, len(CLASSES)))
    value = metrics.recall(scores.confusion(scores.ones()))[0]
    present = [k for k, label in enumerate(CLASSES) if (predictions["label"] == label).any()]
    by_class = {}
    for k in present:
        of_class = (predictions["label"] == CLASSES[k]).to_numpy()
        behind = len(np.unique(units[of_class]))
        by_class[CLASSES[k]] = {
            "n": int(of_class.sum()),
            "recall": proportion(value[k], drawn[:, k], behind, "no images").to_dict(),
        }
    mean = metrics.mean_of_present(drawn[:, present])
    together = float(np.mean(value[present]))
    if len(present) == 1:
        interval = proportion(together, mean, len(np.unique(units)), "no images")
    else:
        interval = from_resamples(together, mean, "no images")
    return Recall(interval, by_class, mean)


def difference(value: float, a: Floats, b: Floats) -> Interval:
    """Interval of a difference of two means from their resamples, paired where both were drawn alike."""
    count = min(len(a), len(b))
    return from_resamples(value, a[:count] - b[:count], "no images")


def skill(mean: float, full: float, chance: float = CHANCE) -> float | None:
    """Share of ``full``'s advantage over chance that ``mean`` has; ``None`` where ``full`` has hardly any."""
    return None if full - chance < 0.05 else (mean - chance) / (full - chance)
