"""Relatives: sources of one hospital. One left out while films of its hospital stay is not left out at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pandas as pd

from cxrlens.sources.catalogue import home

RELATED = 0.10
"""Share of the smaller source's images, excluded ones counted too, that the other source holds as well, or whose like
it holds: films that were collected for the same public set."""


def relatives(manifest: pd.DataFrame) -> dict[str, dict[str, float]]:
    """For each source its relatives and how related they are, in [0, 1], the closest first.

    Public sets are merged from each other; curation keeps one of each group of copies, but the films beside them came
    from the same hospitals. Two things tell it, and the larger share counts: copies found in the pictures, whatever the
    sources are called, and the catalogue of public sets, where it knows both names
    (:func:`cxrlens.sources.catalogue.home`); a sample of a set may share no film with another one.

    Args:
        manifest: every row, excluded ones too, with ``source``, ``label`` and ``duplicate_group``.
    """
    sizes = manifest["source"].value_counts()
    grouped = manifest[manifest["duplicate_group"] != ""].groupby("source")["duplicate_group"].agg(set)
    groups = {str(source): set(found) for source, found in grouped.items()}
    homes = _homes(manifest)
    result: dict[str, dict[str, float]] = {str(source): {} for source in sizes.index}
    for one in result:
        for other in result:
            copies = len(groups.get(one, set()) & groups.get(other, set()))
            alike = (homes[one] & homes[other]).total()
            share = max(copies, alike) / int(min(sizes[one], sizes[other]))
            if one != other and share >= RELATED:
                result[one][other] = round(share, 4)
    return {source: closest_first(found) for source, found in result.items()}


def _homes(manifest: pd.DataFrame) -> dict[str, Counter[str]]:
    """For each source how many of its images were collected for which public set, as far as the catalogue knows."""
    found: dict[str, Counter[str]] = {}
    for (source, label), n in Counter(zip(manifest["source"], manifest["label"], strict=True)).items():
        counted = found.setdefault(str(source), Counter())
        name = home(str(source), str(label))
        if name:
            counted[name] += n
    return found


def closest_first(shares: Mapping[str, float]) -> dict[str, float]:
    """The same, the largest share first, names deciding between equals."""
    return dict(sorted(shares.items(), key=lambda pair: (-pair[1], pair[0])))
