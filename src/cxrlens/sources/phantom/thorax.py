"""Soft tissue, lungs, heart and great vessels, diaphragm: path lengths along each ray. Lengths in cm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxrlens.sources.phantom.grid import Field, Grid, as_field, ellipsoid, path_distance, root, smoothstep, tube_chord
from cxrlens.sources.phantom.patient import Patient, Pose

_MASK_LUNG = 2.0  # cm of lung that a ray must cross before it counts as lung field


@dataclass(frozen=True, slots=True)
class Thorax:
    """Path lengths (H, W) in cm, and the marks that lesions and vessels are placed by.

    Args:
        body: everything inside the skin.
        lung: aerated lung, both sides.
        air: trachea, main bronchi and gastric bubble.
        fat: breasts and the like, on top of ``body``.
        lung_mask: (H, W) bool; lung fields as a reader would outline them: not behind heart, mediastinum or domes.
        outer: distance of each pixel inwards from the rib cage's inner wall, in cm; negative outside.
        above_domes: 1 above the diaphragm's outline, falling to 0 behind it: disease is put where it can be seen.
        dome_right: y of the top of the right dome.
        dome_left: y of the top of the left dome.
        carina: y of the carina.
        hilum_right: (x, y).
        hilum_left: (x, y).
    """

    body: Field
    lung: Field
    air: Field
    fat: Field
    lung_mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
    outer: Field
    above_domes: Field
    dome_right: float
    dome_left: float
    carina: float
    hilum_right: tuple[float, float]
    hilum_left: tuple[float, float]


def cavity_half_width(patient: Patient, y: Field) -> Field:
    """Half width of the rib cage's inside at height ``y``: a dome above, nearly parallel walls below."""
    t = np.clip(1.0 - y / np.float32(0.66 * patient.lung_height), 0.0, 1.0)
    return (np.float32(patient.half_width) * root(1.0 - t * t) * (0.955 + 0.0028 * np.clip(y, 0, 22))).astype(
        np.float32
    )


def build_thorax(patient: Patient, pose: Pose, g: Grid) -> Thorax:
    """All bodies of soft tissue and air along the rays of ``g``."""
    rng = patient.rng("anatomy", 1)
    ax = np.abs(g.x)
    width = cavity_half_width(patient, g.y)
    cavity = _cavity(patient, g, ax, width)
    dome_right = patient.lung_height * pose.inspiration
    dome_left = dome_right + float(np.clip(rng.normal(1.3, 0.5), 0.3, 2.4))
    below = _below_domes(patient, g, dome_right, dome_left, rng)
    heart = _heart(patient, pose, g, dome_right)
    vessels, carina = _mediastinum(patient, pose, g)
    middle = np.minimum(np.maximum(heart, vessels), cavity)
    lung = np.maximum(cavity - middle - below, 0.0)
    silhouette = np.maximum(heart, vessels)
    mask = (lung > _MASK_LUNG) & (silhouette < 3.5) & (below < 3.0) & (g.y < dome_left + 9)
    body = _body(patient, g, ax, width)
    hilum = carina + 2.0
    return Thorax(
        body=np.maximum(body, cavity + 1.5 * np.minimum(cavity, 1.0)).astype(np.float32),
        lung=lung.astype(np.float32),
        air=_air(pose, g, carina, dome_left, body, rng),
        fat=_breasts(patient, g, rng),
        lung_mask=mask,
        outer=(width - ax).astype(np.float32),
        above_domes=smoothstep(below, 6.0, 1.0),
        dome_right=dome_right,
        dome_left=dome_left,
        carina=carina,
        hilum_right=(-4.0 * patient.heart + 0.4 * pose.yaw, hilum + 0.4),
        hilum_left=(4.1 * patient.heart + 0.4 * pose.yaw, hilum - 0.6),
    )


def _cavity(patient: Patient, g: Grid, ax: Field, width: Field) -> Field:
    """Chord through the rib cage's inside; each apex is a paraboloid of its own beside the neck."""
    u = ax / np.maximum(width, 0.5)
    flat = np.float32(patient.depth) * root(1.0 - u * u * u) * smoothstep(g.y, -0.5, 9.0) ** np.float32(0.35)
    off = ax - np.float32(0.31 * patient.half_width)
    apex = 2.0 * root(2.0 * np.float32(2.6) * (g.y - 0.13 * off * off))
    return as_field(np.minimum(flat, apex))


def _below_domes(patient: Patient, g: Grid, right: float, left: float, rng: np.random.Generator) -> Field:
    """Chord below the diaphragm. Each dome is a paraboloid; the wall's side drops to a sharp costophrenic angle."""
    w = patient.half_width
    steep = float(rng.normal(1.0, 0.12))
    total = np.zeros(g.shape, np.float32)
    central = np.exp(-((g.x / 4.0) ** 2))
    for side, top, centre in ((-1, right, -0.47 * w), (1, left, 0.50 * w)):
        d = g.x - np.float32(centre)
        lateral = d * np.float32(side)
        d2 = d * d
        drop = np.where(lateral > 0, 0.045 * d2 + 0.0008 * d2 * d2, 0.024 * d2) * np.float32(steep)
        height = g.y - np.float32(top) - drop + np.float32(top - right + 0.8) * central
        chord = 2.0 * root(2.0 * np.float32(7.5) * height)
        # The domes meet in the central tendon, on which the heart lies: no lung reaches between them.
        total += chord * (1.0 + 2.0 * central) * smoothstep(g.x * np.float32(side), -1.8, 1.8)
    return as_field(total)


def _heart(patient: Patient, pose: Pose, g: Grid, dome: float) -> Field:
    """Ventricles, right atrium, outflow: tilted ellipsoids that point to the patient's left and rest on the domes."""
    k = patient.heart * pose.heart_magnification
    squat = 1.0 + 0.8 * (0.97 - pose.inspiration)  # in a shallow breath the heart lies flatter
    x = 2.3 * k + 0.5 * pose.yaw
    y = dome - 3.1 * k
    left = ellipsoid(g, (x, y), (6.4 * k * squat, 4.8 * k / squat, 5.8 * k), 40 - 20 * (squat - 1))
    right = ellipsoid(g, (x - 2.9 * k, y - 0.8 * k), (3.2 * k * squat, 4.4 * k, 4.4 * k), -8)
    trunk = ellipsoid(g, (x - 1.2 * k, y - 4.6 * k), (3.1 * k, 5.2 * k, 3.6 * k), -14)
    return np.maximum(np.maximum(left, right), trunk)


def _mediastinum(patient: Patient, pose: Pose, g: Grid) -> tuple[Field, float]:
    """Great vessels, aortic arch and descending aorta, spine's soft tissue; and the height of the carina."""
    k = patient.half_width / 13.6
    a = 0.5 * pose.yaw
    carina = 0.335 * patient.lung_height
    wide = pose.heart_magnification
    knob_y = carina - 1.4
    y = g.y
    cava = 2.35 * k * wide + 0.35 * smoothstep(y, 5.5, 1.0) + 0.6 * smoothstep(y, 10.0, 15.0)
    left = 2.2 * k * wide + 0.5 * smoothstep(y, 4.5, 0.5) + 0.3 * smoothstep(y, 8.0, 12.0)
    x = g.x - np.float32(a)
    u = np.where(x < 0, x / cava, x / left)
    # Above the arch the veins and the neck's fat thin out sideways; below it the borders are those of vessels.
    rounded = np.maximum(1.0 - u * u, 0.0)
    thin = smoothstep(y, 7.0, 0.5)
    column = np.float32(0.55 * patient.depth) * (root(rounded) * (1.0 - thin) + rounded * thin)
    knob = ellipsoid(g, (2.0 * k * wide + a, knob_y), (patient.knob * wide, patient.knob * 1.1, 3.4))
    aorta = np.array([[2.4 * k + a, knob_y], [2.5 * k + a, 11.0], [1.6 * k + a, 22.0]])
    window = g.window(0.0, 5.0, knob_y - 2, 24.0)
    descending = np.zeros(g.shape, np.float32)
    descending[window] = 1.5 * tube_chord(path_distance(g.cut(window), aorta), 1.25 * k)
    return np.maximum(np.maximum(column, knob), descending).astype(np.float32), carina


def _body(patient: Patient, g: Grid, ax: Field, width: Field) -> Field:
    """Skin to skin: trunk, neck, shoulders and the arms that hang away from the chest."""
    wall = np.float32(patient.wall)
    base = np.float32(patient.half_width)
    outer = np.maximum(width, 0.8 * base * smoothstep(g.y, -2.0, 8.0)) + wall * 1.15
    u = ax / outer
    u2 = u * u
    belly = 1.0 + 0.10 * smoothstep(g.y, 14.0, 26.0)
    trunk = (
        (np.float32(patient.depth) + 2.2 * wall)
        * belly
        * root(1.0 - u2 * u)
        * (0.58 + 0.42 * smoothstep(g.y, -2.0, 12.0))
    )
    neck_half = 5.2 + 0.9 * smoothstep(g.y, -5.0, 0.0)
    n = ax / neck_half
    neck = 13.0 * root(1.0 - n * n)
    # The trapezius falls from the neck to the shoulder; its thickness grows from nothing at the skin line.
    slope = g.y + 5.0 - 0.36 * np.maximum(ax - 4.0, 0.0) + 0.004 * (ax - 4.0) ** 2
    shoulder = np.minimum(2.0 * root(2.0 * 4.0 * slope), 14.5 + 0.6 * wall)
    arm_line = 15.8 + 0.42 * (g.y - 6.0)  # the axilla: below it the space beside the chest is air
    shoulder = shoulder * smoothstep(g.y - 10.0 - 0.55 * (ax - base - wall), 2.5, -2.5)
    arm = 9.0 * root(1.0 - ((ax - arm_line - 4.6) / 4.2) ** 2) * smoothstep(g.y, 2.0, 6.0)
    return as_field(np.maximum(np.maximum(trunk, neck), np.maximum(shoulder, arm)))


def _air(pose: Pose, g: Grid, carina: float, dome_left: float, body: Field, rng: np.random.Generator) -> Field:
    """Trachea (pushed to the right by the arch), main bronchi, and the stomach's bubble below the left dome."""
    a = 0.35 * pose.yaw
    total = np.zeros(g.shape, np.float32)
    tubes = (
        (0.82, [[a, -12.0], [a - 0.05, 2.0], [a - 0.4, carina - 1.5], [a - 0.15, carina]]),
        (0.68, [[a - 0.15, carina], [a - 2.3, carina + 1.7], [a - 3.9, carina + 3.6]]),
        (0.58, [[a - 0.15, carina], [a + 2.4, carina + 1.3], [a + 4.3, carina + 2.1]]),
    )
    for radius, points in tubes:
        track = np.array(points)
        x = track[:, 0]
        window = g.window(float(x.min()) - 1, float(x.max()) + 1, track[0, 1] - 1, track[-1, 1] + 1)
        total[window] = np.maximum(total[window], tube_chord(path_distance(g.cut(window), track), radius))
    size = float(np.clip(rng.normal(0.9, 0.35), 0.2, 1.6))
    at = (float(rng.normal(6.3, 0.7)), dome_left + 1.1 + 1.25 * size)
    bubble = ellipsoid(g, at, (2.5 * size, 1.25 * size, 2.0 * size), float(rng.normal(8, 5)))
    return as_field(np.minimum(total + bubble, np.maximum(body - 1.0, 0.0)))


def _breasts(patient: Patient, g: Grid, rng: np.random.Generator) -> Field:
    """Two half ellipsoids of fat and gland; their lower edge is what looks like a basal haze."""
    total = np.zeros(g.shape, np.float32)
    if patient.breast <= 0:
        return total
    low = float(rng.normal(14.6, 1.0))
    r = 4.6 + 0.45 * patient.breast
    for side in (-1, 1):
        at = (side * 0.60 * patient.half_width, low + float(rng.normal(0, 0.3)))
        half = 0.42 * ellipsoid(g, at, (r, r * 1.05, patient.breast), side * 12.0)
        # The upper half thins out into the chest wall; only the lower fold has an edge.
        total += half * smoothstep(g.y, at[1] - r, at[1] + 0.35 * r)
    return total
