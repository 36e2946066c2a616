"""Cramér's V without its bias, with an interval by unit and what chance alone would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.evaluation.intervals import Interval, from_resamples
from cxrlens.evaluation.resampling import bootstrap_weights

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

_AT_ONCE = 100  # shufflings; keeps memory flat


@dataclass(frozen=True, slots=True)
class Strength:
    """How strongly rows and columns of a table go together, bias-corrected (Bergsma 2013, J. Korean Stat. Soc. 42).

    Args:
        v: (R,) Cramér's V in [0, 1]; 0 where a table has one row or one column.
        w: (R,) Cohen's effect size, the root of χ²/n: 0.3 is medium and 0.5 large whatever the number of rows and
            columns (Cohen 1988, Statistical Power Analysis, chapter 7).
    """

    v: Floats
    w: Floats


def strength(tables: Floats) -> Strength:
    """Of (R, r, c) tables of counts, which may be weights; empty rows and columns do not count."""
    n = tables.sum(axis=(1, 2))
    rows, columns = tables.sum(axis=2), tables.sum(axis=1)
    expected = rows[:, :, None] * columns[:, None, :] / np.maximum(n, 1e-12)[:, None, None]
    parts = np.divide((tables - expected) ** 2, expected, out=np.zeros_like(tables), where=expected > 0)
    r, c = ((margin > 0).sum(axis=1).astype(np.float64) for margin in (rows, columns))
    less = np.maximum(n - 1, 1e-12)
    phi2 = np.maximum(0.0, parts.sum(axis=(1, 2)) / np.maximum(n, 1e-12) - (r - 1) * (c - 1) / less)
    smaller = np.minimum(r - (r - 1) ** 2 / less, c - (c - 1) ** 2 / less) - 1
    fit = (np.minimum(r, c) > 1) & (smaller > 0)
    v = np.sqrt(np.divide(phi2, smaller, out=np.zeros_like(phi2), where=fit))
    return Strength(np.minimum(v, 1.0), np.where(fit, np.sqrt(phi2), 0.0))


def count(classes: Codes, kinds: Codes) -> Floats:
    """(1, r, c) counts of two (n,) codes."""
    table = np.zeros((1, int(classes.max()) + 1, int(kinds.max()) + 1))
    np.add.at(table[0], (classes, kinds), 1)
    return table


def one_against_rest(tables: Floats) -> list[Floats]:
    """The (R, 2, c) table of each class against all the others, from (R, r, c)."""
    whole = tables.sum(axis=1)
    return [np.stack([tables[:, k], whole - tables[:, k]], axis=1) for k in range(tables.shape[1])]


def v_interval(classes: Codes, kinds: Codes, units: Codes, bootstrap: Bootstrap) -> Interval:
    """V of two (n,) codes, 95 % interval resampled by unit and centred, since resampling strengthens association."""
    value = float(strength(count(classes, kinds)).v[0])
    r, c = int(classes.max()) + 1, int(kinds.max()) + 1
    cells = np.zeros((len(classes), r * c))
    cells[np.arange(len(classes)), classes * c + kinds] = 1.0
    rng = np.random.default_rng(bootstrap.seed)
    drawn = [strength((w @ cells).reshape(-1, r, c)).v for w in bootstrap_weights(units, bootstrap.resamples, rng)]
    found = from_resamples(value, np.concatenate(drawn) if drawn else np.zeros(0), "no images", centred=True)
    if found.high is None or found.high <= 1.0:
        return found
    return Interval(found.value, found.low, 1.0, found.reason)


def shuffled(classes: Codes, units: Codes, times: int, rng: np.random.Generator) -> Codes:
    """(times, n) classes as they would lie if they had nothing to do with anything but the unit.

    The classes of whole units change places; a larger unit repeats what it is given. So images of one patient stay
    together, as they must (Winkler et al. 2015, NeuroImage 123, on exchangeability blocks).
    """
    order = np.argsort(units, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(units[order]) != 0]))
    sizes = np.diff(np.concatenate([starts, [len(units)]]))
    inside = np.arange(len(units)) - np.repeat(starts, sizes)
    result = np.empty((times, len(classes)), dtype=np.intp)
    for t in range(times):
        giver = rng.permutation(len(starts))
        place = np.repeat(starts[giver], sizes) + inside % np.repeat(sizes[giver], sizes)
        result[t, order] = classes[order[place]]
    return result


def strongest_by_chance(permuted: Codes, features: Sequence[Codes]) -> Floats:
    """(times,) the largest w of any feature, overall or of one class against the rest, for each shuffling of classes.

    What the strongest of many associations must beat (Westfall and Young 1993, the maximum statistic).

    Args:
        permuted: (times, n) shuffled classes.
        features: (n,) codes each.
    """
    most = np.zeros(len(permuted))
    kinds = np.arange(int(permuted.max()) + 1)
    for start in range(0, len(permuted), _AT_ONCE):
        here = slice(start, start + _AT_ONCE)
        members = (permuted[here][:, None, :] == kinds[:, None]).astype(np.float64)  # (t, r, n)
        for codes in features:
            columns = np.zeros((len(codes), int(codes.max()) + 1))
            columns[np.arange(len(codes)), codes] = 1.0
            tables = members @ columns
            for each in (tables, *one_against_rest(tables)):
                most[here] = np.maximum(most[here], strength(each).w)
    return most
