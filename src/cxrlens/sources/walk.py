"""The files of a collection, without what systems and tools leave lying about."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cxrlens.errors import CollectionError, CxrlensError, OptionError
from cxrlens.sources.filetype import read_head, sniff

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".dcm", ".dicom"}
)
DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ""})
TABLE_SUFFIXES = frozenset({".csv", ".tsv"})
_DOCUMENTS = frozenset(
    {".txt", ".md", ".pdf", ".json", ".xml", ".zip", ".xlsx", ".xls", ".html", ".py", ".ipynb", ".npy", ".parquet"}
)
_LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx", "lost+found", "node_modules", "__pycache__"})
_MASKS = re.compile(r"(?:^|[^a-z])(?:[a-z]*masks?|segmentations?)$", re.IGNORECASE)
"""Names such as ``masks``, ``lung_masks``, ``leftMask``, ``lungVAE-masks``."""


@dataclass(slots=True)
class Walked:
    """What lies in a collection.

    Args:
        images: files that are images by suffix, or by content where the suffix says nothing; sorted.
        tables: CSV and TSV files, shallow first.
        masks: how many files lay in folders of masks, by folder.
        problems: folders that could not be opened.
    """

    images: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    masks: dict[Path, int] = field(default_factory=dict)
    problems: list[CollectionError] = field(default_factory=list)


def walk(root: Path) -> Walked:
    """List a collection, following links to folders but entering each folder once (links may form loops)."""
    found = Walked()

    def unreadable(error: OSError) -> None:
        reason = error.strerror or type(error).__name__
        remedy = "its images are left out until you may read it"
        found.problems.append(CollectionError(error.filename or root, f"cannot be opened ({reason})", remedy))

    entered: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True, onerror=unreadable):
        here = Path(folder)
        real = os.path.realpath(folder)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not _is_litter(name))
        if here != root and _MASKS.search(here.name):
            folders.clear()
            found.masks[here] = sum(1 for name in files if not _is_litter(name))
            continue
        for name in sorted(files):
            if _is_litter(name):
                continue
            path, suffix = here / name, Path(name).suffix.lower()
            if suffix in TABLE_SUFFIXES:
                found.tables.append(path)
            elif suffix in IMAGE_SUFFIXES or (suffix not in _DOCUMENTS and _is_image_inside(path)):
                found.images.append(path)
    found.tables.sort(key=lambda path: (len(path.parts), str(path)))
    return found


def find_images(given: Sequence[Path]) -> tuple[list[Path], list[CxrlensError]]:
    """Files as given, the images of folders at any depth, and the folders that could not be opened.

    Raises:
        OptionError: no image among all of them.
    """
    paths: list[Path] = []
    problems: list[CxrlensError] = []
    for path in given:
        if not path.is_dir():
            paths.append(path)
            continue
        found = walk(path)
        paths += found.images
        problems += found.problems
    if not paths:
        subject = ", ".join(map(str, given))
        raise OptionError(subject, "holds no image", "give image or DICOM files, or folders of them")
    return paths, problems


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LITTER


def _is_image_inside(path: Path) -> bool:
    """Files without a telling suffix (DICOM exports often have none) are judged by their first bytes."""
    try:
        return path.is_file() and sniff(read_head(path)) != ""
    except OSError:
        return False
