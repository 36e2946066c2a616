"""Separation: AUROC and FPR at 95 % TPR of a score between radiographs and strangers, with intervals by unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.evaluation.intervals import Interval, from_resamples, proportion
from cxrlens.evaluation.resampling import bootstrap_weights
from cxrlens.gate.spaces import Floats

KEPT = 0.95
"""Share of the radiographs that are accepted where the false positive rate is taken."""

Units = NDArray[np.intp]


def separation(
    inside: tuple[Floats, Units], outside: tuple[Floats, Units], bootstrap: Bootstrap
) -> tuple[Interval, Interval]:
    """How well a score tells strangers, which should score higher, from radiographs.

    Args:
        inside: scores (n,) of radiographs, and the patient (unit) behind each, 0..units-1.
        outside: scores (m,) of strangers, and the unit behind each.
        bootstrap: both groups are resampled by unit, apart.

    Returns:
        AUROC: the probability that a stranger scores above a radiograph, ties counting half. FPR at 95 % TPR: the share
        of strangers accepted by a limit that accepts 95 % of the radiographs (radiographs are the positives).
    """
    if not len(inside[0]) or not len(outside[0]):
        nothing = Interval(None, None, None, "no images")
        return nothing, nothing
    table = _Table(inside[0], outside[0])
    one = table(np.ones((1, len(inside[0]))), np.ones((1, len(outside[0]))))
    rng = np.random.default_rng(bootstrap.seed)
    drawn = [
        table(a, b)
        for a, b in zip(
            _rows(inside[1], bootstrap.resamples, rng), _rows(outside[1], bootstrap.resamples, rng), strict=True
        )
    ]
    area, accepted = (float(figure[0]) for figure in one)
    units = len(np.unique(outside[1]))
    if units < 2 or len(np.unique(inside[1])) < 2:
        reason = "one unit only: no interval"
        return Interval(area, None, None, reason), Interval(accepted, None, None, reason)
    areas, shares = (np.concatenate([each[which] for each in drawn]) for which in range(2))
    auroc = from_resamples(area, areas, "no images")
    if auroc.low == auroc.high:
        auroc = replace(auroc, reason="alike in every resample: see the share refused for the doubt")
    return auroc, proportion(accepted, shares, units, "no images")


class _Table:
    """Scores of both groups, sorted once; weights in, figures out."""

    def __init__(self, inside: Floats, outside: Floats) -> None:
        self.order = np.argsort(inside, kind="stable")
        self.ordered = inside[self.order]
        self.below = np.searchsorted(self.ordered, outside, side="left")
        self.not_above = np.searchsorted(self.ordered, outside, side="right")

    def __call__(self, inside: Floats, outside: Floats) -> tuple[Floats, Floats]:
        """AUROC and FPR (R,) for weights (R, n) and (R, m)."""
        summed = np.concatenate([np.zeros((len(inside), 1)), np.cumsum(inside[:, self.order], axis=1)], axis=1)
        total, strangers = summed[:, -1:], outside.sum(axis=1)
        beaten = (summed[:, self.below] + summed[:, self.not_above]) / 2
        auroc = (outside * beaten).sum(axis=1) / (total[:, 0] * strangers)
        # A stranger is accepted where it scores no higher than the limit: where less than 95 % score below it.
        accepted = summed[:, self.below] < KEPT * total - 1e-9
        return auroc, (outside * accepted).sum(axis=1) / strangers


def _rows(units: Units, resamples: int, rng: np.random.Generator) -> Iterator[Floats]:
    """(1, n) weights, ``resamples`` times; ones where there is one unit only."""
    drawn = bootstrap_weights(units, resamples, rng)
    rows = chain.from_iterable(np.split(part, len(part)) for part in drawn)
    if int(units.max()) < 1:
        yield from (np.ones((1, len(units))) for _ in range(resamples))
    else:
        yield from rows
