"""Prediction: what is said of one image, the same to the shell, to Python and over the network."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cxrlens import RESEARCH_ONLY
from cxrlens.doubts import Doubts
from cxrlens.serving.layers import DEEPEST, GRAD_CAM
from cxrlens.serving.risk import Risk

Status = Literal["answered", "not sure", "refused", "error"]
"""``answered``: there is a label. ``not sure``: the model abstains. ``refused``: the gate let it not through, and no
class is named. ``error``: there is no image."""


@dataclass(frozen=True, slots=True)
class JudgedMap:
    """What is said of a heat-map, without the map.

    Args:
        label: the class that it explains.
        doubts: what speaks against reading it.
        layer: where in the network, a name of ``Network.layers``.
        method: ``Grad-CAM`` or ``HiRes-CAM``.
    """

    label: str
    doubts: Doubts
    layer: str = DEEPEST
    method: str = GRAD_CAM

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the keys of ``heat_map`` in docs/serving.md."""
        return {
            "target": self.label,
            "layer": self.layer,
            "method": self.method,
            "flagged": self.doubts.flagged,
            "reasons": dict(self.doubts.reasons),
            "measures": {name: round(value, 6) for name, value in self.doubts.measures.items()},
            "unchecked": list(self.doubts.unchecked),
        }


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Where the network looked.

    Args:
        label: the class that is explained.
        heat: (H, W) float32 in [0, 1] over :attr:`pixels`, its top 1 unless nothing speaks for the class.
        pixels: (H, W) float32 in [0, 1], the image as it was judged: the repaired one where the gate repaired it.
        layer: where in the network, a name of ``Network.layers``.
        method: ``Grad-CAM`` or ``HiRes-CAM``.
        doubts: what speaks against reading it; ``None`` where nobody looked.
    """

    label: str
    heat: NDArray[np.float32]
    pixels: NDArray[np.float32]
    layer: str = DEEPEST
    method: str = GRAD_CAM
    doubts: Doubts | None = None

    def overlay(self, strongest: float = 0.7) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB: the heat over the film; ``strongest`` is the opacity at its top, in [0, 1]."""
        from cxrlens.serving.heat import overlay

        return overlay(self.pixels, self.heat, strongest)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is said of one image.

    Args:
        image: its name or path; blank where it came without one.
        status: see :data:`Status`.
        label: the class; ``None`` unless ``status`` is ``answered``.
        probabilities: by class, in the model's order, they add up to 1; ``None`` where no class is named at all.
        prediction_set: classes that the image may have, at the promised coverage; ``None`` without a calibration.
        reason: why there is no label, in words without a full stop; blank where there is one.
        warnings: what a reader should know besides, a phrase each.
        gate: the gate's status, reasons, warnings and scores; ``None`` where the model has no gate.
        model: ``name``, and ``hash``, the SHA-256 of the trained weights.
        measured_on: what the probabilities were measured on, in words.
        calibrated: whether the probabilities were calibrated.
        risk: how often answers as sure as this one were wrong; ``None`` without one, or where that was not measured.
        cam: file of the overlay, where one was written.
        judged_map: what is said of the heat-map, where one was asked for.
        heat_map: where the network looked, where it was asked for; not part of :meth:`to_dict`.
        identity: hash of all that decides an answer (``Predictor.identity``); not part of :meth:`to_dict`.
    """

    image: str
    status: Status
    label: str | None
    probabilities: dict[str, float] | None
    prediction_set: tuple[str, ...] | None
    reason: str
    warnings: tuple[str, ...]
    gate: dict[str, Any] | None
    model: dict[str, str]
    measured_on: str
    calibrated: bool
    risk: Risk | None = None
    cam: str | None = None
    judged_map: JudgedMap | None = None
    heat_map: HeatMap | None = field(default=None, compare=False, repr=False)
    identity: str = field(default="", repr=False)

    @property
    def abstained(self) -> bool:
        """The image was read, and no label is given: :attr:`reason` says why."""
        return self.status in ("not sure", "refused")

    @property
    def likeliest(self) -> str | None:
        """The class with the highest probability, also where the model abstains; ``None`` where none is named."""
        return max(self.probabilities, key=self.probabilities.__getitem__) if self.probabilities else None

    def with_cam(self, file: str) -> Prediction:
        """The same, naming its overlay and without the arrays."""
        return replace(self, cam=file, heat_map=None)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the keys of the contract in docs/serving.md, in that order."""
        shares = self.probabilities
        return {
            "image": self.image,
            "status": self.status,
            "label": self.label,
            "probabilities": None if shares is None else {name: round(p, 6) for name, p in shares.items()},
            "prediction_set": None if self.prediction_set is None else list(self.prediction_set),
            "abstained": self.abstained,
            "reason": self.reason,
            "warnings": list(self.warnings),
            "gate": self.gate,
            "calibrated": self.calibrated,
            "risk": None if self.risk is None else self.risk.to_dict(),
            "cam": self.cam,
            "heat_map": None if self.judged_map is None else self.judged_map.to_dict(),
            "model": dict(self.model),
            "measured_on": self.measured_on,
            "notice": RESEARCH_ONLY,
        }
