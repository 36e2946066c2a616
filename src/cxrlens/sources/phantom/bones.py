"""Ribs, clavicles, shoulder blades, spine: centimetres of cortical and of spongy bone along each ray."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxrlens.sources.phantom.grid import Field, Grid, ellipsoid, path_distance, root, smoothstep, tube_chord
from cxrlens.sources.phantom.patient import Patient, Pose
from cxrlens.sources.phantom.thorax import cavity_half_width

_RIBS = 11
_CORTEX = 0.11  # cm


@dataclass(frozen=True, slots=True)
class Bones:
    """Path lengths (H, W) in cm.

    Args:
        cortical: dense bone.
        spongy: trabecular bone with marrow.
    """

    cortical: Field
    spongy: Field


def build_bones(patient: Patient, pose: Pose, g: Grid) -> Bones:
    """All bones along the rays of ``g``."""
    cortical, spongy = np.zeros(g.shape, np.float32), np.zeros(g.shape, np.float32)
    rng = patient.rng("bones")
    for number in range(_RIBS):
        _rib_pair(patient, pose, g, number, rng, cortical, spongy)
    _clavicles(patient, pose, g, rng, cortical, spongy)
    _shoulder_blades(patient, pose, g, rng, cortical, spongy)
    _spine(patient, pose, g, rng, cortical, spongy)
    scale = np.float32(patient.bone)
    return Bones(cortical=cortical * scale, spongy=spongy * scale)


def shell_chords(distance: Field, radius: float, cortex: float) -> tuple[Field, Field]:
    """Chords through the wall and through the inside of a bony tube whose axis passes at ``distance``."""
    outside, inside = tube_chord(distance, radius), tube_chord(distance, max(radius - cortex, 0.0))
    return outside - inside, inside


def _rib_pair(
    patient: Patient, pose: Pose, g: Grid, number: int, rng: np.random.Generator, cortical: Field, spongy: Field
) -> None:
    """One pair. A rib is an arc in a plane that slopes forward and down, so that it projects to part of an ellipse.

    The ray crosses more bone where the rib runs along it, at the side of the chest: that is the factor ``along``.
    """
    spacing = 0.098 * patient.lung_height
    head = -0.9 + spacing * number + float(rng.normal(0, 0.12))
    slope = 0.30 + 0.030 * number + float(rng.normal(0, 0.012))
    reach = 0.40 * patient.depth + 0.03 * patient.depth * min(number, 5)
    drop = max(slope * reach, 1.1)
    level = np.array([head + drop], np.float32)
    half = float(cavity_half_width(patient, np.maximum(level, 1.6))[0]) + 0.25
    radius = (0.46 + 0.012 * number) * (1.05 if patient.sex == "M" else 0.95) * float(rng.normal(1.0, 0.04))
    flat = 0.62  # a rib is flatter along the ray than it is tall
    end_of_front = (
        0.30 + 0.055 * number + float(rng.normal(0, 0.02))
    )  # cartilage shows no bone: share of the half width
    for side in (-1, 1):
        jitter = float(rng.normal(0, 0.10))
        window = g.window(side * 0.2, side * (half + 1.0), head - 1.2 + jitter, head + 2 * drop + 1.2 + jitter)
        if window[0].start >= window[0].stop or window[1].start >= window[1].stop:
            continue
        w = g.cut(window)
        v = (w.y - np.float32(jitter + head + drop)) * np.float32(1 / drop)  # -1 behind, 1 in front
        x = (w.x - np.float32(0.8 * pose.yaw) * v) * np.float32(side)
        u = x * np.float32(1 / half)
        square = u * u + v * v
        band = 1.2 * radius / min(drop, half)
        near = (square < (1 + band) ** 2) & (square > max(1 - band, 0.0) ** 2) & (x > 0.8)
        x, u, v = x[near], u[near], v[near]
        r = np.sqrt(square[near]) + np.float32(1e-3)
        gradient = np.sqrt(u * u * np.float32(half**-2) + v * v * np.float32(drop**-2)) / r
        scaled = np.abs(r - 1.0) / np.maximum(gradient, 1e-3)
        scaled /= np.float32(radius) * (1.0 + 0.18 * smoothstep(v, -0.4, 0.6))
        cos2 = (v / r) ** 2
        sin2 = np.maximum(1.0 - cos2, 0.0)
        in_plane = np.sqrt(np.float32(half * half) * cos2 + np.float32(drop * drop) * sin2)
        along = np.sqrt(in_plane * in_plane + np.float32(reach * reach) * sin2) / np.maximum(in_plane, 0.5)
        weight = (2 * flat * radius) * np.minimum(along, 2.2) * smoothstep(x, 0.8, 1.6)
        front = smoothstep(x, end_of_front * half - 0.3, end_of_front * half + 0.3)
        weight *= np.where(v > 0, front, np.float32(1.0))
        scaled *= scaled
        outer, inner = root(1.0 - scaled), root((1.0 - _CORTEX / radius) ** 2 - scaled)
        cortical[window][near] += (outer - inner) * weight
        spongy[window][near] += inner * weight


def _clavicles(patient: Patient, pose: Pose, g: Grid, rng: np.random.Generator, cortical: Field, spongy: Field) -> None:
    """Two S-shaped tubes from the breastbone to the shoulders; rotation shows as unequal distances from the spine."""
    k = patient.half_width / 13.6
    lift = float(rng.normal(0.0, 0.8)) - 0.4 * pose.scapula_in * 0.5
    for side in (-1, 1):
        tilt = float(rng.normal(0, 0.25))
        s = np.linspace(0.0, 1.0, 9)
        x = side * (1.7 + 13.6 * k * s) + 1.1 * pose.yaw
        y = 4.0 * k + lift + tilt - 3.3 * k * s + 0.75 * np.sin(2 * np.pi * (s - 0.08)) * k
        window = g.window(float(x.min()) - 1, float(x.max()) + 1, float(y.min()) - 1.2, float(y.max()) + 1.2)
        w = g.cut(window)
        distance = path_distance(w, np.stack([x, y], axis=1))
        # Thicker at both ends than in the middle.
        place = np.clip((np.abs(w.x - np.float32(1.1 * pose.yaw)) - 1.7) / np.float32(13.6 * k), 0, 1)
        distance = distance / (1.0 + 0.9 * (place - 0.55) ** 2)
        wall, inside = shell_chords(distance.astype(np.float32), 0.56 * k, 0.13)
        cortical[window] += wall
        spongy[window] += inside


def _shoulder_blades(
    patient: Patient, pose: Pose, g: Grid, rng: np.random.Generator, cortical: Field, spongy: Field
) -> None:
    """A thin triangular plate with thick borders, its spine, and the head of the humerus."""
    k = patient.half_width / 13.6
    for side in (-1, 1):
        out = 12.2 * k - pose.scapula_in + float(rng.normal(0, 0.3))
        top = 1.6 + float(rng.normal(0, 0.4))
        corners = np.array([[out - 0.6, top], [out + 4.6 * k, top + 1.6], [out + 1.2, top + 11.5 * k]])
        window = g.window(side * (out - 2), side * (out + 9 * k), top - 3, top + 13 * k)
        if window[0].start >= window[0].stop or window[1].start >= window[1].stop:
            continue
        w = g.cut(window)
        x = w.x * np.float32(side)
        edge: Field | None = None
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            nx, ny = y1 - y0, x0 - x1
            length = float(np.hypot(nx, ny))
            signed = (x - np.float32(x0)) * np.float32(nx / length) + (w.y - np.float32(y0)) * np.float32(ny / length)
            edge = signed if edge is None else np.maximum(edge, signed)
        assert edge is not None
        plate = smoothstep(-edge.astype(np.float32), -0.15, 0.25)
        border = np.exp(-(((edge + 0.25) / 0.28) ** 2)).astype(np.float32)
        cortical[window] += 0.09 * plate + 0.13 * border
        spongy[window] += 0.12 * plate + 0.30 * border
        mirrored = Grid(x, w.y, w.cm)
        ridge = np.array([[out, top + 3.2], [out + 3.2 * k, top + 1.2], [out + 6.4 * k, top - 0.9]])
        wall, inside = shell_chords(path_distance(mirrored, ridge), 0.5, 0.12)
        cortical[window] += 0.5 * wall
        spongy[window] += 0.5 * inside
        head = (out + 6.6 * k, top + 2.0)
        outer, inner = (ellipsoid(w, (side * head[0], head[1]), (2.2 * s, 2.3 * s, 2.2 * s)) for s in (1.0, 0.94))
        shaft_wall, shaft_inside = shell_chords(
            path_distance(mirrored, np.array([[head[0] + 0.2, head[1] + 1.0], [head[0] + 3.2, head[1] + 13.0]])),
            1.15,
            0.32,
        )
        cortical[window] += np.maximum(outer - inner, shaft_wall) * np.float32(0.8)
        spongy[window] += np.maximum(inner * 0.7, shaft_inside * 0.3)


def _spine(patient: Patient, pose: Pose, g: Grid, rng: np.random.Generator, cortical: Field, spongy: Field) -> None:
    """Vertebral bodies with end plates and discs, pedicles, spinous and transverse processes, gently curved."""
    k = patient.half_width / 13.6
    pitch = 0.098 * patient.lung_height
    window = g.window(-4.5, 4.5, -14, 40)
    w = g.cut(window)
    phase, bend = float(rng.uniform(0, 6.28)), float(np.clip(rng.normal(0, 0.25), -0.7, 0.7))
    x = w.x + np.float32(0.8 * pose.yaw) - bend * np.sin(w.y * np.float32(0.16) + phase)
    t = (w.y + np.float32(0.9)) / np.float32(pitch) + 0.5
    cell = t - np.floor(t) - 0.5  # -0.5 .. 0.5 within one vertebra
    cell = cell.astype(np.float32)
    grow = 1.0 + 0.012 * np.clip(w.y, -8, 30)
    waist = (1.42 * k) * grow * (1.0 + 0.45 * cell * cell)
    u = x / waist
    inside = smoothstep(0.43 - np.abs(cell), -0.03, 0.03) * root(1.0 - u * u * u * u)
    plate = np.exp(-(((np.abs(cell) - 0.40) / 0.035) ** 2)).astype(np.float32) * root(1.0 - u * u * u * u)
    spongy[window] += 1.9 * inside
    cortical[window] += 0.13 * inside + 0.30 * plate
    side_wall = np.exp(-(((np.abs(u) - 0.95) / 0.07) ** 2)).astype(np.float32) * smoothstep(
        0.45 - np.abs(cell), -0.05, 0.05
    )
    cortical[window] += 0.25 * side_wall
    cm_down = cell * np.float32(pitch)
    for centre, across, down, amount in ((0.95 * k, 0.30, 0.48, 0.17), (0.0, 0.26, 0.62, 0.20)):
        off = (np.abs(x) - np.float32(centre)) if centre else x - np.float32(pose.yaw * 0.5)
        shift = cm_down + (0.25 if centre else -0.55)
        r = np.sqrt((off / across) ** 2 + (shift / down) ** 2)
        cortical[window] += np.float32(amount) * np.exp(-(((r - 0.9) / 0.35) ** 2)).astype(np.float32)
    process = root(1.0 - ((cm_down + 0.35 + 0.12 * (np.abs(x) - 1.5)) / 0.42) ** 2) * smoothstep(np.abs(x), 1.2, 1.6)
    process *= smoothstep(-np.abs(x), -3.0 * k, -2.3 * k)
    cortical[window] += 0.10 * process
    spongy[window] += 0.45 * process
