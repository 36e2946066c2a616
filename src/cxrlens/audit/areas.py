"""How well numbers tell one class from the rest: areas under the ROC curve of many columns at once, within strata."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.evaluation.intervals import Interval, proportion
from cxrlens.evaluation.resampling import bootstrap_weights

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Wins:
    """Pairs of a positive and a negative image, both of one stratum and both with a value.

    Args:
        won: (F,) pairs in which the positive has the larger value; a tie counts half.
        pairs: (F,) how many there are.
    """

    won: Floats
    pairs: Floats

    @property
    def areas(self) -> Floats:
        """(F,) area under the ROC curve over the pairs of all strata together; NaN where there is no pair."""
        return np.divide(self.won, self.pairs, out=np.full_like(self.won, np.nan), where=self.pairs > 0)


class Ranked:
    """Values ranked once within each stratum, to be asked about any class.

    The area of a column is the Mann-Whitney statistic over its pairs (Hanley and McNeil 1982, Radiology 143), so that a
    whole table is done by one ranking. With strata only pairs within one are compared: what differs between them tells
    nothing.

    Args:
        values: (n, F), NaN where an image has no value: it is in no pair of that column.
        strata: (n,) stratum of each row.
    """

    def __init__(self, values: NDArray[np.floating], strata: Codes) -> None:
        self._columns = values.shape[1]
        self._of: list[tuple[int, Codes, Floats]] = []
        for stratum in np.unique(strata):
            rows = np.flatnonzero(strata == stratum)
            there = np.isfinite(values[rows])
            ranks = rankdata(np.where(there, values[rows], np.inf), axis=0)  # those without a value come last
            self._of.append((int(stratum), rows, np.where(there, ranks, 0.0)))

    def wins(self, positive: Bools, among: Container[int] | None = None) -> Wins:
        """Of the (n,) positive rows over the others; ``among``: only these strata."""
        won, pairs = np.zeros(self._columns), np.zeros(self._columns)
        for stratum, rows, ranks in self._of:
            mine = positive[rows]
            if mine.any() and not mine.all() and (among is None or stratum in among):
                ones = np.count_nonzero(ranks[mine], axis=0)
                won += ranks[mine].sum(axis=0) - ones * (ones + 1) / 2
                pairs += ones * (np.count_nonzero(ranks, axis=0) - ones)
        return Wins(won, pairs)


def area_interval(scores: Floats, positive: Bools, strata: Codes, units: Codes, bootstrap: Bootstrap) -> Interval:
    """Area under the ROC curve within strata, with its 95 % interval by patient.

    Args:
        scores: (n,) higher speaks for the class.
        positive: (n,) of the class.
        strata: (n,) only pairs within one are compared.
        units: (n,) what is drawn again.
        bootstrap: resamples and seed.

    Returns:
        Wilson's interval of the patients in the smaller group where all pairs are won or lost: no resample doubts it.
    """
    value = float(_weighted(scores, positive, strata, np.ones((1, len(scores))))[0])
    numbered = np.unique(units, return_inverse=True)[1].astype(np.intp)
    rng = np.random.default_rng(bootstrap.seed)
    parts = [_weighted(scores, positive, strata, w) for w in bootstrap_weights(numbered, bootstrap.resamples, rng)]
    drawn = np.concatenate(parts) if parts else np.zeros(0)
    fewer = min(len(np.unique(units[positive])), len(np.unique(units[~positive])))
    return proportion(value, drawn, fewer, "no pair of images to compare")


def _weighted(scores: Floats, positive: Bools, strata: Codes, weights: Floats) -> Floats:
    """(R,) area of each row of (R, n) weights; NaN where a resample holds no pair."""
    won, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        order = rows[np.argsort(scores[rows], kind="stable")]
        ordered, mine = scores[order], positive[order]
        starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        drawn = weights[:, order]
        above = np.add.reduceat(np.where(mine, drawn, 0.0), starts, axis=1)
        below = np.add.reduceat(np.where(mine, 0.0, drawn), starts, axis=1)
        won += (above * (np.cumsum(below, axis=1) - below / 2)).sum(axis=1)
        pairs += above.sum(axis=1) * below.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(pairs > 0, won / pairs, np.nan)
