"""Lungs of frames, or why there are none to speak of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cxrlens.borders import Box
from cxrlens.explanation.scorecard.similarity import Maps
from cxrlens.lungs import LungWeightsError, lung_masks, lungs_found

Mask = NDArray[np.bool_]


def find_lungs(frames: NDArray[np.uint8]) -> list[Mask | None]:
    """The lungs (S, S) that the segmenter finds in each frame (n, S, S); ``None`` where they are not like two lungs."""
    if not len(frames):
        return []
    try:
        masks = lung_masks(frames)
    except LungWeightsError:  # an installation without the segmenter can still explain; the lungs are then not checked
        return [None] * len(frames)
    return [mask if lungs_found(mask).ok else None for mask in masks]


def share_in_lungs(maps: Maps, lungs: Sequence[Mask]) -> NDArray[np.float64]:
    """Share of each map's heat (n, S, S) that lies in its lungs, (n,) in [0, 1]; NaN for a map without heat."""
    total = maps.sum(axis=(1, 2), dtype=np.float64)
    inside = np.array([float(m[mask].sum(dtype=np.float64)) for m, mask in zip(maps, lungs, strict=True)])
    return np.where(total > 0, inside / np.maximum(total, 1e-12), np.nan)


def share_of_film(lungs: Mask, film: Box) -> float:
    """Share of the film's area in the frame that is lung: what even heat over the film would score."""
    seen = lungs[film.y0 : film.y0 + film.h, film.x0 : film.x0 + film.w]
    return float(seen.mean())
