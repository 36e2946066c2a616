"""DICOM projection radiographs: what a file must hold to be one, its pixels as a display would show them, its facts."""

from __future__ import annotations

import io
import re
import zlib
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.uid import DeflatedExplicitVRLittleEndian

from cxrlens.errors import UnreadableImageError
from cxrlens.radiograph import Radiograph
from cxrlens.sources.dicom_display import render
from cxrlens.sources.dicom_pixels import AGAIN, MALFORMED, decode, transfer_syntax
from cxrlens.sources.facts import age_of, sex_of, view_of
from cxrlens.sources.faults import short
from cxrlens.sources.limits import ReadLimits

_PROJECTION = ("CR", "DX", "DR", "RG", "RF", "XA")


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
    except MALFORMED as error:  # values are parsed when they are asked for
        raise UnreadableImageError(path, f"has a broken DICOM header ({short(error)})", AGAIN) from error


def _read(data: bytes, path: Path, limits: ReadLimits) -> Radiograph:
    dataset = _parse(data, path, stop_before_pixels=False)
    _check_image(dataset, path, limits)
    notes: list[str] = []
    stored = decode(dataset, data, path, limits)
    try:
        pixels, tint = render(stored, dataset, notes)
        colour = "grey" if stored.ndim == 2 else "rgb"
        bits = int(dataset.get("BitsStored") or dataset.get("BitsAllocated") or 8)
    except MALFORMED as error:
        raise UnreadableImageError(path, f"has a broken grey-scale description ({short(error)})", AGAIN) from error
    metadata = _metadata(dataset)
    modality = _modality_of(dataset)
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
    return str(transfer_syntax(dataset).name), str(dataset.get("Manufacturer") or "").strip()


def _parse(source: bytes | Path, path: Path, *, stop_before_pixels: bool) -> Dataset:
    """``force`` makes pydicom take any bytes, so what it parsed must show that it is an image's header."""
    try:
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        dataset: Dataset = pydicom.dcmread(file, force=True, stop_before_pixels=stop_before_pixels)
        known = "SOPClassUID" in dataset or "Modality" in dataset or "Rows" in dataset
    except (InvalidDicomError, *MALFORMED) as error:
        raise UnreadableImageError(path, f"has a broken DICOM header ({short(error)})", AGAIN) from error
    if not known:
        raise UnreadableImageError(path, "begins like DICOM, but its header names no image", AGAIN)
    return dataset


def _modality_of(dataset: Dataset) -> str:
    """As far as it is one (a Code String, PS3.5 section 6.2): a broken length may have swallowed the patient's name."""
    value = str(dataset.get("Modality") or "")
    return value if re.fullmatch(r"[A-Z0-9_ ]{1,16}", value) else ""


def _check_image(dataset: Dataset, path: Path, limits: ReadLimits) -> None:
    if not any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        kind = _modality_of(dataset) or "a report"
        raise UnreadableImageError(
            path, f"is DICOM without pixel data ({kind})", "leave it out, or export the image itself"
        )
    try:
        frames = int(dataset.get("NumberOfFrames") or 1)
        rows, columns = int(dataset.Rows), int(dataset.Columns)
        photometric = str(dataset.PhotometricInterpretation)
    except MALFORMED as error:
        raise UnreadableImageError(path, f"does not describe its pixels ({short(error)})", AGAIN) from error
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
    except (InvalidDicomError, zlib.error, *MALFORMED) as error:
        raise UnreadableImageError(path, f"has a broken DICOM header ({short(error)})", AGAIN) from error
    if unpacker.unconsumed_tail or not unpacker.eof:
        fault = f"is torn, or unpacks to more than the limit of {limits.max_bytes / 2**20:.0f} MiB"
        raise UnreadableImageError(path, fault, "export it uncompressed")


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
