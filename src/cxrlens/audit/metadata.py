"""What can be known of an image without looking at what it shows: its source, its shape, and how it was saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.borders import content_box
from cxrlens.errors import CxrlensError
from cxrlens.progress import Progress, quiet
from cxrlens.radiograph import Radiograph
from cxrlens.sources.headers import Header, read_save_header
from cxrlens.sources.many import read_many


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is known of every image.

    Args:
        name: column of the table.
        words: as a sentence calls it.
        number: a number, cut into fifths where kinds are needed; else a kind.
        meaning: what it is to a network that is shown pixels only.
    """

    name: str
    words: str
    number: bool = False
    meaning: str = (
        "A network is not shown this, but what it stands for (another device, another way of saving) leaves traces in "
        "the pixels."
    )


_SEEN = "A network can see this."
_CONTENT = "It follows noise, sharpness and the black around the film, which a network sees, and a little the findings."

SOURCE = Fact("source", "the source")
FACTS: tuple[Fact, ...] = (
    Fact("size", "the image size in pixels"),
    Fact("aspect", "the ratio of width to height", number=True, meaning=_SEEN),
    Fact("border_rows", "the share of the height that is uniform border", number=True, meaning=_SEEN),
    Fact("border_columns", "the share of the width that is uniform border", number=True, meaning=_SEEN),
    Fact("tint", "the tint", number=True),
    Fact("colour_mode", "the colour mode"),
    Fact("bit_depth", "the bit depth"),
    Fact("file_format", "the file format"),
    Fact("jpeg_tables", "the JPEG quantisation tables"),
    Fact("jpeg_quality", "the JPEG quality", number=True),
    Fact("bytes_per_pixel", "the file size per pixel", number=True, meaning=_CONTENT),
    Fact("embedded", "what else is embedded in the file (EXIF, comments)"),
    Fact("transfer_syntax", "the DICOM transfer syntax"),
    Fact("manufacturer", "the manufacturer that DICOM names"),
)
"""All but the source, which is no fact of the file."""

_KINDS = 15  # the most frequent ones by themselves, the rest together
_PARTS = 5


def read_metadata(rows: pd.DataFrame, progress: Progress = quiet) -> pd.DataFrame:
    """The facts of n rows of a manifest; every file is read once.

    Returns:
        As many of the rows as could be read, index 0.., their own columns kept where a fact has not the same name,
        with a column for each of :data:`FACTS`: a str, or float64 with NaN where a file has no such thing.
    """
    paths = [Path(path) for path in rows["path"]]
    found: list[dict[str, object]] = []
    places: list[int] = []
    for index, item in read_many(paths, progress=progress):
        if isinstance(item, CxrlensError):
            continue
        try:
            header = read_save_header(paths[index])
        except CxrlensError:
            continue
        found.append(_facts(item, header))
        places.append(index)
    facts = pd.DataFrame(found, columns=[fact.name for fact in FACTS])
    kept = rows.iloc[places].reset_index(drop=True)
    return pd.concat([kept.drop(columns=[c for c in facts.columns if c in kept.columns]), facts], axis=1)


def _facts(radiograph: Radiograph, header: Header) -> dict[str, object]:
    height, width = radiograph.pixels.shape
    box = content_box(radiograph.pixels)
    quality = header.jpeg_quality
    return {
        "size": f"{width} × {height}",
        "aspect": width / height,
        "border_rows": 1.0 - box.h / height,
        "border_columns": 1.0 - box.w / width,
        "tint": radiograph.tint,
        "colour_mode": radiograph.colour_mode,
        "bit_depth": str(radiograph.bit_depth),
        "file_format": radiograph.file_format,
        "jpeg_tables": f"near quality {quality} ({header.jpeg_tables})" if header.jpeg_tables else "no JPEG",
        "jpeg_quality": float(quality) if quality is not None else np.nan,
        "bytes_per_pixel": header.size / (height * width),
        "embedded": header.embedded,
        "transfer_syntax": header.transfer_syntax or "no DICOM",
        "manufacturer": header.manufacturer or "not told",
    }


def varying(table: pd.DataFrame, facts: Sequence[Fact] = FACTS) -> list[Fact]:
    """Those facts that are not the same for all images."""
    return [fact for fact in facts if len(table[fact.name].drop_duplicates()) > 1]


def codes(table: pd.DataFrame, fact: Fact) -> NDArray[np.intp]:
    """(n,) kind of each image, 0.., none of them empty: a number falls into fifths, of 16 kinds the rarest are one."""
    column = table[fact.name]
    if fact.number:
        values = column.to_numpy(dtype=np.float64)
        told = np.isfinite(values)
        edges = np.unique(np.quantile(values[told], np.arange(1, _PARTS) / _PARTS)) if told.any() else np.zeros(0)
        kinds = np.where(told, np.digitize(values, edges, right=True), -1)
    else:
        common = column.value_counts().index[:_KINDS]
        kinds = column.map({kind: k for k, kind in enumerate(sorted(common))}).fillna(-1).to_numpy(dtype=np.int64)
    return np.unique(kinds, return_inverse=True)[1].astype(np.intp)
