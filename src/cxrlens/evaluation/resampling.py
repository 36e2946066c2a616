"""What is drawn again in a bootstrap: patients, not images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.split import split_units

Weights = NDArray[np.float64]
"""(R, n): how often each of n images was drawn in each of R resamples."""

_CELLS_AT_ONCE = 4_000_000  # of the (R, n) matrix; keeps memory flat however many images there are


def clusters(frame: pd.DataFrame) -> NDArray[np.intp]:
    """Number the independent units of a manifest or a table of predictions: the very units that a split keeps together.

    Images of one patient, or of one duplicate group, stand or fall together: they are one unit, and so is everything
    that such links join. An image with neither is a unit of its own.

    Args:
        frame: n rows with ``source``, ``patient_id`` and ``duplicate_group``, blank where unknown.

    Returns:
        (n,) unit of each row, 0..units-1.
    """
    columns = ["source", "patient_id", "duplicate_group"]
    return split_units(frame[columns].astype(str)).astype(np.intp)


def bootstrap_weights(units: NDArray[np.intp], resamples: int, rng: np.random.Generator) -> Iterator[Weights]:
    """Draw units with replacement, and give every image the number of times its unit was drawn.

    The cluster bootstrap of Field and Welsh 2007 (J. R. Stat. Soc. B 69), as weights so that no row is ever copied.

    Args:
        units: (n,) unit of each image, 0..units-1.
        resamples: how many resamples in all.
        rng: where the draws come from.

    Yields:
        (r, n) weights, the r adding up to ``resamples``; nothing for fewer than two units.
    """
    count = int(units.max()) + 1 if len(units) else 0
    if count < 2:
        return
    step = max(1, _CELLS_AT_ONCE // max(len(units), count))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = rng.integers(count, size=(rows, count)) + np.arange(rows)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        yield times[:, units].astype(np.float64)
