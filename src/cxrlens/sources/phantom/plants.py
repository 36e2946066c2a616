"""Shortcuts that can be planted in a phantom, one at a time or together, to see whether an audit finds them.

Each plant that changes pictures has a class of its own, so that planted together they can still be told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cxrlens.labels import COVID19, PNEUMONIA, TUBERCULOSIS
from cxrlens.sources.phantom.cohort import Mix, Record
from cxrlens.sources.phantom.grid import Field, as_field

CORNER_MARKER, SOURCE_CONTRAST, SPLIT_PATIENT, CLASS_JPEG, COPIES_ACROSS = PLANTS = (
    "corner-marker",
    "source-contrast",
    "split-patient",
    "class-jpeg",
    "copies-across",
)
"""A mark on the film; a hospital and its tone; a patient in two parts; a JPEG quality; copies in two parts."""

MARKED, TONED, RECOMPRESSED = COVID19, TUBERCULOSIS, PNEUMONIA
"""The class that ``corner-marker``, ``source-contrast`` and ``class-jpeg`` give away."""

TONED_HOSPITAL = "harbour-cr"
"""Where nearly all of :data:`TONED` comes from: the hospital that otherwise looks most like the others."""

MARKED_SHARE = 0.96  # nearly all: a shortcut without exceptions would be told from the class by nothing
QUALITY = 55  # of the recompressed class; the hospitals' own are 80 and 86

_STREAM = 8  # of the seeds; 1 to 7 are the cohort's and the faults'


@dataclass(frozen=True, slots=True)
class Treatment:
    """What the plants do to one image.

    Args:
        marker: a small bright ring is burnt into the lower left corner.
        tone: the picture is given the tone of :data:`TONED_HOSPITAL`.
        quality: of its JPEG instead of the hospital's own; none: the hospital's own.
    """

    marker: bool = False
    tone: bool = False
    quality: int | None = None

    def apply(self, pixels: Field) -> Field:
        """(H, W) in [0, 1], changed as the plants ask; the same array where they ask for nothing."""
        if self.tone:  # a curve, since a mere stretch would be undone by whoever normalises the range
            pixels = as_field(0.10 + 0.85 * np.power(pixels, 0.5))
        return _burn_ring(pixels) if self.marker else pixels

    def said(self, jpeg: bool) -> list[tuple[str, str]]:
        """(plant, what was done) for ``truth/plants.csv``."""
        lines = [(CORNER_MARKER, "ring in the lower left corner")] if self.marker else []
        lines += [(SOURCE_CONTRAST, "tone of the one hospital")] if self.tone else []
        return lines + ([(CLASS_JPEG, f"JPEG quality {self.quality}")] if self.quality and jpeg else [])


def mix_of(plants: Sequence[str], *, clean: bool) -> Mix:
    """How classes and hospitals go together in the cohort."""
    return Mix(balanced=clean, one_source=(TONED, TONED_HOSPITAL) if SOURCE_CONTRAST in plants else None)


def treatment(record: Record, plants: Sequence[str]) -> Treatment:
    """What the plants do to the image of ``record``; depends on the seed and the record alone."""
    seed = record.entropy[0]
    draws = np.random.default_rng(np.random.SeedSequence([seed, _STREAM, record.index])).random(2)
    chosen = draws < MARKED_SHARE
    return Treatment(
        marker=CORNER_MARKER in plants and record.label == MARKED and bool(chosen[0]),
        tone=SOURCE_CONTRAST in plants and record.hospital == TONED_HOSPITAL,
        quality=QUALITY if CLASS_JPEG in plants and record.label == RECOMPRESSED and bool(chosen[1]) else None,
    )


def _burn_ring(pixels: Field) -> Field:
    """A white ring on a black disc, 7 % of the short side wide: it stands out from lung and abdomen alike."""
    rows, columns = pixels.shape
    radius = max(2.0, 0.035 * min(rows, columns))
    x, y = 1.7 * radius, rows - 1 - 1.7 * radius
    away = np.hypot(*np.meshgrid(np.arange(columns) - x, np.arange(rows) - y))
    ring = cv2.GaussianBlur(((away < radius) & (away >= 0.5 * radius)).astype(np.float32), (0, 0), 0.5)
    burnt = pixels.copy()
    burnt[away < 1.25 * radius] = ring[away < 1.25 * radius]
    return as_field(burnt)
