"""What a run folder and its dataset folder hold, read leniently: a part missing or torn is a sentence, no crash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from cxrlens.errors import CxrlensError, DatasetError
from cxrlens.folders import DatasetFolder, RunFolder, read_json

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """A dataset folder as found on disk; a part that is absent or unreadable is ``None``.

    Args:
        root: the folder; ``None`` where the run does not name one.
        manifest: every row, excluded ones too.
        curation: ``curation.json``.
        split: ``split.json``.
        pairs: ``duplicate_pairs.csv``, every cell a str.
        problems: one line for each part that is there but cannot be read.
    """

    root: Path | None
    manifest: pd.DataFrame | None = None
    curation: dict[str, Any] | None = None
    split: dict[str, Any] | None = None
    pairs: pd.DataFrame | None = None
    problems: tuple[str, ...] = ()

    @property
    def kept(self) -> pd.DataFrame | None:
        """The rows that no reason excludes."""
        return None if self.manifest is None else self.manifest[self.manifest["excluded"] == ""]

    @property
    def synthetic(self) -> bool:
        """Whether curation found that the pictures are the phantom's. Absent means no."""
        return bool((self.curation or {}).get("synthetic", False))


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run folder as found on disk, with the dataset it names; a part that is absent or unreadable is ``None``."""

    folder: RunFolder
    config: dict[str, Any]
    dataset: DatasetRecord
    model: dict[str, Any] | None = None
    metrics: dict[str, Any] | None = None
    history: pd.DataFrame | None = None
    predictions: pd.DataFrame | None = None
    explanations: dict[str, Any] | None = None
    problems: tuple[str, ...] = ()


def read_dataset(folder: DatasetFolder) -> DatasetRecord:
    """Read what is there.

    Raises:
        DatasetError: the folder holds no manifest at all, so it is no dataset folder.
    """
    if not folder.manifest_path.is_file():
        raise DatasetError(folder.root, "is no dataset folder (no manifest.csv)", "make one with 'cxrlens curate'")
    problems: list[str] = []
    return DatasetRecord(
        root=folder.root,
        manifest=_attempt(folder.manifest, folder.manifest_path, problems),
        curation=_attempt(lambda: read_json(folder.curation_path), folder.curation_path, problems),
        split=_attempt(lambda: read_json(folder.split_path), folder.split_path, problems),
        pairs=_attempt(lambda: _read_table(folder.pairs_path), folder.pairs_path, problems),
        problems=tuple(problems),
    )


def read_run(folder: RunFolder) -> RunRecord:
    """Read what is there.

    Raises:
        RunError: the folder has no ``config.json``, a torn one, or one of another format's version.
    """
    config = folder.config()
    problems: list[str] = []
    explanations_path = folder.explanations / "explanations.json"
    return RunRecord(
        folder=folder,
        config=config,
        dataset=_dataset_of(folder, config, problems),
        model=_attempt(folder.model, folder.model_path, problems),
        metrics=_attempt(lambda: read_json(folder.metrics_path), folder.metrics_path, problems),
        history=_attempt(lambda: _read_numbers(folder.history_path), folder.history_path, problems),
        predictions=_attempt(lambda: _read_table(folder.predictions_path), folder.predictions_path, problems),
        explanations=_attempt(lambda: read_json(explanations_path), explanations_path, problems),
        problems=tuple(problems),
    )


def _dataset_of(folder: RunFolder, config: dict[str, Any], problems: list[str]) -> DatasetRecord:
    if not isinstance(config.get("dataset"), str):
        return DatasetRecord(None)
    dataset = folder.dataset()
    try:
        record = read_dataset(dataset)
    except CxrlensError:
        problems.append(f"The dataset folder '{dataset.root.name}' is no longer where this run found it.")
        return DatasetRecord(None)
    problems.extend(record.problems)
    return record


def _attempt(read: Callable[[], T], path: Path, problems: list[str]) -> T | None:
    """The value, ``None`` where there is no file, and ``None`` with a line in ``problems`` where it cannot be read."""
    if not path.is_file():
        return None
    try:
        return read()
    except CxrlensError as error:
        problems.append(f"{path.name}: {error.fault}.")
    except (ValueError, OSError, KeyError) as error:
        problems.append(f"{path.name} cannot be read ({type(error).__name__}).")
    return None


def _read_table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _read_numbers(path: Path) -> pd.DataFrame:
    return pd.read_csv(path)
