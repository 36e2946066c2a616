"""Stored values of a DICOM image, decoded under limits."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import BytesLengthException
from pydicom.uid import (
    JPEG2000,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
)

from cxrlens.errors import UnreadableImageError
from cxrlens.sources.apart import decode_apart
from cxrlens.sources.codestream import claimed_size
from cxrlens.sources.faults import short
from cxrlens.sources.limits import ReadLimits

AGAIN = "export it again from the archive"

_EXTRA = "install the decoders: pip install 'cxrlens[dicom]'"
_MOST_SAMPLES = 4
_DECODERS = ("pydicom", "pylibjpeg", "pyjpegls", "pillow")  # that survive corrupt files, the most exact first
MALFORMED = (
    ValueError,
    ArithmeticError,  # 1e400 rows, a table of 60,000 bits
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    NotImplementedError,
    OSError,
    RuntimeError,
    EOFError,
    BytesLengthException,
    struct.error,
)
"""What pydicom raises for values that break the standard's own rules."""


def decode(dataset: Dataset, data: bytes, path: Path, limits: ReadLimits) -> NDArray[Any]:
    """Stored values (H, W), or (H, W, 3) RGB.

    Args:
        dataset: with its pixels.
        data: the whole file, for decoders that work apart.
        path: for error lines.
        limits: compressed pixels that claim more are refused before memory is taken.

    Raises:
        UnreadableImageError: an unknown transfer syntax, a missing decoder, torn pixels, more pixels than one image's.
    """
    uid = transfer_syntax(dataset)
    try:
        decoder = pydicom.pixels.get_decoder(uid)
    except MALFORMED as error:
        remedy = "convert it (for example dcmconv, gdcmconv --raw), or export it uncompressed"
        raise UnreadableImageError(path, f"has the unknown transfer syntax {uid}", remedy) from error
    if not decoder.is_available:
        raise UnreadableImageError(path, f"is compressed as {uid.name}, for which no decoder is installed", _EXTRA)
    try:
        if "PixelData" in dataset:
            _check_claimed(dataset, path, limits)
        stored = _stored(dataset, data, uid, decoder.available_plugins)
    except (*MALFORMED, MemoryError) as error:
        raise UnreadableImageError(path, f"has pixels that cannot be decoded ({short(error)})", AGAIN) from error
    if stored.ndim == 3 and stored.shape[2] != 3:
        raise UnreadableImageError(path, f"has pixels for {len(stored)} frames, and a radiograph is one", AGAIN)
    if stored.ndim not in (2, 3):
        raise UnreadableImageError(path, f"has pixels of shape {stored.shape}", AGAIN)
    return stored


def transfer_syntax(dataset: Dataset) -> pydicom.uid.UID:
    """As the file meta says; without one, as the bytes look (PS3.10 section 7.1 asks for it, old files lack it)."""
    meta = getattr(dataset, "file_meta", None)
    uid = None if meta is None else meta.get("TransferSyntaxUID")
    if uid:
        return pydicom.uid.UID(uid)
    implicit, little = dataset.original_encoding
    guessed = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    if "PixelData" in dataset and dataset["PixelData"].is_undefined_length:
        start = bytes(dataset.PixelData[:4096])
        guessed = JPEG2000 if b"\xff\x4f\xff\x51" in start else JPEGBaseline8Bit
    if meta is None:
        dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = guessed
    return guessed


def _check_claimed(dataset: Dataset, path: Path, limits: ReadLimits) -> None:
    """Decoders take the memory that the compressed pixels ask for, whatever Rows and Columns say."""
    if not dataset["PixelData"].is_undefined_length:
        return
    claimed = claimed_size(pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1))
    if claimed is None:
        return
    limits.check_pixels(path, claimed.width, claimed.height)
    if claimed.components > _MOST_SAMPLES:
        raise UnreadableImageError(path, f"has {claimed.components} samples a pixel", AGAIN)


def _stored(dataset: Dataset, data: bytes, uid: pydicom.uid.UID, installed: Sequence[str]) -> NDArray[Any]:
    """By the first decoder that can. GDCM, which pydicom would ask first, ends its process on some corrupt files: it is
    asked for what no other reads, and in a process of its own."""
    if not uid.is_encapsulated:
        return np.asarray(pydicom.pixels.pixel_array(dataset))
    here = [name for name in _DECODERS if name in installed]
    if uid == JPEGExtended12Bit and "gdcm" in installed:
        here = []  # Pillow has 8 bits only
    if not here:
        return decode_apart(data, str(uid), "gdcm")
    for name in here[:-1]:
        with contextlib.suppress(*MALFORMED):
            return np.asarray(pydicom.pixels.pixel_array(dataset, decoding_plugin=name))
    return np.asarray(pydicom.pixels.pixel_array(dataset, decoding_plugin=here[-1]))
