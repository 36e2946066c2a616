"""Train once more in memory: the same loop on other pixels or other rows, for questions about what was learnt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from cxrlens.batches import PackedPixels
from cxrlens.model.network import Classifier
from cxrlens.training.data import TrainingRows
from cxrlens.training.launch import make_fabric
from cxrlens.training.machine import quieten
from cxrlens.training.observer import Observer, Silent
from cxrlens.training.options import TrainingOptions
from cxrlens.training.session import Material, assemble


def retrain(
    packed: PackedPixels,
    train: pd.DataFrame,
    validation: pd.DataFrame,
    options: TrainingOptions,
    observer: Observer | None = None,
) -> Classifier:
    """Train on the rows given and return the network of the best epoch; nothing is written, nothing resumed.

    Args:
        packed: pixels of all rows, (N, S, S) uint8; S must be the size of ``options.preprocessing``.
        train: rows of a manifest, every class among them.
        validation: rows that choose the epoch, at least one.
        options: as for :func:`cxrlens.training.train`; one process, whatever ``devices`` says.
        observer: told of progress.

    Returns:
        The network in evaluation mode, on the device it was trained on.

    Raises:
        DatasetError: a class without a train image.
        RunError: the loss is no number any more.
    """
    quieten()
    options = replace(options, devices=1, tensorboard=False).settled(len(train))
    fabric = make_fabric(options, external=False)
    fabric.launch()
    rows = TrainingRows(train.reset_index(drop=True), validation.reset_index(drop=True), "")
    material = Material(packed, rows, Path("retraining"))
    training = assemble(fabric, material, options, observer if observer is not None else Silent())
    training.loaders = replace(training.loaders, clean_train=None)  # no curve is drawn of it
    training.run()
    training.averaged.load_state_dict(training.best)
    network = training.averaged.eval()
    assert isinstance(network, Classifier)
    return network
