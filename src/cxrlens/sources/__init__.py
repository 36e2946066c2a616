"""From files to radiographs and manifest rows."""

from typing import TYPE_CHECKING, Any

from cxrlens.sources.limits import ReadLimits
from cxrlens.sources.many import read_many
from cxrlens.sources.reading import read_radiograph

if TYPE_CHECKING:
    from cxrlens.sources.scanning import Scan, ScanOptions, scan

__all__ = ["ReadLimits", "Scan", "ScanOptions", "read_many", "read_radiograph", "scan"]


def __getattr__(name: str) -> Any:
    """What needs pandas is imported when it is asked for: reading one image does not."""
    if name in ("Scan", "ScanOptions", "scan"):
        from cxrlens.sources import scanning

        return getattr(scanning, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
