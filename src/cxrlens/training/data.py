"""What training may look at: train and validation rows, checked and in batches. Test rows are dropped here, unread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from cxrlens.batches import Batches, PackedPixels
from cxrlens.errors import DatasetError
from cxrlens.folders import DatasetFolder
from cxrlens.labels import CLASSES
from cxrlens.manifest import dataset_hash, kept
from cxrlens.training.balance import Groups, groups_of, image_weights, trust_of
from cxrlens.training.options import TrainingOptions
from cxrlens.training.randomness import CLEAN_TRAIN, derived_seed

CLEAN_TRAIN_IMAGES = 512
"""So many train images are measured as validation is after every epoch: enough for ±2 % on an accuracy of 0.95."""


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Rows of the manifest that training may see, and the hash of the whole dataset."""

    train: pd.DataFrame
    validation: pd.DataFrame
    dataset_hash: str

    @property
    def both(self) -> pd.DataFrame:
        """All that has to be packed."""
        return pd.concat([self.train, self.validation], ignore_index=True)


def training_rows(dataset: DatasetFolder) -> TrainingRows:
    """Train and validation rows of a dataset folder.

    Raises:
        DatasetError: no dataset folder, no split, no validation, or a class without a train image.
    """
    manifest = dataset.manifest()
    rows = kept(manifest)
    parts = {name: rows[rows["split"] == name].reset_index(drop=True) for name in ("train", "validation")}
    for name, part in parts.items():
        if part.empty:
            fault = f"has no image in the split '{name}'"
            raise DatasetError(dataset.root, fault, "run 'cxrlens split' first, or ask it for a larger share")
    missing = [label for label in CLASSES if label not in set(parts["train"]["label"])]
    if missing:
        fault = f"has no train image of {' or '.join(missing)}"
        raise DatasetError(dataset.root, fault, "add images of the class, or split again")
    return TrainingRows(parts["train"], parts["validation"], dataset_hash(manifest))


@dataclass(frozen=True, slots=True)
class Loaders:
    """Batches of this process, and what each train image counts.

    Args:
        train: shuffled each epoch.
        clean_train: a fixed part of the train split, in order; none where nobody will read how it is answered.
        whole_train: all of it, in order.
        validation: in order.
        weights: (n,) float32, of each row of ``train.manifest``, with mean 1.
        source_weights: the same with ``balance="source"``, whatever the option says.
        groups: (class, source) of each row of ``train.manifest``.
    """

    train: Batches
    clean_train: Batches | None
    whole_train: Batches
    validation: Batches
    weights: Tensor
    source_weights: Tensor
    groups: Groups


def make_loaders(
    packed: PackedPixels, rows: TrainingRows, options: TrainingOptions, rank: int, world_size: int
) -> Loaders:
    """Batches over packed pixels for one process."""

    def batches(part: pd.DataFrame, size: int, shuffle: bool = False) -> Batches:
        return Batches(
            packed, part, batch_size=size, seed=options.seed, shuffle=shuffle, rank=rank, world_size=world_size
        )

    train = batches(rows.train, min(options.batch_size, len(rows.train)), shuffle=True)
    counts = np.bincount(train.targets.numpy(), minlength=len(CLASSES))
    absent = [label for label, count in zip(CLASSES, counts, strict=True) if count == 0]
    if absent:
        fault = f"has no readable train image of {' or '.join(absent)}"
        raise DatasetError("the dataset", fault, "restore the files, or run 'cxrlens curate' again")
    groups = groups_of(train.manifest)
    trust = None if options.doubtful is None else trust_of(options.doubtful, list(train.manifest["path"]))
    weights, by_source = (image_weights(groups, balance, trust) for balance in (options.balance, "source"))
    order = np.random.default_rng(derived_seed(options.seed, CLEAN_TRAIN)).permutation(len(train.manifest))
    some = train.manifest.iloc[np.sort(order[: max(CLEAN_TRAIN_IMAGES, world_size)])]
    measured = max(options.batch_size, 2 * world_size)
    return Loaders(
        train,
        batches(some, measured),
        batches(rows.train, measured),
        batches(rows.validation, measured),
        torch.tensor(weights, dtype=torch.float32),
        torch.tensor(by_source, dtype=torch.float32),
        groups,
    )
