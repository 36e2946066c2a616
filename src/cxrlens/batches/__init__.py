"""Batches: preprocessed pixels packed once, mapped into memory, and handed out in a reproducible order."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from cxrlens.batches.batches import Batch, Batches
    from cxrlens.batches.packed import PackedPixels, open_packed
    from cxrlens.batches.packing import pack

# Loaded when first used: no command waits for the libraries of another one.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "batches": ["Batch", "Batches"],
        "packed": ["PackedPixels", "open_packed"],
        "packing": ["pack"],
    },
)

__all__ = [
    "Batch",
    "Batches",
    "PackedPixels",
    "open_packed",
    "pack",
]
