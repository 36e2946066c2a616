"""From the folders a user points at to one manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from cxrlens.errors import CollectionError, CxrlensError, OptionError
from cxrlens.labels import CLASSES
from cxrlens.manifest import new_manifest
from cxrlens.sources.collecting import Collected, collect
from cxrlens.sources.tables import COLUMN_KEYS


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What the user knows better than the names in a collection.

    Args:
        columns: manifest's name → column of the metadata tables, where the usual names do not fit
            (``{"label": "Befund"}``).
        labels: folder name or table cell → class, where a set uses a name of its own
            (``{"Lung_Opacity": "Pneumonia"}``).
        use_tables: whether metadata tables are read at all.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    use_tables: bool = True

    def __post_init__(self) -> None:
        for name in self.columns:
            if name not in COLUMN_KEYS:
                raise OptionError(name, "is no column of the manifest", f"use one of {', '.join(COLUMN_KEYS)}")
        for text, label in self.labels.items():
            if label not in CLASSES:
                raise OptionError(
                    f"{text}={label}", f"'{label}' is not one of the classes", f"use one of {', '.join(CLASSES)}"
                )


DEFAULT_OPTIONS = ScanOptions()
"""Columns and classes by the names that public sets use."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found.

    Args:
        manifest: one row an image, ``manifest.COLUMNS``, paths absolute; ``excluded`` says why an image has no class.
        problems: what the user should mend, a line each; the rest was done.
        notes: what was decided that needs no mending (folders of masks passed over, which layout was found).
    """

    manifest: pd.DataFrame
    problems: list[CxrlensError]
    notes: list[str]


def scan(collections: Sequence[Path], options: ScanOptions = DEFAULT_OPTIONS) -> Scan:
    """List the images of collections with what their folders, tables and headers say. No pixel is decoded.

    Args:
        collections: folders (a folder a class; ``images/`` and a metadata table; train/val/test trees; loose DICOM),
            folders with a ``manifest.csv``, or manifest files.
        options: columns and class names that the user gives.

    Returns:
        Images of unknown class are kept, label blank, with the reason in ``excluded``. An empty or unreadable
        collection is a problem, and the others go on.
    """
    rows: list[dict[str, object]] = []
    problems: list[CxrlensError] = []
    notes: list[str] = []
    seen: dict[str, str] = {}
    for root, name in _named(collections, problems, notes):
        collected = collect(root, name, options.columns, options.labels, use_tables=options.use_tables)
        problems += collected.problems
        notes += collected.notes
        rows += _unseen(collected, seen, name, problems)
    return Scan(new_manifest(rows), problems, notes)


def _unseen(
    collected: Collected, seen: dict[str, str], name: str, problems: list[CxrlensError]
) -> list[dict[str, object]]:
    """Rows of files that no earlier collection holds (one folder may lie inside another)."""
    fresh, again = [], 0
    other = ""
    for row in collected.rows:
        path = str(row["path"])
        if path in seen:
            again += 1
            other = seen[path]
            continue
        seen[path] = name
        fresh.append(row)
    if again:
        fault = f"shares {again} file(s) with the collection '{other}', where they were counted"
        problems.append(CollectionError(name, fault, "give folders that do not lie inside each other"))
    return fresh


def _named(collections: Sequence[Path], problems: list[CxrlensError], notes: list[str]) -> list[tuple[Path, str]]:
    """Each folder once, with a name that no other has: its own, with as many parents before it as that takes."""
    roots: list[Path] = []
    for given in collections:
        root = Path(given).expanduser().absolute()
        if not root.exists():
            problems.append(CollectionError(given, "does not exist", "check the path"))
        elif any(_same(root, other) for other in roots):
            problems.append(CollectionError(given, "is given twice", "it was read once"))
        else:
            roots.append(root)
    depth = dict.fromkeys(roots, 1)
    while True:
        names = {root: "/".join(_parts(root)[-depth[root] :]) for root in roots}
        clashing = [r for r in roots if list(names.values()).count(names[r]) > 1 and depth[r] < len(_parts(r))]
        if not clashing:
            break
        for root in clashing:
            depth[root] += 1
    notes += [
        f"{root} is called '{names[root]}', since another collection has the same name"
        for root in roots
        if depth[root] > 1
    ]
    return list(names.items())


def _parts(root: Path) -> tuple[str, ...]:
    """Folder names; a manifest file goes by the folder it lies in."""
    folder = root if root.is_dir() else root.parent
    return tuple(part for part in folder.parts if part != folder.anchor) or (str(folder),)


def _same(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:
        return False
