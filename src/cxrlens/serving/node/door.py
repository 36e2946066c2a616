"""What is looked at before an image is accepted: may it be answered at all? Its pixels are not decoded here."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

import pydicom

from cxrlens.serving.dicom.maker import NAME

CANNOT_UNDERSTAND = 0xC000
DOES_NOT_MATCH = 0xA900
OUT_OF_RESOURCES = 0xA700
NOT_SUPPORTED = 0x0122
OTHER_INSTANCE = 0x0111
"""Of PS3.4 table B.2-1; the last two are "SOP class not supported" and "duplicate SOP instance" of PS3.7 annex C."""

_MAKER = "Manufacturer"
_UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an object is not accepted.

    Args:
        status: for a C-STORE response.
        reason: at most 64 characters (the length of an Error Comment), and nothing of the object's own values.
    """

    status: int
    reason: str


OWN_RESULT = Refusal(CANNOT_UNDERSTAND, "the object is a result that cxrlens made")


def refuse(data: bytes, sop_class: str, sop_instance: str) -> Refusal | None:
    """Whether an object can be answered: a data set with pixels, of a study, that is what its sender calls it.

    Whether there is a radiograph in it is not asked: broken pixels are answered with a report that says so.

    Args:
        data: the whole file, with file meta.
        sop_class: as the sender calls it.
        sop_instance: the same.

    Returns:
        ``None`` where it can.
    """
    try:
        dataset = pydicom.dcmread(io.BytesIO(data), specific_tags=[_MAKER, *_UIDS, *_PIXELS])
        uids = {name: str(dataset.get(name) or "").strip() for name in _UIDS}
        own = str(dataset.get(_MAKER) or "").strip() == NAME
        has_pixels = any(name in dataset for name in _PIXELS)
    except Exception:  # noqa: BLE001 # whatever pydicom raises for bytes that nobody foresaw
        return Refusal(CANNOT_UNDERSTAND, "the data set cannot be parsed")
    if uids["SOPClassUID"] != sop_class or uids["SOPInstanceUID"] != sop_instance:
        return Refusal(DOES_NOT_MATCH, "the data set is another object than the request names")
    for name, uid in uids.items():
        if len(uid) > 64 or not _UID.fullmatch(uid):  # a report could not refer to it
            return Refusal(DOES_NOT_MATCH, f"the data set has no {name}{', or one that is none' if uid else ''}")
    if own:  # an archive that sends on what it gets would be answered with answers to answers
        return OWN_RESULT
    if not has_pixels:
        return Refusal(CANNOT_UNDERSTAND, "the data set holds no image")
    return None
