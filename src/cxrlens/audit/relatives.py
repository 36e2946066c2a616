"""Relatives: sources that hold each other's radiographs. One left out while its copies stay is not left out at all."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

RELATED = 0.10
"""Share of the smaller source's images, excluded copies counted too, whose radiograph the other source holds too."""


def relatives(manifest: pd.DataFrame) -> dict[str, dict[str, float]]:
    """For each source its relatives and how related they are, in [0, 1], the closest first.

    Public sets are merged from each other; curation keeps one of each group of copies, but the films beside them came
    from the same hospitals.

    Args:
        manifest: every row, excluded ones too, with ``source`` and ``duplicate_group``.
    """
    sizes = manifest["source"].value_counts()
    grouped = manifest[manifest["duplicate_group"] != ""].groupby("source")["duplicate_group"].agg(set)
    groups = {str(source): set(found) for source, found in grouped.items()}
    result: dict[str, dict[str, float]] = {str(source): {} for source in sizes.index}
    for one, mine in groups.items():
        for other, theirs in groups.items():
            share = len(mine & theirs) / int(min(sizes[one], sizes[other]))
            if one != other and share >= RELATED:
                result[one][other] = round(share, 4)
    return {source: closest_first(found) for source, found in result.items()}


def closest_first(shares: Mapping[str, float]) -> dict[str, float]:
    """The same, the largest share first, names deciding between equals."""
    return dict(sorted(shares.items(), key=lambda pair: (-pair[1], pair[0])))
