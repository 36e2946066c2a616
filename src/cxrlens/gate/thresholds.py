"""Limits from the validation part, for a stated share of false refusals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cxrlens.gate.checks import CHECKS, Limit
from cxrlens.gate.spaces import Floats

_BEYOND = 0.25  # where no image may be refused: so much farther from the usual than the farthest seen
_NARROWEST = 1e-6


def limits_of(scores: Sequence[Mapping[str, float]], rate: float) -> tuple[dict[str, Limit], float]:
    """A limit for every check, so that all together refuse at most ``rate`` of these radiographs.

    Every learnt check gives away the same number of radiographs, the largest for which the share that any of them
    refuses stays within ``rate``. Where that number is none, the limit lies a quarter farther from the median
    than the largest score seen: so few images hold no knowledge of a tail.

    Args:
        scores: of n radiographs, unaltered, as the examiner gives them.
        rate: share of false refusals, in [0, 1).

    Returns:
        The limits, and the share of the n that they refuse.
    """
    learnt = [check for check in CHECKS.values() if not check.fixed]
    table = {check.name: np.array([s[check.name] for s in scores if check.name in s]) for check in learnt}
    most = min((len(values) for values in table.values()), default=0)
    chosen = {check.name: _limit(table[check.name], 0, check.least) for check in learnt}
    for given_away in range(1, most):
        tried = {check.name: _limit(table[check.name], given_away, check.least) for check in learnt}
        if refused(scores, tried) > rate:
            break
        chosen = tried
    fixed = {check.name: Limit(0.0, check.least) for check in CHECKS.values() if check.fixed}
    every = {name: {**fixed, **chosen}[name] for name in CHECKS}
    return every, refused(scores, every)


def refused(scores: Sequence[Mapping[str, float]], limits: Mapping[str, Limit]) -> float:
    """Share of n radiographs with a score above its limit."""
    return float(np.mean([any(s[name] > limit.limit for name, limit in limits.items() if name in s) for s in scores]))


def quantile_limit(values: Floats, rate: float, least: float) -> float:
    """Score that at most ``rate`` of the values (n,) lie above, and never below ``least``."""
    if not len(values):
        return least
    return max(least, float(np.quantile(values, 1.0 - rate, method="higher")))


def _limit(values: Floats, given_away: int, least: float) -> Limit:
    usual, ordered = float(np.median(values)), np.sort(values)
    limit = float(ordered[-1 - given_away]) if given_away else float(ordered[-1] + _BEYOND * (ordered[-1] - usual))
    return Limit(usual, max(limit, least, usual + _NARROWEST))
