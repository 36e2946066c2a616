"""Which small place outside the lungs tells a class best: chosen on some patients, measured on the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.audit.areas import Ranked, area_interval
from cxrlens.audit.case import FEWEST
from cxrlens.audit.places import STATISTICS, Places
from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.labels import CLASSES
from cxrlens.training.randomness import derived_seed

FOLDS = 5

FEW = FEWEST // 2
"""Images of the class, and of others, below which a source adds no pairs of its own."""

ALONE = 50
"""Images of the class, and of others, from which a source is searched by itself: there are many sources to be unlucky
in."""

APART = 2
"""Steps of the grid up to which two places overlap: those further off are other places."""

ALIKE = 0.5
"""Share of the found place's advantage over chance from which another place tells much the same: the half maximum, by
which the width of any peak is measured. A mark is narrow, a look is wide."""

_STREAM = 0x91ACE  # of the folds' seed

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.intp]


@dataclass(frozen=True)
class Images:
    """What the search looks at.

    Args:
        labels: (n,) class of each image.
        sources: (n,) its source.
        units: (n,) what stands or falls together: patients, copies of one film.
        fold: (n,) 0..FOLDS-1, whole units each.
        places: of the same n.
    """

    labels: NDArray[np.str_]
    sources: NDArray[np.str_]
    units: Codes
    fold: Codes
    places: Places

    def of(self, mine: Bools) -> Images:
        """Those alone."""
        return Images(self.labels[mine], self.sources[mine], self.units[mine], self.fold[mine], self.places.of(mine))

    def asked(self, fewest: int = FEWEST) -> tuple[str, ...]:
        """Classes with enough images, and enough others beside them, to be told from the rest."""
        sizes = {c: int((self.labels == c).sum()) for c in CLASSES}
        return tuple(c for c, n in sizes.items() if n >= fewest and len(self.labels) - n >= fewest)


def images_of(rows: pd.DataFrame, places: Places, units: NDArray[np.int64], seed: int) -> Images:
    """Deal the ``units`` (n,) of n rows out to the folds, at random, those of a class in turn."""
    labels = rows["label"].to_numpy(dtype=str)
    first, of = np.unique(units, return_index=True, return_inverse=True)[1:]
    order = np.lexsort((np.random.default_rng(derived_seed(seed, _STREAM)).random(len(first)), labels[first]))
    fold = np.empty(len(first), dtype=np.intp)
    fold[order] = np.arange(len(first)) % FOLDS
    return Images(labels, rows["source"].to_numpy(dtype=str), units.astype(np.intp), fold[of], places)


def search(images: Images, labels: Sequence[str], bootstrap: Bootstrap, *, within: bool = False) -> dict[str, Any]:
    """The best place of each class, and how well it tells the class where it was not chosen.

    In each of :data:`FOLDS` turns the place, the statistic and its direction are chosen on four fifths of the patients,
    and told on the fifth left out: the figure owes nothing to the width of the search, and needs no correction for it.

    Args:
        images: what to look at; at least one place.
        labels: classes to ask about.
        bootstrap: resamples and seed.
        within: compare only images of one source, over all sources that hold :data:`FEW` of the class and of others.

    Returns:
        By class, JSON values: ``n`` and ``n_class`` images, of which ``seen`` is the share whose place was free of
        lung; ``auroc`` (interval, by patient); the place told best (``row``, ``column``), its ``statistic`` and whether
        the class has ``more`` of it; ``turns`` that chose it or one that overlaps it; ``elsewhere``, the share of the
        places further off that have :data:`ALIKE` of its advantage over chance (none where nothing is told); ``map``,
        each place's own area in the order of ``Places.cells``. A class without pairs is left out.
    """
    strata = np.unique(images.sources, return_inverse=True)[1] if within else np.zeros(len(images.labels))
    strata = strata.astype(np.intp)
    flat = images.places.values.reshape(len(strata), -1)
    turns = []
    for k in range(FOLDS):
        held = images.fold == k
        turns.append(_Turn(held, Ranked(flat[~held], strata[~held]), Ranked(flat[held], strata[held])))
    found = {}
    for label in labels:
        positive = images.labels == label
        among = _with_pairs(strata, positive) if within else {0}
        if among:
            found[label] = _of_class(images, turns, positive, strata, among, bootstrap)
    return found


@dataclass(frozen=True, slots=True)
class _Turn:
    held: Bools
    learnt: Ranked
    told: Ranked


def _with_pairs(strata: Codes, positive: Bools) -> set[int]:
    ones, all_of = np.bincount(strata[positive], minlength=strata.max() + 1), np.bincount(strata)
    return set(np.flatnonzero((ones >= FEW) & (all_of - ones >= FEW)).tolist())


def _of_class(
    images: Images, turns: Sequence[_Turn], positive: Bools, strata: Codes, among: set[int], bootstrap: Bootstrap
) -> dict[str, Any]:
    n, places, kinds = images.places.values.shape
    flat = images.places.values.reshape(n, -1)
    scores, chosen, total = np.full(n, np.nan), [], np.zeros(places * kinds)
    won, pairs = np.zeros(places), np.zeros(places)
    for turn in turns:
        learnt = turn.learnt.wins(positive[~turn.held], among)
        # Pairs that a place cannot show count as ties: else the few pairs of a place that is rarely seen would win.
        lead = (learnt.won - learnt.pairs / 2) / max(1.0, float(learnt.pairs.max()))
        total += lead
        one = int(np.argmax(np.abs(lead)))
        chosen.append(one // kinds)
        scores[turn.held] = flat[turn.held, one] * (1 if lead[one] >= 0 else -1)
        best = np.argmax(np.abs(lead).reshape(places, kinds), axis=1) + np.arange(places) * kinds
        wins = turn.told.wins(positive[turn.held], among)
        won += np.where(lead[best] >= 0, wins.won[best], wins.pairs[best] - wins.won[best])
        pairs += wins.pairs[best]
    use = np.isin(strata, list(among))
    seen = use & np.isfinite(scores)
    apart = strata * FOLDS + images.fold  # scores of different turns are on different scales
    area = area_interval(scores[seen], positive[seen], apart[seen], images.units[seen], bootstrap)
    named = int(np.argmax(np.abs(total)))
    place = images.places.cells[named // kinds]
    far = np.abs(images.places.cells - place).max(axis=1) > APART
    areas = np.divide(won, pairs, out=np.full(places, np.nan), where=pairs > 0)
    ahead = (area.value or 0.5) - 0.5
    elsewhere = float(np.mean(areas[far] - 0.5 >= ALIKE * ahead)) if far.any() and ahead > 0 else None
    return {
        "n": int(use.sum()),
        "n_class": int((use & positive).sum()),
        "seen": round(float(seen.sum() / use.sum()), 4),
        "auroc": area.to_dict(),
        "row": int(place[0]),
        "column": int(place[1]),
        "statistic": STATISTICS[named % kinds],
        "more": bool(total[named] >= 0),
        "turns": int((~far[chosen]).sum()),
        "elsewhere": None if elsewhere is None else round(elsewhere, 4),
        "map": [None if np.isnan(a) else round(float(a), 3) for a in areas],
    }
