"""Post-primary tuberculosis: patchy infiltrates, cavities, nodules and scars in the apices."""

from __future__ import annotations

import numpy as np

from cxrlens.sources.phantom.grid import Field, Grid, as_field, ellipsoid, smooth_noise, smoothstep
from cxrlens.sources.phantom.patient import Patient
from cxrlens.sources.phantom.thorax import Thorax
from cxrlens.sources.phantom.vessels import draw_tree, grow_tree

INFILTRATE, CAVITY, NODULE, FIBROSIS = "Infiltrate", "Cavity", "Nodule", "Fibrosis"
_LUMEN = 0.33  # lung's own attenuation over that of soft tissue in its place: a lumen lacks even that


def tuberculosis(rng: np.random.Generator, severity: float, patient: Patient, t: Thorax, g: Grid) -> dict[str, Field]:
    """Finding → (H, W) cm of soft tissue in place of lung, negative in the lumen of a cavity."""
    sides = ((-1,), (1,), (-1, 1))[int(rng.choice(3, p=[0.45, 0.30, 0.25]))]
    parts: dict[str, Field] = {INFILTRATE: np.zeros(g.shape, np.float32)}
    inside = smoothstep(t.lung, 0.2, 1.8)
    for rank, side in enumerate(sides):
        weight = severity * (1.0 if rank == 0 else float(rng.uniform(0.35, 0.9)))
        centre = (side * patient.half_width * float(rng.uniform(0.30, 0.52)), float(rng.uniform(2.2, 4.8)))
        parts[INFILTRATE] += _infiltrate(rng, weight, side, centre, t, g)
        if rng.random() < 0.25 + 0.5 * weight:
            _add(parts, CAVITY, _cavities(rng, weight, side, centre, g) * inside)
        if rng.random() < 0.75:
            _add(parts, NODULE, _nodules(rng, weight, side, centre, g) * inside)
        if rng.random() < 0.5:
            _add(parts, FIBROSIS, _streaks(rng, weight, side, centre, t, g) * inside)
    return {name: np.minimum(part, 0.95 * t.lung).astype(np.float32) for name, part in parts.items()}


def mediastinal_pull(patient: Patient) -> float:
    """Shift of the upper mediastinum by shrinking scars, cm towards the patient's left; 0 in three of four patients."""
    rng = patient.rng("lesion", 1)
    return float(rng.choice([-1.0, 1.0]) * rng.uniform(0.4, 1.1)) if rng.random() < 0.25 else 0.0


def _add(parts: dict[str, Field], name: str, part: Field) -> None:
    parts[name] = parts[name] + part if name in parts else part


def _infiltrate(
    rng: np.random.Generator, severity: float, side: int, centre: tuple[float, float], t: Thorax, g: Grid
) -> Field:
    """Ill-defined patches around ``centre``, with a cap along the apex's wall."""
    radius = 1.9 + 1.7 * severity
    dx, dy = (g.x - np.float32(centre[0])) / radius, (g.y - np.float32(centre[1])) / (1.15 * radius)
    blob = np.exp(-1.1 * (dx * dx + dy * dy))
    texture = 0.75 + 0.55 * smooth_noise(rng, g.shape, 13) + 0.45 * smooth_noise(rng, g.shape, 28)
    patch = blob * np.clip(texture, 0.0, 2.2) * smoothstep(g.x * np.float32(side), 0.3, 1.3)
    return as_field(np.minimum(patch * np.float32(0.44 + 0.30 * severity), 0.9) * t.lung)


def _cavities(rng: np.random.Generator, severity: float, side: int, centre: tuple[float, float], g: Grid) -> Field:
    """One to three thick-walled spheres, not quite round, with a lucent centre."""
    total = np.zeros(g.shape, np.float32)
    for _ in range(1 + int(rng.random() < 0.35) + int(rng.random() < 0.2 * severity)):
        r = float(rng.uniform(0.8, 1.2 + 0.8 * severity))
        wall = float(rng.uniform(0.28, 0.50))
        at = (centre[0] + float(rng.normal(0, 1.2)), float(np.clip(centre[1] + rng.normal(0.2, 1.1), 1.8, 7.0)))
        axes = (r * float(rng.uniform(0.85, 1.15)), r, r)
        tilt = float(rng.uniform(-40, 40))
        hollow = (axes[0] - wall, axes[1] - wall * float(rng.uniform(0.8, 1.2)), axes[2] - wall)
        outer = ellipsoid(g, at, axes, tilt)
        inner = np.minimum(ellipsoid(g, at, hollow, tilt), outer)
        total = np.where(outer > 0, (outer - inner) * 0.9 - _LUMEN * inner, total)
    return as_field(total)


def _nodules(rng: np.random.Generator, severity: float, side: int, centre: tuple[float, float], g: Grid) -> Field:
    """Small balls scattered through the upper zone."""
    total = np.zeros(g.shape, np.float32)
    for _ in range(3 + int(rng.poisson(9 * severity))):
        r = float(rng.uniform(0.18, 0.42))
        at = (centre[0] + float(rng.normal(0, 2.0)), float(np.clip(centre[1] + rng.normal(0.8, 1.7), 0.8, 9.0)))
        if at[0] * side < 2.0:
            continue
        window = g.window(at[0] - r, at[0] + r, at[1] - r, at[1] + r)
        total[window] += ellipsoid(g.cut(window), at, (r, r, r)) * np.float32(1.2)
    return total


def _streaks(
    rng: np.random.Generator, severity: float, side: int, centre: tuple[float, float], t: Thorax, g: Grid
) -> Field:
    """Scars drawn from the apex towards the hilum."""
    hilum = t.hilum_right if side < 0 else t.hilum_left
    aim = float(np.degrees(np.arctan2(hilum[1] - centre[1], hilum[0] - centre[0])))
    headings = aim + np.array([-24.0, -9.0, 4.0, 17.0, 150.0, 200.0])
    tree = grow_tree(rng, centre, headings, diameter=0.26 + 0.16 * severity, length=3.2, generations=3)
    return as_field(draw_tree(tree, g) * np.float32(1.3))
