"""Stored values of a DICOM image to grey as a display would show it.

They pass the grey-scale pipeline in the order of PS3.4 section N.2: Modality LUT (PS3.3 C.11.1), VOI LUT (C.11.2), then
polarity: Presentation LUT (C.11.6) or the inversion that MONOCHROME1 asks for (C.7.6.3.1.2).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from cxrlens.sources.voi import Values, lookup, stretch, window


def render(stored: NDArray[Any], dataset: Dataset, notes: list[str]) -> tuple[NDArray[np.float32], float]:
    """(H, W) float32 in [0, 1], 0 black = air, and how coloured it was, in [0, 1].

    Args:
        stored: (H, W) stored values, or (H, W, 3) RGB.
        dataset: its header.
        notes: what was done is added to them.

    Raises:
        ValueError: and its kin (``dicom_pixels.MALFORMED``), for tables and values that break the standard's rules.
    """
    if stored.ndim == 3:
        notes.append("colour converted to luma")
        full = float((1 << int(dataset.BitsStored)) - 1)
        grey = cv2.cvtColor(stored.astype(np.float32) / full, cv2.COLOR_RGB2GRAY)
        high, low = stored.max(axis=2).astype(np.float64), stored.min(axis=2).astype(np.float64)
        tint = float(np.mean(np.divide(high - low, high, out=np.zeros_like(high), where=high > 0)))
        return np.clip(grey, 0.0, 1.0).astype(np.float32), tint
    padding = _padding(stored, dataset)
    values = _modality(stored, dataset)
    shown = _voi(values, dataset, ~padding, notes)
    shown = _presentation(shown, dataset, notes)
    if padding.any():
        shown[padding] = 0.0
        notes.append("pixel padding set to black")
    return shown.astype(np.float32), 0.0


def _padding(stored: NDArray[Any], dataset: Dataset) -> NDArray[np.bool_]:
    """Pixels outside the exposed field (PS3.3 C.7.5.1.1.2), told in stored values."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, bool)
    limit = dataset.get("PixelPaddingRangeLimit")
    ends = sorted((int(value), int(value if limit is None else limit)))
    return np.asarray((stored >= ends[0]) & (stored <= ends[1]))


def _modality(stored: NDArray[Any], dataset: Dataset) -> Values:
    """PS3.3 C.11.1: a table where there is one, else rescale slope and intercept, else nothing."""
    values = stored.astype(np.float64)
    sequence = dataset.get("ModalityLUTSequence")
    if sequence:
        table, first, _ = _table(sequence[0], dataset)
        return lookup(values, table, first)
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    if slope is not None and intercept is not None:
        values = values * float(slope) + float(intercept)
    return values


def _voi(values: Values, dataset: Dataset, valid: NDArray[np.bool_], notes: list[str]) -> Values:
    """PS3.3 C.11.2: the first table, else the first window; where the file has neither, the range of its own pixels."""
    sequence = dataset.get("VOILUTSequence")
    if sequence:
        table, first, bits = _table(sequence[0], dataset)
        return np.asarray(np.clip(lookup(values, table, first) / max((1 << bits) - 1, int(table.max())), 0.0, 1.0))
    centre, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    if centre is not None and width is not None:
        try:
            return window(values, centre, width, str(dataset.get("VOILUTFunction") or "LINEAR"))
        except ValueError as error:
            notes.append(f"{error}: window not used")
    bits = int(dataset.get("BitsStored") or 16)
    if bits <= 8 and values.min() >= 0 and values.max() < 1 << bits and not dataset.get("RescaleSlope"):
        return values / ((1 << bits) - 1)  # 8 bits are ready for display
    notes.append("no VOI LUT: the pixels' own range is shown")
    return stretch(values, valid)


def _presentation(shown: Values, dataset: Dataset, notes: list[str]) -> Values:
    """PS3.3 C.11.6. The photometric interpretation rules where a Presentation LUT Shape contradicts it."""
    sequence = dataset.get("PresentationLUTSequence")
    if sequence:
        table, _, bits = _table(sequence[0], dataset)
        return lookup(shown * (len(table) - 1), table, 0) / max((1 << bits) - 1, int(table.max()))
    inverse = str(dataset.PhotometricInterpretation) == "MONOCHROME1"
    shape = str(dataset.get("PresentationLUTShape") or "")
    if shape and (shape == "INVERSE") != inverse:
        notes.append(
            f"Presentation LUT Shape {shape} contradicts {dataset.PhotometricInterpretation}, which was followed"
        )
    if inverse:
        notes.append("MONOCHROME1 inverted")
        return 1.0 - shown
    return shown


def _table(item: Dataset, dataset: Dataset) -> tuple[NDArray[Any], int, int]:
    """Entries, the first value mapped, and bits an entry (PS3.3 C.11.1.1)."""
    count, first, bits = (int(v) for v in item.LUTDescriptor)
    if not 1 <= bits <= 16:
        raise ValueError(f"lookup table of {bits} bits")
    data = item.LUTData
    if isinstance(data, bytes):
        little = dataset.original_encoding[1] is not False
        wide = np.frombuffer(data, np.dtype("<u2" if little else ">u2"))
        data = np.frombuffer(data, np.uint8) if len(wide) < (count or 65536) else wide
    table = np.atleast_1d(np.asarray(data, dtype=np.int64))[: count or 65536]
    if not len(table):
        raise ValueError("empty lookup table")
    return table, first, bits


def _first(value: Any) -> float | None:
    """Of several windows the first, which is the one to show unless the user picks (PS3.3 C.11.2.1.2)."""
    if value is None or value == "":
        return None
    return float(value[0] if isinstance(value, (pydicom.multival.MultiValue, list, tuple)) else value)
