"""Pictures as data: URIs, small enough that a whole report stays within a few megabytes."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxrlens.errors import CxrlensError
from cxrlens.sources import read_radiograph

THUMBNAIL = 288
"""Long side of a thumbnail in pixels: sharp at 144 CSS pixels on a phone, about 10 kB as JPEG."""

PLOT_BYTES = 450_000
"""A plot above this is reduced before it is embedded."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An embedded picture.

    Args:
        uri: ``data:image/...;base64,...``.
        width: pixels, so that a page does not jump while it loads.
        height: pixels.
        alt: what it shows, in words.
    """

    uri: str
    width: int
    height: int
    alt: str


def from_file(path: Path, alt: str, max_width: int = 1600) -> Picture | None:
    """A plot from disk: the bytes as they are where they are few, reduced otherwise; ``None`` if unreadable."""
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            if len(data) <= PLOT_BYTES and image.format in ("PNG", "JPEG"):
                return Picture(_uri(data, image.format), image.width, image.height, alt)
            flat = Image.new("RGB", image.size, "white")
            flat.paste(image.convert("RGBA"), mask=image.convert("RGBA").getchannel("A"))
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    flat.thumbnail((max_width, 4 * max_width), Image.Resampling.LANCZOS)
    return _jpeg(flat, alt, quality=85)


def thumbnail_of_file(path: Path, alt: str, long_side: int) -> Picture | None:
    """A reduced JPEG of a picture on disk (Grad-CAM overlays, which are many); ``None`` if unreadable."""
    try:
        with Image.open(path) as image:
            small = image.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    small.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
    return _jpeg(small, alt, quality=82)


def of_radiograph(path: Path, alt: str, long_side: int = THUMBNAIL) -> Picture | None:
    """Thumbnail of a radiograph in any format that the readers know; ``None`` where they refuse it."""
    pixels = read_pixels(path)
    return None if pixels is None else of_pixels(pixels, alt, long_side)


def read_pixels(path: Path) -> NDArray[np.float32] | None:
    """(H, W) float32 in [0, 1]; ``None`` where the file is gone or unreadable (a report goes on without it)."""
    try:
        return read_radiograph(path).pixels
    except (CxrlensError, OSError):
        return None


def of_pixels(pixels: NDArray[np.float32], alt: str, long_side: int = THUMBNAIL) -> Picture:
    """JPEG of (H, W) or (H, W, 3) float32 in [0, 1]; values outside are clipped."""
    image = Image.fromarray(np.round(255 * np.clip(pixels, 0, 1)).astype(np.uint8))
    image.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
    return _jpeg(image, alt, quality=80)


def _jpeg(image: Image.Image, alt: str, quality: int) -> Picture:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    return Picture(_uri(buffer.getvalue(), "JPEG"), image.width, image.height, alt)


def _uri(data: bytes, file_format: str) -> str:
    return f"data:image/{file_format.lower()};base64,{base64.b64encode(data).decode('ascii')}"
