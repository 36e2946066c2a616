"""What a calibrated answer needs at run time: numbers learnt once, and NumPy alone to apply them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxrlens.errors import RunError

Floats = NDArray[np.float64]

_SMALLEST = 1e-300  # a probability that underflowed to 0 still has a logarithm


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns the network's own probabilities into calibrated ones, a prediction set, and "not sure" with the reason.

    Every method takes probabilities **as the network gives them** and tempers them itself.

    Args:
        model: SHA-256 of the weights that this was fitted for.
        classes: K names, in the order of the probabilities.
        temperature: T > 0; probabilities become softmax(log p / T) (Guo 2017, ICML).
        coverage: promised share of the images of each class whose prediction set holds that class.
        thresholds: for each class the calibrated probability from which on it is in the set; ``None`` where the
            calibration part was too small for the promise: the class is then in every set, the only way to keep it.
        confidence: calibrated top probability below which no answer is given; ``None`` where none could be chosen.
        risk: share of wrong answers among the given ones for which ``confidence`` was chosen.
        measured_on: what a shown probability was measured on, in words.
    """

    model: str
    classes: tuple[str, ...]
    temperature: float
    coverage: float
    thresholds: tuple[float | None, ...]
    confidence: float | None
    risk: float
    measured_on: str

    def __post_init__(self) -> None:
        known = [t for t in self.thresholds if t is not None]
        if not self.temperature > 0 or not np.isfinite(self.temperature):
            raise ValueError(f"temperature {self.temperature} is not above 0")
        if len(self.thresholds) != len(self.classes):
            raise ValueError(f"{len(self.thresholds)} thresholds for {len(self.classes)} classes")
        if not all(0 <= t <= 1 for t in [*known, self.coverage, self.risk]):
            raise ValueError("thresholds, coverage and risk lie in [0, 1]")

    @property
    def sets_decide(self) -> bool:
        """Whether sets may say "not sure": only where the promise holds for every class."""
        return all(threshold is not None for threshold in self.thresholds)

    def probabilities(self, given: Floats) -> Floats:
        """Calibrated probabilities, the shape of ``given`` (…, K); rows add up to 1, the order of classes stays.

        Raises:
            ValueError: another number of classes, or values that are no probabilities.
        """
        values = np.asarray(given, dtype=np.float64)
        if values.ndim == 0 or values.shape[-1] != len(self.classes):
            raise ValueError(f"probabilities of shape {values.shape} do not fit {len(self.classes)} classes")
        if not np.isfinite(values).all() or (values < 0).any() or (values > 1 + 1e-6).any():
            raise ValueError("probabilities must lie in [0, 1]")
        return tempered(values, self.temperature)

    def inside(self, given: Floats) -> NDArray[np.bool_]:
        """(…, K): which classes each prediction set holds."""
        limits = np.array([0.0 if t is None else t for t in self.thresholds])
        return np.asarray(self.probabilities(given) >= limits)

    def prediction_set(self, given: Floats) -> tuple[str, ...]:
        """Classes that one image, (K,), may have; none of them, one or several."""
        return tuple(name for name, held in zip(self.classes, self.inside(given), strict=True) if held)

    def answered(self, given: Floats) -> NDArray[np.bool_]:
        """(n,): for which of (n, K) images an answer is given; :meth:`abstain` says why not."""
        calibrated, inside = self.probabilities(given), self.inside(given)
        best = calibrated.argmax(axis=-1)
        sure = np.ones(len(calibrated), dtype=np.bool_)
        if self.sets_decide:
            sure &= (inside.sum(axis=-1) == 1) & inside[np.arange(len(best)), best]
        if self.confidence is not None:
            sure &= calibrated.max(axis=-1) >= self.confidence
        return sure

    def abstain(self, given: Floats) -> str:
        """Why the model says "not sure" of one image, (K,), without a full stop; empty where it answers."""
        calibrated = self.probabilities(given)
        best = int(calibrated.argmax())
        if self.sets_decide:
            held = self.prediction_set(given)
            if not held:
                return f"no class is likely enough: at {self.coverage:.0%} coverage the prediction set is empty"
            if len(held) > 1:
                return f"more than one class is likely: {', '.join(held[:-1])} or {held[-1]}"
            if held[0] != self.classes[best]:
                return f"{self.classes[best]} is the likeliest but too doubtful for one, and {held[0]} is not excluded"
        if self.confidence is not None and calibrated[best] < self.confidence:
            said = f"{self.classes[best]} has the probability {calibrated[best]:.2f}, below {self.confidence:.2f}"
            return f"{said}, from which on at most {self.risk:.0%} of the answers should be wrong"
        return ""

    def of_model(self, weights_sha256: str) -> Calibration:
        """Itself; :class:`RunError` where it was fitted for another model."""
        if self.model != weights_sha256:
            fault = f"was fitted for the model {self.model[:12]}…, and this one is {weights_sha256[:12]}…"
            raise RunError("calibration.json", fault, "run 'cxrlens evaluate' and 'cxrlens calibrate' again")
        return self

    def to_dict(self) -> dict[str, Any]:
        """For JSON; :meth:`from_dict` reads it back to the bit."""
        record = asdict(self)
        return {**record, "classes": list(self.classes), "thresholds": list(self.thresholds)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """From :meth:`to_dict`, or from a whole ``calibration.json`` that holds it as ``runtime``.

        Raises:
            RunError: something is missing or impossible in it.
        """
        try:
            inner = values.get("runtime", values)
            return cls(
                model=str(inner["model"]),
                classes=tuple(str(name) for name in inner["classes"]),
                temperature=float(inner["temperature"]),
                coverage=float(inner["coverage"]),
                thresholds=tuple(None if t is None else float(t) for t in inner["thresholds"]),
                confidence=None if inner["confidence"] is None else float(inner["confidence"]),
                risk=float(inner["risk"]),
                measured_on=str(inner["measured_on"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            fault = f"lacks or garbles {error}"
            raise RunError("calibration.json", fault, "run 'cxrlens calibrate' again") from error


def tempered(probabilities: Floats, temperature: float) -> Floats:
    """softmax(log p / T) of (…, K) probabilities: their logarithms are logits up to a constant a row (Guo 2017)."""
    logits = np.log(np.maximum(probabilities, _SMALLEST)) / temperature
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), dtype=np.float64)
