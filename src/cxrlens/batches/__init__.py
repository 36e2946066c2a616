"""Batches: preprocessed pixels packed once, mapped into memory, and handed out in a reproducible order."""

from cxrlens.batches.batches import Batch, Batches
from cxrlens.batches.packed import PackedPixels, open_packed
from cxrlens.batches.packing import pack

__all__ = ["Batch", "Batches", "PackedPixels", "open_packed", "pack"]
