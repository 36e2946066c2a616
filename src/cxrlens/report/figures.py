"""Figures with intervals out of ``metrics.json``: parsed once, compared with the guesses that need no radiograph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cxrlens.labels import CLASSES

SMALL_SOURCE = 20
"""A source with fewer images in a split is shown, but not called the weakest: its interval spans half the scale."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A value with its 95 % interval; ``low`` and ``high`` are ``None`` where none was computed."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class SourceFigure:
    """Accuracy on one source of one split."""

    source: str
    n: int
    accuracy: Measured | None


@dataclass(frozen=True, slots=True)
class Guesses:
    """Accuracy of guessing, on one split, from what training saw.

    Args:
        commonest_class: share of the split that has training's commonest class.
        commonest_of_source: share that has the commonest training class of its own source (what a model that
            recognises the hospital and nothing else would score); training's commonest class for an unseen source.
    """

    commonest_class: float
    commonest_of_source: float
    class_name: str


def parse(value: Any) -> Measured | None:
    """A figure from ``{"value", "low", "high"}`` or a bare number; ``None`` for null, NaN or anything else."""
    if isinstance(value, Mapping):
        inner = parse(value.get("value"))
        if inner is None:
            return None
        low, high = parse(value.get("low")), parse(value.get("high"))
        return Measured(inner.value, low.value if low else None, high.value if high else None)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return Measured(float(value))


def split_metrics(metrics: Mapping[str, Any] | None, split: str) -> Mapping[str, Any] | None:
    """The block of one split; ``None`` where it was not measured or holds no image."""
    block = (metrics or {}).get(split)
    return block if isinstance(block, Mapping) and block.get("n") else None


def by_source(block: Mapping[str, Any]) -> list[SourceFigure]:
    """Sources of one split, the most images first."""
    rows = [
        SourceFigure(str(name), int(row.get("n", 0)), parse(row.get("accuracy")))
        for name, row in (block.get("per_source") or {}).items()
    ]
    return sorted(rows, key=lambda row: (-row.n, row.source))


def weakest_source(block: Mapping[str, Any]) -> SourceFigure | None:
    """The source of at least :data:`SMALL_SOURCE` images with the lowest accuracy; ``None`` where there is only one."""
    large = [row for row in by_source(block) if row.n >= SMALL_SOURCE and row.accuracy is not None]
    return min(large, key=lambda row: row.accuracy.value if row.accuracy else 1.0) if len(large) > 1 else None


def class_names(block: Mapping[str, Any]) -> list[str]:
    """Classes in the house's order; a class that is not one of the four comes last."""
    names = [str(name) for name in block.get("per_class") or {}]
    return sorted(names, key=lambda name: CLASSES.index(name) if name in CLASSES else len(CLASSES))


def guesses(kept: pd.DataFrame, split: str) -> Guesses | None:
    """What guessing scores on ``split`` when it learns from ``train``; ``None`` where either has no image."""
    train, asked = kept[kept["split"] == "train"], kept[kept["split"] == split]
    if not len(train) or not len(asked):
        return None
    commonest = str(train["label"].value_counts().index[0])
    of_source = {source: str(rows.value_counts().index[0]) for source, rows in train.groupby("source")["label"]}
    guessed = asked["source"].map(lambda source: of_source.get(source, commonest))
    return Guesses(
        commonest_class=float((asked["label"] == commonest).mean()),
        commonest_of_source=float((asked["label"] == guessed).mean()),
        class_name=commonest,
    )
