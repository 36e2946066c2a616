"""Units: the images that must stay together, because they show one patient or one radiograph."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.curation.patients import patient_keys


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
