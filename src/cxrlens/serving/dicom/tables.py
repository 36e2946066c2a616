"""Grey-scale tables of the source for a presentation state: modality, values of interest, presentation.

A presentation state replaces what the image says of its own grey scale (PS3.4 section N.2), so all of it is carried
over, or a MONOCHROME1 film would show inverted. The choices are those of ``sources/dicom.py``: a table before a window,
the first window of several.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from cxrlens.serving.dicom.header import number, text

_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def carry_tables(state: Dataset, source: Dataset) -> None:
    """Write Modality LUT, Softcopy VOI LUT and Softcopy Presentation LUT (PS3.3 C.11.1, C.11.8, C.11.6).

    Args:
        state: the presentation state, changed in place.
        source: the image.
    """
    modality = source.get("ModalityLUTSequence")
    slope, intercept = number(source, "RescaleSlope"), number(source, "RescaleIntercept")
    if modality:
        item = _table(modality[0], source)
        item.ModalityLUTType = text(modality[0], "ModalityLUTType") or "US"
        state.ModalityLUTSequence = [item]
    elif slope is not None and intercept is not None:
        state.RescaleSlope, state.RescaleIntercept = _decimal(slope), _decimal(intercept)
        state.RescaleType = text(source, "RescaleType") or "US"
    voi = _voi(source)
    if voi is not None:
        state.SoftcopyVOILUTSequence = [voi]
    shapes = ("PresentationLUTSequence", "PresentationLUTShape")
    for name in shapes:
        if name in state:
            del state[name]
    if source.get("PresentationLUTSequence"):
        state.PresentationLUTSequence = [_table(source.PresentationLUTSequence[0], source)]
    else:
        inverse = text(source, "PhotometricInterpretation") == "MONOCHROME1"
        state.PresentationLUTShape = "INVERSE" if inverse else "IDENTITY"


def _voi(source: Dataset) -> Dataset | None:
    item = Dataset()
    tables = source.get("VOILUTSequence")
    if tables:
        item.VOILUTSequence = [_table(tables[0], source)]
        return item
    centre, width = number(source, "WindowCenter"), number(source, "WindowWidth")
    if centre is None or width is None or width <= 0:
        return None
    item.WindowCenter, item.WindowWidth = _decimal(centre), _decimal(width)
    function = text(source, "VOILUTFunction")
    if function in _FUNCTIONS:
        if width < 1 and function == "LINEAR":
            return None
        item.VOILUTFunction = function
    return item


def _decimal(value: float) -> str:
    """A number of at most 16 letters (DS)."""
    return f"{value:.10g}"[:16]


def _table(given: Dataset, source: Dataset) -> Dataset:
    """A table with its entries as 16-bit words, little endian."""
    item = Dataset()
    count, first, bits = (int(v) for v in given.LUTDescriptor)
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [count, first, bits])
    if text(given, "LUTExplanation"):
        item.LUTExplanation = text(given, "LUTExplanation")
    item.add_new("LUTData", "OW", _words(given.LUTData, count or 65536, source))
    return item


def _words(data: Any, count: int, source: Dataset) -> bytes:
    if isinstance(data, bytes):
        little = source.original_encoding[1] is not False
        words = np.frombuffer(data, np.dtype("<u2" if little else ">u2"))
        if len(words) < count:  # eight bits an entry
            words = np.frombuffer(data, np.uint8)[:count].astype(np.uint16)
    else:
        words = (np.atleast_1d(np.asarray(data)).astype(np.int64) & 0xFFFF).astype(np.uint16)
    return words.astype("<u2").tobytes()
