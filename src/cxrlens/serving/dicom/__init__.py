"""What is said of a DICOM image, as DICOM objects: a report, a picture, a presentation state, a segmentation."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from cxrlens.errors import OptionError


def installed() -> bool:
    """Whether the library that the objects are made with is there; nothing is imported."""
    return importlib.util.find_spec("highdicom") is not None


def check_folder(folder: Path) -> None:
    """Whether objects can be made and can go to a folder, asked before anything is judged.

    Raises:
        OptionError: highdicom is not installed, or ``folder`` is a file.
    """
    if not installed():
        raise OptionError("DICOM objects", "need highdicom, which is not installed", "pip install 'cxrlens[dicom]'")
    if folder.exists() and not folder.is_dir():
        raise OptionError(f"--dicom {folder}", "is a file", "name a folder")
