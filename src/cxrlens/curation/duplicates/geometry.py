"""Affine maps between two pictures, each taken as a unit square, and how they sample a grid.

A map is a (2, 3) float64 array ``[[a, b, c], [d, e, f]]``: the point (x, y) of one picture is the point
(a x + b y + c, d x + e y + f) of the other; (0, 0) is the upper left corner and (1, 1) the lower right one. As unit
squares, a picture and its resized or squeezed copy differ by the identity, and a crop by two scales and a shift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Affine = NDArray[np.float64]
"""(2, 3), or (B, 2, 3) for a batch."""


def window(
    scale_x: float, scale_y: float, shift_x: float = 0.0, shift_y: float = 0.0, rotation_deg: float = 0.0
) -> Affine:
    """Map from a crop's unit square to the whole picture's: the crop is scale_x by scale_y, its centre off by the
    shift."""
    angle = math.radians(rotation_deg)
    c, s = math.cos(angle), math.sin(angle)
    linear = np.array([[scale_x * c, -scale_y * s], [scale_x * s, scale_y * c]])
    return around_centre(linear, shift_x, shift_y)


def around_centre(linear: NDArray[np.float64], shift_x: float = 0.0, shift_y: float = 0.0) -> Affine:
    """The map that applies ``linear`` (2, 2) about the centre and then shifts."""
    centre = np.array([0.5, 0.5])
    return np.column_stack([linear, centre + np.array([shift_x, shift_y]) - linear @ centre])


MIRROR: Affine = np.array([[-1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
"""Left and right changed."""


def quarter_turn(turns: int) -> Affine:
    """Rotation by ``turns`` times 90 degrees about the centre."""
    c, s = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)][turns % 4]
    return around_centre(np.array([[c, -s], [s, c]]))


def compose(outer: Affine, inner: Affine) -> Affine:
    """The map that applies ``inner`` first; either may be a batch (B, 2, 3)."""
    linear = outer[..., :2] @ inner[..., :2]
    shift = outer[..., :2] @ inner[..., 2:] + outer[..., 2:]
    return np.concatenate([linear, shift], axis=-1)


def invert(affine: Affine) -> Affine:
    """The way back; also for a batch."""
    linear = np.linalg.inv(affine[..., :2])
    return np.concatenate([linear, -linear @ affine[..., 2:]], axis=-1)


def magnification(affine: Affine) -> NDArray[np.float64]:
    """Mean factor by which lengths change, unsigned; () or (B,). Below 1: the first picture is a crop of the second."""
    linear = affine[..., :2]
    factor: NDArray[np.float64] = np.sqrt(
        np.abs(linear[..., 0, 0] * linear[..., 1, 1] - linear[..., 0, 1] * linear[..., 1, 0])
    )
    return factor


def grid_centres(size: int) -> NDArray[np.float64]:
    """(size * size, 2) points (x, y): the pixel centres of a square grid in the unit square, row by row."""
    line = (np.arange(size) + 0.5) / size
    x, y = np.meshgrid(line, line)
    return np.column_stack([x.ravel(), y.ravel()])


def sampling_matrix(affine: Affine, size_in: int, size_out: int, subsamples: int = 2) -> NDArray[np.float32]:
    """Bilinear sampling through a map, as a matrix: ``out = M @ in``, both pictures flattened.

    Each output pixel is the mean of ``subsamples`` squared samples. Beyond the border the nearest pixel counts.

    Returns:
        (size_out ** 2, size_in ** 2) float32; every row sums to 1.
    """
    fine = grid_centres(size_out * subsamples)
    points = fine @ affine[:, :2].T + affine[:, 2]
    at = np.clip(points * size_in - 0.5, 0.0, size_in - 1.0)
    low = np.minimum(at.astype(np.int64), size_in - 2)
    part = at - low
    cell = (np.arange(size_out * subsamples) // subsamples).astype(np.int64)
    row = (cell[:, None] * size_out + cell[None, :]).ravel()
    matrix = np.zeros((size_out**2, size_in**2), np.float32)
    for step_y in (0, 1):
        for step_x in (0, 1):
            weight = np.abs(1 - step_x - part[:, 0]) * np.abs(1 - step_y - part[:, 1]) / subsamples**2
            column = (low[:, 1] + step_y) * size_in + low[:, 0] + step_x
            np.add.at(matrix, (row, column), weight.astype(np.float32))
    return matrix


@dataclass(frozen=True, slots=True)
class Placement:
    """What a map from picture a to picture b means to a reader.

    Args:
        scale: how much larger the anatomy is in b than in a, both frames taken as unit squares; 1.19: b shows 84 % of
            a's
            width and height (geometric mean).
        rotation_deg: of b against a, in pixels as they are; positive is clockwise on the screen.
        dx: where the centre of a lies in b, from b's centre, as a fraction of b's width; right is positive.
        dy: the same as a fraction of b's height; down is positive.
        mirrored: left and right are changed.
    """

    scale: float
    rotation_deg: float
    dx: float
    dy: float
    mirrored: bool


def placement(affine: Affine, shape_a: tuple[int, int], shape_b: tuple[int, int]) -> Placement:
    """Read a map from a's unit square to b's; shapes are (height, width) in pixels."""
    linear = affine[:, :2]
    mirrored = bool(np.linalg.det(linear) < 0)
    centre = affine @ np.array([0.5, 0.5, 1.0])
    in_pixels = np.diag([shape_b[1], shape_b[0]]) @ linear @ np.diag([1 / shape_a[1], 1 / shape_a[0]])
    if mirrored:
        in_pixels = in_pixels @ np.diag([-1.0, 1.0])
    u, _, vt = np.linalg.svd(in_pixels)
    rotation = u @ vt
    angle = math.degrees(math.atan2(rotation[1, 0], rotation[0, 0]))
    scale = math.sqrt(abs(float(np.linalg.det(linear))))
    return Placement(scale, angle, float(centre[0] - 0.5), float(centre[1] - 0.5), mirrored)
