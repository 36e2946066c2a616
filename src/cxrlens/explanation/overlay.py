"""Heat over a radiograph: colour where there is heat, the film itself where there is none."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray

from cxrlens.radiograph import Pixels

COLOUR_MAP = ListedColormap(mpl.colormaps["inferno"](np.linspace(0.12, 0.84, 256)), "heat")
"""Inferno without its ends: even steps, safe for colour-blind readers, and never black or white like the film."""

STRONGEST = 0.7
"""Opacity of the hottest place: the film stays visible under it."""


def overlay(pixels: Pixels, heat: NDArray[np.float32], strongest: float = STRONGEST) -> NDArray[np.uint8]:
    """Lay heat over a film.

    Args:
        pixels: (H, W) float32 in [0, 1].
        heat: (H, W) float32 in [0, 1].
        strongest: opacity at heat 1, in [0, 1].

    Returns:
        (H, W, 3) uint8 RGB; where the heat is 0 it is the film.

    Raises:
        ValueError: shapes that differ.
    """
    if pixels.shape != heat.shape:
        raise ValueError(f"a heat-map of shape {heat.shape} does not lie over a film of shape {pixels.shape}")
    table = np.asarray(COLOUR_MAP(np.linspace(0, 1, 256)), dtype=np.float32)[:, :3]
    colours = table[np.clip(heat * 255, 0, 255).astype(np.uint8)]
    opacity = (strongest * np.clip(heat, 0, 1) ** 0.8)[..., None].astype(np.float32)
    mixed = pixels[..., None] * (1 - opacity) + colours * opacity
    return np.clip(mixed * 255 + 0.5, 0, 255).astype(np.uint8)
