"""Augmentation: random physical effects on batches, for training only; drawing is kept apart from applying."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from cxrlens.augmentation.augment import Augmentation
    from cxrlens.augmentation.options import STRENGTHS, AugmentationOptions
    from cxrlens.augmentation.parameters import Parameters

# Loaded when first used: not all of it needs torch, or the loop.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "augment": ["Augmentation"],
        "options": ["STRENGTHS", "AugmentationOptions"],
        "parameters": ["Parameters"],
    },
)

__all__ = [
    "STRENGTHS",
    "Augmentation",
    "AugmentationOptions",
    "Parameters",
]
