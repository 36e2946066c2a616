"""The part of a source's header that results carry on: who and what was imaged, cleaned to what the standard allows."""

from __future__ import annotations

import re
from datetime import datetime

import pydicom
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import UID

from cxrlens.serving.dicom.errors import DicomSourceError

UTF8 = "ISO_IR 192"
"""Results are written in UTF-8 whatever the source was written in: names keep every letter, and so do the notices."""

_IDENTITY = ("PatientName", "PatientID", "AccessionNumber", "StudyID", "ReferringPhysicianName")
_OPTIONAL = ("IssuerOfPatientID", "StudyDescription", "DeidentificationMethod", "BodyPartExamined")
_IMAGE = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel")
_LOSSY = ("LossyImageCompressionRatio", "LossyImageCompressionMethod")
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_TIME = re.compile(r"([01]\d|2[0-3])(?:([0-5]\d)(?:([0-5]\d|60)(\.\d{1,6})?)?)?")
_AGE = re.compile(r"\d{3}[DWMY]")
_DIRECTION = re.compile(r"[APRLHF]{1,3}")
_CODE = re.compile(r"[A-Z0-9 _]{1,16}")


def clean_header(source: Dataset) -> Dataset:
    """A new header with Patient, Study and what describes the image; no pixels, no private tags.

    Type 2 attributes that are missing become blank. Dates, times, ages and codes that the standard does not allow
    become blank or are left out, since an object that carries them on would be invalid itself; what identifies the
    patient and the study is never altered.

    Args:
        source: of any charset, value representations and age; not changed.

    Raises:
        DicomSourceError: no Study, Series or SOP Instance UID or SOP Class, or one that is none.
    """
    header = Dataset()
    header.SpecificCharacterSet = UTF8
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"):
        setattr(header, name, _required_uid(source, name))
    for name in _IDENTITY:
        setattr(header, name, text(source, name))
    header.PatientBirthDate, header.StudyDate = date(source, "PatientBirthDate"), date(source, "StudyDate")
    header.StudyTime = time(source, "StudyTime")
    sex = text(source, "PatientSex").upper()
    header.PatientSex = sex if sex in ("M", "F", "O") else ""
    for name in _OPTIONAL:
        if text(source, name):
            setattr(header, name, text(source, name))
    if "BodyPartExamined" in header and not _CODE.fullmatch(header.BodyPartExamined):
        del header.BodyPartExamined
    removed = text(source, "PatientIdentityRemoved").upper()
    if removed == "NO" or (removed == "YES" and "DeidentificationMethod" in header):
        header.PatientIdentityRemoved = removed
    if _AGE.fullmatch(text(source, "PatientAge")):
        header.PatientAge = text(source, "PatientAge")
    _describe_image(header, source)
    return header


def text(source: Dataset, name: str) -> str:
    """A value as text, blank where there is none; several are joined as in the file, by backslashes."""
    try:
        value = source.get(name)
    except Exception:  # noqa: BLE001 # a value that cannot be decoded by any rule is no value
        return ""
    if value is None:
        return ""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, (MultiValue, list, tuple)):
        value = "\\".join(str(each) for each in value)
    return re.sub(r"[\x00-\x1f\x7f]", "", str(value)).strip().encode("utf-8", "replace").decode("utf-8")


def number(source: Dataset, name: str) -> float | None:
    """The first value as a number; ``None`` where there is none, or it is none."""
    try:
        return float(text(source, name).split("\\")[0])
    except ValueError:
        return None


def date(source: Dataset, name: str) -> str:
    """A date as ``YYYYMMDD`` (also one written ``YYYY.MM.DD``, as before 1993); blank where it is none."""
    digits = text(source, name).replace(".", "").replace("-", "")
    try:
        datetime.strptime(digits, "%Y%m%d")
    except ValueError:
        return ""
    return digits if len(digits) == 8 else ""


def time(source: Dataset, name: str) -> str:
    """A time as ``HH[MM[SS[.F]]]`` (also one with colons); blank where it is none."""
    found = _TIME.fullmatch(text(source, name).replace(":", ""))
    return "".join(part for part in found.groups() if part) if found else ""


def _required_uid(source: Dataset, name: str) -> str:
    value = text(source, name)
    words = pydicom.datadict.dictionary_description(name)
    if not value:
        remedy = "export it from the archive again, with all of its header"
        raise DicomSourceError("the DICOM image", f"has no {words}, to which results must refer", remedy)
    if len(value) > 64 or not _UID.fullmatch(value):
        raise DicomSourceError("the DICOM image", f"has a {words} that is no UID", "export it from the archive again")
    return value


def _describe_image(header: Dataset, source: Dataset) -> None:
    for name in _IMAGE:
        value = number(source, name)
        if value is not None:
            setattr(header, name, int(value))
    header.Modality = text(source, "Modality") or "OT"
    header.PhotometricInterpretation = text(source, "PhotometricInterpretation")
    instance = number(source, "InstanceNumber")
    header.InstanceNumber = int(instance) if instance is not None and 1 <= instance < 2**31 else 1
    rows, columns = number_pair(source, "PatientOrientation")
    if _DIRECTION.fullmatch(rows) and _DIRECTION.fullmatch(columns):
        header.PatientOrientation = [rows, columns]
    if text(source, "Laterality") in ("L", "R"):
        header.Laterality = text(source, "Laterality")
    if text(source, "BurnedInAnnotation").upper() in ("YES", "NO"):
        header.BurnedInAnnotation = text(source, "BurnedInAnnotation").upper()
    meta = getattr(source, "file_meta", None)
    syntax = str(meta.get("TransferSyntaxUID") or "") if meta is not None else ""
    if text(source, "LossyImageCompression") == "01" or _is_lossy(syntax):
        header.LossyImageCompression = "01"
        for name in _LOSSY:
            if text(source, name):
                setattr(header, name, source.get(name))


def number_pair(source: Dataset, name: str) -> tuple[str, str]:
    """Two texts of one attribute, blank where it does not hold exactly two."""
    parts = text(source, name).split("\\")
    return (parts[0].strip(), parts[1].strip()) if len(parts) == 2 else ("", "")


def _is_lossy(syntax: str) -> bool:
    """Only syntaxes that cannot be lossless: of JPEG 2000 (…4.91) it takes the header's own word."""
    return UID(syntax) in (pydicom.uid.JPEGBaseline8Bit, pydicom.uid.JPEGExtended12Bit, pydicom.uid.JPEGLSNearLossless)
