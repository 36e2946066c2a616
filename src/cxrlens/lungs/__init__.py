"""Lungs: where they lie in a radiograph, from a small segmenter that the project trained; see docs/lungs.md.

What runs the network with torch (``segmenting.py``, ``weights.py``) is imported when it is asked for: an exported model
runs it without (``serving/lungs.py``), between the same ``frames.py`` and ``plausible.py``.
"""

from typing import TYPE_CHECKING, Any

from cxrlens.lungs.margin import MARGIN, dilate
from cxrlens.lungs.plausible import LungsFound, lungs_found

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    if name in ("lung_masks", "segment_lungs"):
        from cxrlens.lungs import segmenting

        return getattr(segmenting, name)
    if name in ("LungWeightsError", "facts", "weights_hash"):
        from cxrlens.lungs import weights

        return getattr(weights, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
