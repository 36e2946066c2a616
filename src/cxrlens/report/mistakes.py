"""The most confident mistakes as pictures: what a reader learns most from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cxrlens.report.naming import Namer
from cxrlens.report.pictures import Picture, of_radiograph
from cxrlens.report.records import RunRecord

MISTAKES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Mistake:
    """One image named wrongly; ``confidence`` in [0, 1]."""

    name: str
    label: str
    predicted: str
    confidence: float
    source: str
    picture: Picture | None


@dataclass(frozen=True, slots=True)
class Mistakes:
    """The most confident mistakes of one split, of ``total`` among ``images``."""

    split: str
    total: int
    images: int
    shown: tuple[Mistake, ...]


def most_confident_mistakes(record: RunRecord, split: str, namer: Namer) -> Mistakes | None:
    """``None`` where there are no predictions of that split."""
    table = record.predictions
    if table is None or not {"path", "label", "predicted", "split", "source"} <= set(table.columns):
        return None
    rows = table[table["split"] == split]
    if not len(rows):
        return None
    columns = [c for c in rows.columns if c.startswith("p_")]
    confidence = rows[columns].apply(pd.to_numeric, errors="coerce").max(axis=1)
    wrong = rows.assign(confidence=confidence)[rows["label"] != rows["predicted"]]
    worst = wrong.sort_values(["confidence", "path"], ascending=[False, True]).head(MISTAKES_SHOWN)
    return Mistakes(split, len(wrong), len(rows), tuple(_mistake(row, record, namer) for _, row in worst.iterrows()))


def _mistake(row: pd.Series[str], record: RunRecord, namer: Namer) -> Mistake:
    path, sha256 = Path(str(row["path"])), ""
    if record.dataset.root is not None and not path.is_absolute():
        path = record.dataset.root / path
    if record.dataset.manifest is not None:
        match = record.dataset.manifest.loc[record.dataset.manifest["path"] == str(path), "sha256"]
        sha256 = str(match.iloc[0]) if len(match) else ""
    name = namer.name(str(path), sha256)
    alt = f"Radiograph {name}: labelled {row['label']}, the model said {row['predicted']}"
    return Mistake(
        name=name,
        label=str(row["label"]),
        predicted=str(row["predicted"]),
        confidence=float(row["confidence"]),
        source=str(row["source"]),
        picture=of_radiograph(path, alt),
    )
