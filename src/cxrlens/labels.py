"""The four classes, their order, and the spellings that public sets use for them."""

from __future__ import annotations

NORMAL = "Normal"
COVID19 = "COVID-19"
PNEUMONIA = "Pneumonia"
TUBERCULOSIS = "Tuberculosis"

CLASSES: tuple[str, ...] = (NORMAL, COVID19, PNEUMONIA, TUBERCULOSIS)
"""Class order everywhere: columns of probabilities, rows of confusion matrices, outputs of a network."""


def class_index(label: str) -> int:
    """Position of ``label`` in :data:`CLASSES`; ``ValueError`` where it is not one of them."""
    return CLASSES.index(label)
