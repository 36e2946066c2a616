"""Confirmation: a candidate is registered in stages, coarse to fine, and falls out as soon as it cannot be a copy.

Other patients' chests, and other films of the same patient, register well at low resolution, where only the outline of the
thorax counts; they part in detail (ribs, vessels), of which the last stage consists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.curation.duplicates.alignment import Alignment, Pairs, Stack, align
from cxrlens.curation.duplicates.contrast import local_contrast
from cxrlens.curation.duplicates.geometry import Affine
from cxrlens.curation.duplicates.options import DuplicateOptions

LARGEST_STRETCH = 1.7
"""Of one axis against the other: beyond it no copy was met, and registration of strangers runs away."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One level of the registration.

    Args:
        side: of the pictures compared, in pixels.
        sigma: of the local contrast, in those pixels; the smaller, the finer the detail that counts.
        steps: Gauss-Newton steps.
        chunk: pairs registered at once, so that the work stays in the processor's cache.
    """

    side: int
    sigma: float
    steps: int
    chunk: int


STAGES = (
    Stage(16, 1.0, 3, 256),
    Stage(32, 2.0, 2, 128),
    Stage(32, 1.2, 2, 128),
    Stage(48, 1.5, 2, 64),
    Stage(128, 3.0, 3, 16),
)
"""Each stage's cost is about side squared times steps times the pairs that reach it."""


def contrast_stack(thumbnails: Sequence[NDArray[np.uint8]], side: int, sigma: float, pool: Executor) -> Stack:
    """Local contrast of the thumbnails at ``side`` pixels, flattened: (N, side * side) float32."""
    work = (
        max(side, 64) if side <= 64 else side
    )  # small pictures are shrunk afterwards: blurring 2 pixels wide says little
    work = side if side == 48 else work

    def one(thumbnail: NDArray[np.uint8]) -> NDArray[np.float32]:
        grey = cv2.resize(thumbnail, (work, work), interpolation=cv2.INTER_AREA) if work < len(thumbnail) else thumbnail
        contrast = local_contrast(grey, sigma * work / side)
        return contrast if work == side else cv2.resize(contrast, (side, side), interpolation=cv2.INTER_AREA)

    stack = np.empty((len(thumbnails), side * side), np.float32)

    def many(start: int) -> None:
        for row in range(start, min(start + 128, len(thumbnails))):
            stack[row] = one(thumbnails[row]).ravel()

    list(pool.map(many, range(0, len(thumbnails), 128)))
    return stack


def confirm(
    thumbnails: Sequence[NDArray[np.uint8]],
    pairs: Pairs,
    maps: Affine,
    options: DuplicateOptions,
    pool: Executor,
    report: Callable[[str, int], None] = lambda stage, left: None,
) -> tuple[Pairs, Alignment]:
    """Register the candidates; those that are copies come back with their maps and scores.

    Args:
        thumbnails: (SIDE, SIDE) uint8 each.
        pairs: rows of ``thumbnails``.
        maps: (C, 2, 3) first guesses, from the fixed picture's unit square to the moving one's.
        options: thresholds.
        pool: threads to share the work.
        report: told how many candidates reach each stage.
    """
    gates = (*options.gates, options.score)
    result = Alignment(maps, np.zeros(len(pairs)), np.zeros(len(pairs)))
    for stage, gate in zip(STAGES, gates, strict=True):
        report(f"{stage.side} px", len(pairs))
        used, place = np.unique(np.concatenate([pairs.fixed, pairs.moving]), return_inverse=True)
        local = Pairs(place[: len(pairs)], place[len(pairs) :], pairs.sign)
        stack = contrast_stack([thumbnails[row] for row in used], stage.side, stage.sigma, pool)
        result = _align_in_chunks(stack, local, result.maps, stage, pool)
        keep = np.flatnonzero((result.score >= gate) & (result.overlap >= options.overlap) & _plausible(result.maps))
        pairs = pairs.take(keep)
        result = Alignment(result.maps[keep], result.score[keep], result.overlap[keep])
    report("confirmed", len(pairs))
    return pairs, result


def _align_in_chunks(stack: Stack, pairs: Pairs, maps: Affine, stage: Stage, pool: Executor) -> Alignment:
    if not len(pairs):
        return Alignment(maps, np.empty(0), np.empty(0))

    def part(start: int) -> Alignment:
        span = slice(start, start + stage.chunk)
        return align(stack, pairs.take(span), maps[span], stage.steps)

    done = list(pool.map(part, range(0, len(pairs), stage.chunk)))
    return Alignment(*(np.concatenate([getattr(d, name) for d in done]) for name in Alignment.__slots__))


def _plausible(maps: Affine) -> NDArray[np.bool_]:
    """No map that squeezes one axis far more than the other, or shrinks the picture to a spot."""
    stretch = np.linalg.svd(maps[:, :, :2], compute_uv=False)
    largest, least = stretch[:, 0], stretch[:, 1]
    return (least > 0.4) & (largest < 2.5) & (largest / np.maximum(least, 1e-9) < LARGEST_STRETCH)
