"""Lobar pneumonia: one lobe's air replaced by fluid; a sharp border where a fissure lies along the ray."""

from __future__ import annotations

import numpy as np

from cxrlens.sources.phantom.grid import Field, Grid, as_field, smooth_noise, smoothstep
from cxrlens.sources.phantom.thorax import Thorax
from cxrlens.sources.phantom.vessels import draw_tree, grow_tree

LOBES = ("right upper", "right middle", "right lower", "left upper", "lingula", "left lower")
_FREQUENCY = np.array([0.17, 0.17, 0.24, 0.12, 0.10, 0.20])


def consolidation(rng: np.random.Generator, severity: float, t: Thorax, g: Grid) -> Field:
    """(H, W) cm of fluid in place of air in one lobe, less its air bronchograms."""
    lobe = LOBES[int(rng.choice(len(LOBES), p=_FREQUENCY / _FREQUENCY.sum()))]
    share, centre = _lobe_share(lobe, rng, t, g)
    # Less than a whole lobe: a segment that grows from a seed; it keeps the lobe's borders where it reaches them.
    seed = (centre[0] + float(rng.normal(0, 0.9)), centre[1] + float(rng.normal(0, 0.9)))
    reach = 2.2 + 6.0 * severity
    r = np.sqrt((g.x - np.float32(seed[0])) ** 2 + (g.y - np.float32(seed[1])) ** 2)
    r = r + 0.55 * smooth_noise(rng, g.shape, 9) + 0.25 * smooth_noise(rng, g.shape, 22)
    extent = smoothstep((reach - r).astype(np.float32), -0.9, 0.25 * reach)
    patchy = np.clip(1.0 + 0.10 * smooth_noise(rng, g.shape, 8) + 0.05 * smooth_noise(rng, g.shape, 30), 0.3, 1.2)
    filled = share * t.above_domes * extent * patchy.astype(np.float32) * t.lung * np.float32(0.50 + 0.42 * severity)
    hilum = t.hilum_right if seed[0] < 0 else t.hilum_left
    aim = float(np.degrees(np.arctan2(seed[1] - hilum[1], seed[0] - hilum[0])))
    airways = draw_tree(
        grow_tree(rng, hilum, np.array([aim - 14, aim + 12]), diameter=0.42, length=3.6, generations=4), g
    )
    open_air = np.minimum(airways * 1.3 * share * extent * smoothstep(t.lung, 0.5, 3.0), 0.55 * filled)
    return as_field(np.minimum(filled, 0.97 * t.lung) - open_air)


def _lobe_share(lobe: str, rng: np.random.Generator, t: Thorax, g: Grid) -> tuple[Field, tuple[float, float]]:
    """How much of each ray's way through lung lies in ``lobe`` (H, W) in [0, 1], and a point in the lobe's middle."""
    side = -1.0 if lobe.startswith("right") else 1.0
    x = g.x * np.float32(side)
    own = smoothstep(x, 0.2, 1.0)
    hilum = t.hilum_right if side < 0 else t.hilum_left
    dome = t.dome_right if side < 0 else t.dome_left
    # The minor fissure runs along the ray, level with the hilum, bowed upwards: hence its sharp edge.
    fissure = (
        hilum[1] + 0.5 + float(rng.normal(0, 0.4)) + 0.012 * (x - 7.0) ** 2 + float(rng.normal(0, 0.03)) * (x - 7.0)
    )
    sharp = smoothstep((fissure - g.y).astype(np.float32), -0.10, 0.12)
    if lobe == "right upper":
        return own * sharp * np.float32(0.80), (side * 7.0, 0.60 * hilum[1])
    if lobe == "right middle":
        lateral = smoothstep(x + 0.45 * (g.y - fissure), 11.0, 8.2)
        lower = smoothstep(g.y, dome + 1.0, dome - 4.0)
        return own * (1 - sharp) * lateral * (0.35 + 0.65 * lower) * np.float32(0.62), (side * 5.8, hilum[1] + 3.6)
    if lobe == "left upper":
        edge = smoothstep(g.y - 0.25 * x, hilum[1] + 2.8, hilum[1] - 1.8)
        return own * edge * np.float32(0.68), (side * 6.6, 0.62 * hilum[1])
    if lobe == "lingula":
        top = smoothstep(g.y, hilum[1] + 0.5, hilum[1] + 3.0)
        lateral = smoothstep(x, 12.0, 8.0)
        return own * top * lateral * np.float32(0.58), (side * 7.8, hilum[1] + 6.0)
    # A lower lobe lies behind; its share of the ray grows downwards along the slope of the major fissure.
    behind = smoothstep(g.y, hilum[1] - 1.5, dome - 1.5)
    return own * behind * np.float32(0.80), (side * 7.8, dome - 3.4)
