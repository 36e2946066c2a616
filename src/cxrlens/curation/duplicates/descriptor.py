"""A short vector of each picture in which radiographs lie far apart and altered copies near.

Chest films share most of their low-resolution look. Linear discriminant analysis (Fisher 1936) on local contrast finds
the directions in which the collection varies most for what a small crop, shift, zoom or rotation changes: the common
chest is taken out, and what is left tells one chest from another. It is learnt from the collection itself, with no
labels.

Local contrast of a crop is nearly the crop of the local contrast, so the vector of any crop, turned or mirrored view
of a picture is one matrix product with its 32 x 32 local contrast: no picture is ever warped for the search.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from cxrlens.curation.duplicates.alignment import Stack
from cxrlens.curation.duplicates.geometry import (
    MIRROR,
    Affine,
    compose,
    magnification,
    quarter_turn,
    sampling_matrix,
    window,
)

ZOOMED = 0.72
"""A crop's local contrast is taken over less anatomy than the whole picture's. Pictures that are compared with a crop
of them therefore also exist with a neighbourhood so much smaller: the middle of the crops that are looked for."""
ZOOMED_BELOW = 0.85
"""Magnification from which on that one is the nearer of the two."""
GRID = 16
"""Side of the grid on which pictures are compared."""


@dataclass(frozen=True, slots=True)
class View:
    """A picture as a copy of it might show it: through ``map`` (from the copy's frame to the picture's), times
    ``sign``."""

    map: Affine
    sign: float = 1.0
    inner: bool = False
    """Also to be looked for with the borders left out of both pictures."""

    @property
    def zoomed(self) -> bool:
        """Whether it shows so little that local contrast is to be taken over a smaller neighbourhood."""
        return bool(magnification(self.map) < ZOOMED_BELOW)


def views() -> tuple[View, ...]:
    """The views that are looked for: crops to 2/3, shifts, one-sided crops; fewer where also mirrored, inverted or
    turned.

    Neighbouring views differ by about 0.06 in scale and 0.03 in shift from what lies between them; that far the
    descriptor is made to reach (:data:`REACH`).
    """
    whole, centred = window(1, 1), [window(s, s) for s in (0.88, 0.76)]
    crops = [whole]
    for wide, high in itertools.product((1.0, 0.88, 0.76, 0.66), repeat=2):
        both_narrow = wide != high and max(wide, high) < 0.8
        if (wide, high) == (1.0, 1.0) or both_narrow or max(wide, high) > 1.4 * min(wide, high):
            continue  # the whole is there already; the rest lies near another view, or was never met
        columns, rows = ((0,) if side == 1.0 else (-1, 0, 1) for side in (wide, high))
        slack_x, slack_y = (1 - wide) / 2, (1 - high) / 2
        crops += [window(wide, high, slack_x * x, slack_y * y) for x in columns for y in rows]
    crops += [window(1, 1, x, y) for x in (-0.06, 0.06) for y in (-0.06, 0.06)]
    shifts = [window(1, 1, x, y) for x, y in ((0.04, 0), (-0.04, 0), (0, 0.04), (0, -0.04))]
    turns = [window(1, 1, 0, 0, degrees) for degrees in (-3, 3)]
    few = [whole, *centred, *shifts]
    found = [View(whole, inner=True)] + [View(crop) for crop in crops[1:]]
    found += [View(crop, inner=True) for crop in (*shifts, *turns)] + [View(crop, -1.0, crop is whole) for crop in few]
    found += [View(compose(crop, MIRROR), inner=crop is whole) for crop in few] + [View(MIRROR, -1.0)]
    found += [View(quarter_turn(quarters)) for quarters in (1, 2, 3)]
    return tuple(found)


INNER = window(0.74, 0.74)
"""What is left of a picture without its borders, where labels, redaction boxes and black frames lie."""
REACH = (0.06, 0.03, 2.0)
"""Half-widths of scale, shift (share of the side) and rotation (degrees) that the descriptor is made indifferent to."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A projection of (N, P) flattened local contrast to unit vectors of ``dimensions``.

    Args:
        projection: (GRID ** 2, D) float32.
        mean: (GRID ** 2,) mean of the collection on the grid.
    """

    projection: NDArray[np.float32]
    mean: NDArray[np.float32]

    def operator(self, view: View, side: int) -> NDArray[np.float32]:
        """(side ** 2, D) float32: what :meth:`describe` multiplies pictures with to see them in a view."""
        seen = sampling_matrix(view.map, side, GRID).T @ self.projection
        seen *= np.float32(view.sign)
        return seen

    def describe(self, contrast: Stack, operator: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit vectors (N, D) of pictures (N, P) as seen in a view; zero where a picture is flat."""
        vectors = contrast @ operator
        vectors -= self.mean @ self.projection
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
        vectors[~contrast.any(axis=1)] = 0.0
        return vectors


def learn_descriptor(contrast: Stack, dimensions: int = 64, seed: int = 0, most: int = 4000) -> Descriptor:
    """Learn the projection from a collection's local contrast, (N, P) float32.

    At most ``most`` images, drawn by ``seed``, are learnt from.
    """
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(contrast))[:most]
    chosen = contrast[np.sort(rows)]
    side = round(contrast.shape[1] ** 0.5)
    grid = sampling_matrix(window(1, 1), side, GRID)
    moment = (chosen.T @ chosen) / len(chosen)
    mean = chosen.mean(axis=0)
    between = grid @ (moment - np.outer(mean, mean)) @ grid.T
    within = np.zeros((GRID**2, GRID**2))
    alterations = 32
    for _ in range(alterations):
        scale, shift, turn = (rng.uniform(-r, r, 2) for r in REACH)
        change = sampling_matrix(window(1 + scale[0], 1 + scale[1], shift[0], shift[1], turn[0]), side, GRID) - grid
        within += change @ moment @ change.T / alterations
    dimensions = min(dimensions, GRID**2)
    # The ridge stands for what the jitter does not show: compression, resampling, markers.
    within += (1e-2 * np.trace(within) / len(within) + 1e-6) * np.eye(len(within))
    ratio, directions = scipy.linalg.eigh(between, within, subset_by_index=[GRID**2 - dimensions, GRID**2 - 1])
    ratio = np.maximum(ratio, 1e-6)
    # Unit variance over the collection (whitening), then weighted by the share that does not come from the alterations.
    weight = np.sqrt(np.maximum(1 - 1 / np.maximum(ratio, 1.0 + 1e-6), 1e-6) / ratio)
    return Descriptor((directions * weight).astype(np.float32), (grid @ mean).astype(np.float32))
