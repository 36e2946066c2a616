"""Units: the images that must stay together, because they show one patient or one radiograph."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def patient_keys(manifest: pd.DataFrame) -> pd.Series[str]:
    """One key a patient, blank where unknown. Patient "1" of one source is not patient "1" of another."""
    known = manifest["patient_id"] != ""
    return (manifest["source"] + "\x1f" + manifest["patient_id"]).where(known, "")


def split_units(manifest: pd.DataFrame) -> NDArray[np.int64]:
    """Unit of each row, (n,) int64: connected components of shared patients and shared duplicate groups.

    Two patients whose films turn out to be copies of each other share a unit too. Unknown patients link nothing.
    """
    parent = list(range(len(manifest)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for keys in (patient_keys(manifest), manifest["duplicate_group"]):
        for first, other in _links(keys):
            a, b = root(first), root(other)
            parent[max(a, b)] = min(a, b)
    roots = np.fromiter((root(row) for row in range(len(parent))), dtype=np.int64, count=len(parent))
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)


def _links(keys: Iterable[str]) -> Iterable[tuple[int, int]]:
    """(first row, later row) of every non-blank key that occurs again."""
    first: dict[str, int] = {}
    for row, key in enumerate(keys):
        if key:
            start = first.setdefault(key, row)
            if start != row:
                yield start, row
