"""From files to radiographs and manifest rows."""

from cxrlens.sources.limits import ReadLimits
from cxrlens.sources.many import read_many
from cxrlens.sources.reading import read_radiograph
from cxrlens.sources.scanning import Scan, ScanOptions, scan

__all__ = ["ReadLimits", "Scan", "ScanOptions", "read_many", "read_radiograph", "scan"]
