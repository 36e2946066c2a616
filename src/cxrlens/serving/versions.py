"""Versions of what an answer depends on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES: tuple[str, ...] = ("cxrlens", "onnxruntime", "numpy", "opencv-python-headless", "pillow", "pydicom")


def versions() -> dict[str, str]:
    """Of Python and of :data:`PACKAGES`; ``missing`` where one is not installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found
