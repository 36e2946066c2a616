"""Pixels to the bytes of a file, each marked as synthetic inside the file itself."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.radiograph import Pixels

MARK = "synthetic phantom, not a patient"
"""Stands in a PNG's tEXt chunk ``Comment`` and in a JPEG's COM segment."""

Samples = NDArray[np.uint8] | NDArray[np.uint16]
"""(H, W) or (H, W, 3) in RGB order."""


def to_samples(pixels: Pixels, bits: int, tint: tuple[float, float, float] | None = None) -> Samples:
    """[0, 1] to 8 or 16 bit; with a tint (R, G, B of white) to colour, whose shadows keep a little of it."""
    if tint is not None:
        colour = pixels[..., None] ** np.array([1.0, 1.03, 1.12], np.float32) * np.array(tint, np.float32)
        return np.rint(colour * 255).astype(np.uint8)
    if bits == 16:
        return np.rint(pixels * 65535).astype(np.uint16)
    return np.rint(pixels * 255).astype(np.uint8)


def encode_png(samples: Samples, level: int = 3) -> bytes:
    """PNG (ISO/IEC 15948) with the mark in a tEXt chunk after IHDR."""
    data = _encode(".png", samples, [cv2.IMWRITE_PNG_COMPRESSION, level])
    return _with_text(data)


def encode_mask(mask: NDArray[np.bool_]) -> bytes:
    """1-bit PNG, white where the mask holds, marked like every other file."""
    data = _encode(".png", mask.astype(np.uint8) * np.uint8(255), [cv2.IMWRITE_PNG_BILEVEL, 1])
    return _with_text(data)


def encode_jpeg(samples: Samples, quality: int) -> bytes:
    """Baseline JPEG with the mark in a COM segment after SOI."""
    data = _encode(".jpg", samples, [cv2.IMWRITE_JPEG_QUALITY, quality])
    text = MARK.encode("ascii")
    return data[:2] + b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text + data[2:]


def encode(samples: Samples, extension: str, quality: int) -> bytes:
    """By the extension: ``.png``, else JPEG."""
    return encode_png(samples) if extension == ".png" else encode_jpeg(samples, quality)


def decode(data: bytes) -> Samples:
    """The samples of a file as stored: depth and colours kept, (R, G, B); ``ValueError`` where it is no picture."""
    samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None:
        raise ValueError("these bytes are no picture")
    ordered: Samples = samples[..., ::-1] if samples.ndim == 3 else samples
    return ordered


def _encode(extension: str, samples: Samples, parameters: list[int]) -> bytes:
    ordered = samples[..., ::-1] if samples.ndim == 3 else samples
    done, data = cv2.imencode(extension, np.ascontiguousarray(ordered), parameters)
    if not done:
        raise ValueError(f"{extension} cannot hold {samples.shape} {samples.dtype}")
    return bytes(data.tobytes())


def _with_text(png: bytes) -> bytes:
    body = b"tEXtComment\x00" + MARK.encode("latin-1")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    end_of_header = 8 + 25
    return png[:end_of_header] + chunk + png[end_of_header:]
