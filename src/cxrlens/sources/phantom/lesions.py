"""What disease puts into the lungs. Lengths in cm of soft tissue that stands where aerated lung stood.

Appearances follow Hansell et al., "Fleischner Society: Glossary of Terms for Thoracic Imaging", Radiology 246 (2008).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.labels import COVID19, NORMAL, PNEUMONIA, TUBERCULOSIS
from cxrlens.sources.phantom.consolidation import consolidation
from cxrlens.sources.phantom.grid import Field, Grid, as_field, smooth_noise, smoothstep
from cxrlens.sources.phantom.patient import Patient
from cxrlens.sources.phantom.physics import Coefficients
from cxrlens.sources.phantom.thorax import Thorax
from cxrlens.sources.phantom.tuberculosis import tuberculosis

NOTICEABLE = 0.05
"""Change of the line integral ∫µ dl from which a pixel belongs to a lesion: 5 % of the primary radiation."""

GROUND_GLASS = "Ground Glass Opacities"
CONSOLIDATION = "Consolidation"


@dataclass(frozen=True, slots=True)
class Lesions:
    """What was added to one patient's lungs.

    Args:
        parts: finding → (H, W) cm of soft tissue in place of lung; negative where more air than in lung.
    """

    parts: dict[str, Field]

    def total(self, shape: tuple[int, int]) -> Field:
        """Sum over findings, (H, W) cm; zeros where there is none."""
        total = np.zeros(shape, np.float32)
        for part in self.parts.values():
            total += part
        return total

    def masks(self, mu: Coefficients, cm: float) -> dict[str, NDArray[np.bool_]]:
        """Finding → (H, W) bool: where it changes the line integral by :data:`NOTICEABLE` or more, holes closed."""
        masks = {}
        for finding, part in self.parts.items():
            change = cv2.GaussianBlur(np.abs(part), (0, 0), max(0.2 / cm, 0.4)) * np.float32(mu.soft - mu.lung)
            mask = (change >= NOTICEABLE).astype(np.uint8)
            side = max(3, 2 * round(0.35 / cm) + 1)
            mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
            if mask.any():
                masks[finding] = mask.astype(bool)
        return masks


def build_lesions(label: str, patient: Patient, visit: int, t: Thorax, g: Grid) -> Lesions:
    """Lesions of one class; their place belongs to the patient, their severity to the visit.

    Raises:
        ValueError: ``label`` is none of the four classes.
    """
    if label == NORMAL:
        return Lesions({})
    rng = patient.rng("lesion")
    severity = severity_of(patient, visit)
    if label == PNEUMONIA:
        return Lesions({CONSOLIDATION: consolidation(rng, severity, t, g)})
    if label == COVID19:
        return Lesions({GROUND_GLASS: _ground_glass(rng, severity, patient, t, g)})
    if label == TUBERCULOSIS:
        return Lesions(tuberculosis(rng, severity, patient, t, g))
    raise ValueError(f"unknown label {label!r}")


def severity_of(patient: Patient, visit: int) -> float:
    """0.3 (subtle) to 1 (gross). A later visit is better or worse than the first, and in most better."""
    first = 0.35 + 0.65 * float(patient.rng("severity").beta(1.6, 1.3))
    if visit == 0:
        return first
    return float(np.clip(first * patient.rng("severity", visit).uniform(0.6, 1.15), 0.3, 1.0))


def _ground_glass(rng: np.random.Generator, severity: float, patient: Patient, t: Thorax, g: Grid) -> Field:
    """Hazy patches along the ribs' inner wall of both lungs, denser below; vessels stay visible through them."""
    cloud = np.zeros(g.shape, np.float32)
    for side, dome in ((-1, t.dome_right), (1, t.dome_left)):
        count = 2 + int(rng.poisson(1.5 + 3.5 * severity))
        for _ in range(count):
            y = float(np.clip(dome - abs(rng.normal(0.5, 4.2)) + 1.5, t.carina + 0.5, dome + 3.0))
            off = float(np.clip(abs(rng.normal(0.6, 1.5)), 0.2, 5.5))
            along, across = float(rng.uniform(1.5, 3.4)), float(rng.uniform(1.0, 2.1))
            amount = float(rng.uniform(0.5, 1.1))
            window = g.window(side * 2.0, side * (patient.half_width + 1), y - 2.2 * along, y + 2.2 * along)
            w = g.cut(window)
            outer = t.outer[window]
            r2 = ((w.y - np.float32(y)) / np.float32(along)) ** 2 + (
                (outer - np.float32(off)) / np.float32(across)
            ) ** 2
            cloud[window] += amount * np.exp(-0.9 * r2) * (w.x * side > 0)
    patchy = np.clip(1.0 + 0.30 * smooth_noise(rng, g.shape, 16) + 0.22 * smooth_noise(rng, g.shape, 38), 0.15, 2.0)
    share = 1.0 - np.exp(-cloud * patchy.astype(np.float32))
    # Ground glass raises the density of lung by a third (subtle) to a half and more; it does not replace it.
    inside = smoothstep(t.lung, 0.2, 2.5) * t.above_domes
    return as_field(np.float32(0.30 + 0.30 * severity) * share * t.lung * inside)
