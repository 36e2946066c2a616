"""The case: everything that a part of the audit may look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.batches import PackedPixels, pack
from cxrlens.errors import OptionError
from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.evaluation.prediction import read_predictions
from cxrlens.folders import DatasetFolder, RunFolder
from cxrlens.manifest import kept
from cxrlens.model import LoadedModel, load_model
from cxrlens.progress import Progress, quiet
from cxrlens.split import split_units

FEWEST = 20
"""Images of a source below which nothing is said of that source alone."""


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """How thorough the audit is.

    Args:
        full: retrain the run's own network at its own size for as many epochs as it took; else the compact one, small.
        size: side in pixels of the small networks (not used with ``full``).
        epochs: of each small network (not used with ``full``).
        resamples: of the bootstrap by patient.
        seed: of everything drawn at random.
        annotations: table of lesion masks, for the explanations' scorecard.

    Raises:
        OptionError: fewer than 100 resamples, or no epoch.
    """

    full: bool = False
    size: int = 64
    epochs: int = 10
    resamples: int = 1000
    seed: int = 0
    annotations: Path | None = None

    def __post_init__(self) -> None:
        if self.resamples < 100:
            raise OptionError("resamples", f"{self.resamples} give no interval", "ask for 100 or more")
        if self.epochs < 1:
            raise OptionError("epochs", f"{self.epochs} trains nothing", "give 1 or more")
        if not 32 <= self.size <= 1024:
            raise OptionError("size", f"{self.size} is no usable side", "give 32 to 1024")


@dataclass(frozen=True)
class Case:
    """A run under audit. What is dear to make is made once, when first asked for.

    Args:
        run: the run folder, trained and evaluated.
        options: how thorough.
        progress: shown over the parts' own work.
    """

    run: RunFolder
    options: AuditOptions = AuditOptions()
    progress: Progress = quiet

    @property
    def folder(self) -> Path:
        """Where results and pictures go."""
        return self.run.audit

    @property
    def bootstrap(self) -> Bootstrap:
        """How intervals are made."""
        return Bootstrap(self.options.resamples, self.options.seed)

    @cached_property
    def model(self) -> LoadedModel:
        """The trained network."""
        return load_model(self.run)

    @cached_property
    def dataset(self) -> DatasetFolder:
        """What it was trained on."""
        return self.run.dataset()

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """Every row, excluded ones too."""
        return self.dataset.manifest()

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Kept rows that lie in a part of the split, index 0..n-1."""
        rows = kept(self.manifest)
        return rows[rows["split"] != ""].reset_index(drop=True)

    @cached_property
    def units(self) -> NDArray[np.int64]:
        """(n,) unit of each of :attr:`rows`: what a split keeps together. Excluded copies link too."""
        unit_of = pd.Series(split_units(self.manifest), index=self.manifest["path"])
        return unit_of[self.rows["path"]].to_numpy(np.int64)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """``predictions.csv``: what the run says of every row."""
        return read_predictions(self.run.predictions_path)

    @cached_property
    def packed(self) -> PackedPixels:
        """Pixels as the run's own network sees them."""
        return pack(self.manifest, self.model.preprocessing, self.dataset.packed_folder, self.progress)
