"""``history.csv``: an epoch a row."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from cxrlens.errors import RunError
from cxrlens.folders import write_atomically


@dataclass(frozen=True, slots=True)
class EpochRow:
    """One epoch. Losses are mean cross-entropies in nats without class weights or smoothing; accuracies are in [0, 1].

    ``train_*`` is measured while training: with augmentation and dropout, and with weights that change meanwhile, so it
    is usually *worse* than ``validation_*`` at first and cannot be compared with it. ``clean_train_*`` is measured as
    validation is (no augmentation, no dropout, the same weights) on a fixed part of the train split: its distance from
    ``validation_*`` is the generalisation gap.

    Args:
        epoch: from 1.
        lr: learning rate of the last step.
        train_loss: while training.
        train_accuracy: while training.
        clean_train_loss: as validation is measured.
        clean_train_accuracy: as validation is measured.
        validation_loss: over the whole validation split.
        validation_accuracy: over the whole validation split.
        validation_balanced_accuracy: mean recall of the classes that the validation split has.
        images_per_s: of the training steps alone.
        seconds: of the whole epoch, validation included.
    """

    epoch: int
    lr: float
    train_loss: float
    train_accuracy: float
    clean_train_loss: float
    clean_train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    validation_balanced_accuracy: float
    images_per_s: float
    seconds: float

    def to_dict(self) -> dict[str, float]:
        """Column to value."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EpochRow:
        """The reverse of :meth:`to_dict`; text is taken as numbers."""
        numbers: dict[str, Any] = {f.name: (int if f.name == "epoch" else float)(values[f.name]) for f in fields(cls)}
        return cls(**numbers)


COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(EpochRow))


def write_history(path: Path, rows: Sequence[EpochRow]) -> None:
    """Write all rows atomically: a reader sees whole rows only."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _short(value) for name, value in row.to_dict().items()} for row in rows)
    write_atomically(path, text.getvalue().encode())


def read_history(path: Path) -> list[EpochRow]:
    """The rows; :class:`RunError` where the file is missing or garbled."""
    remedy = "train again"
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            return [EpochRow.from_dict(row) for row in csv.DictReader(stream)]
    except FileNotFoundError as error:
        raise RunError(path, "is missing", remedy) from error
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise RunError(path, f"cannot be read ({error})", remedy) from error


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
