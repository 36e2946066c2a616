"""Image library of a report (TID 1600, PS3.16): the source image, with what its header tells of it.

highdicom's own demands spacing and patient orientation of every projection image, which files of the field lack.
"""

from __future__ import annotations

from functools import cache

from highdicom.sr import (
    CodeContentItem,
    ContainerContentItem,
    ContentItem,
    ImageContentItem,
    NumContentItem,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

_PIXELS = Code("{pixels}", "UCUM", "pixels")
_ACQUIRED = RelationshipTypeValues.HAS_ACQ_CONTEXT
_CONTAINS = RelationshipTypeValues.CONTAINS


def image_library(header: Dataset) -> ContainerContentItem:
    """The container, for an image of which only UIDs, rows and columns are certain to be known."""
    image = ImageContentItem(
        Code("260753009", "SCT", "Source"),
        header.SOPClassUID,
        header.SOPInstanceUID,
        relationship_type=_CONTAINS,
    )
    image.ContentSequence = _descriptors(header)
    group = ContainerContentItem(codes.DCM.ImageLibraryGroup, relationship_type=_CONTAINS)
    group.ContentSequence = [image]
    library = ContainerContentItem(codes.DCM.ImageLibrary, relationship_type=_CONTAINS)
    library.ContentSequence = [group]
    return library


@cache
def _modalities() -> dict[str, Code]:
    """CID 29 by code value; the first of those that share one."""
    return {code.value: code for code in reversed(codes.cid29.concepts.values())}


def _descriptors(header: Dataset) -> list[ContentItem]:
    """TID 1602 and, of TID 1603, the patient's orientation."""
    found: list[ContentItem] = []
    modality = _modalities().get(header.Modality)
    if modality is not None:
        found.append(CodeContentItem(codes.DCM.Modality, modality, _ACQUIRED))
    for name, keyword in ((codes.DCM.PixelDataRows, "Rows"), (codes.DCM.PixelDataColumns, "Columns")):
        if keyword in header:
            found.append(NumContentItem(name, int(header[keyword].value), _PIXELS, relationship_type=_ACQUIRED))
    if "PatientOrientation" in header:
        sides = (codes.DCM.PatientOrientationRow, codes.DCM.PatientOrientationColumn)
        for name, side in zip(sides, header.PatientOrientation, strict=True):
            found.append(TextContentItem(name, side, _ACQUIRED))
    return found
