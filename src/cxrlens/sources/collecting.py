"""One collection to manifest rows: its layout is found by looking."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cxrlens.errors import CollectionError, CxrlensError, ManifestError
from cxrlens.labels import parse_label
from cxrlens.sources.class_folders import ClassFolders
from cxrlens.sources.facts import age_of, sex_of, view_of
from cxrlens.sources.file_names import label_of_name, patient_of_table
from cxrlens.sources.filetype import read_head, sniff
from cxrlens.sources.tables import FileIndex, Table, read_table
from cxrlens.sources.walk import DICOM_SUFFIXES, Walked, walk

Row = dict[str, object]


@dataclass(slots=True)
class Collected:
    """Manifest rows of one collection, what to mend, and what was decided."""

    rows: list[Row] = field(default_factory=list)
    problems: list[CxrlensError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def collect(
    root: Path, name: str, columns: Mapping[str, str], labels: Mapping[str, str], *, use_tables: bool = True
) -> Collected:
    """Read one collection.

    Args:
        root: a folder, or a manifest file.
        name: what the manifest shall call it.
        columns: manifest's name → column of the tables, where given.
        labels: name that the set uses → class, where given.
        use_tables: whether metadata tables are read.
    """
    result = Collected()
    if root.is_file():
        found = Walked(tables=[root])
        root = root.parent
        own = found.tables[0]
    else:
        found = walk(root)
        own = root / "manifest.csv"
    result.problems += found.problems
    left_out = _leave_out_what_no_table_can_name(root, found)
    result.problems += left_out
    result.notes += [
        f"{folder}: a folder of masks with {count} file(s), passed over" for folder, count in found.masks.items()
    ]
    told: dict[Path, dict[str, str]] = {}
    passed_over: list[Table] = []
    if use_tables:
        for path in found.tables:
            table = _read(path, columns, result)
            if table is None:
                continue
            if path == own:
                _add_files_elsewhere(table, found)
            index = FileIndex(root, found.images)
            table.take_names_from_patients(index)
            if table.names_images:
                _read_rows(table, index, told, result)
            else:
                passed_over.append(table)
    if not found.images:
        if own.is_file() and passed_over:
            result.problems.append(_lacking(passed_over[0]))
        elif not found.problems and not left_out:
            remedy = "give a folder that holds PNG, JPEG, TIFF, BMP, WebP or DICOM files, or a manifest.csv"
            result.problems.append(CollectionError(root, "holds no images", remedy))
        return result
    folders = ClassFolders(root, found.images, labels)
    for path in found.images:
        result.rows.append(_row(path, name, told.get(path), folders, labels))
    if told:
        unnamed = [path for path in found.images if path not in told]
        if unnamed and len(unnamed) < len(found.images):
            how = (
                "they go by their folders" if any(folders.label(p)[0] for p in unnamed[:1000]) else "they are excluded"
            )
            fault = (
                f"{len(unnamed)} of {len(found.images)} files are named by no row of a table (first: {unnamed[0].name})"
            )
            result.problems.append(CollectionError(root, fault, f"{how}; complete the table to have them"))
    _report_unknown(root, result)
    if any(not row["label"] for row in result.rows):
        result.problems += [_lacking(table) for table in passed_over]
    return result


def _leave_out_what_no_table_can_name(root: Path, found: Walked) -> list[CollectionError]:
    """A manifest is UTF-8; a file system takes any bytes, and old archives unpack to names in other encodings."""
    odd = [path for path in found.images if not _is_text(path)]
    if not odd:
        return []
    found.images = [path for path in found.images if _is_text(path)]
    fault = f"holds {len(odd)} image(s) whose names or folders are not UTF-8 (first: {odd[0].name})"
    return [CollectionError(root, fault, "they are left out; rename them")]


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _lacking(table: Table) -> ManifestError:
    missing = [key for key in ("path", "label") if key not in table.columns]
    has = ", ".join(map(str, table.rows.columns[:8]))
    remedy = "rename its columns, or tell which column is which"
    return ManifestError(table.path, f"lacks the column(s) {', '.join(missing)} (it has {has})", remedy)


def _read(path: Path, columns: Mapping[str, str], result: Collected) -> Table | None:
    try:
        return read_table(path, columns)
    except CollectionError as error:
        result.problems.append(error)
        return None


def _add_files_elsewhere(table: Table, found: Walked) -> None:
    """A manifest may name files that lie outside its folder; they are images of this collection all the same."""
    known = {str(path) for path in found.images}
    for record in table.records() if "path" in table.columns else []:
        path = Path(os.path.normpath(table.path.parent / record["path"]))
        if str(path) not in known and path.is_file():
            known.add(str(path))
            found.images.append(path)


def _read_rows(table: Table, index: FileIndex, told: dict[Path, dict[str, str]], result: Collected) -> None:
    """Join rows to files. The first table that names a file rules; several rows of one table are joined."""
    missing: list[str] = []
    ambiguous: list[str] = []
    mine: dict[Path, list[dict[str, str]]] = {}
    for record in table.records():
        hits = index.find(record["path"], table.path)
        if len(hits) == 1:
            mine.setdefault(hits[0], []).append(record)
        elif record["path"]:
            (ambiguous if hits else missing).append(record["path"])
    for path, records in mine.items():
        told.setdefault(path, _join(records, table))
    if not mine and not table.has_labels:
        return  # a table about something else
    if missing:
        fault = f"names {len(missing)} file(s) that are not here (first: {missing[0]})"
        result.problems.append(CollectionError(table.path, fault, "they are left out; fetch them, or remove the rows"))
    if ambiguous:
        fault = f"names {len(ambiguous)} file(s) that lie in several folders (first: {ambiguous[0]})"
        result.problems.append(CollectionError(table.path, fault, "write the folder before the name"))


def _join(records: list[dict[str, str]], table: Table) -> dict[str, str]:
    """Rows of one image as one: labels side by side, other cells from the first row that has them."""
    joined: dict[str, str] = {"table": table.path.name}
    for record in records:
        for key, value in record.items():
            if value and not joined.get(key):
                joined[key] = value
    distinct = list(dict.fromkeys(r.get("label", "") for r in records if r.get("label")))
    if len(distinct) > 1:
        joined["label"] = "|".join(distinct)
    return joined


def _row(path: Path, name: str, told: dict[str, str] | None, folders: ClassFolders, labels: Mapping[str, str]) -> Row:
    told = told or {}
    header = _header(path)
    written = told.get("label", "")
    if written:
        label = labels.get(written) or parse_label(written) or ""
    else:
        label, written = folders.label(path)
        label = label or label_of_name(path.stem)
    modality = (told.get("modality") or header.get("modality", "")).upper()
    return {
        "path": str(path),
        "label": label,
        "collection": told.get("collection") or name,
        "source": told.get("source") or told.get("collection") or name,
        "patient_id": patient_of_table(told.get("patient_id") or header.get("patient_id", ""), path.stem, name),
        "view": view_of(told.get("view", "")) or header.get("view", ""),
        "sex": sex_of(told.get("sex", "")) or header.get("sex", ""),
        "age": age_of(told.get("age", "")) or header.get("age", ""),
        "split": told.get("split", ""),
        "excluded": told.get("excluded") or _reason(label, written, modality),
    }


def _reason(label: str, written: str, modality: str) -> str:
    if modality in ("CT", "MR", "US", "PT", "NM"):
        return f"modality {modality} is no radiograph"
    if label:
        return ""
    return f"label '{written}' is not one of the four classes" if written else "no folder or table says what it shows"


def _header(path: Path) -> dict[str, str]:
    """What a DICOM header says; nothing where the file is none, or broken (reading its pixels will report it)."""
    if path.suffix.lower() not in DICOM_SUFFIXES:
        return {}
    from cxrlens.sources.dicom import read_header

    try:
        return read_header(path) if sniff(read_head(path)) == "DICOM" else {}
    except (CxrlensError, OSError):
        return {}


def _report_unknown(root: Path, result: Collected) -> None:
    """A line a reason, however many images it concerns."""
    counts = Counter(str(row["excluded"]) for row in result.rows if row["excluded"] and not row["label"])
    for reason, count in counts.items():
        if reason.startswith("no folder"):
            remedy = "name their folders by class (Normal, COVID-19, Pneumonia, Tuberculosis), or add a metadata.csv"
        elif reason.startswith("label"):
            remedy = "they are kept as excluded; tell the class of that name if it has one"
        else:
            continue
        result.problems.append(CollectionError(root, f"{count} image(s) excluded: {reason}", remedy))
