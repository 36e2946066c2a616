"""Repeatability: the film moves a little, and the heat must move with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.doubts.places import Maps

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Move:
    """A small change of position, well inside what training shows the network.

    Args:
        name: in words.
        dx: shift to the right as a share of the side.
        dy: shift downwards as a share of the side.
        degrees: turn about the middle, anticlockwise.
    """

    name: str
    dx: float = 0.0
    dy: float = 0.0
    degrees: float = 0.0

    def matrix(self, side: int) -> Matrix:
        """(2, 3) affine matrix for OpenCV, from the old place to the new one."""
        middle = (side - 1) / 2
        matrix: Matrix = cv2.getRotationMatrix2D((middle, middle), self.degrees, 1.0)
        matrix[:, 2] += self.dx * side, self.dy * side
        return matrix


MOVES: tuple[Move, ...] = (
    Move("3 % right and down", dx=0.03, dy=0.03),
    Move("3 % left and up", dx=-0.03, dy=-0.03),
    Move("turned by 4°", degrees=4.0),
    Move("turned by −4°", degrees=-4.0),
)


def moved(frames: NDArray[np.float32], move: Move) -> NDArray[np.float32]:
    """Frames (n, S, S) moved; what comes in at the border repeats the border."""
    return _warped(frames, move.matrix(frames.shape[-1]), cv2.BORDER_REPLICATE)


def moved_back(maps: Maps, move: Move) -> Maps:
    """Maps (n, S, S) of moved frames, laid over the frames as they were."""
    return _warped(maps, cv2.invertAffineTransform(move.matrix(maps.shape[-1])), cv2.BORDER_CONSTANT)


def seen_by_both(side: int, move: Move) -> NDArray[np.bool_]:
    """(S, S) true where a pixel neither left the frame nor came in from beyond it."""
    ones = np.ones((1, side, side), dtype=np.float32)
    there = _warped(ones, move.matrix(side), cv2.BORDER_CONSTANT)
    return np.asarray(moved_back(there, move)[0] > 0.999)


def _warped(stack: NDArray[np.float32], matrix: Matrix, border: int) -> NDArray[np.float32]:
    def each() -> Iterator[NDArray[np.float32]]:
        for picture in stack:
            side = picture.shape[-1]
            yield cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=border)

    return np.stack(list(each())) if len(stack) else stack
