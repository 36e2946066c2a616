"""How large a file may be before its pixels are decoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cxrlens.errors import UnreadableImageError


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Checked against the header, before memory is taken.

    Args:
        max_pixels: rows × columns; the default of 100 million is 25 times the largest detectors in use.
        max_bytes: size of the file on disk.
    """

    max_pixels: int = 100_000_000
    max_bytes: int = 1 << 30

    def check_pixels(self, path: Path, width: int, height: int) -> None:
        """Raise :class:`UnreadableImageError` for an image beyond :attr:`max_pixels`, or without pixels."""
        if width < 1 or height < 1:
            raise UnreadableImageError(path, f"says it has {width} x {height} pixels", "get the file again")
        if width * height > self.max_pixels:
            raise UnreadableImageError(
                path,
                f"has {width} x {height} pixels, more than the limit of {self.max_pixels / 1e6:g} million",
                "shrink it, or raise the limit if you trust the file",
            )

    def check_bytes(self, path: Path, size: int) -> None:
        """Raise :class:`UnreadableImageError` for an empty file, or one beyond :attr:`max_bytes`."""
        if size == 0:
            raise UnreadableImageError(path, "is empty (zero bytes)", "get the file again")
        if size > self.max_bytes:
            raise UnreadableImageError(
                path,
                f"has {size / 2**20:.0f} MiB, more than the limit of {self.max_bytes / 2**20:.0f} MiB",
                "raise the limit if you trust the file",
            )


DEFAULT_LIMITS = ReadLimits()
"""For images of unknown origin."""
