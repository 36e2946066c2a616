"""Answer: what the gate says of one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cxrlens.gate.views import RIGHT, View
from cxrlens.radiograph import Radiograph

Status = Literal["pass", "repaired", "refused"]


@dataclass(frozen=True, slots=True)
class Answer:
    """May the model judge this image?

    Args:
        status: ``pass``; ``repaired``: yes, but :attr:`radiograph` instead of what was given; ``refused``: no.
        reasons: why it was refused, a phrase each that completes "the image …", the gravest first; empty otherwise.
        warnings: what a reader should know besides, phrases of the same kind; a repair is one of them.
        radiograph: the image, or the repaired image. Of a refused one as it was given.
        scores: of each check that was made, 1 is the limit and higher is refused; 0 is a typical radiograph.
        view: how the film lay before the repair, as far as that can be told.
        logits: (K,) of the model's classes for :attr:`radiograph`, so that nobody need ask the model again; none where
            the model was not asked.
    """

    status: Status
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    radiograph: Radiograph
    scores: Mapping[str, float] = field(default_factory=dict)
    view: View = RIGHT
    logits: NDArray[np.float64] | None = None

    @property
    def accepted(self) -> bool:
        """Whether the model may judge :attr:`radiograph`."""
        return self.status != "refused"

    @property
    def score(self) -> float:
        """The highest of :attr:`scores`: above 1 the image is refused."""
        return max(self.scores.values(), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """For JSON, without pixels."""
        return {
            "status": self.status,
            "reasons": list(self.reasons),
            "warnings": list(self.warnings),
            "scores": {name: round(value, 4) for name, value in self.scores.items()},
        }
