"""What is said of a DICOM image, as DICOM objects: a report, a picture, a presentation state, a segmentation."""

from __future__ import annotations

import importlib.util

from cxrlens.errors import OptionError


def installed() -> bool:
    """Whether the library that the objects are made with is there; nothing is imported."""
    return importlib.util.find_spec("highdicom") is not None


def require() -> None:
    """Raise :class:`OptionError`, one line, where it is not."""
    if not installed():
        raise OptionError("DICOM objects", "need highdicom, which is not installed", "pip install 'cxrlens[dicom]'")
