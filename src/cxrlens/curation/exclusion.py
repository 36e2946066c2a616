"""Exclusion: from flags, copies and the user's word to one reason an image, or none."""

from __future__ import annotations

from collections import defaultdict

import pandas as pd

from cxrlens.curation.flags import FLAGS
from cxrlens.curation.inspection import Inspection
from cxrlens.curation.overrule import CONFLICT, DUPLICATE, Overrules
from cxrlens.labels import CLASSES

UNREADABLE = "unreadable"
LABEL = "label"
DROPPED = "dropped"
EARLIER = "no class, or excluded before"

Scores = dict[str, float]


def exclude(
    manifest: pd.DataFrame,
    inspections: dict[str, Inspection],
    scores: dict[str, Scores],
    groups: dict[str, str],
    pairs: pd.DataFrame,
    said: Overrules,
) -> tuple[dict[str, str], dict[str, str]]:
    """Reason in words, and kind of reason, of each excluded path.

    In this order: an exclusion that the manifest came with, unreadable, unknown label, dropped by hand, a flag, copies
    that disagree on the label, copies. Of several copies the one with a known patient stays, then the largest, then the
    first by path.
    """
    reasons: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for path, label, earlier in zip(manifest["path"], manifest["label"], manifest["excluded"], strict=True):
        kind, reason = _alone(path, label, earlier, inspections.get(path), scores.get(path, {}), said)
        if reason:
            reasons[path], kinds[path] = reason, kind
    for path, (kind, reason) in _copies(manifest, inspections, groups, pairs, said, set(reasons)).items():
        reasons[path], kinds[path] = reason, kind
    return reasons, kinds


def _alone(
    path: str, label: str, earlier: str, inspection: Inspection | None, scores: Scores, said: Overrules
) -> tuple[str, str]:
    """(kind, reason) for what the image shows by itself; blank where nothing is wrong."""
    if earlier:
        return EARLIER, earlier
    if inspection is None or inspection.problem is not None:
        problem = inspection.problem if inspection else None
        fault = f"{problem.fault}; {problem.remedy}" if problem else "was not read"
        return UNREADABLE, f"unreadable: {fault}"
    if label not in CLASSES:
        return LABEL, f"label '{label}' is none of {', '.join(CLASSES)}"
    if path in said.dropped_by:
        return DROPPED, f"dropped by hand ({said.dropped_by[path]})"
    if path in said.keep_paths:
        return "", ""
    for name, flag in FLAGS.items():
        score = scores.get(name, 0.0)
        by_hand = name in said.drop_names and score >= flag.flag_at
        by_itself = flag.exclude_at is not None and score >= flag.exclude_at and name not in said.keep_names
        if by_hand or by_itself:
            return name, f"{name}: {flag.phrase} (score {score:.2f})"
    return "", ""


def _copies(
    manifest: pd.DataFrame,
    inspections: dict[str, Inspection],
    groups: dict[str, str],
    pairs: pd.DataFrame,
    said: Overrules,
    gone: set[str],
) -> dict[str, tuple[str, str]]:
    """(kind, reason) of the copies to exclude, among those that are not gone already."""
    label_of, patient_of = (dict(zip(manifest["path"], manifest[c], strict=True)) for c in ("label", "patient_id"))
    members: dict[str, list[str]] = defaultdict(list)
    for path, group in groups.items():
        if path not in gone:
            members[group].append(path)
    direct = {
        frozenset((a, b)): float(score)
        for a, b, score in zip(pairs["path_a"], pairs["path_b"], pairs["score"], strict=True)
    }
    found: dict[str, tuple[str, str]] = {}
    for copies in members.values():
        labels = sorted({label_of[path] for path in copies}, key=CLASSES.index)
        if len(labels) > 1 and CONFLICT not in said.keep_names:
            reason = f"copies disagree on the label: {', '.join(labels)} ({len(copies)} copies)"
            found.update({path: (CONFLICT, reason) for path in copies if path not in said.keep_paths})
            continue
        if len(copies) < 2 or DUPLICATE in said.keep_names:
            continue
        best = min(copies, key=lambda path: _rank(path, patient_of[path], inspections[path], said))
        for path in copies:
            if path != best and path not in said.keep_paths:
                score = direct.get(frozenset((path, best)))
                how = f"score {score:.2f}" if score is not None else "through other copies"
                found[path] = (DUPLICATE, f"duplicate of {best} ({how})")
    return found


def _rank(path: str, patient: str, inspection: Inspection, said: Overrules) -> tuple[bool, bool, int, str]:
    """Smallest is the copy to keep."""
    return path not in said.keep_paths, not patient, -inspection.width * inspection.height, path
