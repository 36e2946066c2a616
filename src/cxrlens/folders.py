"""The two folders on disk that the commands hand to each other: the dataset folder and the run folder."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxrlens.errors import DatasetError, RunError, WriteError
from cxrlens.scratch import scratch_beside

if TYPE_CHECKING:
    import pandas as pd

RUN_FORMAT = 1
"""Version of the run folder's layout; another one is refused, never guessed at."""


@dataclass(frozen=True, slots=True)
class DatasetFolder:
    """What ``curate`` writes: ``manifest.csv``, ``curation.json``, ``split.json``, ``report.html``, ``packed/``."""

    root: Path

    @property
    def manifest_path(self) -> Path:
        """One row an image."""
        return self.root / "manifest.csv"

    @property
    def curation_path(self) -> Path:
        """Counts of what curation found."""
        return self.root / "curation.json"

    @property
    def pairs_path(self) -> Path:
        """Confirmed duplicate pairs, a row each."""
        return self.root / "duplicate_pairs.csv"

    @property
    def split_path(self) -> Path:
        """How the split was made, and the proof that no group is shared."""
        return self.root / "split.json"

    @property
    def packed_folder(self) -> Path:
        """Preprocessed pixels, one memory-mapped file for each preprocessing."""
        return self.root / "packed"

    @property
    def synthetic(self) -> bool:
        """Whether some of the pictures are synthetic, as curation found by the marks in their files."""
        return self.curation_path.is_file() and bool(read_json(self.curation_path).get("synthetic", False))

    def manifest(self) -> pd.DataFrame:
        """The manifest; :class:`DatasetError` where the folder is none."""
        if not self.manifest_path.is_file():
            raise DatasetError(self.root, "is no dataset folder (no manifest.csv)", "make one with 'cxrlens curate'")
        from cxrlens.manifest import read_manifest  # here, since only tables need to wait for pandas

        return read_manifest(self.manifest_path)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """What ``train`` and ``evaluate`` write. Figures lie in ``figures/``, Grad-CAM overlays in ``explanations/``."""

    root: Path

    @property
    def config_path(self) -> Path:
        """Configuration of the training, the dataset's path and hash, the format's version."""
        return self.root / "config.json"

    @property
    def history_path(self) -> Path:
        """An epoch a row."""
        return self.root / "history.csv"

    @property
    def weights_path(self) -> Path:
        """Weights of the best epoch."""
        return self.root / "model.safetensors"

    @property
    def model_path(self) -> Path:
        """Classes, preprocessing, architecture, hash of the manifest, SHA-256 of the weights."""
        return self.root / "model.json"

    @property
    def metrics_path(self) -> Path:
        """Metrics of train, validation and test, apart."""
        return self.root / "metrics.json"

    @property
    def predictions_path(self) -> Path:
        """One row an image that was predicted."""
        return self.root / "predictions.csv"

    @property
    def figures(self) -> Path:
        """Plots that evaluation draws."""
        return self.root / "figures"

    @property
    def explanations(self) -> Path:
        """Heat-maps and their scores (``explanations.json``)."""
        return self.root / "explanations"

    @property
    def audit(self) -> Path:
        """One ``<part>.json`` for each part of the audit, their pictures, and what the parts predicted."""
        return self.root / "audit"

    @property
    def calibration_path(self) -> Path:
        """Temperature, conformal thresholds, abstention and operating points, from the calibration part."""
        return self.root / "calibration.json"

    @property
    def gate(self) -> Path:
        """What the gate learnt from the training images, and its figures (``gate.json``)."""
        return self.root / "gate"

    def config(self) -> dict[str, Any]:
        """``config.json``, checked for the format's version."""
        return _checked(self.root, self.config_path)

    def model(self) -> dict[str, Any]:
        """``model.json``, checked for the format's version."""
        return _checked(self.root, self.model_path)

    def dataset(self) -> DatasetFolder:
        """The dataset folder this run was trained on."""
        return DatasetFolder(Path(str(self.config()["dataset"])))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; :class:`RunError` where the file is missing or torn."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(
            path, "is missing", "run the command that writes it first ('cxrlens --help' lists them)"
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
        raise RunError(path, f"cannot be read as JSON ({error})", "restore it or make the folder again") from error
    if not isinstance(value, dict):
        raise RunError(path, "holds no JSON object", "restore it or make the folder again")
    return value


def check_writable(folder: Path) -> Path:
    """The same folder, which may not be there yet: asked before hours of work that could not be kept.

    A nameless file is made and dropped in the nearest folder that is there, since rights alone do not tell.

    Raises:
        WriteError: it lies under a file, or where this process may not write.
    """
    import tempfile

    place = folder.absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        remedy = "choose another place"
        raise WriteError(folder, f"cannot be written ({place} is no folder)", remedy)
    try:
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise WriteError.of(folder, error) from error
    return folder


def make_folder(folder: Path) -> Path:
    """The same folder, made with its parents where it is missing; :class:`WriteError` where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError.of(folder, error) from error
    return folder


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write atomically, keys in the order given; NaN is refused, since it is no JSON."""
    write_atomically(path, (json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode())


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside the target and rename: a reader sees the old file or the new one, never half of one.

    Raises:
        WriteError: no space, no right, no such place. The old file is still there.
    """
    make_folder(path.parent)
    scratch = scratch_beside(path)
    try:
        scratch.write_bytes(data)
        scratch.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise WriteError.of(path, error) from error


def _checked(root: Path, path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise RunError(root, f"is no run folder (no {path.name})", "make one with 'cxrlens train'")
    value = read_json(path)
    version = value.get("format")
    if version != RUN_FORMAT:
        remedy = "train again, or install the cxrlens that wrote it"
        raise RunError(root, f"is a run folder of format {version}, this cxrlens reads {RUN_FORMAT}", remedy)
    return value
