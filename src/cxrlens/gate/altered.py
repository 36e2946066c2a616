"""Altered radiographs: what the gate should repair, warn of or refuse, made from films that stand right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import cv2
import numpy as np

from cxrlens.gate.views import View
from cxrlens.radiograph import Pixels, Radiograph

Due = Literal["repair", "warning", "refusal"]

_SHRUNKEN = 48  # pixels of the shorter side


@dataclass(frozen=True, slots=True)
class Alteration:
    """One thing that may have happened to a film.

    Args:
        due: what the gate owes it.
        pixels: (H, W) to the altered pixels.
        view: how the film then lies.
        score: name of the score that should tell: a check's, ``fallen`` or ``mirrored``.
    """

    due: Due
    pixels: Callable[[Pixels], Pixels]
    view: View
    score: str

    def __call__(self, radiograph: Radiograph) -> Radiograph:
        """The altered film."""
        return replace(radiograph, pixels=np.ascontiguousarray(self.pixels(radiograph.pixels), dtype=np.float32))


def clipped(pixels: Pixels) -> Pixels:
    """Windowed so narrowly that the darkest and the brightest 30 % are pure black and white."""
    low, high = (float(v) for v in np.percentile(pixels, (30, 70)))
    return np.asarray(np.clip((pixels - low) / max(high - low, 1e-3), 0.0, 1.0), dtype=np.float32)


def shrunken(pixels: Pixels) -> Pixels:
    """Reduced to 48 pixels on the shorter side."""
    h, w = pixels.shape
    scale = _SHRUNKEN / min(h, w)
    size = (max(_SHRUNKEN, round(w * scale)), max(_SHRUNKEN, round(h * scale)))
    return np.asarray(np.clip(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), 0.0, 1.0), dtype=np.float32)


def _viewed(view: View, due: Due = "repair") -> Alteration:
    return Alteration(due, view.apply, view, "mirrored" if due == "warning" else "fallen")


ALTERATIONS: Mapping[str, Alteration] = MappingProxyType(
    {
        "turned by 90° to the left": _viewed(View(1)),
        "turned by 90° to the right": _viewed(View(3)),
        "upside down": _viewed(View(2)),
        "flipped top to bottom": _viewed(View(2, mirrored=True)),
        "inverted": _viewed(View(inverted=True)),
        "turned and inverted": _viewed(View(1, inverted=True)),
        "mirrored": _viewed(View(mirrored=True), "warning"),
        "clipped": Alteration("refusal", clipped, View(), "clipped"),
        "shrunken to 48 pixels": Alteration("refusal", shrunken, View(), "too small"),
    }
)
"""By name. A flip from top to bottom is a mirroring and half a turn: the turn is undone, the mirroring is warned of."""
