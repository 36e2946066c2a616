"""Lungs: where they lie in a radiograph, from a small segmenter that the project trained; see docs/lungs.md."""

from cxrlens.lungs.margin import MARGIN, dilate
from cxrlens.lungs.plausible import LungsFound, lungs_found
from cxrlens.lungs.segmenting import lung_masks, segment_lungs
from cxrlens.lungs.weights import LungWeightsError, facts, weights_hash

__all__ = [
    "MARGIN",
    "LungWeightsError",
    "LungsFound",
    "dilate",
    "facts",
    "lung_masks",
    "lungs_found",
    "segment_lungs",
    "weights_hash",
]
