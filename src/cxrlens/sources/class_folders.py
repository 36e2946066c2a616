"""Which class an image's folders name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cxrlens.labels import is_bare_class_name, mentions_class, only_qualifies, parse_label

_STRUCTURE = frozenset(
    {
        "images",
        "image",
        "imgs",
        "img",
        "pics",
        "pictures",
        "png",
        "pngs",
        "jpg",
        "jpeg",
        "dicom",
        "dcm",
        "files",
        "data",
        "dataset",
    }
    | {
        "train",
        "training",
        "val",
        "valid",
        "validation",
        "test",
        "testing",
        "dev",
        "original",
        "originals",
        "raw",
        "all",
        "cxr",
        "xray",
        "x-ray",
    }
)


class ClassFolders:
    """Labels from folder names: the class folder nearest to the file wins.

    A folder whose name is no class is looked through (``COVID/images/``, ``TB/patient 7/``), unless its siblings are
    class folders: then it is a class of its own, and an unknown one (``Lung_Opacity`` beside ``Normal``). A name that
    mentions a class without meaning it (``non-covid``) ends the search too.
    """

    def __init__(self, root: Path, images: list[Path], labels: Mapping[str, str]) -> None:
        self._root = root
        self._labels = labels
        folders = {
            parent for path in images for parent in path.parents if parent != root and parent.is_relative_to(root)
        }
        self._class_parents = {folder.parent for folder in folders if self._class_of(folder.name)}
        self._cache: dict[Path, tuple[str, str]] = {}

    def label(self, path: Path) -> tuple[str, str]:
        """Class (blank = unknown) and the folder name that says so (blank = none does)."""
        folder = path.parent
        if folder not in self._cache:
            self._cache[folder] = self._look(folder)
        return self._cache[folder]

    def _look(self, folder: Path) -> tuple[str, str]:
        nearest = ""
        while folder != self._root and folder.is_relative_to(self._root):
            name = folder.name
            label = self._class_of(name)
            if label:
                return label, name
            if name.lower() not in _STRUCTURE and not only_qualifies(name):
                if folder.parent in self._class_parents or mentions_class(name):
                    return "", name
                nearest = nearest or name
            folder = folder.parent
        if is_bare_class_name(self._root.name) or self._root.name in self._labels:
            return self._class_of(self._root.name), self._root.name
        return "", nearest

    def _class_of(self, name: str) -> str:
        return self._labels.get(name) or parse_label(name) or ""
