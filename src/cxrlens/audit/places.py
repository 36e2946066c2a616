"""Places: what small detail each small place of a film shows outside the lungs, as a few numbers.

A marker, a letter or a painted box is small and stands where it stands; a network needs many images to find it. Here
the film is cut into a grid of small squares, and each is described by statistics that a thing of its size changes and
the tone of the whole picture does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.borders import Box
from cxrlens.progress import Progress, quiet

GRID = 16
"""Places a side. Their middles lie a sixteenth of the film apart."""

WIDE = 0.1
"""Side of a place as a share of the film's: they overlap, so a marker lies whole in one of them."""

THIN = 1 / 12
"""Side of the square, as a share of the frame's, that small things do not hold: letters, lead markers, dates, boxes."""

FINE = 1 / 64
"""Standard deviation of the blur, as a share of the frame's side, that fine detail is what is left over from."""

CORE = 0.5
"""Share of the images from which a pixel counts as lung in all: where the segmenter failed, lungs are still lungs."""

FREE = 0.5
"""Share of a place that must lie outside the lungs for it to be described in an image."""

MOST = 2 / 3
"""Share of the images in which a place must lie outside the lungs to be asked about; the others say nothing of it."""

STATISTICS = ("bright", "dark", "fine")
"""Largest white top-hat, largest black top-hat, standard deviation of fine detail; all relative to the film's own."""

Frame = NDArray[np.uint8]
Boxes = Sequence[Box]


@dataclass(frozen=True, slots=True)
class Places:
    """n films, described at P places.

    Args:
        values: (n, P, K) float32, >= 0, by :data:`STATISTICS`, relative to the median of the film's own places; NaN
            where the place lies inside the lungs of this film.
        cells: (P, 2) row and column in the grid, 0..GRID-1, of the film as it is seen.
        films: n boxes of the film inside its padded frame, in pixels.
    """

    values: NDArray[np.float32]
    cells: NDArray[np.intp]
    films: tuple[Box, ...]

    def __len__(self) -> int:
        return len(self.cells)

    def of(self, mine: NDArray[np.bool_]) -> Places:
        """Of these films alone."""
        return Places(self.values[mine], self.cells, tuple(f for f, own in zip(self.films, mine, strict=True) if own))


def describe(
    pixels: NDArray[np.uint8], lungs: NDArray[np.uint8], rows: NDArray[np.int64], progress: Progress = quiet
) -> Places:
    """Statistics of the places that lie outside the lungs in most images.

    Args:
        pixels: (N, S, S) uint8 preprocessed frames.
        lungs: (N, S, S) 0 or 1, lungs with their margin.
        rows: (n,) which of the N are asked for.
        progress: told of the images.

    Returns:
        Places of the films themselves, without the padding around them: P may be 0.
    """
    core = _mean(lungs, rows) >= CORE
    everything = np.full((len(rows), GRID, GRID, len(STATISTICS)), np.nan, dtype=np.float32)
    films: list[Box] = []
    for i, row in enumerate(progress(list(rows), len(rows), "small places outside the lungs")):
        frame = np.asarray(pixels[row])
        film = film_of(frame)
        films.append(film)
        everything[i] = _one(frame, film, (np.asarray(lungs[row]) == 0) & ~core)
    outside = np.isfinite(everything[..., 0]).mean(axis=0) >= MOST if len(rows) else np.zeros((GRID, GRID), bool)
    at = np.argwhere(outside)
    values = everything[:, at[:, 0], at[:, 1]]
    return Places(_relative(values) if values.size else values, at, tuple(films))


def film_of(frame: Frame) -> Box:
    """The film inside an (S, S) frame: it is padded with black, alike on both sides, along one axis at most."""
    side = frame.shape[0]
    filled = [np.flatnonzero(frame.any(axis=axis)) for axis in (1, 0)]
    if not len(filled[0]):
        return Box(0, 0, side, side)
    y, x = (int(min(of[0], side - 1 - of[-1])) for of in filled)
    y, x = (y, 0) if y > x else (0, x)
    return Box(y, x, side - 2 * y, side - 2 * x)


def square(row: int, column: int, film: Box) -> tuple[float, float, float, float]:
    """Left, top, width and height, in the frame's pixels, of a place of a film; cut at the film's rim."""
    spans = []
    for k, first, side in ((column, film.x0, film.w), (row, film.y0, film.h)):
        middle = (k + 0.5) / GRID
        start, end = max(0.0, middle - WIDE / 2), min(1.0, middle + WIDE / 2)
        spans.append((first + start * side, (end - start) * side))
    (left, width), (top, height) = spans
    return left, top, width, height


def _one(frame: Frame, film: Box, free: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(GRID, GRID, K) of one film; NaN where a place lies inside the lungs."""
    side = frame.shape[0]
    inside = (slice(film.y0, film.y0 + film.h), slice(film.x0, film.x0 + film.w))
    own, may = np.ascontiguousarray(frame[inside]), np.ascontiguousarray(free[inside]).astype(np.float32)
    places = np.ix_(*(((np.arange(GRID) + 0.5) * n / GRID).astype(np.intp) for n in own.shape))
    tall, wide = (max(3, round(WIDE * n) | 1) for n in own.shape)
    window = np.ones((tall, wide), np.uint8)
    share = cv2.blur(may, (wide, tall))[places]
    found = [cv2.dilate(thin * may, window)[places] for thin in _thin(own, max(3, round(THIN * side) | 1))]
    grey = own.astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), max(1.0, FINE * side))
    power = cv2.blur(fine * fine * may, (wide, tall))[places]
    found.append(np.sqrt(np.maximum(power, 0) / np.maximum(share, 1e-6)))
    described: NDArray[np.float32] = np.where((share >= FREE)[..., None], np.stack(found, axis=-1), np.nan)
    return described


def _thin(film: Frame, reach: int) -> list[NDArray[np.float32]]:
    """What is brighter, and what is darker, than all around and thinner than ``reach`` pixels: two (h, w) top-hats."""
    kernel = np.ones((reach, reach), np.uint8)
    # Mirrored beyond the rim: else whatever touches it would look thin there.
    around = cv2.copyMakeBorder(film, reach, reach, reach, reach, cv2.BORDER_REFLECT_101)
    hats = (cv2.morphologyEx(around, how, kernel) for how in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT))
    return [hat[reach:-reach, reach:-reach].astype(np.float32) for hat in hats]


def _mean(lungs: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """(S, S) share of the images that have lung there."""
    total = np.zeros(lungs.shape[1:])
    for row in rows:
        total += lungs[row]
    return total / max(1, len(rows))


def _relative(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """To the median of each film's own places, plus one grey level, so that an empty film is not blown up."""
    some = np.isfinite(values).any(axis=(1, 2))
    own = np.zeros((len(values), 1, values.shape[2]), dtype=np.float32)
    own[some] = np.nanmedian(values[some], axis=1, keepdims=True)
    return values / (own + 1)
