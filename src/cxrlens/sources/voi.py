"""The grey-scale pipeline of DICOM as arithmetic: window functions and tables (PS3.3 section C.11)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def window(values: Values, centre: float, width: float, function: str = "LINEAR") -> Values:
    """Values to [0, 1] through one window.

    ``LINEAR`` is PS3.3 C.11.2.1.2.1, ``SIGMOID`` C.11.2.1.3.1, ``LINEAR_EXACT`` C.11.2.1.3.2.

    Args:
        values: output of the Modality LUT, any shape.
        centre: Window Center.
        width: Window Width; at least 1 for ``LINEAR``, above 0 for the others.
        function: VOI LUT Function.

    Raises:
        ValueError: an impossible width or an unknown function.
    """
    if function == "LINEAR":
        if width < 1:
            raise ValueError(f"window width {width:g} is below 1")
        if width == 1:  # the formula's slope is infinite: a step
            return (values > centre - 0.5).astype(np.float64)
        return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0.0, 1.0)
    if width <= 0:
        raise ValueError(f"window width {width:g} is not above 0")
    if function == "LINEAR_EXACT":
        return np.clip((values - centre) / width + 0.5, 0.0, 1.0)
    if function == "SIGMOID":
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - centre) / width, -700.0, 700.0)))
    raise ValueError(f"unknown VOI LUT Function {function!r}")


def lookup(values: Values, table: NDArray[Any], first: int) -> Values:
    """Values through a table (PS3.3 C.11.1.1.1): below ``first`` the first entry holds, beyond the end the last."""
    index = np.clip(np.rint(values).astype(np.int64) - first, 0, len(table) - 1)
    return table.astype(np.float64)[index]


def stretch(values: Values, valid: NDArray[np.bool_] | None = None) -> Values:
    """Lowest valid value to 0, highest to 1; zeros where all are the same."""
    chosen = values if valid is None or not valid.any() else values[valid]
    low, high = float(chosen.min()), float(chosen.max())
    if high <= low:
        return np.zeros_like(values)
    return np.clip((values - low) / (high - low), 0.0, 1.0)
