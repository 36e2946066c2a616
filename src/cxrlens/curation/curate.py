"""Curate: inspect every image once, find copies, flag, and say why an image is left out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxrlens.curation.counts import count
from cxrlens.curation.duplicates import find_duplicates, group_pairs
from cxrlens.curation.exclusion import exclude
from cxrlens.curation.flags import FLAGS, lateral, typical
from cxrlens.curation.inspection import Inspection, inspect_all
from cxrlens.curation.options import CurationOptions
from cxrlens.curation.overrule import CONFLICT, DUPLICATE, sort_patterns
from cxrlens.errors import CxrlensError, DatasetError
from cxrlens.progress import Progress, quiet


@dataclass(frozen=True, slots=True)
class Curation:
    """What curation found.

    Args:
        manifest: with ``sha256``, ``width``, ``height``, ``flags``, ``duplicate_group`` and ``excluded`` filled.
        pairs: confirmed duplicates, a row each, with the labels of both.
        counts: for ``curation.json``.
        problems: one for each unreadable image.
    """

    manifest: pd.DataFrame
    pairs: pd.DataFrame
    counts: dict[str, Any]
    problems: list[CxrlensError]


def curate(manifest: pd.DataFrame, options: CurationOptions | None = None, progress: Progress = quiet) -> Curation:
    """Flag, never delete. Rows that the manifest excludes already keep their reason and are not looked at.

    Raises:
        DatasetError: the manifest has no row.
        OptionError: a pattern of ``keep`` or ``drop`` that is no flag and matches no image.
    """
    options = options or CurationOptions()
    if manifest.empty:
        raise DatasetError("the manifest", "names no image", "point 'cxrlens curate' at folders that hold radiographs")
    said = sort_patterns(options.keep, options.drop, (*FLAGS, DUPLICATE, CONFLICT), list(manifest["path"]))
    start = time.perf_counter()
    paths = [str(p) for p in manifest["path"][manifest["excluded"] == ""]]
    inspections = {
        one.path: one for one in progress(inspect_all(paths, options.workers), len(paths), "inspecting images")
    }
    read = time.perf_counter()
    views = dict(zip(manifest["path"], manifest["view"], strict=True))
    scores, assessed = _all_scores(inspections, views)
    judged = time.perf_counter()
    prints = [one.print for one in inspections.values() if one.print is not None]
    pairs = find_duplicates(prints, options.duplicates, progress)
    groups = group_pairs(list(inspections), zip(pairs["path_a"], pairs["path_b"], strict=True))
    labels = dict(zip(manifest["path"], manifest["label"], strict=True))
    pairs = pairs.assign(label_a=pairs["path_a"].map(labels), label_b=pairs["path_b"].map(labels))
    reasons, kinds = exclude(manifest, inspections, scores, groups, pairs, said)
    done = _filled(manifest, inspections, scores, groups, reasons)
    end = time.perf_counter()
    counts = count(done, pairs, kinds, scores)
    counts["collection_flags_assessed"] = assessed
    counts["options"] = options.to_dict()
    counts["speed"] = {
        "seconds": round(end - start, 2),
        "reading": round(read - start, 2),
        "collection_flags": round(judged - read, 2),
        "duplicates": round(end - judged, 2),
        "images_per_second": round(len(paths) / max(end - start, 1e-9), 1),
    }
    problems = [one.problem for one in inspections.values() if one.problem is not None]
    return Curation(done, pairs, counts, problems)


def _all_scores(inspections: dict[str, Inspection], views: dict[str, str]) -> tuple[dict[str, dict[str, float]], bool]:
    """Every flag's score for each readable path, and whether there were images enough for the collection's flags."""
    scores = {
        path: {**(one.scores or {}), lateral.FLAG.name: lateral.score(views[path])}
        for path, one in inspections.items()
        if one.problem is None
    }
    seen = [
        path for path in sorted(scores) if inspections[path].contrast is not None
    ]  # the order of rows must not matter
    if not seen:
        return scores, False
    judged = typical.judge(np.stack([np.asarray(inspections[path].contrast) for path in seen]))
    if judged is None:
        return scores, False
    for row, path in enumerate(seen):
        scores[path][typical.ROTATED.name] = float(judged.rotated[row])
        scores[path][typical.INVERTED.name] = float(judged.inverted[row])
        scores[path][typical.NOT_A_CHEST.name] = float(judged.not_a_chest[row])
    return scores, True


def _filled(
    manifest: pd.DataFrame,
    inspections: dict[str, Inspection],
    scores: dict[str, dict[str, float]],
    groups: dict[str, str],
    reasons: dict[str, str],
) -> pd.DataFrame:
    done = manifest.copy()
    paths = [str(p) for p in manifest["path"]]
    looked = [inspections.get(path, Inspection(path)) for path in paths]
    done["sha256"] = [one.sha256 or old for one, old in zip(looked, manifest["sha256"], strict=True)]
    done["width"] = [str(one.width) if one.width else old for one, old in zip(looked, manifest["width"], strict=True)]
    done["height"] = [
        str(one.height) if one.height else old for one, old in zip(looked, manifest["height"], strict=True)
    ]
    done["flags"] = [_flag_cell(scores.get(path, {})) for path in paths]
    done["duplicate_group"] = [groups.get(path, "") for path in paths]
    done["excluded"] = [reasons.get(path, "") for path in paths]
    return done


def _flag_cell(scores: dict[str, float]) -> str:
    return ";".join(f"{n}:{scores[n]:.2f}" for n, flag in FLAGS.items() if scores.get(n, 0.0) >= flag.flag_at)
