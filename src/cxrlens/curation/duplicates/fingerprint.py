"""Fingerprint: all that the search for duplicates keeps of an image."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.radiograph import Pixels, Radiograph

SIDE = 128
"""Pixels of the thumbnail's side. Copies and follow-ups of one patient part only in detail: at 64 px they overlap."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """About 16 KB of an image; can be pickled.

    Args:
        path: the image's name in the results.
        shape: (height, width) of the image in pixels.
        sha256: hex digest of the file's bytes; blank = unknown, then equal bytes are reported as equal pixels.
        pixel_hash: hex digest of the decoded pixels; blank for a constant picture, which shows nothing to compare.
        thumbnail: (SIDE, SIDE) uint8, the whole image squeezed into a square, its grey levels stretched to 0..255.
    """

    path: str
    shape: tuple[int, int]
    sha256: str
    pixel_hash: str
    thumbnail: NDArray[np.uint8]


def fingerprint(radiograph: Radiograph, sha256: str = "", path: str = "") -> Fingerprint:
    """Fingerprint of an image that is decoded already.

    Args:
        radiograph: the image.
        sha256: hex digest of the file's bytes, where the caller has it.
        path: name in the results; ``radiograph.path`` where blank.
    """
    pixels = radiograph.pixels
    low, high = float(pixels.min()), float(pixels.max())
    constant = not high > low
    return Fingerprint(
        path=path or radiograph.path,
        shape=(radiograph.height, radiograph.width),
        sha256=sha256,
        pixel_hash="" if constant else hash_pixels(pixels),
        thumbnail=_thumbnail(pixels, low, high),
    )


def hash_pixels(pixels: Pixels) -> str:
    """Hex digest of (H, W) pixels in [0, 1] at 16 bit, the shape included: the same for PNG and BMP of one picture."""
    whole = np.rint(pixels * np.float32(65535.0)).astype(np.uint16)
    digest = hashlib.sha256(f"{pixels.shape}".encode())
    digest.update(np.ascontiguousarray(whole).data)
    return digest.hexdigest()


def _thumbnail(pixels: Pixels, low: float, high: float) -> NDArray[np.uint8]:
    small = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    if not high > low:
        return np.zeros((SIDE, SIDE), np.uint8)
    stretched = (small - low) * (255.0 / (high - low))
    levels: NDArray[np.uint8] = np.clip(np.rint(stretched), 0, 255).astype(np.uint8)
    return levels
