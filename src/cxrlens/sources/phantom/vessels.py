"""Branching trees: arteries and veins of the lung, and the airways that stay open in a consolidation."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.sources.phantom.grid import Field, Grid

_UNIT = 160.0  # grey values a centimetre on the drawing canvas: 8 bits reach 1.6 cm
_FINE = 2  # the canvas is this much finer than the picture


@dataclass(frozen=True, slots=True)
class Tree:
    """Segments of a branching tree: ``start`` and ``end`` (N, 2) in cm, ``diameter`` (N,) in cm, thickest first."""

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    diameter: NDArray[np.float64]


def grow_tree(
    rng: np.random.Generator,
    root: tuple[float, float],
    headings: NDArray[np.float64],
    *,
    diameter: float,
    length: float,
    generations: int,
) -> Tree:
    """Grow from ``root`` along ``headings`` (degrees, 0 = to the right of the picture, 90 = down).

    Each branch forks in two; diameters follow Murray's law with uneven children (Murray 1926, d³ = d₁³ + d₂³).
    """
    angle = np.radians(np.asarray(headings, dtype=np.float64) + rng.normal(0, 6, len(headings)))
    at = np.tile(np.array(root, dtype=np.float64), (len(angle), 1)) + rng.normal(0, 0.35, (len(angle), 2))
    width = diameter * rng.uniform(0.7, 1.0, len(angle))
    reach = length * rng.uniform(0.75, 1.15, len(angle))
    starts, ends, widths = [], [], []
    for _ in range(generations):
        for _piece in range(2):  # two pieces a branch, so that it bends
            bent = angle + rng.normal(0, 0.13, len(angle))
            tip = at + (0.5 * reach)[:, None] * np.stack([np.cos(bent), np.sin(bent)], axis=1)
            starts.append(at)
            ends.append(tip)
            widths.append(width)
            at, angle = tip, bent
        share = rng.uniform(0.3, 0.7, len(angle))
        spread = np.abs(rng.normal(0.52, 0.16, len(angle)))
        turn = np.where(rng.random(len(angle)) < 0.5, 1.0, -1.0)
        angle = np.concatenate([angle + turn * spread * (1 - share), angle - turn * spread * share])
        at = np.concatenate([at, at])
        width = np.concatenate([width * np.cbrt(share), width * np.cbrt(1 - share)])
        reach = np.concatenate([reach, reach]) * rng.uniform(0.68, 0.98, 2 * len(reach))
    return Tree(np.concatenate(starts), np.concatenate(ends), np.concatenate(widths))


def draw_tree(tree: Tree, g: Grid) -> Field:
    """(H, W) cm: diameter of the thickest branch on each ray, anti-aliased. The warp of ``g`` is not followed."""
    rows, columns = g.shape
    canvas = np.zeros((rows * _FINE, columns * _FINE), np.uint8)
    per_cm = _FINE / g.cm
    # Patient coordinates at the middle of the picture stand for all: the warp moves vessels, which have no fixed place.
    origin = np.array(
        [columns / 2 * g.cm - g.x[rows // 2, columns // 2], rows / 2 * g.cm - g.y[rows // 2, columns // 2]]
    )
    start = np.rint((tree.start + origin) * per_cm * 16).astype(np.int32)
    end = np.rint((tree.end + origin) * per_cm * 16).astype(np.int32)
    lines = np.stack([start, end], axis=1)
    grey = np.clip(tree.diameter * _UNIT, 2, 255)
    level = np.maximum(np.rint(np.log2(grey / 2.0) * 2.0), 0).astype(int)
    for step in np.unique(level):  # thin first: thick ones lie on top
        value = float(2.0 ** (step / 2.0) * 2.0)
        thickness = max(1, round(value / _UNIT * per_cm))
        # Thinner than a canvas pixel: drawn a pixel wide with less in it.
        fill = value * min(1.0, value / _UNIT * per_cm)
        cv2.polylines(canvas, list(lines[level == step]), False, int(min(max(fill, 1), 255)), thickness, cv2.LINE_AA, 4)
    small = cv2.resize(canvas, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    small = cv2.GaussianBlur(small, (0, 0), max(0.06 / g.cm, 0.3))
    # Artery and vein run together: more than π/4 of the diameter, which is a round tube's mean chord.
    return np.asarray(small * np.float32(1.25 / _UNIT), dtype=np.float32)


def hilar_shadow(g: Grid, hilum_right: tuple[float, float], hilum_left: tuple[float, float]) -> Field:
    """(H, W) cm: the main pulmonary arteries where they turn into the lungs, too close together to draw one by one."""
    shadow = np.zeros(g.shape, np.float32)
    for (x, y), side in ((hilum_right, -1.0), (hilum_left, 1.0)):
        window = g.window(x - 4, x + 4, y - 4, y + 5)
        w = g.cut(window)
        dy = w.y - np.float32(y + 0.4)
        dx = w.x - np.float32(x) - np.float32(0.10 * side) * dy  # it follows the heart outwards as it falls
        shadow[window] += np.float32(1.5) * np.exp(-((dx / 0.95) ** 2) - (dy / 2.0) ** 2)
    return shadow


def pulmonary_vessels(
    rng: np.random.Generator, hilum_right: tuple[float, float], hilum_left: tuple[float, float]
) -> Tree:
    """Both lungs' vessels: more and wider below than above, as gravity has it in the upright."""
    parts = []
    for hilum, mirror in ((hilum_right, True), (hilum_left, False)):
        headings = np.array([-80.0, -58.0, -30.0, -5.0, 20.0, 42.0, 60.0, 76.0, 92.0])
        if mirror:
            headings = 180.0 - headings
        parts.append(grow_tree(rng, hilum, headings, diameter=0.78, length=3.9, generations=5))
        stem = np.array([100.0, 85.0]) if mirror else np.array([78.0, 92.0])
        parts.append(grow_tree(rng, (hilum[0], hilum[1] - 0.4), stem, diameter=0.95, length=3.0, generations=3))
    return Tree(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("start", "end", "diameter")))
