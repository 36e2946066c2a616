"""Radiograph: one image as it was read, with where it came from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_EDGE, _BLACK, _WHITE = 0.15, 0.004, 0.996

Pixels = NDArray[np.float32]
"""(H, W) float32 in [0, 1]; 0 is black (air, unattenuated), 1 is white (bone), as radiologists view films."""


@dataclass(frozen=True, slots=True)
class Radiograph:
    """Pixels (H, W) float32 in [0, 1], and what the file told of them.

    Args:
        pixels: (H, W) float32, finite, in [0, 1]; checked here so that nothing later has to.
        path: the file they came from.
        file_format: ``PNG``, ``JPEG``, ``TIFF``, ``BMP``, ``WEBP``, ``GIF`` or ``DICOM``.
        bit_depth: bits per sample stored in the file.
        colour_mode: ``grey``, ``rgb``, ``rgba``, ``palette`` or ``cmyk``, as stored.
        tint: mean HSV-like saturation in [0, 1] before conversion to grey; 0 for a grey image, higher is more coloured.
        metadata: facts from the file's own header, by the manifest's column names (``patient_id``, ``view``, …).
        notes: what had to be done to read it (``"EXIF rotation applied"``), a phrase each.

    Raises:
        ValueError: pixels of another shape, type or range.
    """

    pixels: Pixels
    path: str = ""
    file_format: str = ""
    bit_depth: int = 8
    colour_mode: str = "grey"
    tint: float = 0.0
    metadata: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        p = self.pixels
        if p.ndim != 2 or p.dtype != np.float32 or p.size == 0:
            raise ValueError(f"pixels must be a non-empty (H, W) float32 array, not {p.shape} {p.dtype}")
        low, high = float(p.min()), float(p.max())
        if not (low >= 0.0 and high <= 1.0):  # also false for NaN
            raise ValueError(f"pixels must lie in [0, 1], not [{low}, {high}]")

    @property
    def height(self) -> int:
        """Rows, in pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns, in pixels."""
        return int(self.pixels.shape[1])


def share_clipped(film: Pixels) -> float:
    """Share of the inner film that is pure black or white, in [0, 1]: what exposure or windowing lost for good.

    The outer part of a film is mostly air and collimation, rightly black: 15 % of each side are not looked at.
    """
    h, w = film.shape
    dy, dx = int(h * _EDGE), int(w * _EDGE)
    inner = film[dy : h - dy, dx : w - dx]
    return float(np.mean((inner <= _BLACK) | (inner >= _WHITE)))
