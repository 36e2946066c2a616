"""Lesion masks and lung masks, as the explanations' scores use them; read by :mod:`cxrlens.sources.annotations`."""

from __future__ import annotations

from cxrlens.sources.annotations import COLUMNS, LUNGS, NO_LESIONS, Annotated, Mask, read_annotations

__all__ = ["COLUMNS", "LUNGS", "NO_LESIONS", "Annotated", "Mask", "read_annotations"]
