"""One file to one radiograph, and many files in order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cxrlens.errors import CxrlensError, UnreadableImageError
from cxrlens.radiograph import Radiograph
from cxrlens.sources.filetype import HEAD_BYTES, describe, sniff
from cxrlens.sources.limits import DEFAULT_LIMITS, ReadLimits
from cxrlens.sources.raster import read_raster

T = TypeVar("T")


def read_radiograph(path: Path, limits: ReadLimits = DEFAULT_LIMITS) -> Radiograph:
    """Read a picture or a DICOM file, told apart by content.

    Args:
        path: PNG, JPEG, TIFF, BMP, WebP or still GIF; or DICOM CR, DX and kin, with or without preamble.
        limits: pixels and bytes beyond which a file is refused from its header.

    Returns:
        Pixels (H, W) float32 in [0, 1], 0 black = air, upright as the file says.
        A constant picture is readable: curation flags it.

    Raises:
        UnreadableImageError: the file is missing, empty, torn, no picture, a sequence, too large, or lacks a
            decoder. One line.
    """
    path = Path(path)
    return decode_radiograph(_read_bytes(path, limits), path, limits)


def or_error(
    read: Callable[[], T],
    path: Path,
    too_large: str = "shrink it",
    unforeseen: Callable[[Exception], None] | None = None,
) -> T | CxrlensError:
    """What ``read`` gives, or the error that says why there is nothing, so that one bad file among many stops nothing.

    Args:
        read: reads one file.
        path: what it is called, for error lines.
        too_large: what to do about a file that does not fit into memory.
        unforeseen: told of whatever a decoder raises that nobody foresaw, which then is an error of that file; it is
            raised where there is nobody to be told.
    """
    try:
        return read()
    except CxrlensError as error:
        return error
    except MemoryError:
        return UnreadableImageError(path, "does not fit into memory", too_large)
    except Exception as error:
        if unforeseen is None:
            raise
        unforeseen(error)
        fault = f"cannot be decoded ({type(error).__name__})"
        return UnreadableImageError(path, fault, "convert it to PNG or to uncompressed DICOM")


def read_or_error(
    path: Path,
    limits: ReadLimits = DEFAULT_LIMITS,
    too_large: str = "shrink it",
    unforeseen: Callable[[Exception], None] | None = None,
) -> Radiograph | CxrlensError:
    """:func:`read_radiograph` in :func:`or_error`."""
    return or_error(lambda: read_radiograph(path, limits), path, too_large, unforeseen)


def decode_radiograph(data: bytes, path: Path, limits: ReadLimits = DEFAULT_LIMITS) -> Radiograph:
    """The same for a file that is in memory; nothing is written or opened.

    Args:
        data: the whole file.
        path: what it is called, for the radiograph and for error lines.
        limits: as for :func:`read_radiograph`.

    Raises:
        UnreadableImageError: as :func:`read_radiograph`.
    """
    limits.check_bytes(path, len(data))
    kind = sniff(data[:HEAD_BYTES])
    if kind == "DICOM":
        from cxrlens.sources.dicom import read_dicom  # here, since collections without DICOM need not wait for pydicom

        return read_dicom(data, path, limits)
    if not kind:
        remedy = "keep radiographs as PNG, JPEG, TIFF, BMP, WebP or DICOM"
        raise UnreadableImageError(path, f"is no image but {describe(data[:HEAD_BYTES])}", remedy)
    return read_raster(data, kind, path, limits)


def _read_bytes(path: Path, limits: ReadLimits) -> bytes:
    try:
        if not path.is_file():
            fault = "is a folder or a device, not a file" if path.exists() else "does not exist"
            raise UnreadableImageError(path, fault, "check the path")
        limits.check_bytes(path, path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UnreadableImageError(
            path, f"cannot be opened ({reason})", "check the file's permissions and its disk"
        ) from error
