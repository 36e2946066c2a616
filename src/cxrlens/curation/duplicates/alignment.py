"""Registration of many pairs at once: affine Gauss-Newton on local contrast.

The inverse compositional algorithm (Baker & Matthews, Lucas-Kanade 20 Years On, IJCV 2004) on zero-mean, unit-variance
pictures, so that a step maximises their correlation; pixels that fall outside the other picture take no part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.curation.duplicates.geometry import Affine, compose, grid_centres, invert

Stack = NDArray[np.float32]
"""(N, S * S) float32: square pictures, flattened."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """B pairs of rows of a stack.

    Args:
        fixed: (B,) rows of the pictures that stay as they are.
        moving: (B,) rows of the pictures that are sampled through the maps.
        sign: (B,) 1, or -1 where one picture is the inverse of the other.
    """

    fixed: NDArray[np.int64]
    moving: NDArray[np.int64]
    sign: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.fixed)

    def take(self, rows: NDArray[np.int64] | slice) -> Pairs:
        """Some of them."""
        return Pairs(self.fixed[rows], self.moving[rows], self.sign[rows])


@dataclass(frozen=True, slots=True)
class Alignment:
    """Result for a batch of B pairs.

    Args:
        maps: (B, 2, 3) from the fixed picture's unit square to the moving one's.
        score: (B,) correlation over the overlap, in [-1, 1]; 0 where nothing overlaps or a picture is flat there.
        overlap: (B,) share of the fixed picture that the moving one covers, in [0, 1].
    """

    maps: Affine
    score: NDArray[np.float64]
    overlap: NDArray[np.float64]


def sample(stack: Stack, rows: NDArray[np.int64], maps: Affine) -> tuple[Stack, Stack]:
    """Bilinear samples of ``stack[rows]`` through ``maps``; (B, S * S) values and 0/1 weights of what lies inside."""
    size = _side(stack)
    points = grid_centres(size).T.astype(np.float32)
    at = (maps[:, :, :2].astype(np.float32) @ points + maps[:, :, 2:].astype(np.float32)) * size - np.float32(0.5)
    inside: Stack = np.asarray(((at > -0.5) & (at < size - 0.5)).all(axis=1)).astype(np.float32)
    np.clip(at, 0, size - 1, out=at)
    # All pictures one below the other make one tall picture, which OpenCV samples in one call.
    at[:, 1] += np.arange(0, len(rows) * size, size, dtype=np.float32)[:, None]
    tall = stack[rows].reshape(-1, size)
    x, y = (np.ascontiguousarray(at[:, axis]).reshape(-1, size) for axis in (0, 1))
    values: Stack = cv2.remap(tall, x, y, cv2.INTER_LINEAR).reshape(len(rows), -1)
    return values, inside


def align(stack: Stack, pairs: Pairs, maps: Affine, steps: int) -> Alignment:
    """Refine ``maps`` by Gauss-Newton steps, and score them; a pair keeps the best map it met.

    Args:
        stack: the pictures.
        pairs: which rows of it to register, and with which sign.
        maps: (B, 2, 3) first guesses.
        steps: Gauss-Newton steps; 0 only scores.
    """
    size = _side(stack)
    template = stack[pairs.fixed]
    signs = pairs.sign.astype(np.float32)[:, None]
    steepest = _steepest_descent(template, size) if steps else None
    best = Alignment(maps.copy(), np.full(len(maps), -2.0), np.zeros(len(maps)))
    for step in range(steps + 1):
        values, inside = sample(stack, pairs.moving, maps)
        values *= signs
        score, overlap, residual = _correlate(template, values, inside)
        better = score > best.score
        best.maps[better], best.score[better], best.overlap[better] = maps[better], score[better], overlap[better]
        if step < steps and steepest is not None:
            maps = compose(maps, invert(_solve(steepest, residual, inside)))
    return best


def _correlate(fixed: Stack, moved: Stack, weight: Stack) -> tuple[NDArray[np.float64], NDArray[np.float64], Stack]:
    """Correlation, share of weight, and the residual moved - fixed of the normalised pictures."""
    total = np.maximum(weight.sum(axis=1, keepdims=True), 1e-6)
    f = (fixed - (fixed * weight).sum(axis=1, keepdims=True) / total) * weight
    m = (moved - (moved * weight).sum(axis=1, keepdims=True) / total) * weight
    spread_f = np.sqrt(np.einsum("bp,bp->b", f, f))[:, None]
    spread_m = np.sqrt(np.einsum("bp,bp->b", m, m))[:, None]
    product = (spread_f * spread_m)[:, 0].astype(np.float64)
    score = np.einsum("bp,bp->b", f, m).astype(np.float64)
    flat = product < 1e-3 * total[:, 0]
    score = np.where(flat, 0.0, score / np.where(flat, 1.0, product))
    m *= spread_f / np.maximum(spread_m, 1e-6)
    return score, total[:, 0].astype(np.float64) / weight.shape[1], m - f


def _steepest_descent(template: Stack, size: int) -> NDArray[np.float32]:
    """(B, 6, S * S) derivatives of the template by the six parameters of an affine map about the centre."""
    pictures = template.reshape(-1, size, size)
    gradient_y = np.asarray(np.gradient(pictures, 1 / size, axis=1))
    gradient_x = np.asarray(np.gradient(pictures, 1 / size, axis=2))
    x, y = (grid_centres(size) - 0.5).T.astype(np.float32)
    gx, gy = gradient_x.reshape(len(template), -1), gradient_y.reshape(len(template), -1)
    return np.stack([gx * x, gx * y, gx, gy * x, gy * y, gy], axis=1).astype(np.float32)


def _solve(steepest: NDArray[np.float32], residual: Stack, inside: Stack) -> Affine:
    """The step of each pair, as a map near the identity, no further than a twelfth of the picture."""
    weighted = steepest * inside[:, None, :]
    hessian = (weighted @ steepest.transpose(0, 2, 1)).astype(np.float64)
    slope = (weighted @ residual[:, :, None]).astype(np.float64)
    damping = 1e-4 * np.trace(hessian, axis1=1, axis2=2)[:, None, None] / 6 + 1e-9
    step = np.linalg.solve(hessian + damping * np.eye(6), slope)[:, :, 0]
    step = np.clip(step, -1 / 12, 1 / 12)
    maps = np.zeros((len(step), 2, 3))
    maps[:, 0, 0] = 1 + step[:, 0]
    maps[:, 0, 1] = step[:, 1]
    maps[:, 1, 0] = step[:, 3]
    maps[:, 1, 1] = 1 + step[:, 4]
    centre = np.array([0.5, 0.5])
    maps[:, :, 2] = centre + step[:, [2, 5]] - maps[:, :, :2] @ centre
    return maps


def _side(stack: Stack) -> int:
    side = math.isqrt(stack.shape[1])
    if side * side != stack.shape[1]:
        raise ValueError(f"pictures must be square, not {stack.shape[1]} pixels")
    return side
