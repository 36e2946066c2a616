"""What is no disease, in and on the patient: leads, lines, a pacemaker, calcified scars. In every class alike."""

from __future__ import annotations

import numpy as np

from cxrlens.sources.phantom.grid import Field, Grid, as_field, ellipsoid, path_distance, smoothstep, tube_chord
from cxrlens.sources.phantom.patient import Patient
from cxrlens.sources.phantom.thorax import Thorax


def build_devices(patient: Patient, visit: int, t: Thorax, g: Grid, *, portable: bool) -> Field:
    """(H, W) extra attenuation, no unit; chances depend on age and on the hospital, never on the class."""
    rng = patient.rng("pose", 100 + visit)
    own = patient.rng("bones", 1)
    total = np.zeros(g.shape, np.float32)
    if own.random() < 0.10:
        at = (float(own.choice([-1, 1]) * own.uniform(5, 10)), float(own.uniform(3, 17)))
        total += ellipsoid(g, at, (0.28, 0.24, 0.25)) * np.float32(0.9)
    if own.random() < (0.07 if patient.age > 65 else 0.01):
        total += _pacemaker(g, t)
    if portable and rng.random() < 0.55:
        for _ in range(int(rng.integers(2, 4))):
            total += _lead(rng, t, g)
    if portable and rng.random() < 0.22:
        total += _central_line(rng, t, g)
    return total


def _wire(g: Grid, points: list[tuple[float, float]], radius: float, density: float) -> Field:
    track = _smooth(np.array(points))
    (x0, y0), (x1, y1) = track.min(axis=0) - 0.5, track.max(axis=0) + 0.5
    window = g.window(float(x0), float(x1), float(y0), float(y1))
    total = np.zeros(g.shape, np.float32)
    total[window] = tube_chord(path_distance(g.cut(window), track), max(radius, 0.45 * g.cm)) * np.float32(density)
    return total


def _smooth(
    points: np.ndarray[tuple[int, int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Two rounds of Chaikin's corner cutting."""
    for _ in range(2):
        a, b = points[:-1], points[1:]
        inner = np.stack([0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b], axis=1).reshape(-1, 2)
        points = np.concatenate([points[:1], inner, points[-1:]])
    return points


def _lead(rng: np.random.Generator, t: Thorax, g: Grid) -> Field:
    """An electrode and its cable."""
    side = float(rng.choice([-1.0, 1.0]))
    at = (side * float(rng.uniform(6, 12)), float(rng.uniform(2.5, 0.8 * t.dome_right)))
    ring = smoothstep(np.hypot(g.x - np.float32(at[0]), g.y - np.float32(at[1])).astype(np.float32), 0.5, 0.36)
    way = [
        at,
        (at[0] + side * 1.5, at[1] + 4),
        (at[0] + side * float(rng.uniform(-4, 3)), at[1] + 10),
        (side * 9, 36.0),
    ]
    return as_field(0.8 * ring + _wire(g, way, 0.06, 1.8))


def _central_line(rng: np.random.Generator, t: Thorax, g: Grid) -> Field:
    """A catheter from the right neck into the superior vena cava."""
    x = float(rng.normal(-1.6, 0.2))
    way = [(-4.0, -8.0), (-2.9, -1.0), (x, 3.5), (x - 0.2, t.carina), (x, t.carina + float(rng.uniform(0.5, 3.0)))]
    return _wire(g, way, 0.10, 0.9)


def _pacemaker(g: Grid, t: Thorax) -> Field:
    """A generator below the left clavicle and its lead to the right ventricle."""
    can = smoothstep(ellipsoid(g, (10.0, 5.0), (2.1, 1.7, 1.0)), 0.1, 0.7) * np.float32(3.0)
    way = [(8.8, 4.4), (6.0, 3.2), (1.0, 4.0), (-1.6, 7.0), (-1.8, t.dome_right - 6.0), (2.6, t.dome_right - 1.6)]
    return as_field(can + _wire(g, way, 0.09, 2.2))
