"""How much each train image counts: by class, by source within its class, and by how far its label is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.errors import OptionError
from cxrlens.labels import CLASSES, class_index

POWERS = {"source": 1.0, "source-root": 0.5}
"""Power of a group's size that its images are divided by."""
LARGEST = 10.0
"""An image counts at most so many times the mean of its class: a group of three films must not be learnt by heart."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The (class, source) group of each train image.

    Args:
        names: (class, source) of each group, sorted by class as in ``labels.CLASSES``, then by source.
        of: (n,) int64, group of each image.
    """

    names: tuple[tuple[str, str], ...]
    of: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)


def groups_of(manifest: pd.DataFrame) -> Groups:
    """Groups of the rows; a row without a source belongs to its collection."""
    source = manifest["source"].where(manifest["source"] != "", manifest["collection"])
    keys = list(zip(manifest["label"], source, strict=True))
    names = sorted(set(keys), key=lambda key: (class_index(key[0]), key[1]))
    index = {name: i for i, name in enumerate(names)}
    return Groups(tuple(names), np.array([index[key] for key in keys], dtype=np.int64))


def image_weights(groups: Groups, balance: str, trust: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """What each train image's loss is multiplied by, (n,) ≥ 0, with mean 1.

    Args:
        groups: of the train images; every class among them.
        balance: ``class``: each class weighs the same; ``none``: each image; ``source``: each class, and within it each
            source; ``source-root``: within a class, sources by the square root of their size. With the last two no
            image counts more than :data:`LARGEST` times the mean of its class.
        trust: (n,) in [0, 1], how far each label is trusted; distrusted images are made up for by the rest of their
            class (with ``none``: by all others).

    Raises:
        OptionError: ``trust`` leaves a class nothing.
    """
    trust = np.ones(len(groups.of)) if trust is None else trust
    labels = [label for label, _ in groups.names]
    classes = np.array([class_index(label) for label in labels], dtype=np.int64)[groups.of]
    mass = np.bincount(classes, weights=trust, minlength=len(CLASSES))
    present = np.unique(classes)
    for c in present:
        if mass[c] == 0:
            fault = f"distrusts every train image of {CLASSES[c]}"
            raise OptionError("option doubtful", fault, "take some of them out of the file")
    if balance == "none":
        return trust * float(len(trust) / trust.sum())
    counts = len(trust) / (len(present) * np.where(mass > 0, mass, 1.0))
    weights: NDArray[np.float64] = trust * counts[classes]
    if balance in POWERS:
        weights *= _within_classes(groups, classes, trust, POWERS[balance])
    return weights


def trust_of(path: Path, paths: Sequence[str]) -> NDArray[np.float64]:
    """Trust in each of ``paths``, (n,) in [0, 1], from a CSV file with the columns ``path`` and ``weight``.

    An image that the file does not name is trusted: 1; one without a weight is not: 0.

    Raises:
        OptionError: the file cannot be read, lacks a column, or holds a weight outside [0, 1].
    """
    named = _read(path)
    return np.array([named.get(p, 1.0) for p in paths], dtype=np.float64)


def check_doubtful(path: Path, manifest: pd.DataFrame) -> None:
    """:class:`OptionError` for a file that cannot be read, or that names no image of the dataset at all."""
    named = _read(path)
    if named and not set(named) & set(manifest["path"]):
        fault = f"names {len(named)} image(s), none of which is in this dataset"
        raise OptionError(path, fault, "give the suspects.csv of an audit of this very dataset")


def _read(path: Path) -> dict[str, float]:
    remedy = "give a CSV file with the columns path and weight, as the audit's suspects.csv"
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise OptionError(path, f"cannot be read as a table ({error})", remedy) from error
    missing = [column for column in ("path", "weight") if column not in table.columns]
    if missing:
        raise OptionError(path, f"lacks the column(s) {', '.join(missing)}", remedy)
    numbers = pd.to_numeric(table["weight"].replace("", "0"), errors="coerce")
    wrong = ~numbers.between(0, 1)
    if bool(wrong.any()):
        fault = f"holds the weight '{table['weight'][wrong].iloc[0]}'"
        raise OptionError(path, fault, "weights lie from 0 (leave out) to 1 (trust)")
    return dict(zip(table["path"], numbers.astype(float), strict=True))


def _within_classes(
    groups: Groups, classes: NDArray[np.int64], trust: NDArray[np.float64], power: float
) -> NDArray[np.float64]:
    """Factor of each image by its group, whose trust-weighted mean over each class is 1 and that stays in bounds."""
    mass = np.bincount(groups.of, weights=trust, minlength=len(groups))
    factor = np.ones(len(groups))
    for c in np.unique(classes):
        mine = np.unique(groups.of[(classes == c) & (trust > 0)])
        factor[mine] = _capped(mass[mine], mass[mine] ** -power)
    spread: NDArray[np.float64] = factor[groups.of]
    return spread


def _capped(mass: NDArray[np.float64], raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """``raw`` scaled to a mass-weighted mean of 1, none above :data:`LARGEST`; what is cut goes to the others."""
    held = np.zeros(len(raw), dtype=bool)
    while True:
        left = mass.sum() - LARGEST * mass[held].sum()
        scale = left / (raw * mass)[~held].sum()
        factor = np.where(held, LARGEST, raw * scale)
        over = factor > LARGEST * (1 + 1e-12)
        if not over.any():
            return factor
        held |= over
