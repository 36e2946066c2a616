"""From files to radiographs and manifest rows."""

from cxrlens.sources.limits import ReadLimits
from cxrlens.sources.reading import read_radiograph

__all__ = ["ReadLimits", "read_radiograph"]
