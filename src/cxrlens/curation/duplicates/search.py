"""The search for duplicates, from fingerprints to a table of pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cxrlens.allocator import keep_freed_memory
from cxrlens.curation.duplicates.alignment import Pairs
from cxrlens.curation.duplicates.candidates import find_candidates
from cxrlens.curation.duplicates.confirmation import STAGES, confirm, contrast_stack
from cxrlens.curation.duplicates.descriptor import ZOOMED, views
from cxrlens.curation.duplicates.fingerprint import Fingerprint
from cxrlens.curation.duplicates.geometry import invert, placement
from cxrlens.curation.duplicates.options import DuplicateOptions
from cxrlens.curation.duplicates.threads import one_thread_each
from cxrlens.progress import Progress, quiet

PAIR_COLUMNS = (
    "path_a",
    "path_b",
    "kind",
    "score",
    "scale",
    "rotation_deg",
    "dx",
    "dy",
    "inverted",
    "mirrored",
    "map",
)


def find_duplicates(
    fingerprints: Sequence[Fingerprint], options: DuplicateOptions | None = None, progress: Progress = quiet
) -> pd.DataFrame:
    """Pairs of images that show the same radiograph.

    Of several equal files, or files of equal pixels, each is paired with the one whose path sorts first, and that one
    alone is compared with other pictures; :func:`group_pairs` brings them together again.

    Args:
        fingerprints: of the images, paths all different.
        options: thresholds.
        progress: shown over the stages.

    Returns:
        A row a pair, ``path_a < path_b``, sorted, with :data:`PAIR_COLUMNS`: ``kind`` is ``exact-bytes``,
        ``same-pixels`` or ``near``; ``score`` the correlation of local contrast after registration (1 for the exact
        kinds); ``scale``, ``rotation_deg``, ``dx``, ``dy`` as in
        :class:`~cxrlens.curation.duplicates.geometry.Placement`; ``inverted`` and ``mirrored`` bool; ``map`` the six
        numbers of the affine map from a's unit square to b's, row by row, joined by spaces.

    Raises:
        ValueError: two fingerprints of one path.
    """
    options = options or DuplicateOptions()
    ordered = sorted(fingerprints, key=lambda f: f.path)
    if len({f.path for f in ordered}) != len(ordered):
        raise ValueError("the same path has two fingerprints")
    keep_freed_memory(2 << 30, whole=True)  # the stages free and ask for the same large blocks: a fifth of the time
    rows, unlike = _exact(ordered)
    rows += _near([f for f in unlike if f.pixel_hash], options, progress)
    rows.sort(key=lambda row: (str(row["path_a"]), str(row["path_b"])))
    return pd.DataFrame(rows, columns=list(PAIR_COLUMNS))


def _exact(ordered: Sequence[Fingerprint]) -> tuple[list[dict[str, object]], list[Fingerprint]]:
    """Rows of the exact kinds, and one fingerprint of each picture."""
    rows: list[dict[str, object]] = []
    first_bytes: dict[str, Fingerprint] = {}
    first_pixels: dict[str, Fingerprint] = {}
    unlike = []
    for item in ordered:
        same_bytes = first_bytes.setdefault(item.sha256, item) if item.sha256 else item
        if same_bytes is not item:
            rows.append(_row(same_bytes, item, "exact-bytes"))
            continue
        same_pixels = first_pixels.setdefault(item.pixel_hash, item) if item.pixel_hash else item
        if same_pixels is not item:
            rows.append(_row(same_pixels, item, "same-pixels"))
            continue
        unlike.append(item)
    return rows, unlike


def _near(items: Sequence[Fingerprint], options: DuplicateOptions, progress: Progress) -> list[dict[str, object]]:
    if len(items) < 2:
        return []
    thumbnails = [item.thumbnail for item in items]
    with one_thread_each(options.workers) as pool:
        whole, zoomed = (contrast_stack(thumbnails, STAGES[1], pool, zoom) for zoom in (1.0, ZOOMED))
        found = find_candidates(whole, zoomed, options, pool, progress)
        known = views()
        signs = np.array([view.sign for view in known], np.float32)[found.view]
        maps = np.stack([view.map for view in known])[found.view]
        pairs, result = confirm(
            thumbnails, (whole, zoomed), Pairs(found.fixed, found.moving, signs), maps, options, pool, progress
        )
    rows = []
    for k in range(len(pairs)):
        a, b = int(pairs.fixed[k]), int(pairs.moving[k])
        way = result.maps[k]
        if a > b:
            a, b, way = b, a, invert(way)
        place = placement(way, items[a].shape, items[b].shape)
        rows.append(
            _row(items[a], items[b], "near")
            | {
                "score": round(float(result.score[k]), 4),
                "scale": round(place.scale, 4),
                "rotation_deg": round(place.rotation_deg, 2),
                "dx": round(place.dx, 4),
                "dy": round(place.dy, 4),
                "inverted": bool(pairs.sign[k] < 0),
                "mirrored": place.mirrored,
                "map": " ".join(f"{number:.5f}" for number in way.ravel()),
            }
        )
    return rows


def _row(a: Fingerprint, b: Fingerprint, kind: str) -> dict[str, object]:
    return {
        "path_a": a.path,
        "path_b": b.path,
        "kind": kind,
        "score": 1.0,
        "scale": 1.0,
        "rotation_deg": 0.0,
        "dx": 0.0,
        "dy": 0.0,
        "inverted": False,
        "mirrored": False,
        "map": "1 0 0 0 1 0",
    }
