"""The lungs of a whole dataset, with their margin: found once and kept beside its packed pixels."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxrlens.audit.case import Case
from cxrlens.batches import PackedPixels
from cxrlens.errors import DatasetError
from cxrlens.folders import write_json
from cxrlens.lungs import MARGIN, LungsFound, dilate, lung_masks, lungs_found, weights_hash
from cxrlens.progress import Progress, quiet
from cxrlens.scratch import scratch_beside

FORMAT = 2
"""Raise it with every change that alters a mask and is no change of weights, preprocessing or margin."""

_ROWS = 64  # segmented and written at a time


@dataclass(frozen=True, slots=True)
class LungMasks:
    """Lungs with their margin of every packed image, row for row.

    Args:
        masks: (N, S, S) uint8 of 0 and 1, mapped from the disk, read-only.
        file: where they lie: an ``.npy`` of ``masks``, for other processes to map.
        mask_hash: hex digits that change with the images, the preprocessing, the segmenter and the margin.
        reasons: why the lungs of a row cannot be relied on; blank where they look like two lungs.
    """

    masks: NDArray[np.uint8]
    file: Path
    mask_hash: str
    reasons: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.reasons)

    def found(self, row: int) -> LungsFound:
        """Whether the mask of a row looks like two lungs, and why not."""
        return LungsFound(not self.reasons[row], self.reasons[row])

    @property
    def found_share(self) -> float:
        """Share of the images whose mask looks like two lungs; 0 of none."""
        return sum(not reason for reason in self.reasons) / max(1, len(self.reasons))


def lungs_of_dataset(case: Case, packed: PackedPixels) -> LungMasks:
    """:func:`lung_masks_of` the pixels of a case, kept in its dataset's ``packed`` folder."""
    return lung_masks_of(packed, case.dataset.packed_folder, case.progress)


def lung_masks_of(packed: PackedPixels, folder: Path, progress: Progress = quiet) -> LungMasks:
    """Lungs with their margin of every packed image: from ``folder`` where kept, else found now and kept there.

    Kept masks serve only the very same images (SHA-256 of each, in their order), preprocessing, segmenter and margin;
    the name of the file is a hash of them all. A torn or altered file is made again.

    Args:
        packed: the preprocessed images.
        folder: where to keep the masks.
        progress: told of the images that have to be segmented, a few dozen at a time.

    Raises:
        DatasetError: the folder cannot be written.
        LungWeightsError: the segmenter's files are missing or damaged.
    """
    key = _key(packed)
    target = folder / f"lungs-{key}.npy"
    kept = _open(target, key, packed.pixels.shape)
    if kept is not None:
        return kept
    scratch = scratch_beside(target)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            about = _write(packed, scratch, progress)
            scratch.replace(target)
        finally:
            scratch.unlink(missing_ok=True)
        write_json(target.with_suffix(".json"), about)
    except OSError as error:
        remedy = "free some space, or choose another dataset folder"
        raise DatasetError(folder, f"masks of the lungs cannot be written ({error})", remedy) from error
    made = _open(target, key, packed.pixels.shape)
    if made is None:
        raise DatasetError(target, "was altered while it was written", "run again")
    return made


def _write(packed: PackedPixels, file: Path, progress: Progress) -> dict[str, Any]:
    """Segment, and write as ``.npy``; returns the index that goes beside it."""
    checksum, reasons = 0, list[str]()
    with file.open("wb") as stream:
        header = {"descr": "|u1", "fortran_order": False, "shape": packed.pixels.shape}
        np.lib.format.write_array_header_1_0(stream, header)
        starts = range(0, len(packed), _ROWS)
        for start in progress(starts, len(starts), "finding the lungs"):
            tight = lung_masks(np.asarray(packed.pixels[start : start + _ROWS]))
            data = dilate(tight).astype(np.uint8).tobytes()
            checksum = zlib.crc32(data, checksum)
            reasons += [lungs_found(mask).reason for mask in tight]
            stream.write(data)
    return {"format": FORMAT, "crc32": checksum, "reasons": reasons}


def _key(packed: PackedPixels) -> str:
    """16 hex digits of everything that the masks depend on."""
    parts = [str(FORMAT), packed.preprocessing.fingerprint, weights_hash(), str(MARGIN), *packed.sha256s]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _open(target: Path, key: str, shape: tuple[int, ...]) -> LungMasks | None:
    """What was kept; none where it is missing, torn or altered, since it can be made again."""
    try:
        about: dict[str, Any] = json.loads(target.with_suffix(".json").read_text(encoding="utf-8"))
        masks = np.load(target, mmap_mode="r", allow_pickle=False)
        reasons = tuple(str(reason) for reason in about["reasons"])
        fits = about["format"] == FORMAT and masks.shape == shape and masks.dtype == np.uint8
        if not fits or len(reasons) != len(masks) or about["crc32"] != zlib.crc32(masks):
            return None
    except (OSError, ValueError, EOFError, KeyError, TypeError):
        return None
    return LungMasks(masks, target, key, reasons)
