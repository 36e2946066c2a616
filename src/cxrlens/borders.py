"""Borders: uniform frames that scanning, collimation or a figure's canvas left around the film.

Preprocessing trims them, curation measures them.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_PROBE = 256  # frames are looked for on a reduction of at most this many pixels a side
_DARK, _BRIGHT = 0.06, 0.95  # only frames of nearly black or nearly white are frames
_SPREAD = 0.04  # a frame's pixels lie this close to its level ...
_SHARE = 0.97  # ... but for this many, so that a letter in the frame does not keep it
_LEAST = 0.25  # what is left must be at least this share of each side, or the frame is taken for the film


class Box(NamedTuple):
    """Rectangle of whole pixels: rows ``y0 .. y0+h``, columns ``x0 .. x0+w``."""

    y0: int
    x0: int
    h: int
    w: int


def reduced(pixels: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """(H, W) in [0, 1] by area means to at most ``most`` pixels a side, still in [0, 1]; smaller ones as they are."""
    H, W = pixels.shape
    scale = most / max(H, W)
    if scale >= 1:
        return pixels
    size = (max(1, round(W * scale)), max(1, round(H * scale)))
    small: NDArray[np.float32] = np.clip(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), 0.0, 1.0)
    return small


def content_box(pixels: NDArray[np.float32]) -> Box:
    """Part of ``pixels`` (H, W) inside uniform black or white frames; everything where there are none.

    Conservative: a line goes only if at least 97 % of it lies within 0.04 of one level, that level is below 0.06 or
    above 0.95, and all lines outside it went too. Where less than a quarter of a side would be left, nothing goes. The
    box is rounded outwards.
    """
    H, W = pixels.shape
    probe = reduced(pixels, _PROBE)
    h, w = probe.shape
    top, bottom = _frame_lines(probe), _frame_lines(probe[::-1])
    if h - top - bottom < _LEAST * h:
        return Box(0, 0, H, W)
    inner = probe[top : h - bottom]  # columns are judged without the bars above and below them
    left, right = _frame_lines(inner.T), _frame_lines(inner[:, ::-1].T)
    if w - left - right < _LEAST * w:
        return Box(0, 0, H, W)
    y0, y1 = top * H // h, H - bottom * H // h
    x0, x1 = left * W // w, W - right * W // w
    return Box(y0, x0, y1 - y0, x1 - x0)


def _frame_lines(lines: NDArray[np.float32]) -> int:
    """How many of the first rows are frame; looks no further than the first that is none."""
    for count, line in enumerate(lines):
        level = np.float32(np.median(line))
        if _DARK < level < _BRIGHT or float((np.abs(line - level) <= _SPREAD).mean()) < _SHARE:
            return count
    return len(lines)
