"""Is the flag worth anything? Do flagged maps miss the lesion more often than the others?"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from cxrlens.doubts import SHORT, Doubts
from cxrlens.doubts.places import Maps
from cxrlens.evaluation.intervals import from_resamples
from cxrlens.evaluation.resampling import bootstrap_weights, clusters
from cxrlens.explanation.heat import to_original
from cxrlens.explanation.localisation import scores_of_heat
from cxrlens.explanation.scorecard.judgements import above, below, spoken
from cxrlens.explanation.scorecard.lesions_hit import KINDS, marked
from cxrlens.explanation.scorecard.sample import Sample

FEWEST = 5
"""Films on each side below which nothing is said."""


def flag_worth(sample: Sample, maps: Maps, doubts: list[Doubts], named_right: np.ndarray) -> dict[str, Any]:
    """What share of flagged and of unflagged maps hit the lesion (hottest pixel within 15 pixels of it).

    Args:
        sample: n films.
        maps: (n, S, S) for the class that the network names: what its user sees.
        doubts: of each map.
        named_right: (n,) whether that class is the true one.

    Returns:
        ``n``, ``flagged``, ``by_reason`` (counts), ``without_reason``: over all films; ``right``: share rightly named
        among flagged and among the rest; ``real`` and ``phantom``: hits and energy of flagged and unflagged maps of
        films with a lesion, and their difference; for each reason alone too.
    """
    flagged = np.array([d.flagged for d in doubts])
    counts = Counter(key for d in doubts for key in d.reasons)
    return {
        "n": len(doubts),
        "flagged": int(flagged.sum()),
        "share": sample.mean(flagged.astype(float), share=True),
        "by_reason": {key: counts.get(key, 0) for key in SHORT},
        "right": _compared(sample, list(range(len(doubts))), named_right.astype(float), flagged),
        **{kind: _hits(sample, marked(sample, kind), maps, doubts) for kind in KINDS},
    }


def words_on_flag(worth: dict[str, Any]) -> str:
    """What the flag turned out to be worth, in a sentence or two."""
    said = [f"{worth['flagged']} of {worth['n']} maps carry the flag."]
    for kind, words in KINDS.items():
        found = worth[kind]
        if found is None:
            continue
        hit = found["hit"]
        on, off, difference = hit["flagged"], hit["unflagged"], hit["difference"]
        if difference["value"] is None:
            said.append(f"Whether flagged maps miss {words} more often cannot be answered: {difference['reason']}.")
            continue
        came = "do miss" if above(difference, 0) else "hit" if below(difference, 0) else "are not shown to miss"
        said.append(
            f"Flagged maps {came} {words} more often: {spoken(off)} of unflagged and {spoken(on)} of flagged maps hit "
            f"one (difference {spoken(difference, True)}; n = {off['n']} and {on['n']})."
        )
    right = worth["right"]
    if right["difference"]["value"] is not None:
        said.append(
            f"Beside unflagged maps {spoken(right['unflagged'])} of the names are right, beside flagged ones "
            f"{spoken(right['flagged'])}."
        )
    return " ".join(said)


def _hits(sample: Sample, numbers: list[int], maps: Maps, doubts: list[Doubts]) -> dict[str, Any] | None:
    if not numbers:
        return None
    scores = []
    for i in numbers:
        film = sample.films[i]
        assert film.lesion is not None
        scores.append(scores_of_heat(to_original(maps[i], film.placement), film.lesion))
    flagged = np.array([doubts[i].flagged for i in numbers])
    hit = np.array([s["pointing_15px"] for s in scores])
    by_reason = {
        key: _compared(sample, numbers, hit, np.array([key in doubts[i].reasons for i in numbers])) for key in SHORT
    }
    return {
        "hit": _compared(sample, numbers, hit, flagged),
        "energy": _compared(sample, numbers, np.array([s["energy"] for s in scores]), flagged),
        "hit_by_reason": by_reason,
    }


def _compared(sample: Sample, numbers: list[int], values: np.ndarray, flagged: np.ndarray) -> dict[str, Any]:
    """Means of flagged and unflagged films, and unflagged minus flagged with an interval by patient."""
    on, off = np.flatnonzero(flagged), np.flatnonzero(~flagged)
    chosen = np.asarray(numbers)
    result: dict[str, Any] = {
        "flagged": {"n": len(on), **sample.mean(values[on], chosen[on], share=True)},
        "unflagged": {"n": len(off), **sample.mean(values[off], chosen[off], share=True)},
    }
    if min(len(on), len(off)) < FEWEST:
        result["difference"] = {
            "value": None,
            "low": None,
            "high": None,
            "reason": f"{len(on)} flagged and {len(off)} unflagged are too few to compare",
        }
        return result
    units = clusters(sample.rows.iloc[chosen])
    drawn = []
    for times in bootstrap_weights(units, sample.bootstrap.resamples, np.random.default_rng(sample.bootstrap.seed)):
        with np.errstate(invalid="ignore", divide="ignore"):
            means = [(times[:, side] @ values[side]) / times[:, side].sum(axis=1) for side in (off, on)]
        drawn.append(means[0] - means[1])
    value = float(values[off].mean() - values[on].mean())
    result["difference"] = from_resamples(value, np.concatenate(drawn) if drawn else np.zeros(0), "").to_dict()
    return result
