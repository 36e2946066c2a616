"""What documented file names say of patient and finding. An unknown patient stays unknown: nothing is invented."""

from __future__ import annotations

import re

from cxrlens.labels import NORMAL, TUBERCULOSIS

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # NIH ChestX-ray14: patient of 8 digits, follow-up number of 3 (its README, "Image Index").
    (re.compile(r"^(?P<id>\d{8})_\d{3}$"), "nih-{id}"),
    # Kermany et al., pneumonia: person number, then the cause and the picture. The same numbers occur under both
    # causes; they are taken as one person, which at worst holds two children together and never parts one.
    (re.compile(r"^(?P<id>person\d+)_(?:virus|bacteria)_\d+$"), "kermany-{id}"),
    # Kermany et al., normal: two series, with and without the prefix NORMAL2; study number, then the picture.
    (re.compile(r"^(?P<id>(?:NORMAL2-)?IM-\d{4})-\d{4}(?:-\d{4})?$"), "kermany-{id}"),
)


_NLM_LABEL = re.compile(r"^(?:MCUCXR|CHNCXR)_\d{4}_(?P<finding>[01])$")
"""Montgomery and Shenzhen have no table of labels: the last digit is 0 for normal, 1 for tuberculosis."""


def label_of_name(stem: str) -> str:
    """Class that a documented file name carries, or blank.

    Args:
        stem: file name without suffix.
    """
    match = _NLM_LABEL.match(stem)
    return "" if match is None else TUBERCULOSIS if match["finding"] == "1" else NORMAL


def patient_of_name(stem: str) -> str:
    """Patient identifier with the set's name before it, or blank.

    Args:
        stem: file name without suffix.
    """
    for pattern, form in _PATTERNS:
        match = pattern.match(stem)
        if match is not None:
            return form.format(id=match["id"])
    return ""


def patient_of_table(value: str, stem: str, collection: str) -> str:
    """Patient identifier from a table's or header's cell.

    A cell with letters is taken as it is: it may tie collections together (``cohen-221``). A bare number has a meaning
    inside its own collection alone, so a documented file name goes before it, and else it takes the collection's name.
    """
    value = value.strip()
    if value.lower() in ("", "nan", "none", "unknown", "anonymous", "anonymized", "anon", "n/a", "na", "?"):
        return patient_of_name(stem)
    if re.fullmatch(r"[\d.]+", value):
        return patient_of_name(stem) or f"{collection}-{re.sub(r'[.]0+$', '', value)}"
    return value
