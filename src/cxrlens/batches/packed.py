"""Packed pixels: one memory-mapped file of preprocessed images, and the JSON beside it that says which they are."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxrlens.errors import CxrlensError, DatasetError
from cxrlens.preprocessing import Preprocessing

FORMAT = 1
_CHECKED_ROWS = 64  # rows whose checksum is compared when a file is opened: enough to see a torn or overwritten file
_REMEDY = "delete the folder 'packed' of the dataset; the next run packs again"


@dataclass(frozen=True, slots=True)
class PackedPixels:
    """Preprocessed pixels (N, S, S) uint8 mapped into memory.

    Args:
        pixels: (N, S, S) uint8, read-only.
        paths: the image of each row, as the manifest names it.
        sha256s: of each image's bytes.
        preprocessing: what made the pixels.
        problems: images that were asked for and could not be read; they have no row.
        decoded: how many images this call had to decode; 0 where an earlier file served.
    """

    pixels: NDArray[np.uint8]
    paths: tuple[str, ...]
    sha256s: tuple[str, ...]
    preprocessing: Preprocessing
    problems: tuple[CxrlensError, ...] = ()
    decoded: int = 0
    _index: dict[str, int] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._index.update({path: row for row, path in enumerate(self.paths)})

    def __len__(self) -> int:
        return len(self.paths)

    def __contains__(self, path: object) -> bool:
        return path in self._index

    def rows(self, paths: Sequence[str]) -> NDArray[np.int64]:
        """Row of each path, (n,) int64; :class:`DatasetError` for a path that was not packed."""
        try:
            return np.fromiter((self._index[p] for p in paths), dtype=np.int64, count=len(paths))
        except KeyError as error:
            raise DatasetError(
                str(error.args[0]), "is not among the packed pixels", "pack the manifest again"
            ) from error

    def verify(self) -> None:
        """Compare every row with its checksum; :class:`DatasetError` for the first that differs."""
        file = Path(str(getattr(self.pixels, "filename", "packed pixels")))
        _check_rows(file, self.pixels, _read_index(file.with_suffix(".json"))["crc32"], range(len(self)))


def open_packed(folder: Path, preprocessing: Preprocessing) -> PackedPixels:
    """Map ``folder/<fingerprint>.npy`` into memory.

    Raises:
        DatasetError: it is missing, torn, of another format, or its pixels are not those that were written.
    """
    file = pixel_file(folder, preprocessing)
    index = _read_index(file.with_suffix(".json"))
    try:
        pixels = np.load(file, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise DatasetError(file, "is missing", _REMEDY) from error
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(file, f"is no whole file of packed pixels ({error})", _REMEDY) from error
    shape = (len(index["paths"]), preprocessing.size, preprocessing.size)
    if pixels.shape != shape or pixels.dtype != np.uint8:
        raise DatasetError(file, f"holds {pixels.shape} {pixels.dtype} where its index says {shape} uint8", _REMEDY)
    if index["preprocessing"] != preprocessing.to_dict():
        raise DatasetError(file, "was made by another preprocessing than its name says", _REMEDY)
    step = max(1, len(pixels) // _CHECKED_ROWS)
    _check_rows(file, pixels, index["crc32"], {*range(0, len(pixels), step), len(pixels) - 1} if len(pixels) else ())
    return PackedPixels(pixels, tuple(index["paths"]), tuple(index["sha256"]), preprocessing)


def pixel_file(folder: Path, preprocessing: Preprocessing) -> Path:
    """The file of pixels that this preprocessing packs into; its index is the ``.json`` beside it."""
    return folder / f"{preprocessing.fingerprint}.npy"


def _read_index(file: Path) -> dict[str, Any]:
    try:
        index = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DatasetError(file, "is missing", "pack the manifest first ('cxrlens train' does)") from error
    except (OSError, ValueError) as error:
        raise DatasetError(file, f"cannot be read as JSON ({error})", _REMEDY) from error
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise DatasetError(file, "is no index of packed pixels that this cxrlens reads", _REMEDY)
    lengths = {len(index.get(key, ())) for key in ("paths", "sha256", "crc32")}
    if len(lengths) != 1:
        raise DatasetError(file, "names unequal numbers of paths, hashes and checksums", _REMEDY)
    return index


def _check_rows(file: Path, pixels: NDArray[np.uint8], crc32: Sequence[int], rows: Any) -> None:
    for row in rows:
        if zlib.crc32(pixels[row].tobytes()) != crc32[row]:
            raise DatasetError(file, f"has other pixels in row {row} than were written", _REMEDY)
