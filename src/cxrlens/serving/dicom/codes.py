"""Codes that results use. Those of PS3.16 come from pydicom's dictionary; the rest is told apart here."""

from __future__ import annotations

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from cxrlens.labels import COVID19, NORMAL, PNEUMONIA, TUBERCULOSIS

SCHEME = "99CXRLENS"
"""Private coding scheme (PS3.16 section 8: a local one begins with 99), for what no public scheme has a code."""

FINDINGS: dict[str, Code] = {
    NORMAL: codes.SCT.Normal,
    # SNOMED CT, not in pydicom's dictionary, which holds only what the standard's context groups use:
    COVID19: Code("840539006", "SCT", "COVID-19"),
    PNEUMONIA: Code("233604007", "SCT", "Pneumonia"),
    TUBERCULOSIS: Code("154283005", "SCT", "Pulmonary tuberculosis"),
}
"""By class. Of a chest radiograph 'Tuberculosis' can only mean the pulmonary kind (56717001 would be any)."""

CHEST_RADIOGRAPHY = Code("399208008", "SCT", "Plain chest X-ray")
"""SNOMED CT, not in pydicom's dictionary."""

UNDETERMINED = codes.SCT.Undetermined
"""The finding where the model abstains."""

PROBABILITY = codes.DCM.Probability
FINDING = codes.DCM.Finding
COMMENT = codes.DCM.Comment
CHEST = codes.SCT.Chest
NO_UNITS = codes.UCUM.NoUnits
NEURAL_NETWORK = codes.cid7162.ArtificialIntelligence
REGION_CATEGORY = codes.SCT.SpatialAndRelationalConcept
REGION_TYPE = codes.DCM.SelectedRegion
"""Of the hot region (CID 7150): a place, not a tissue and not an abnormality."""

SET_MEMBER = Code("SETMEMBER", SCHEME, "Class in the prediction set")
STATUS = Code("STATUS", SCHEME, "Status of the answer")
STATUSES: dict[str, Code] = {
    "answered": Code("ANSWERED", SCHEME, "Answered"),
    "not sure": Code("NOTSURE", SCHEME, "Not sure: the model abstains"),
    "refused": Code("REFUSED", SCHEME, "Refused: the image was not judged"),
    "error": Code("ERROR", SCHEME, "The image could not be read"),
}


def finding(label: str) -> Code:
    """The code of a class; of one that is not among the four, a private code of its name."""
    return FINDINGS.get(label) or Code(label.upper()[:16], SCHEME, label[:64])
