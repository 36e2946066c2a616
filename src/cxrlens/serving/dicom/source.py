"""Source: the DICOM image that results refer to, with its header cleaned and its film as it was read."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from cxrlens.errors import UnreadableImageError
from cxrlens.radiograph import Radiograph
from cxrlens.serving.dicom.errors import DicomSourceError
from cxrlens.serving.dicom.header import clean_header
from cxrlens.sources.dicom import read_dicom
from cxrlens.sources.limits import DEFAULT_LIMITS, ReadLimits

NAME = Path("the DICOM image")
"""In error lines: results know no path, and a file's name may be a patient's."""


@dataclass(frozen=True)
class Source:
    """One DICOM image.

    Args:
        dataset: as it came, pixels included.
        header: what results carry on of it (:func:`clean_header`).
        film: the image as the model's reader shows it, on the grid of the stored pixels: the reader turns and flips
            nothing. ``None`` where it cannot be decoded.
        fault: why there is no film; blank where there is one.
    """

    dataset: Dataset
    header: Dataset
    film: Radiograph | None
    fault: str = ""

    @property
    def uid(self) -> str:
        """SOP Instance UID."""
        return str(self.header.SOPInstanceUID)

    @property
    def key(self) -> tuple[str, str]:
        """What tells this image from others: its UID, and its polarity, since inverted copies keep the UID."""
        return self.uid, str(self.header.PhotometricInterpretation)


def read_source(given: bytes | Dataset, film: Radiograph | None = None, limits: ReadLimits = DEFAULT_LIMITS) -> Source:
    """The image behind a file's bytes or a data set.

    Args:
        given: a file with or without preamble and file meta, or a data set with pixels; not changed.
        film: the same image as it was read before, so that it need not be decoded again.
        limits: before pixels are decoded.

    Raises:
        DicomSourceError: no DICOM, or without the identifiers that results must refer to.
    """
    data = given if isinstance(given, bytes) else _bytes_of(given)
    try:
        dataset = pydicom.dcmread(io.BytesIO(data), force=True)
        header = clean_header(dataset)
    except DicomSourceError:
        raise
    except Exception as error:  # whatever pydicom raises for a torn header
        fault = f"has a header that cannot be read ({type(error).__name__})"
        raise DicomSourceError(str(NAME), fault, "export it from the archive again") from error
    if film is not None:
        return Source(dataset, header, film)
    try:
        return Source(dataset, header, read_dicom(data, NAME, limits))
    except UnreadableImageError as error:
        return Source(dataset, header, None, error.fault)


def _bytes_of(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    implicit, little = dataset.original_encoding
    known = getattr(dataset, "file_meta", None) is not None and "TransferSyntaxUID" in dataset.file_meta
    how = {} if known else {"implicit_vr": bool(implicit), "little_endian": little is not False}
    try:
        pydicom.dcmwrite(buffer, dataset, enforce_file_format=False, **how)
    except Exception as error:  # whatever pydicom raises for values of the wrong kind
        fault = f"is a data set that cannot be written ({type(error).__name__})"
        raise DicomSourceError(str(NAME), fault, "give the bytes of its file") from error
    return buffer.getvalue()


EXPLICIT = ExplicitVRLittleEndian
"""Transfer syntax of every result: uncompressed, the one that every archive takes."""
