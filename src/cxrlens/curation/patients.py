"""Patients: which rows of a manifest name the same person."""

from __future__ import annotations

import pandas as pd

_DISTINCTIVE = 6
"""Characters from which a bare number is taken for a hospital's record number rather than a collection's own count."""


def patient_keys(manifest: pd.DataFrame) -> pd.Series[str]:
    """One key a patient, blank where unknown.

    An id with letters (``nih-00001335``), or a number of six digits and more, names the same person wherever it stands:
    collections overlap. Patient "12" of one source is not patient "12" of another.
    """
    ids = manifest["patient_id"]
    distinctive = (ids.str.len() >= _DISTINCTIVE) | ids.str.contains(r"[^\W\d]", regex=True)
    return ids.where((ids == "") | distinctive, manifest["source"] + "\x1f" + ids)
