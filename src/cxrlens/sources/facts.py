"""What headers and tables say of view, sex and age, in the manifest's words."""

from __future__ import annotations

import re

_AGE = re.compile(r"^0*(\d{1,3}(?:\.\d+)?)\s*(y|yr|yrs|years?|m|mo|months?|w|weeks?|d|days?)?$", re.IGNORECASE)
_PER_YEAR = {"m": 12.0, "w": 52.1775, "d": 365.25}
_MAX_AGE = 120.0


def view_of(text: str) -> str:
    """``PA``, ``AP``, ``LATERAL``, or blank for what is none of them."""
    words = re.findall(r"[a-z]+", text.lower())
    for word in words:
        if word in ("pa", "posteroanterior"):
            return "PA"
        if word in ("ap", "anteroposterior"):
            return "AP"
        if word in ("lateral", "lat", "l", "ll", "rl"):
            return "LATERAL"
    return ""


def sex_of(text: str) -> str:
    """``F``, ``M`` or blank."""
    word = text.strip().lower()
    return {"f": "F", "female": "F", "woman": "F", "m": "M", "male": "M", "man": "M"}.get(word, "")


def age_of(text: str) -> str:
    """Years, without needless decimals; blank for nonsense such as 411.

    Reads plain years (``45``, ``45.0``), DICOM's Age String (``045Y``, ``006M``; PS3.5 section 6.2) and ``6 months``.
    """
    match = _AGE.match(text.strip())
    if match is None:
        return ""
    unit = (match[2] or "y")[0].lower()
    years = float(match[1]) / _PER_YEAR.get(unit, 1.0)
    return f"{years:.2f}".rstrip("0").rstrip(".") if years <= _MAX_AGE else ""
