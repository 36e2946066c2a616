"""What a file's header says of how it was made and saved: nothing a network sees, and often what names its origin."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from cxrlens.errors import UnreadableImageError
from cxrlens.sources.filetype import HEAD_BYTES, sniff

_HEAD = 1 << 18  # bytes that hold the header even where a thumbnail and a colour profile stand before the pixels
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, MemoryError)
_EMBEDDED = {"exif": "EXIF", "icc_profile": "ICC profile", "xmp": "XMP", "dpi": "resolution", "comment": "comment"}

# fmt: off
_ANNEX_K = np.array(
    [
        16, 11, 10, 16,  24,  40,  51,  61,
        12, 12, 14, 19,  26,  58,  60,  55,
        14, 13, 16, 24,  40,  57,  69,  56,
        14, 17, 22, 29,  51,  87,  80,  62,
        18, 22, 37, 56,  68, 109, 103,  77,
        24, 35, 55, 64,  81, 104, 113,  92,
        49, 64, 78, 87, 103, 121, 120, 101,
        72, 92, 95, 98, 112, 100, 103,  99,
    ],
    dtype=np.int64,
)
# fmt: on
"""The luminance table of ITU-T T.81, Annex K.1, which the Independent JPEG Group's library scales by its quality."""


@dataclass(frozen=True, slots=True)
class Header:
    """How a file was saved. Blank or none: the format has no such thing, or it could not be read.

    Args:
        size: of the file, in bytes.
        jpeg_tables: short hash of all its quantisation tables (ITU-T T.81, section B.2.4.1).
        jpeg_quality: 1..100, the setting of the IJG's library whose luminance table is the nearest.
        embedded: what is told beside the pixels, sorted: ``EXIF``, ``ICC profile``, ``XMP``, ``resolution``,
            ``comment``, ``text``, joined by `` + ``; ``nothing``.
        transfer_syntax: of DICOM, by name.
        manufacturer: of the machine, as DICOM tells it.
    """

    size: int
    jpeg_tables: str = ""
    jpeg_quality: int | None = None
    embedded: str = "nothing"
    transfer_syntax: str = ""
    manufacturer: str = ""


def read_save_header(path: Path) -> Header:
    """Read the head of a file; pixels are not decoded.

    Raises:
        UnreadableImageError: the file cannot be opened, or its header is broken.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UnreadableImageError(path, f"cannot be opened ({reason})", "check that it is there") from error
    kind = sniff(head[:HEAD_BYTES])
    if kind == "DICOM":
        from cxrlens.sources.dicom import read_making  # here, since collections without DICOM need not wait for pydicom

        syntax, manufacturer = read_making(path)
        return Header(size, transfer_syntax=syntax, manufacturer=manufacturer)
    plugin: type[ImageFile] | None = {"JPEG": JpegImageFile, "PNG": PngImageFile}.get(kind)
    if plugin is None:
        return Header(size)
    try:
        image = plugin(io.BytesIO(head))
    except _BROKEN as error:
        raise UnreadableImageError(path, f"has a broken {kind} header", "get the file again, or remove it") from error
    embedded = {word for key, word in _EMBEDDED.items() if image.info.get(key)}
    if isinstance(image, PngImageFile) and image.info.keys() - _EMBEDDED.keys() - {"gamma", "srgb", "chromaticity"}:
        embedded.add("text" if any(isinstance(value, str) for value in image.info.values()) else "other chunks")
    said = " + ".join(sorted(embedded)) or "nothing"
    if not isinstance(image, JpegImageFile):
        return Header(size, embedded=said)
    tables = dict(image.quantization)
    digest = hashlib.sha256(repr(sorted((k, list(v)) for k, v in tables.items())).encode()).hexdigest()[:8]
    quality = nearest_quality(np.array(tables[min(tables)], dtype=np.int64)) if tables else None
    return Header(size, digest, quality, said)


def nearest_quality(luminance: NDArray[np.int64]) -> int:
    """The IJG quality, 1..100, whose luminance table is the nearest to (64,) ``luminance``, row by row."""
    return int(np.abs(_ijg_tables() - luminance[None, :]).sum(axis=1).argmin()) + 1


@cache
def _ijg_tables() -> NDArray[np.int64]:
    """(100, 64): the luminance tables of quality 1..100 (jcparam.c of the IJG's library, baseline)."""
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return np.clip((_ANNEX_K[None, :] * scale[:, None] + 50) // 100, 1, 255)
