"""Lesion masks and lung masks from a table of annotations, in the pixels of each image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from cxrlens.errors import CxrlensError, DatasetError

COLUMNS: tuple[str, ...] = ("path", "kind", "finding", "mask", "x", "y", "w", "h", "annotator")
"""Columns of ``annotations.csv``; ``kind`` is ``mask`` (a 1-bit picture) or ``box`` (x, y, w, h in pixels)."""

LUNGS: tuple[str, ...] = ("lungs", "right lung", "left lung")

NO_LESIONS: tuple[str, ...] = (
    *LUNGS,
    "cardiomediastinum",
    "heart",
    "airways",
    "endotracheal tube",
    "tubings",
    "monitoring probes",
    "central venous line",
    "nosogastric tube",
    "pacemaker",
)
"""Findings that are anatomy or devices; every other name is a lesion."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Annotated:
    """Annotations of one image.

    Args:
        path: absolute path of the image.
        lesions: rows of the table that are lesions.
        lungs: rows that are lungs.
        root: folder that masks are relative to.
    """

    path: Path
    lesions: pd.DataFrame
    lungs: pd.DataFrame
    root: Path

    @property
    def findings(self) -> tuple[str, ...]:
        """Names of the lesions, sorted."""
        return tuple(sorted(set(self.lesions["finding"])))

    def lesion_mask(self, shape: tuple[int, int]) -> Mask:
        """(H, W) true inside any lesion; :class:`DatasetError` where a mask is missing or of another shape."""
        return _union(self.lesions, shape, self.root)

    def lung_mask(self, shape: tuple[int, int]) -> Mask | None:
        """(H, W) true inside the lungs, or ``None`` where nobody drew them."""
        return _union(self.lungs, shape, self.root) if len(self.lungs) else None


def read_annotations(
    table: Path, root: Path | None = None, *, of: Literal["lesions", "lungs"] = "lesions"
) -> list[Annotated]:
    """Images with at least one lesion, or with outlined lungs, in the order of the table.

    Args:
        table: CSV with :data:`COLUMNS`; images and masks relative to ``root``.
        root: where ``None``, the table's own folder or the one above it, whichever holds the first image.
        of: which images: those with lesions, or those with lungs.

    Raises:
        DatasetError: no such table, missing columns, or no image of it found.
    """
    if not table.is_file():
        raise DatasetError(table, "there is no table of annotations here", f"give a CSV with {', '.join(COLUMNS)}")
    frame = pd.read_csv(table, dtype=str, keep_default_na=False)
    missing = [column for column in COLUMNS[:8] if column not in frame.columns]
    if missing:
        raise DatasetError(table, f"lacks the column(s) {', '.join(missing)}", f"a table has {', '.join(COLUMNS)}")
    base = root or _root_of(table, frame)
    findings = frame["finding"].str.lower()
    is_lung, is_lesion = findings.isin(LUNGS), ~findings.isin(NO_LESIONS)
    result = []
    for name, rows in frame.groupby("path", sort=False):
        lesions, lungs = rows[is_lesion[rows.index]], rows[is_lung[rows.index]]
        if len(lesions if of == "lesions" else lungs):
            result.append(Annotated((base / str(name)).resolve(), lesions, lungs, base))
    return result


def _root_of(table: Path, frame: pd.DataFrame) -> Path:
    folders = [table.parent, table.parent.parent]
    for folder in folders:
        if any((folder / name).is_file() for name in frame["path"].drop_duplicates().head(50)):
            return folder
    raise DatasetError(table, f"names no image that lies under {folders[0]} or {folders[1]}", "give the images' folder")


def _union(rows: pd.DataFrame, shape: tuple[int, int], root: Path) -> Mask:
    union = np.zeros(shape, dtype=bool)
    for row in ({str(k): str(v) for k, v in record.items()} for record in rows.to_dict("records")):
        union |= _box(row, shape) if row["kind"] == "box" else _mask(root / row["mask"], shape)
    return union


def _box(row: dict[str, str], shape: tuple[int, int]) -> Mask:
    try:
        x, y, w, h = (float(row[key]) for key in "xywh")
    except ValueError as error:
        raise DatasetError(row["path"], f"has a box that is no numbers ({error})", "mend the annotations") from error
    mask = np.zeros(shape, dtype=bool)
    mask[max(0, round(y)) : max(0, round(y + h)), max(0, round(x)) : max(0, round(x + w))] = True
    return mask


def _mask(path: Path, shape: tuple[int, int]) -> Mask:
    try:
        with Image.open(path) as picture:
            mask = np.asarray(picture.convert("L")) > 127
    except (OSError, ValueError) as error:
        raise DatasetError(path, f"cannot be read as a mask ({error})", "restore it or drop its row") from error
    if mask.shape != shape:
        raise _other_shape(path, mask.shape, shape)
    return mask


def _other_shape(path: Path, found: tuple[int, ...], wanted: tuple[int, int]) -> CxrlensError:
    fault = f"is {found[1]} × {found[0]} pixels, its image {wanted[1]} × {wanted[0]}"
    return DatasetError(path, fault, "draw the mask in the image's own pixels")
