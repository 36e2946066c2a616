"""DICOM projection radiographs. The only module that imports pydicom.

Stored values pass the grey-scale pipeline in the order of PS3.4 section N.2: Modality LUT (PS3.3 C.11.1), VOI LUT
(C.11.2), then polarity: Presentation LUT (C.11.6) or the inversion that MONOCHROME1 asks for (C.7.6.3.1.2).
"""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
)

from cxrlens.errors import UnreadableImageError
from cxrlens.radiograph import Radiograph
from cxrlens.sources.apart import decode_apart
from cxrlens.sources.codestream import claimed_size
from cxrlens.sources.facts import age_of, sex_of, view_of
from cxrlens.sources.limits import ReadLimits
from cxrlens.sources.voi import Values, lookup, stretch, window

_PROJECTION = ("CR", "DX", "DR", "RG", "RF", "XA")
_EXTRA = "install the decoders: pip install 'cxrlens[dicom]'"
_AGAIN = "export it again from the archive"
_MOST_SAMPLES = 4
_DECODERS = ("pydicom", "pylibjpeg", "pyjpegls", "pillow")  # that survive corrupt files, the most exact first
_MALFORMED = (
    ValueError,
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


def read_dicom(data: bytes, path: Path, limits: ReadLimits) -> Radiograph:
    """Decode one CR, DX or like image as a display would show it.

    Args:
        data: the whole file, with or without preamble and file meta.
        path: for the radiograph and for error lines.
        limits: rows × columns are checked before pixels are decoded.

    Raises:
        UnreadableImageError: no image, many frames, an unknown transfer syntax, a missing decoder, torn pixels.
    """
    _check_deflated(data, path, limits)
    try:
        return _read(data, path, limits)
    except _MALFORMED as error:  # values are parsed when they are asked for
        raise UnreadableImageError(path, f"has a broken DICOM header ({_short(error)})", _AGAIN) from error


def _read(data: bytes, path: Path, limits: ReadLimits) -> Radiograph:
    dataset = _parse(data, path, stop_before_pixels=False)
    _check_image(dataset, path, limits)
    notes: list[str] = []
    stored = _decode(dataset, data, path, limits)
    try:
        pixels, tint = _render(stored, dataset, notes)
        colour = "grey" if stored.ndim == 2 else "rgb"
        bits = int(dataset.get("BitsStored") or dataset.get("BitsAllocated") or 8)
    except _MALFORMED as error:
        raise UnreadableImageError(path, f"has a broken grey-scale description ({_short(error)})", _AGAIN) from error
    metadata = _metadata(dataset)
    modality = str(dataset.get("Modality") or "")
    if modality not in _PROJECTION:
        notes.append(f"modality {modality or 'not told'}: no CR or DX")
    return Radiograph(pixels, str(path), "DICOM", bits, colour, tint, metadata, tuple(notes))


def read_header(path: Path) -> dict[str, str]:
    """``patient_id``, ``view``, ``sex``, ``age`` and ``modality`` of a file, without its pixels; blank where not told.

    Raises:
        UnreadableImageError: the file is no DICOM.
    """
    dataset = _parse(path, path, stop_before_pixels=True)
    return {**_metadata(dataset), "modality": str(dataset.get("Modality") or "")}


def read_making(path: Path) -> tuple[str, str]:
    """Transfer syntax by name and manufacturer of a file, blank where not told; no pixel is decoded.

    Raises:
        UnreadableImageError: the file is no DICOM.
    """
    dataset = _parse(path, path, stop_before_pixels=True)
    return str(_transfer_syntax(dataset).name), str(dataset.get("Manufacturer") or "").strip()


def _parse(source: bytes | Path, path: Path, *, stop_before_pixels: bool) -> Dataset:
    """``force`` makes pydicom take any bytes, so what it parsed must show that it is an image's header."""
    try:
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        dataset: Dataset = pydicom.dcmread(file, force=True, stop_before_pixels=stop_before_pixels)
        known = "SOPClassUID" in dataset or "Modality" in dataset or "Rows" in dataset
    except (InvalidDicomError, *_MALFORMED) as error:
        raise UnreadableImageError(path, f"has a broken DICOM header ({_short(error)})", _AGAIN) from error
    if not known:
        raise UnreadableImageError(path, "begins like DICOM, but its header names no image", _AGAIN)
    return dataset


def _check_image(dataset: Dataset, path: Path, limits: ReadLimits) -> None:
    if not any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        kind = str(dataset.get("Modality") or "a report")
        raise UnreadableImageError(
            path, f"is DICOM without pixel data ({kind})", "leave it out, or export the image itself"
        )
    try:
        frames = int(dataset.get("NumberOfFrames") or 1)
        rows, columns = int(dataset.Rows), int(dataset.Columns)
        photometric = str(dataset.PhotometricInterpretation)
    except _MALFORMED as error:
        raise UnreadableImageError(path, f"does not describe its pixels ({_short(error)})", _AGAIN) from error
    if frames > 1:
        raise UnreadableImageError(path, f"has {frames} frames, and a radiograph is one", "export the frame you mean")
    limits.check_pixels(path, columns, rows)
    if photometric == "PALETTE COLOR":
        raise UnreadableImageError(path, "is a colour-table image, which no radiograph is", "export it as MONOCHROME2")


def _check_deflated(data: bytes, path: Path, limits: ReadLimits) -> None:
    """A deflated data set (PS3.5 section A.5) is unpacked whole by pydicom, and a kilobyte may hold a gigabyte."""
    if DeflatedExplicitVRLittleEndian.encode() not in data:
        return
    file = io.BytesIO(data)
    try:
        read_preamble(file, force=True)
        meta = _read_file_meta_info(file)
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        unpacker.decompress(data[file.tell() :], limits.max_bytes)
    except (InvalidDicomError, zlib.error, *_MALFORMED) as error:
        raise UnreadableImageError(path, f"has a broken DICOM header ({_short(error)})", _AGAIN) from error
    if unpacker.unconsumed_tail or not unpacker.eof:
        fault = f"is torn, or unpacks to more than the limit of {limits.max_bytes / 2**20:.0f} MiB"
        raise UnreadableImageError(path, fault, "export it uncompressed")


def _check_claimed(dataset: Dataset, path: Path, limits: ReadLimits) -> None:
    """Decoders take the memory that the compressed pixels ask for, whatever Rows and Columns say."""
    if not dataset["PixelData"].is_undefined_length:
        return
    claimed = claimed_size(pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1))
    if claimed is None:
        return
    limits.check_pixels(path, claimed.width, claimed.height)
    if claimed.components > _MOST_SAMPLES:
        raise UnreadableImageError(path, f"has {claimed.components} samples a pixel", _AGAIN)


def _decode(dataset: Dataset, data: bytes, path: Path, limits: ReadLimits) -> NDArray[Any]:
    """Stored values (H, W), or (H, W, 3) RGB."""
    uid = _transfer_syntax(dataset)
    try:
        decoder = pydicom.pixels.get_decoder(uid)
    except _MALFORMED as error:
        remedy = "convert it (for example dcmconv, gdcmconv --raw), or export it uncompressed"
        raise UnreadableImageError(path, f"has the unknown transfer syntax {uid}", remedy) from error
    if not decoder.is_available:
        raise UnreadableImageError(path, f"is compressed as {uid.name}, for which no decoder is installed", _EXTRA)
    try:
        if "PixelData" in dataset:
            _check_claimed(dataset, path, limits)
        stored = _stored(dataset, data, uid, decoder.available_plugins)
    except (*_MALFORMED, MemoryError) as error:
        raise UnreadableImageError(path, f"has pixels that cannot be decoded ({_short(error)})", _AGAIN) from error
    if stored.ndim not in (2, 3) or (stored.ndim == 3 and stored.shape[2] != 3):
        raise UnreadableImageError(path, f"has pixels of shape {stored.shape}", _AGAIN)
    return stored


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
        with contextlib.suppress(*_MALFORMED):
            return np.asarray(pydicom.pixels.pixel_array(dataset, decoding_plugin=name))
    return np.asarray(pydicom.pixels.pixel_array(dataset, decoding_plugin=here[-1]))


def _transfer_syntax(dataset: Dataset) -> pydicom.uid.UID:
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


def _render(stored: NDArray[Any], dataset: Dataset, notes: list[str]) -> tuple[NDArray[np.float32], float]:
    if stored.ndim == 3:
        notes.append("colour converted to luma")
        full = float((1 << int(dataset.BitsStored)) - 1)
        grey = cv2.cvtColor(stored.astype(np.float32) / full, cv2.COLOR_RGB2GRAY)
        high, low = stored.max(axis=2).astype(np.float64), stored.min(axis=2).astype(np.float64)
        tint = float(np.mean(np.divide(high - low, high, out=np.zeros_like(high), where=high > 0)))
        return np.clip(grey, 0.0, 1.0).astype(np.float32), tint
    padding = _padding(stored, dataset)
    values = _modality(stored, dataset)
    shown = _voi(values, dataset, ~padding, notes)
    shown = _presentation(shown, dataset, notes)
    if padding.any():
        shown[padding] = 0.0
        notes.append("pixel padding set to black")
    return shown.astype(np.float32), 0.0


def _padding(stored: NDArray[Any], dataset: Dataset) -> NDArray[np.bool_]:
    """Pixels outside the exposed field (PS3.3 C.7.5.1.1.2), told in stored values."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, bool)
    limit = dataset.get("PixelPaddingRangeLimit")
    ends = sorted((int(value), int(value if limit is None else limit)))
    return np.asarray((stored >= ends[0]) & (stored <= ends[1]))


def _modality(stored: NDArray[Any], dataset: Dataset) -> Values:
    """PS3.3 C.11.1: a table where there is one, else rescale slope and intercept, else nothing."""
    values = stored.astype(np.float64)
    sequence = dataset.get("ModalityLUTSequence")
    if sequence:
        table, first, _ = _table(sequence[0], dataset)
        return lookup(values, table, first)
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    if slope is not None and intercept is not None:
        values = values * float(slope) + float(intercept)
    return values


def _voi(values: Values, dataset: Dataset, valid: NDArray[np.bool_], notes: list[str]) -> Values:
    """PS3.3 C.11.2: the first table, else the first window; where the file has neither, the range of its own pixels."""
    sequence = dataset.get("VOILUTSequence")
    if sequence:
        table, first, bits = _table(sequence[0], dataset)
        return np.asarray(np.clip(lookup(values, table, first) / max((1 << bits) - 1, int(table.max())), 0.0, 1.0))
    centre, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    if centre is not None and width is not None:
        try:
            return window(values, centre, width, str(dataset.get("VOILUTFunction") or "LINEAR"))
        except ValueError as error:
            notes.append(f"{error}: window not used")
    bits = int(dataset.get("BitsStored") or 16)
    if bits <= 8 and values.min() >= 0 and values.max() < 1 << bits and not dataset.get("RescaleSlope"):
        return values / ((1 << bits) - 1)  # 8 bits are ready for display
    notes.append("no VOI LUT: the pixels' own range is shown")
    return stretch(values, valid)


def _presentation(shown: Values, dataset: Dataset, notes: list[str]) -> Values:
    """PS3.3 C.11.6. The photometric interpretation rules where a Presentation LUT Shape contradicts it."""
    sequence = dataset.get("PresentationLUTSequence")
    if sequence:
        table, _, bits = _table(sequence[0], dataset)
        return lookup(shown * (len(table) - 1), table, 0) / max((1 << bits) - 1, int(table.max()))
    inverse = str(dataset.PhotometricInterpretation) == "MONOCHROME1"
    shape = str(dataset.get("PresentationLUTShape") or "")
    if shape and (shape == "INVERSE") != inverse:
        notes.append(
            f"Presentation LUT Shape {shape} contradicts {dataset.PhotometricInterpretation}, which was followed"
        )
    if inverse:
        notes.append("MONOCHROME1 inverted")
        return 1.0 - shown
    return shown


def _table(item: Dataset, dataset: Dataset) -> tuple[NDArray[Any], int, int]:
    """Entries, the first value mapped, and bits an entry (PS3.3 C.11.1.1)."""
    count, first, bits = (int(v) for v in item.LUTDescriptor)
    data = item.LUTData
    if isinstance(data, bytes):
        little = dataset.original_encoding[1] is not False
        wide = np.frombuffer(data, np.dtype("<u2" if little else ">u2"))
        data = np.frombuffer(data, np.uint8) if len(wide) < (count or 65536) else wide
    table = np.atleast_1d(np.asarray(data, dtype=np.int64))[: count or 65536]
    if not len(table):
        raise ValueError("empty lookup table")
    return table, first, bits


def _first(value: Any) -> float | None:
    """Of several windows the first, which is the one to show unless the user picks (PS3.3 C.11.2.1.2)."""
    if value is None or value == "":
        return None
    return float(value[0] if isinstance(value, (pydicom.multival.MultiValue, list, tuple)) else value)


def _metadata(dataset: Dataset) -> dict[str, str]:
    def text(name: str) -> str:
        return str(dataset.get(name) or "").strip()

    found = {
        "patient_id": text("PatientID"),
        "view": view_of(text("ViewPosition")),
        "sex": sex_of(text("PatientSex")),
        "age": age_of(text("PatientAge")),
    }
    return {name: value for name, value in found.items() if value}


def _short(error: BaseException) -> str:
    return (str(error) or type(error).__name__).split("\n")[0][:120]
