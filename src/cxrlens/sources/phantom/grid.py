"""Where each pixel's ray passes through the patient, and the few shapes that all bodies are made of. Lengths in cm."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.sources.phantom.patient import Patient, Pose

Field = NDArray[np.float32]
"""(H, W) float32; most are path lengths along the ray, in cm."""

_CENTRE = 12.5  # cm below the apices, about T7: where the beam is centred
_WARP = 0.28  # cm: how far a low-frequency deformation moves anatomy, so that no arc is a perfect ellipse


@dataclass(frozen=True, slots=True)
class Grid:
    """Patient coordinates of every pixel.

    Args:
        x: (H, W), cm, 0 on the midline, positive towards the patient's left, which is the right of the picture.
        y: (H, W), cm, 0 at the lung apices, positive towards the feet.
        cm: side of a pixel.
    """

    x: Field
    y: Field
    cm: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return (int(self.x.shape[0]), int(self.x.shape[1]))

    def window(self, x0: float, x1: float, y0: float, y1: float) -> tuple[slice, slice]:
        """Rows and columns that hold the box; empty slices where it lies outside the picture."""
        rows, columns = self.shape
        mid_r, mid_c = rows // 2, columns // 2
        # The warp and the roll are small: the middle row and column, and a margin, bound the box well enough.
        margin = 3 * _WARP + 0.035 * 20
        across, down = self.x[mid_r], self.y[:, mid_c]
        c0, c1 = np.searchsorted(across, (min(x0, x1) - margin, max(x0, x1) + margin))
        r0, r1 = np.searchsorted(down, (min(y0, y1) - margin, max(y0, y1) + margin))
        return slice(int(r0), int(r1)), slice(int(c0), int(c1))

    def cut(self, window: tuple[slice, slice]) -> Grid:
        """The same grid, seen through a window."""
        return Grid(self.x[window], self.y[window], self.cm)


def make_grid(patient: Patient, pose: Pose, shape: tuple[int, int], width_cm: float) -> Grid:
    """Rays of a picture ``width_cm`` wide, through this patient in this pose."""
    rows, columns = shape
    cm = width_cm / columns
    x = (np.arange(columns, dtype=np.float32) + 0.5) * cm - width_cm / 2 - pose.shift_x
    y = (np.arange(rows, dtype=np.float32) + 0.5) * cm - rows * cm / 2 + _CENTRE - pose.shift_y
    c, s = np.float32(np.cos(np.radians(pose.roll))), np.float32(np.sin(np.radians(pose.roll)))
    xx, yy = np.meshgrid(x, y - _CENTRE)
    warp_x, warp_y = smooth_noise(patient.rng("texture"), shape, 5), smooth_noise(patient.rng("texture", 1), shape, 5)
    return Grid(
        x=(c * xx + s * yy + _WARP * warp_x).astype(np.float32),
        y=(c * yy - s * xx + _CENTRE + _WARP * warp_y).astype(np.float32),
        cm=float(cm),
    )


def as_field(value: object) -> Field:
    """``value`` as float32, uncopied where it is already."""
    return np.asarray(value, dtype=np.float32)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> Field:
    """(H, W) noise of about unit deviation whose bumps are 1/``cells`` of the picture wide; the same at every size."""
    coarse = rng.standard_normal((cells + 3, cells + 3), dtype=np.float32)
    scale = np.float32(1.35)  # cubic interpolation lowers the deviation
    return as_field(cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC) * scale)


def smoothstep(value: Field, low: float, high: float) -> Field:
    """0 below ``low``, 1 above ``high``, a cubic ramp between; the other way round where ``high`` is the lower."""
    t = value - np.float32(low)
    t *= np.float32(1.0 / (high - low))
    np.clip(t, 0.0, 1.0, out=t)
    ramp = t * t
    t *= np.float32(-2.0)
    t += np.float32(3.0)
    ramp *= t
    return ramp


def root(value: NDArray[np.floating]) -> Field:
    """Square root, 0 for what is negative: half the chord of a sphere of unit radius is root(1 − r²)."""
    rounded = as_field(np.maximum(value, np.float32(0.0)))
    np.sqrt(rounded, out=rounded)
    return rounded


def ellipsoid(g: Grid, at: tuple[float, float], axes: tuple[float, float, float], tilt: float = 0.0) -> Field:
    """Chord of the ray through an ellipsoid: semi-axes across, down and along the ray; ``tilt`` degrees clockwise."""
    chord = np.zeros(g.shape, np.float32)
    reach = max(axes[0], axes[1])
    window = g.window(at[0] - reach, at[0] + reach, at[1] - reach, at[1] + reach)
    c, s = float(np.cos(np.radians(tilt))), float(np.sin(np.radians(tilt)))
    dx, dy = g.x[window] - np.float32(at[0]), g.y[window] - np.float32(at[1])
    u = dx * np.float32(c / axes[0]) + dy * np.float32(s / axes[0])
    v = dy * np.float32(c / axes[1]) - dx * np.float32(s / axes[1])
    chord[window] = np.float32(2 * axes[2]) * root(1.0 - u * u - v * v)
    return chord


def path_distance(g: Grid, points: NDArray[np.float64]) -> Field:
    """Distance of every pixel to a polyline (N, 2) of x, y."""
    best: Field | None = None
    for (x0, y0), (x1, y1) in pairwise(points):
        dx, dy = x1 - x0, y1 - y0
        t = ((g.x - np.float32(x0)) * np.float32(dx) + (g.y - np.float32(y0)) * np.float32(dy)) / np.float32(
            dx * dx + dy * dy
        )
        t = np.clip(t, 0.0, 1.0)
        ex, ey = g.x - np.float32(x0) - t * np.float32(dx), g.y - np.float32(y0) - t * np.float32(dy)
        square = as_field(ex * ex + ey * ey)
        best = square if best is None else np.minimum(best, square)
    assert best is not None
    return as_field(np.sqrt(best))


def tube_chord(distance: Field, radius: float) -> Field:
    """Chord of the ray through a round tube whose axis passes at ``distance``."""
    return as_field(2.0 * root(np.float32(radius * radius) - distance * distance))
