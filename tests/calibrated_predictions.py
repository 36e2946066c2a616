"""Predictions with a known truth: labels are drawn from the very probabilities, which are then distorted on purpose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from cxrlens.calibrated import tempered
from cxrlens.evaluation.blocks import PROBABILITY_COLUMNS, Bootstrap
from cxrlens.evaluation.evaluate import measure
from cxrlens.evaluation.prediction import PREDICTION_COLUMNS
from cxrlens.folders import RUN_FORMAT, DatasetFolder, RunFolder, write_json
from cxrlens.labels import CLASSES
from cxrlens.manifest import new_manifest, write_manifest

HASH = "ab" * 32


def honest(n: int, seed: int = 0, sharpness: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 4) probabilities and (n,) classes drawn from them: perfectly calibrated, about 0.75 right."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, sharpness, (n, 4))
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    truth = (rng.random((n, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(0, 3)
    return probabilities, truth


def table(
    probabilities: np.ndarray, truth: np.ndarray, *, split: str = "test", sources: tuple[str, ...] = ("north", "south")
) -> pd.DataFrame:
    """As ``predictions.csv`` holds them; no patients, sources in turn."""
    n = len(truth)
    rows = pd.DataFrame(probabilities, columns=list(PROBABILITY_COLUMNS))
    rows["path"] = [f"/films/{split}-{i}.png" for i in range(n)]
    rows["label"] = [CLASSES[k] for k in truth]
    rows["predicted"] = [CLASSES[k] for k in probabilities.argmax(axis=1)]
    rows["split"] = split
    rows["source"] = [sources[i % len(sources)] for i in range(n)]
    rows["collection"] = rows["source"]
    rows["patient_id"] = ""
    rows["duplicate_group"] = ""
    return rows[list(PREDICTION_COLUMNS)]


def distorted(
    n: int, temperature: float, *, seed: int = 0, split: str = "test", sharpness: float = 2.0
) -> pd.DataFrame:
    """Honest predictions sharpened: tempering them with ``temperature`` makes them honest again."""
    probabilities, truth = honest(n, seed, sharpness)
    return table(tempered(probabilities, 1 / temperature), truth, split=split)


def make_run(
    root: Path, predictions: pd.DataFrame, *, kind: str = "grouped", synthetic: bool = False, model: str = HASH
) -> RunFolder:
    """An evaluated run folder around these predictions, without weights, with a dataset beside it."""
    dataset, run = DatasetFolder(root / "dataset"), RunFolder(root / "run")
    rows = predictions[["path", "label", "split", "source", "collection", "patient_id", "duplicate_group"]]
    dataset.root.mkdir(parents=True)
    write_manifest(new_manifest(rows.to_dict("records")), dataset.manifest_path)
    write_json(dataset.curation_path, {"synthetic": synthetic})
    write_json(dataset.split_path, {"kind": kind})
    write_json(run.config_path, {"format": RUN_FORMAT, "dataset": str(dataset.root), "options": {}})
    write_json(run.model_path, {"format": RUN_FORMAT, "name": "plain", "size": 32, "weights_sha256": HASH})
    predictions.to_csv(run.predictions_path, index=False)
    measured = measure(predictions, Bootstrap(100), kind)
    facts = {
        "format": RUN_FORMAT,
        "model": {"name": "plain", "hash": model},
        "dataset": "toy",
        "dataset_hash": "cd" * 32,
    }
    write_json(run.metrics_path, {**facts, **measured})
    return run
