"""The manifest: one row an image. Read, check, write, hash."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import pandas as pd

from cxrlens.errors import ManifestError, WriteError
from cxrlens.labels import CLASSES
from cxrlens.scratch import scratch_beside

COLUMNS: tuple[str, ...] = (
    "path",  # absolute, or relative to the manifest's own folder
    "label",  # one of CLASSES
    "collection",  # the folder the user pointed at
    "source",  # the hospital or set the image first came from; the collection unless a column names it
    "patient_id",  # blank = unknown; never invented
    "view",  # PA, AP, LATERAL or blank
    "sex",  # F, M or blank
    "age",  # years or blank
    "sha256",  # of the file's bytes
    "width",
    "height",
    "duplicate_group",  # blank = no other image shows this radiograph
    "split",  # train, validation, test, calibration or blank
    "flags",  # name:score, joined by ";"; the scores' directions are in curation/flags/
    "excluded",  # the reason; blank = kept
)
REQUIRED: tuple[str, ...] = ("path", "label")
SPLITS: tuple[str, ...] = ("train", "validation", "test", "calibration")


def new_manifest(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Frame with exactly :data:`COLUMNS`, every cell a string, blank where a row says nothing."""
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    return _as_text(frame)


def read_manifest(path: Path) -> pd.DataFrame:
    """Read CSV, or Parquet where the name ends so; relative paths are resolved against the manifest's folder.

    Returns:
        A frame with exactly :data:`COLUMNS`, every cell a string (blank = unknown), index 0..n-1.

    Raises:
        ManifestError: no such file, no table, missing columns, an unknown label or split, the same path twice.
    """
    if not path.is_file():
        raise ManifestError(path, "there is no manifest here", "give a manifest.csv, or run 'cxrlens curate'")
    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, OSError, UnicodeDecodeError) as error:
        raise ManifestError(
            path, f"cannot be read as a table ({error})", "write it as CSV in UTF-8, or Parquet"
        ) from error
    missing = [c for c in REQUIRED if c not in frame.columns]
    if missing:
        raise ManifestError(path, f"lacks the column(s) {', '.join(missing)}", f"a manifest has {', '.join(COLUMNS)}")
    frame = _as_text(frame.reindex(columns=list(COLUMNS)))
    frame["path"] = [str(path.parent / p) for p in frame["path"]]
    check_manifest(frame, path)
    return frame


def check_manifest(frame: pd.DataFrame, where: Path) -> None:
    """Raise :class:`ManifestError` for an unknown label or split, or the same path twice."""
    kept = frame[frame["excluded"] == ""]
    for column, allowed in (("label", CLASSES), ("split", (*SPLITS, ""))):
        wrong = kept[~kept[column].isin(allowed)]
        if len(wrong):
            first = wrong.iloc[0]
            raise ManifestError(
                where,
                f"{column} '{first[column]}' of {first['path']} is not known ({len(wrong)} row(s))",
                f"use one of {', '.join(a for a in allowed if a)}",
            )
    twice = frame[frame["path"].duplicated()]
    if len(twice):
        raise ManifestError(where, f"names {twice.iloc[0]['path']} more than once", "keep one row an image")


def write_manifest(frame: pd.DataFrame, path: Path) -> None:
    """Write atomically: a reader sees the old file or the new one, never half of one; :class:`WriteError` where not."""
    scratch = scratch_beside(path)
    try:
        if path.suffix == ".parquet":
            frame.to_parquet(scratch, index=False)
        else:
            frame.to_csv(scratch, index=False)
        scratch.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise WriteError.of(path, error) from error


def kept(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that no reason excludes, index kept."""
    return frame[frame["excluded"] == ""]


def dataset_hash(frame: pd.DataFrame) -> str:
    """Hex SHA-256 over what was trained on: bytes, label, patient, group and split of every kept image, order-free."""
    columns = ["sha256", "label", "source", "patient_id", "duplicate_group", "split"]
    lines = sorted("\x1f".join(row) for row in kept(frame)[columns].itertuples(index=False, name=None))
    return hashlib.sha256("\x1e".join(lines).encode()).hexdigest()


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Every cell a str; NaN and None blank."""
    text = frame.astype(object).where(frame.notna(), "")
    return text.map(lambda cell: cell if isinstance(cell, str) else str(cell)).reset_index(drop=True)
