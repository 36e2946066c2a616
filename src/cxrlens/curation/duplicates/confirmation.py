"""Confirmation: a candidate is registered in stages, coarse to fine, and falls out as soon as it cannot be a copy.

Other patients' chests, and other films of the same patient, register well at low resolution, where only the outline of
the thorax counts; they part in detail (ribs, vessels), on which :mod:`~cxrlens.curation.duplicates.detail` decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.curation.duplicates.alignment import Alignment, Pairs, Stack, align
from cxrlens.curation.duplicates.contrast import local_contrast
from cxrlens.curation.duplicates.descriptor import ZOOMED, ZOOMED_BELOW
from cxrlens.curation.duplicates.detail import compare_detail
from cxrlens.curation.duplicates.geometry import Affine, magnification
from cxrlens.curation.duplicates.options import DuplicateOptions
from cxrlens.progress import Progress, quiet


@dataclass(frozen=True, slots=True)
class Stage:
    """One level of the registration; its cost is about side squared times steps times the pairs that reach it.

    Args:
        side: of the pictures compared, in pixels.
        work: side at which their local contrast is taken, before they are shrunk.
        sigma: of the local contrast in pixels of ``work``; the smaller, the finer the detail that counts.
        steps: Gauss-Newton steps.
        chunk: pairs registered at once, so that the work stays in the processor's cache.
    """

    side: int
    work: int
    sigma: float
    steps: int
    chunk: int


STAGES = (
    Stage(side=16, work=64, sigma=4.0, steps=3, chunk=256),
    Stage(side=32, work=64, sigma=4.0, steps=1, chunk=128),
    Stage(side=32, work=64, sigma=2.4, steps=2, chunk=128),
    Stage(side=48, work=48, sigma=1.5, steps=3, chunk=64),
)


def contrast_stack(thumbnails: Sequence[NDArray[np.uint8]], stage: Stage, pool: Executor, zoom: float = 1.0) -> Stack:
    """Local contrast of the thumbnails, flattened: (N, side * side) float32; ``zoom`` times the usual neighbourhood."""
    stack = np.empty((len(thumbnails), stage.side**2), np.float32)
    work, side = (stage.work, stage.work), (stage.side, stage.side)

    def many(start: int) -> None:
        for row in range(start, min(start + 128, len(thumbnails))):
            grey = cv2.resize(thumbnails[row], work, interpolation=cv2.INTER_AREA)
            contrast = local_contrast(grey, stage.sigma * zoom)
            if side != work:
                contrast = cv2.resize(contrast, side, interpolation=cv2.INTER_AREA)
            stack[row] = contrast.ravel()

    list(pool.map(many, range(0, len(thumbnails), 128)))
    return stack


def confirm(
    thumbnails: Sequence[NDArray[np.uint8]],
    coarse: tuple[Stack, Stack],
    pairs: Pairs,
    maps: Affine,
    options: DuplicateOptions,
    pool: Executor,
    progress: Progress = quiet,
    report: Callable[[str, int], None] = lambda stage, left: None,
) -> tuple[Pairs, Alignment]:
    """Register the candidates; those that are copies come back with their maps and scores.

    Args:
        thumbnails: (SIDE, SIDE) uint8 each.
        coarse: (N, P) local contrast of all of them as ``STAGES[1]`` has it, the usual and the zoomed one.
        pairs: rows of ``thumbnails``.
        maps: (C, 2, 3) first guesses, from the fixed picture's unit square to the moving one's.
        options: thresholds.
        pool: threads to share the work.
        progress: shown over the stages.
        report: told how many candidates reach each stage.
    """
    result = Alignment(maps, np.zeros(len(pairs)), np.zeros(len(pairs)))
    stages = zip(STAGES, options.gates, strict=True)
    for stage, gate in progress(stages, len(STAGES), "registering candidates"):
        report(f"{stage.side} px, {stage.sigma / stage.work:.3f}", len(pairs))
        if (stage.work, stage.sigma) == (STAGES[1].work, STAGES[1].sigma):
            stack, local = _from_coarse(coarse, pairs, result.maps, stage.side)
        else:
            stack, local = _from_thumbnails(thumbnails, pairs, result.maps, stage, pool)
        result = _register(stack, local, result.maps, stage, pool)
        pairs, result = _keep(pairs, result, gate, options)
    report("detail", len(pairs))
    result = compare_detail(thumbnails, pairs, result.maps, pool)
    pairs, result = _keep(pairs, result, options.score, options)
    report("confirmed", len(pairs))
    return pairs, result


def _keep(pairs: Pairs, result: Alignment, gate: float, options: DuplicateOptions) -> tuple[Pairs, Alignment]:
    good = (result.score >= gate) & (result.overlap >= options.overlap) & _plausible(result.maps, options)
    keep = np.flatnonzero(good)
    return pairs.take(keep), Alignment(result.maps[keep], result.score[keep], result.overlap[keep])


def _from_coarse(coarse: tuple[Stack, Stack], pairs: Pairs, maps: Affine, side: int) -> tuple[Stack, Pairs]:
    """The contrast that the search for candidates had already, shrunk to ``side``, and the pairs' rows in it."""
    count, times = len(coarse[0]), math.isqrt(coarse[0].shape[1]) // side
    blocks = np.concatenate(coarse).reshape(2 * count, side, times, side, times)
    stack = blocks[:, :, 0, :, 0] if times == 1 else blocks.mean(axis=(2, 4))
    moving = np.where(magnification(maps) < ZOOMED_BELOW, pairs.moving + count, pairs.moving)
    return np.ascontiguousarray(stack).reshape(2 * count, -1), Pairs(pairs.fixed, moving, pairs.sign)


def _from_thumbnails(
    thumbnails: Sequence[NDArray[np.uint8]], pairs: Pairs, maps: Affine, stage: Stage, pool: Executor
) -> tuple[Stack, Pairs]:
    """Contrast of the pictures that are still in play, and the pairs' rows in it."""
    zoomed = magnification(maps) < ZOOMED_BELOW
    usual, usual_place = _numbered(np.concatenate([pairs.fixed, pairs.moving[~zoomed]]))
    special, special_place = _numbered(pairs.moving[zoomed])
    moving = np.empty(len(pairs), np.int64)
    moving[~zoomed] = usual_place[len(pairs) :]
    moving[zoomed] = special_place + len(usual)
    local = Pairs(usual_place[: len(pairs)], moving, pairs.sign)
    stack = np.concatenate(
        [
            contrast_stack([thumbnails[row] for row in rows], stage, pool, zoom)
            for rows, zoom in ((usual, 1.0), (special, ZOOMED))
        ]
    )
    return stack, local


def _register(stack: Stack, local: Pairs, maps: Affine, stage: Stage, pool: Executor) -> Alignment:
    if not len(local):
        return Alignment(maps, np.empty(0), np.empty(0))

    def part(start: int) -> Alignment:
        span = slice(start, start + stage.chunk)
        return align(stack, local.take(span), maps[span], stage.steps)

    done = list(pool.map(part, range(0, len(local), stage.chunk)))
    return Alignment(*(np.concatenate([getattr(d, name) for d in done]) for name in Alignment.__slots__))


def _numbered(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    used, place = np.unique(rows, return_inverse=True)
    return used, place


def _plausible(maps: Affine, options: DuplicateOptions) -> NDArray[np.bool_]:
    """No map that squeezes one axis far more than the other, or shrinks the picture to a spot."""
    stretch = np.linalg.svd(maps[:, :, :2], compute_uv=False)
    largest, least = stretch[:, 0], stretch[:, 1]
    fair: NDArray[np.bool_] = (least > 0.35) & (largest < 2.5) & (largest < options.stretch * np.maximum(least, 1e-9))
    return fair
