"""From packed pixels to a table of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from cxrlens.batches import PackedPixels
from cxrlens.evaluation.blocks import PROBABILITY_COLUMNS
from cxrlens.labels import CLASSES
from cxrlens.progress import Progress

PREDICTION_COLUMNS: tuple[str, ...] = (
    "path",
    "label",
    "predicted",
    *PROBABILITY_COLUMNS,
    "split",
    "source",
    "collection",
    "patient_id",
    "duplicate_group",
)
"""Columns of ``predictions.csv``."""


def predict_table(
    module: nn.Module, rows: pd.DataFrame, packed: PackedPixels, progress: Progress, batch: int = 128
) -> pd.DataFrame:
    """Predict n rows of a manifest from their packed pixels.

    Args:
        module: network in eval mode, (B, 1, S, S) float32 in [0, 1] to (B, 4) logits.
        rows: n rows of a manifest, every one of them packed.
        packed: preprocessed pixels of the dataset.
        progress: shown over batches.
        batch: images at once.

    Returns:
        n rows with :data:`PREDICTION_COLUMNS`, index 0..n-1, in the order given.
    """
    table = rows.reset_index(drop=True)
    places = packed.rows(list(table["path"]))
    probabilities = probabilities_of(module, packed, places, progress, batch)
    table["predicted"] = [CLASSES[k] for k in probabilities.argmax(axis=1)]
    for k, column in enumerate(PROBABILITY_COLUMNS):
        table[column] = probabilities[:, k]
    return table[list(PREDICTION_COLUMNS)]


def read_predictions(path: Path) -> pd.DataFrame:
    """A table of predictions as it was written: probabilities as numbers, every other cell as text."""
    text = {name: str for name in PREDICTION_COLUMNS if name not in PROBABILITY_COLUMNS}
    return pd.read_csv(path, keep_default_na=False, dtype=text)


def probabilities_of(
    module: nn.Module, packed: PackedPixels, places: Sequence[int] | NDArray[np.intp], progress: Progress, batch: int
) -> NDArray[np.float64]:
    """(n, 4) softmax of the logits, in float64 so that rows add up to 1 within 1e-12."""
    order = np.asarray(places, dtype=np.intp)
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    result = np.zeros((len(order), len(CLASSES)), dtype=np.float64)
    starts = range(0, len(order), batch)
    with torch.inference_mode():
        for start in progress(starts, len(starts), "predicting"):
            films = np.asarray(packed.pixels[order[start : start + batch]])
            inputs = torch.from_numpy(films).to(device).unsqueeze(1).float() / 255
            logits = module(inputs).double()
            result[start : start + batch] = torch.softmax(logits, dim=1).cpu().numpy()
    return result
