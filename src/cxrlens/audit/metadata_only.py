"""A classifier that is never shown a pixel: how far the metadata of a file go towards the class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from cxrlens.audit.metadata import Fact
from cxrlens.audit.recall import Recall, difference, recall_of
from cxrlens.evaluation.blocks import PROBABILITY_COLUMNS, Bootstrap
from cxrlens.evaluation.metrics import mean_of_present, ratio
from cxrlens.evaluation.resampling import bootstrap_weights, clusters
from cxrlens.labels import CLASSES

TREES, LEAF = 200, 3
"""Of the random forest: no tuning, so that nothing is chosen on the images that it is measured on."""

_KINDS = 30  # of a fact, by themselves; rarer ones are none of them
_REPEATS = 5  # shufflings of a fact for its importance

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Encoder:
    """Facts to numbers: a number as it is (-1 where there is none), a kind as a column of its own."""

    facts: tuple[Fact, ...]
    kinds: dict[str, list[str]]

    @classmethod
    def of(cls, table: pd.DataFrame, facts: Sequence[Fact]) -> _Encoder:
        kinds = {f.name: [str(k) for k in table[f.name].value_counts().index[:_KINDS]] for f in facts if not f.number}
        return cls(tuple(facts), kinds)

    def __call__(self, table: pd.DataFrame) -> Floats:
        columns: list[Floats] = []
        for fact in self.facts:
            if fact.number:
                columns.append(np.nan_to_num(table[fact.name].to_numpy(dtype=np.float64), nan=-1.0))
            else:
                cells = table[fact.name].to_numpy()
                columns += [(cells == kind).astype(np.float64) for kind in self.kinds[fact.name]]
        return np.stack(columns, axis=1)


def metadata_only(
    train: pd.DataFrame, asked: pd.DataFrame, facts: Sequence[Fact], bootstrap: Bootstrap
) -> tuple[Recall, dict[str, Any]]:
    """Learn the class from ``facts`` alone on ``train``, and name the classes of ``asked``.

    A random forest (Breiman 2001), classes weighted so that none is favoured for being frequent.

    Args:
        train: images with ``label`` and a column for each fact.
        asked: other images, measured on, with ``source``, ``patient_id`` and ``duplicate_group`` for the intervals.
        facts: what the classifier is told.
        bootstrap: resamples and seed; the seed is the forest's too.

    Returns:
        Balanced accuracy on ``asked``, and the importance of each fact, largest first: the loss of balanced accuracy
        when its values are shuffled among the images, with its interval.
    """
    encode = _Encoder.of(train, facts)
    forest = RandomForestClassifier(
        TREES, min_samples_leaf=LEAF, class_weight="balanced", random_state=bootstrap.seed
    ).fit(encode(train), train["label"])
    whole = recall_of(_named(forest, encode(asked), asked), bootstrap)
    rng = np.random.default_rng(bootstrap.seed)
    right = np.zeros((len(asked), 1 + len(facts)))
    right[:, 0] = forest.predict(encode(asked)) == asked["label"]
    for k, fact in enumerate(facts, start=1):
        mixed = pd.concat([asked] * _REPEATS, ignore_index=True)
        mixed[fact.name] = np.concatenate(
            [asked[fact.name].to_numpy()[rng.permutation(len(asked))] for _ in range(_REPEATS)]
        )
        hits = forest.predict(encode(mixed)) == mixed["label"].to_numpy()
        right[:, k] = hits.reshape(_REPEATS, len(asked)).mean(axis=0)
    losses = _losses(right, asked, bootstrap)
    found = {fact.name: loss for fact, loss in zip(facts, losses, strict=True)}
    return whole, dict(sorted(found.items(), key=lambda item: -(item[1]["value"] or 0.0)))


def _named(forest: Any, told: Floats, asked: pd.DataFrame) -> pd.DataFrame:
    table = asked[["label", "source", "patient_id", "duplicate_group"]].copy()
    table[list(PROBABILITY_COLUMNS)] = 0.0
    shares = forest.predict_proba(told)
    for k, label in enumerate(forest.classes_):
        table[PROBABILITY_COLUMNS[CLASSES.index(label)]] = shares[:, k]
    return table


def _losses(right: Floats, asked: pd.DataFrame, bootstrap: Bootstrap) -> list[dict[str, Any]]:
    """Balanced accuracy of column 0 of (n, 1 + F) ``right`` minus that of each other column, paired by resample."""
    members = np.stack([asked["label"] == label for label in sorted(set(asked["label"]))], axis=1).astype(np.float64)

    def balanced(weights: Floats) -> Floats:
        sizes = weights @ members
        hits = np.stack([weights @ (members[:, [k]] * right) for k in range(members.shape[1])], axis=2)
        return mean_of_present(ratio(hits, sizes[:, None, :]).reshape(-1, members.shape[1])).reshape(hits.shape[:2])

    rng = np.random.default_rng(bootstrap.seed)
    parts = [balanced(w) for w in bootstrap_weights(clusters(asked), bootstrap.resamples, rng)]
    drawn = np.concatenate(parts) if parts else np.zeros((0, right.shape[1]))
    value = balanced(np.ones((1, len(asked))))[0]
    columns = range(1, right.shape[1])
    return [difference(float(value[0] - value[k]), drawn[:, 0], drawn[:, k]).to_dict() for k in columns]
