"""Metadata tables: which column says what, and which row belongs to which file."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from cxrlens.errors import CollectionError
from cxrlens.labels import parse_label

_COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "path": (
        "path",
        "filename",
        "file name",
        "file",
        "filepath",
        "image path",
        "image",
        "image index",
        "image id",
        "img",
        "dicom path",
        "fname",
        "images",
    ),
    "label": (
        "label",
        "labels",
        "finding",
        "findings",
        "finding labels",
        "class",
        "class name",
        "diagnosis",
        "category",
        "target label",
    ),
    "patient_id": ("patient id", "patientid", "patient", "subject", "subject id", "patient identifier", "pid"),
    "view": ("view", "view position", "viewposition", "projection", "ap/pa", "frontal/lateral"),
    "sex": ("sex", "gender", "patient gender", "patient sex"),
    "age": ("age", "patient age", "age years"),
    "source": ("source", "hospital", "institution", "site", "origin", "center", "centre"),
    "modality": ("modality",),
    "collection": ("collection",),
    "split": ("split",),
    "excluded": ("excluded",),
}
"""Names in the order of preference, lower case, with spaces for underscores and hyphens."""

COLUMN_KEYS = tuple(_COLUMN_NAMES)
_TRUE = frozenset({"1", "1.0", "true", "yes", "y"})


@dataclass(slots=True)
class Table:
    """A metadata table.

    Args:
        path: the file.
        rows: every cell a str.
        columns: manifest's name → the table's column.
        one_hot: columns that are themselves labels, with 1 where they hold (CheXpert, MIMIC-CXR-JPG).
    """

    path: Path
    rows: pd.DataFrame
    columns: dict[str, str]
    one_hot: tuple[str, ...] = ()

    @property
    def names_images(self) -> bool:
        """Whether it can say anything of an image."""
        return "path" in self.columns and ("label" in self.columns or bool(self.one_hot) or len(self.columns) > 1)

    def take_names_from_patients(self, index: FileIndex) -> None:
        """Where no column names files but the patients' one does (RSNA), it holds names of images, not of patients."""
        column = self.columns.get("patient_id")
        if column is None or self.columns.get("path", column) != column:
            return
        names = self.rows[column].unique()[:200]
        if len(names) and sum(bool(index.find(name, self.path)) for name in names) * 2 > len(names):
            del self.columns["patient_id"]
            self.columns["path"] = column

    @property
    def has_labels(self) -> bool:
        """Whether it says what an image shows."""
        return "label" in self.columns or bool(self.one_hot)

    def records(self) -> list[dict[str, str]]:
        """A dictionary a row, by the manifest's names; ``label`` as written."""
        picked = self.rows[list(self.columns.values())]
        records = [
            dict(zip(self.columns, map(str.strip, row), strict=True))
            for row in picked.itertuples(index=False, name=None)
        ]
        if "label" not in self.columns and self.one_hot:
            held = self.rows[list(self.one_hot)].map(lambda cell: cell.strip().lower() in _TRUE)
            for record, row in zip(records, held.itertuples(index=False, name=None), strict=True):
                record["label"] = "|".join(name for name, holds in zip(self.one_hot, row, strict=True) if holds)
        return records


def read_table(path: Path, given: Mapping[str, str]) -> Table:
    """Read CSV or TSV with the separator found by itself.

    Args:
        path: the file; UTF-8 (with or without a mark), else Latin-1.
        given: manifest's name → the table's column, where the user says so; overrules the names known here.

    Raises:
        CollectionError: it is no table.
    """
    try:
        rows = _parse(_decode(path.read_bytes()), path)
    except (OSError, ValueError, csv.Error) as error:
        reason = str(error).split("\n")[0][:120]
        raise CollectionError(path, f"cannot be read as a table ({reason})", "write it as CSV in UTF-8") from error
    columns = _find_columns(list(rows.columns))
    for name, column in given.items():
        if column in rows.columns:
            columns[name] = column
    one_hot = (
        ()
        if "label" in columns
        else tuple(c for c in rows.columns if c not in columns.values() and _is_indicator(rows[c]))
    )
    if not any(parse_label(c) for c in one_hot):
        one_hot = ()
    return Table(path, rows, columns, one_hot)


@dataclass(slots=True)
class FileIndex:
    """Finds files as tables name them: by path, by name, or by name without suffix.

    Args:
        root: folder that paths may start from, beside the table's own.
        files: absolute paths.
    """

    root: Path
    files: list[Path]
    _by_key: dict[str, list[Path]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in self.files:
            for key in {str(path), path.name, path.stem}:
                self._by_key.setdefault(key, []).append(path)

    def find(self, name: str, table: Path) -> list[Path]:
        """Files that ``name`` may mean: none, one, or several (ambiguous)."""
        name = name.replace("\\", "/").strip()
        if not name:
            return []
        for base in (table.parent, self.root):
            hits = self._by_key.get(os.path.normpath(base / name), [])
            if len(hits) == 1:
                return hits
        parts = PurePosixPath(name).parts
        hits = self._by_key.get(parts[-1], []) if parts else []
        if not hits:
            return []
        # A path of another machine: the longest common tail decides.
        best = max(_common_tail(parts, path.parts) for path in hits)
        return [path for path in hits if _common_tail(parts, path.parts) == best]


def _common_tail(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    count = 0
    while count < min(len(a), len(b)) and a[-1 - count] == b[-1 - count]:
        count += 1
    return count


def _find_columns(names: list[str]) -> dict[str, str]:
    plain = {re.sub(r"[\s_\-]+", " ", name).strip().lower(): name for name in reversed(names)}
    found = {}
    for key, candidates in _COLUMN_NAMES.items():
        hit = next((plain[c] for c in candidates if c in plain), None)
        if hit is not None:
            found[key] = hit
    return found


def _is_indicator(column: pd.Series) -> bool:
    values = {str(v).strip().lower() for v in column.unique()[:20]}
    return values <= {"", "0", "1", "0.0", "1.0", "-1", "-1.0", "true", "false", "yes", "no", "y", "n"} and values != {
        ""
    }


def _parse(text: str, path: Path) -> pd.DataFrame:
    """Every row kept: a short one is filled with blanks, a long one loses what has no column."""
    if "\0" in text:
        raise ValueError("it holds zero bytes")
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text, path))
    header = next(lines, None)
    if not header:
        raise ValueError("it has no header")
    names = [name.strip() for name in header]
    rows = [(row + [""] * len(names))[: len(names)] for row in lines if any(row)]
    frame = pd.DataFrame(rows, columns=names, dtype=object)
    return frame.loc[:, ~frame.columns.duplicated()]


def _separator(text: str, path: Path) -> str:
    if path.suffix.lower() == ".tsv":
        return "\t"
    first = text.split("\n", 1)[0]
    counts = {separator: len(next(csv.reader([first], delimiter=separator), [])) for separator in (",", ";", "\t")}
    return max(counts, key=lambda separator: counts[separator])


def _decode(data: bytes) -> str:
    """UTF-8, with or without a mark; else Latin-1, which takes any byte."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
