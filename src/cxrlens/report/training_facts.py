"""How the training went: epochs, the best one, the gap between what was seen and what was not, time, settings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cxrlens.report.pictures import Picture, from_file
from cxrlens.report.records import RunRecord
from cxrlens.training.curves import describe_gap

HIDDEN_SETTINGS = ("dataset", "format", "dataset_hash", "versions", "machine", "timings", "images")
"""Settings with a section of their own, or that name a place on the machine."""


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """One training, as ``history.csv``, ``config.json`` and ``model.json`` tell it.

    Args:
        best: the epoch whose weights were kept, counted as ``history.csv`` counts.
        train_accuracy: in that epoch, measured as validation is (no augmentation, no dropout, the same weights).
        gap_words: how far the two lie apart, for a reader who has never heard of overfitting.
        seconds: wall time of all epochs.
        settings: names and values of the configuration, flat.
    """

    model: str
    parameters: int | None
    epochs: int
    best: int | None
    train_accuracy: float | None
    validation_accuracy: float | None
    gap_words: str
    seconds: float | None
    images_per_second: float | None
    settings: tuple[tuple[str, str], ...]
    curves: Picture | None


def training_facts(record: RunRecord) -> TrainingFacts | None:
    """``None`` before the first epoch was finished."""
    history = record.history
    if history is None or not len(history):
        return None
    model, options = record.model or {}, record.config.get("options")
    best = _best_epoch(history, model)
    train, validation = (_trained(model, part) for part in ("train", "validation"))
    train = train if train is not None else _at(history, best, "clean_train_accuracy")
    validation = validation if validation is not None else _at(history, best, "validation_accuracy")
    alt = "Accuracy and loss by epoch for training and validation, the best epoch marked"
    return TrainingFacts(
        model=str(model.get("name") or record.config.get("model") or "unknown"),
        parameters=int(model["parameters"]) if isinstance(model.get("parameters"), int) else None,
        epochs=len(history),
        best=best,
        train_accuracy=train,
        validation_accuracy=validation,
        gap_words=_gap_words(train, validation),
        seconds=float(history["seconds"].sum()) if "seconds" in history else None,
        images_per_second=float(history["images_per_s"].median()) if "images_per_s" in history else None,
        settings=tuple(_flat(options if isinstance(options, Mapping) else record.config)),
        curves=from_file(record.folder.root / "curves.png", alt),
    )


def _trained(model: Mapping[str, Any], part: str) -> float | None:
    """Accuracy of the kept weights over a whole split, as the training measured it at its end."""
    measured = model.get("trained")
    said = measured.get(part) if isinstance(measured, Mapping) else None
    value = said.get("accuracy") if isinstance(said, Mapping) else None
    return float(value) if isinstance(value, int | float) else None


def _gap_words(train: float | None, validation: float | None) -> str:
    if train is None or validation is None:
        return ""
    return describe_gap({"train": {"accuracy": train}, "validation": {"accuracy": validation}}).replace("\n", " ")


def _best_epoch(history: pd.DataFrame, model: Mapping[str, Any]) -> int | None:
    said = model.get("best_epoch")
    if isinstance(said, int):
        return said
    if "validation_loss" not in history or "epoch" not in history or history["validation_loss"].isna().all():
        return None
    return int(history["epoch"].to_numpy()[int(history["validation_loss"].to_numpy().argmin())])


def _at(history: pd.DataFrame, epoch: int | None, column: str) -> float | None:
    """The value in that epoch's row (the last row where no best epoch is known); ``None`` where there is none."""
    if column not in history:
        return None
    values = pd.to_numeric(history[column], errors="coerce")
    if epoch is not None and "epoch" in history and (history["epoch"] == epoch).any():
        values = values[history["epoch"] == epoch]
    value = float(values.to_numpy(dtype=float)[-1])
    return None if math.isnan(value) else value


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        if not prefix and key in HIDDEN_SETTINGS:
            continue
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{name}, " if key != "options" else prefix)
        elif isinstance(inner, str) and ("/" in inner or "\\" in inner):
            yield name, inner.replace("\\", "/").rsplit("/", 1)[-1]  # a place on this machine helps nobody else
        elif isinstance(inner, list | tuple):
            yield name, ", ".join(str(each) for each in inner)
        elif inner is not None and inner != "":
            yield name, str(inner)
