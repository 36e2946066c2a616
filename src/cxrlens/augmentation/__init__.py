"""Augmentation: random physical effects on batches, for training only; drawing is kept apart from applying."""

from cxrlens.augmentation.augment import Augmentation
from cxrlens.augmentation.options import STRENGTHS, AugmentationOptions
from cxrlens.augmentation.parameters import Parameters

__all__ = ["STRENGTHS", "Augmentation", "AugmentationOptions", "Parameters"]
