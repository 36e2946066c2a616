"""The check that no patient and no radiograph is in two parts of a split."""

from __future__ import annotations

from typing import Any

import pandas as pd

from cxrlens.curation.patients import patient_keys
from cxrlens.errors import DatasetError
from cxrlens.manifest import kept
from cxrlens.split.units import split_units

_REMEDY = "run 'cxrlens split' again with kind 'grouped'"


def check_disjoint(manifest: pd.DataFrame) -> dict[str, Any]:
    """Prove that the parts of a split share nobody and no radiograph.

    Returns:
        The proof: how many patients and duplicate groups were looked at, and zeros for those shared.

    Raises:
        DatasetError: names the first patient or group that is in two parts, and an image in each.
    """
    rows = _in_a_part(manifest)
    for what, keys in _kinds(rows).items():
        shared = _shared(keys, rows["split"])
        if shared:
            offender = rows[keys == shared[0]].drop_duplicates("split")
            where = " and ".join(
                f"{part} ({path})" for part, path in zip(offender["split"], offender["path"], strict=True)
            )
            name = shared[0].replace("\x1f", "/")
            fault = f"is in {where}; {len(shared)} such {what}(s)"
            raise DatasetError(f"{what} {name}", fault, _REMEDY)
    spread, units = _spread(manifest)
    if len(spread):
        first = spread[units == units.iloc[0]].drop_duplicates("split")["path"]
        fault = f"are in different parts, but linked by a copy that is excluded; {units.nunique()} such link(s)"
        raise DatasetError(" and ".join(first), fault, _REMEDY)
    return count_shared(manifest)


def count_shared(manifest: pd.DataFrame) -> dict[str, Any]:
    """How many patients and duplicate groups are in more than one part; never raises."""
    rows = _in_a_part(manifest)
    counts: dict[str, Any] = {}
    for what, keys in _kinds(rows).items():
        plural = what.replace(" ", "_") + "s"
        counts[plural] = int(keys[keys != ""].nunique())
        counts[f"shared_{plural}"] = len(_shared(keys, rows["split"]))
    counts["shared_units"] = int(_spread(manifest)[1].nunique())
    counts["images_without_patient"] = int((rows["patient_id"] == "").sum())
    return counts


def _spread(manifest: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series[int]]:
    """Rows of units that are in several parts, and their units. Excluded rows link too: a copy may know the patient."""
    rows = _in_a_part(manifest)
    units = pd.Series(split_units(manifest), index=manifest.index).loc[rows.index]
    parts = rows["split"].groupby(units).nunique()
    several = units.isin(parts.index[parts > 1])
    return rows[several], units[several]


def _in_a_part(manifest: pd.DataFrame) -> pd.DataFrame:
    rows = kept(manifest)
    return rows[rows["split"] != ""]


def _kinds(rows: pd.DataFrame) -> dict[str, pd.Series[str]]:
    return {"patient": patient_keys(rows), "duplicate group": rows["duplicate_group"]}


def _shared(keys: pd.Series[str], parts: pd.Series[str]) -> list[str]:
    known = keys != ""
    spread = parts[known].groupby(keys[known]).nunique()
    return sorted(str(key) for key in spread.index[spread > 1])
