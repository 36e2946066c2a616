"""How good a search for wrong labels is on this very dataset: some labels are changed on purpose, and looked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.evaluation.blocks import Bootstrap, mean_interval
from cxrlens.labels import CLASSES
from cxrlens.training.randomness import derived_seed

SHARE = 0.05
"""Of the labels that are changed."""


@dataclass(frozen=True, slots=True)
class Planted:
    """Changed labels.

    Args:
        labels: (n,) int64, as given to the search.
        changed: (n,) bool.
    """

    labels: NDArray[np.int64]
    changed: NDArray[np.bool_]


def plant(labels: NDArray[np.int64], seed: int, share: float = SHARE) -> Planted:
    """Change ``share`` of n labels, drawn at random, each to another class of those that occur, drawn at random."""
    rng = np.random.default_rng(derived_seed(seed, 0x5A5))
    present = np.unique(labels)
    drawn = rng.choice(len(labels), size=round(share * len(labels)), replace=False)
    flipped = labels.copy()
    for row in drawn:
        flipped[row] = rng.choice(present[present != labels[row]])
    return Planted(flipped, flipped != labels)


@dataclass(frozen=True, slots=True)
class Search:
    """What the search said, with and without planted labels.

    Args:
        before: (n,) bool, suspects among the labels as they are.
        after: (n,) bool, suspects among the labels with the planted ones.
        suggested: (n,) int64, the search's own label, with the planted ones.
    """

    before: NDArray[np.bool_]
    after: NDArray[np.bool_]
    suggested: NDArray[np.int64]


def found_again(
    rows: pd.DataFrame, planted: Planted, search: Search, units: NDArray[np.intp], bootstrap: Bootstrap
) -> dict[str, Any]:
    """Recall and precision of the planted labels, with 95 % intervals by patient; JSON values.

    ``recall``: of the changed labels, those suspected; by the class that they truly have (as far as the dataset says),
    and by source. ``recall_plausible``: of those changed to a class that the image's source has too: the others can be
    found by knowing the source alone, and real mistakes are not of that kind. ``renamed``: of those found, the ones
    whose old label the search suggests. ``precision``: of all that are suspected, those that were changed; a lower
    bound, since the dataset has wrong labels of its own. ``precision_of_new`` leaves out what was suspected before
    anything was changed. ``chance``: the recall of picking as many images at random.
    """
    changed, after = planted.changed, search.after
    original = np.array([CLASSES.index(label) for label in rows["label"]], dtype=np.int64)

    def share(of: NDArray[np.bool_], among: NDArray[np.bool_]) -> dict[str, Any]:
        inside = np.unique(units[among], return_inverse=True)[1].astype(np.intp)
        values = of[among].astype(np.float64)
        return {"n": int(among.sum()), **mean_interval(values, inside, bootstrap, share=True).to_dict()}

    source = rows["source"].to_numpy()
    held = set(zip(source, original.tolist(), strict=True))
    plausible = np.array([pair in held for pair in zip(source, planted.labels.tolist(), strict=True)], dtype=bool)
    return {
        "share_changed": SHARE,
        "recall": share(after, changed),
        "recall_plausible": share(after, changed & plausible),
        "recall_by_class": {c: share(after, changed & (original == k)) for k, c in enumerate(CLASSES)},
        "recall_by_source": {str(s): share(after, changed & (source == s)) for s in np.unique(source[changed])},
        "renamed": share(search.suggested == original, changed & after),
        "precision": share(changed, after),
        "precision_of_new": share(changed, after & ~search.before),
        "chance": float(after.mean()),
    }
