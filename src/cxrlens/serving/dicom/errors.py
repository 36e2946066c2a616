"""The error of a source that no DICOM object can refer to."""

from __future__ import annotations

from cxrlens.errors import CxrlensError


class DicomSourceError(CxrlensError):
    """No DICOM object can be made from this source. The subject is never a patient's name or a path."""
