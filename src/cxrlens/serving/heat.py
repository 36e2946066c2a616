"""A map of the network's frame as heat over the film, without torch and without matplotlib."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.preprocessing import Placement

STRONGEST = 0.7
"""Opacity of the hottest place, as in ``explain``: the film stays visible under it."""

_FIRST, _LAST = 0.12, 0.84  # of inferno: neither its black nor its white, which are the film's own colours


def heat_of(small: NDArray[np.float32], placement: Placement) -> NDArray[np.float32]:
    """A map (h, w), 0 or more, carried to the original (H, W) and scaled so that its top is 1.

    A map that is zero everywhere the film lies (nothing speaks for the class) stays zero.
    """
    heat = np.maximum(placement.to_original(_sized(small, placement.size)), 0.0)
    return _scaled(heat)


def in_frame(small: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """A map (h, w) at the side of the network's frame (side, side), its top 1; zero everywhere stays so."""
    return _scaled(np.maximum(_sized(small, side), 0.0))


def _sized(small: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    if small.shape == (side, side):
        return small
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _scaled(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    top = float(heat.max())
    return (heat / top).astype(np.float32) if top > 0 else heat


def overlay(pixels: NDArray[np.float32], heat: NDArray[np.float32], strongest: float = STRONGEST) -> NDArray[np.uint8]:
    """Heat over a film, as ``explain`` draws it.

    Args:
        pixels: (H, W) float32 in [0, 1].
        heat: (H, W) float32 in [0, 1].
        strongest: opacity at heat 1, in [0, 1].

    Returns:
        (H, W, 3) uint8 RGB; where the heat is 0 it is the film.
    """
    levels = np.clip(heat * 255, 0, 255).astype(np.uint8)
    opacity = (strongest * np.clip(heat, 0, 1) ** 0.8).astype(np.float32)
    film = pixels * (1 - opacity)
    drawn = np.empty((*pixels.shape, 3), dtype=np.uint8)
    for channel in range(3):  # one after the other: three times as fast as over an axis of three
        mixed = np.take(colour_table()[:, channel], levels)
        mixed *= opacity
        mixed += film
        mixed *= 255
        mixed += 0.5
        drawn[..., channel] = np.clip(mixed, 0, 255, out=mixed)
    return drawn


@cache
def colour_table() -> NDArray[np.float32]:
    """(256, 3) RGB in [0, 1]: inferno without its ends."""
    levels = np.arange(256, dtype=np.uint8)[:, None]
    inferno = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[:, 0, ::-1]
    chosen = (np.linspace(_FIRST, _LAST, 256) * 256).astype(np.intp)
    return np.asarray(inferno[chosen], dtype=np.float32) / np.float32(255)
