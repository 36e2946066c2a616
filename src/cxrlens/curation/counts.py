"""Counts: what ``curation.json`` tells of a curation."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd

from cxrlens.curation.flags import FLAGS
from cxrlens.curation.patients import patient_keys
from cxrlens.labels import CLASSES
from cxrlens.manifest import kept


def count(
    manifest: pd.DataFrame, pairs: pd.DataFrame, kinds: dict[str, str], scores: dict[str, dict[str, float]]
) -> dict[str, Any]:
    """Numbers in all and by collection.

    Args:
        manifest: curated.
        pairs: confirmed duplicates.
        kinds: kind of reason of each excluded path.
        scores: of every flag for each readable path.
    """
    stays = kept(manifest)
    counts = _tally(manifest, kinds)
    counts["kept_by_class"] = {name: int((stays["label"] == name).sum()) for name in CLASSES}
    counts["kept_by_class_and_source"] = {
        name: _sorted(Counter(stays["source"][stays["label"] == name])) for name in CLASSES
    }
    counts["by_collection"] = {
        str(name): _tally(rows, kinds) for name, rows in manifest.groupby("collection", sort=True)
    }
    counts["flags"] = {
        name: {
            "means": flag.phrase,
            "flag_at": flag.flag_at,
            "exclude_at": flag.exclude_at,
            "flagged": sum(of.get(name, 0.0) >= flag.flag_at for of in scores.values()),
            "excluded": sum(kind == name for kind in kinds.values()),
        }
        for name, flag in FLAGS.items()
    }
    counts["duplicates"] = _duplicates(manifest, pairs)
    patients = patient_keys(manifest)
    counts["patients"] = {
        "known": int(patients[patients != ""].nunique()),
        "images_unknown": int((patients == "").sum()),
    }
    return counts


def _tally(rows: pd.DataFrame, kinds: dict[str, str]) -> dict[str, Any]:
    reasons = Counter(kinds[path] for path in rows["path"] if path in kinds)
    return {
        "images": len(rows),
        "readable": len(rows) - reasons["unreadable"],
        "unreadable": reasons["unreadable"],
        "kept": len(kept(rows)),
        "excluded": int((rows["excluded"] != "").sum()),
        "excluded_by_reason": _sorted(reasons),
        "without_patient": int((rows["patient_id"] == "").sum()),
        "by_class": {name: int((rows["label"] == name).sum()) for name in CLASSES},
    }


def _duplicates(manifest: pd.DataFrame, pairs: pd.DataFrame) -> dict[str, Any]:
    grouped = manifest[manifest["duplicate_group"] != ""]
    groups = grouped.groupby("duplicate_group")
    collections, labels = (groups[column].agg(set).map(len) for column in ("collection", "label"))
    return {
        "pairs": len(pairs),
        "pairs_by_kind": _sorted(Counter(pairs["kind"])),
        "inverted_pairs": int(pairs["inverted"].astype(bool).sum()),
        "mirrored_pairs": int(pairs["mirrored"].astype(bool).sum()),
        "groups": int(groups.ngroups),
        "images_in_groups": len(grouped),
        "groups_across_collections": int((collections > 1).sum()),
        "groups_with_label_conflict": int((labels > 1).sum()),
    }


def _sorted(counter: Counter[Any]) -> dict[str, int]:
    return {str(key): int(number) for key, number in sorted(counter.items()) if number}
