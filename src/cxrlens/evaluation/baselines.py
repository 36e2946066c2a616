"""What a guess without looking at the lungs would score: the ceiling that a shortcut alone reaches."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.evaluation.blocks import Bootstrap, accuracy_of, mean_interval
from cxrlens.evaluation.resampling import clusters
from cxrlens.labels import CLASSES


def baselines(train: pd.DataFrame, test: pd.DataFrame, bootstrap: Bootstrap) -> dict[str, Any]:
    """Accuracy on the test of two guesses learned from train, and how far the model is above each.

    ``majority_class`` names the most frequent class always; ``source_majority`` names the most frequent class of the
    image's source. Public four-class sets nearly give the class away by the source (Maguolo and Nanni 2021, Information
    Fusion 76; DeGrave 2021, Nature Machine Intelligence 3), so the second is the honest thing to be compared with.

    Args:
        train: rows of predictions of the training split.
        test: rows of predictions to score.
        bootstrap: resamples and seed.

    Returns:
        For each baseline ``accuracy`` and ``model_minus_baseline`` (paired, by patient), and what it guesses; for the
        second also its accuracy ``by_source``.
    """
    overall = majority(train["label"]) if len(train) else CLASSES[0]
    by_source = {str(name): majority(rows["label"]) for name, rows in train.groupby("source", sort=True)}
    unseen = sorted({str(s) for s in test["source"]} - set(by_source))
    guesses = {
        "majority_class": [overall] * len(test),
        "source_majority": [by_source.get(str(s), overall) for s in test["source"]],
    }
    meanings = {
        "majority_class": "always names the most frequent class of the training split",
        "source_majority": "names the most frequent training class of the image's source, and never looks at the image",
    }
    labels, units = test["label"].to_numpy(), clusters(test)
    model = test["predicted"].to_numpy() == labels
    result: dict[str, Any] = {}
    for name, guessed in guesses.items():
        right: NDArray[np.bool_] = np.array(guessed, dtype=object) == labels
        gain = model.astype(np.float64) - right.astype(np.float64)
        result[name] = {
            "meaning": meanings[name],
            "accuracy": accuracy_of(right, units, bootstrap).to_dict(),
            "model_minus_baseline": mean_interval(gain, units, bootstrap).to_dict(),
        }
    result["majority_class"]["guess"] = overall
    result["source_majority"]["guess"] = by_source
    result["source_majority"]["unseen_sources"] = unseen
    right = np.array(guesses["source_majority"], dtype=object) == labels
    shares = pd.Series(right.astype(float)).groupby(test["source"].astype(str).to_numpy()).mean()
    result["source_majority"]["by_source"] = {str(name): round(float(share), 6) for name, share in shares.items()}
    return result


def majority(labels: pd.Series[str]) -> str:
    """Most frequent label; the first in class order where two are equal."""
    counts = Counter(labels)
    return max(CLASSES, key=lambda label: (counts[label], -CLASSES.index(label)))
