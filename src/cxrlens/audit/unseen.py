"""Probabilities from networks that did not learn from the image in question."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from cxrlens.audit.retraining import Job
from cxrlens.evaluation.blocks import PROBABILITY_COLUMNS
from cxrlens.training.options import TrainingOptions

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Folds:
    """The train split in parts that share no patient and no radiograph.

    Args:
        rows: kept rows of the dataset, index 0..n-1.
        of: (n,) int64, fold of each train row, -1 of the others.
        count: of the folds.
    """

    rows: pd.DataFrame
    of: NDArray[np.int64]
    count: int


def make_folds(rows: pd.DataFrame, units: NDArray[np.int64], count: int, seed: int) -> Folds:
    """Folds of the train rows, alike in their classes, whole units each (scikit-learn's StratifiedGroupKFold)."""
    train = np.flatnonzero((rows["split"] == "train").to_numpy())
    of = np.full(len(rows), -1, dtype=np.int64)
    splitter = StratifiedGroupKFold(n_splits=count, shuffle=True, random_state=seed)
    labels = rows["label"].to_numpy()[train]
    for fold, (_, held) in enumerate(splitter.split(np.zeros(len(train)), labels, units[train])):
        of[train[held]] = fold
    return Folds(rows, of, count)


def fold_jobs(folds: Folds, labels: list[str], options: TrainingOptions, name: str) -> list[Job]:
    """A training a fold, which learns ``labels`` from the other folds and is asked about everything it did not see.

    Args:
        folds: of the train rows.
        labels: of every row of ``folds.rows``, in place of its own.
        options: of the trainings.
        name: of the set of jobs; a number follows.
    """
    rows = folds.rows.assign(label=labels)
    validation = rows[rows["split"] == "validation"]
    return [
        Job(
            f"{name}-{fold}",
            rows[(folds.of >= 0) & (folds.of != fold)],
            validation,
            rows[(folds.of == fold) | (folds.of < 0)],
            options,
        )
        for fold in range(folds.count)
    ]


def unseen_probabilities(folds: Folds, tables: list[pd.DataFrame]) -> Floats:
    """(n, K) of every row: its fold's network for a train row, the mean of all networks for the others.

    Nothing of what is said of a train image comes from validation, calibration or test labels, but for the epoch that
    validation chose: what follows for training may be used in training.
    """
    place = pd.Series(np.arange(len(folds.rows)), index=folds.rows["path"])
    total = np.zeros((len(folds.rows), len(PROBABILITY_COLUMNS)))
    times = np.zeros(len(folds.rows))
    for table in tables:
        at = place[table["path"]].to_numpy()
        total[at] += table[list(PROBABILITY_COLUMNS)].to_numpy(np.float64)
        times[at] += 1
    mean: Floats = total / times[:, None]
    return mean
