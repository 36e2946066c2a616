"""Make the split and report on it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.curation.patients import patient_keys
from cxrlens.errors import DatasetError, OptionError
from cxrlens.labels import CLASSES
from cxrlens.manifest import SPLITS, dataset_hash, kept
from cxrlens.split.allocation import allocate
from cxrlens.split.disjoint import check_disjoint, count_shared
from cxrlens.split.units import split_units

KINDS = ("grouped", "random")
_TRAIN = SPLITS.index("train")


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """How large the parts are, and what keeps images together.

    Args:
        test: share of all images in the locked test part.
        calibration: share of all images in the calibration part.
        validation: share of what is left that goes to validation; the rest is train (80/20 as originally published).
        seed: decides which images go where.
        kind: ``grouped`` keeps patients and duplicate groups together and spreads class and source alike; ``random``
            is the notebook's way, image by image, which leaks patients and copies into validation and test.

    Raises:
        OptionError: shares outside [0, 1), nothing left to train on, or an unknown kind.
    """

    test: float = 0.15
    calibration: float = 0.05
    validation: float = 0.20
    seed: int = 0
    kind: str = "grouped"

    def __post_init__(self) -> None:
        for name in ("test", "calibration", "validation"):
            share = getattr(self, name)
            if not 0 <= share < 1:  # also true for NaN
                raise OptionError(f"{name} share", f"{share} is no share", "give a number from 0 to below 1")
        if self.test + self.calibration >= 1:
            fault = f"test {self.test} and calibration {self.calibration} leave nothing"
            raise OptionError("split shares", fault, "let them sum to less than 1")
        if self.kind not in KINDS:
            raise OptionError("split kind", f"'{self.kind}' is not known", f"use one of {', '.join(KINDS)}")

    def shares(self) -> dict[str, float]:
        """Share of all images that each part is asked to have, in the order of ``manifest.SPLITS``; they sum to 1."""
        rest = 1 - self.test - self.calibration
        parts = (rest * (1 - self.validation), rest * self.validation, self.test, self.calibration)
        return dict(zip(SPLITS, parts, strict=True))


@dataclass(frozen=True, slots=True)
class SplitResult:
    """``manifest`` with ``split`` filled (blank for excluded rows), and ``report`` for ``split.json``."""

    manifest: pd.DataFrame
    report: dict[str, Any]


def split(manifest: pd.DataFrame, options: SplitOptions | None = None) -> SplitResult:
    """Divide the kept rows into train, validation, test and calibration.

    The result depends on the seed and the images (their SHA-256, else their path), not on the order of the rows.

    Raises:
        DatasetError: no kept row.
    """
    options = options or SplitOptions()
    rows = kept(manifest)
    if rows.empty:
        raise DatasetError("the manifest", "keeps no image that could be split", "look at its column 'excluded'")
    rows = rows.iloc[_shuffled(rows, options.seed)]
    unit_of = _units(manifest, rows) if options.kind == "grouped" else np.arange(len(rows), dtype=np.int64)
    shares = np.array(list(options.shares().values()))
    if options.kind == "grouped":
        parts, moved = _grouped(rows, unit_of, shares)
    else:
        parts, moved = _random(len(rows), shares), []
    done = manifest.copy()
    done["split"] = ""
    done.loc[rows.index, "split"] = np.array(SPLITS, dtype=object)[parts]
    return SplitResult(done, _report(done, unit_of, options, moved))


def _shuffled(rows: pd.DataFrame, seed: int) -> NDArray[np.int64]:
    """Order by a keyed hash of each image: random for a reader, the same on every machine and for every row order."""
    keys = [
        (hashlib.sha256(f"{seed}\x1f{sha256 or path}".encode()).digest(), sha256, Path(path).parts[::-1])
        for sha256, path in zip(rows["sha256"], rows["path"], strict=True)
    ]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)


def _units(manifest: pd.DataFrame, rows: pd.DataFrame) -> NDArray[np.int64]:
    """Unit of each of ``rows``, from 0 on. Excluded copies link too: they may know the kept one's patient."""
    unit_of = pd.Series(split_units(manifest), index=manifest.index)
    return np.unique(unit_of.loc[rows.index].to_numpy(), return_inverse=True)[1].astype(np.int64)


def _random(count: int, shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Contiguous runs of the shuffled images, cut at the cumulative shares."""
    cuts = np.round(np.cumsum(shares) * count).astype(np.int64)
    return np.searchsorted(cuts, np.arange(count), side="right").astype(np.int64)


def _grouped(
    rows: pd.DataFrame, unit_of: NDArray[np.int64], shares: NDArray[np.float64]
) -> tuple[NDArray[np.int64], list[str]]:
    """Part of each row, and the classes of which a unit had to be moved so that train has one."""
    members: dict[int, list[int]] = defaultdict(list)
    for row, unit in enumerate(unit_of):
        members[int(unit)].append(row)
    units = list(members.values())
    label = pd.factorize(rows["label"], sort=True)[0].astype(np.int64)
    stratum = pd.factorize(rows["label"] + "\x1f" + rows["source"], sort=True)[0].astype(np.int64)
    of_unit = allocate(units, [np.zeros_like(label), label, stratum], shares)
    parts = np.empty(len(rows), dtype=np.int64)
    for part, unit_rows in zip(of_unit, units, strict=True):
        parts[unit_rows] = part
    moved: list[str] = []
    for name in CLASSES:
        has = (rows["label"] == name).to_numpy()
        if has.any() and not (parts[has] == _TRAIN).any():
            smallest = min((u for u in units if has[u].any()), key=len)
            parts[smallest] = _TRAIN
            moved.append(name)
    return parts, moved


def _report(
    manifest: pd.DataFrame, unit_of: NDArray[np.int64], options: SplitOptions, moved: list[str]
) -> dict[str, Any]:
    rows = kept(manifest)
    grouped = options.kind == "grouped"
    unknown = int((rows["patient_id"] == "").sum())
    sizes = np.bincount(unit_of)
    basis = (
        "units of patients and duplicate groups, spread alike by class and source"
        if grouped
        else "image by image at random, ignoring patients and copies as the original notebook did: "
        "validation and test scores are inflated"
    )
    return {
        "kind": options.kind,
        "basis": basis,
        "options": asdict(options),
        "images": len(rows),
        "units": len(sizes),
        "largest_unit": int(sizes.max()),
        "patients": {"images_unknown": unknown, "known": int(patient_keys(rows).nunique() - (unknown > 0))},
        "patients_in_words": _patients_in_words(unknown, len(rows), grouped),
        "parts": {
            part: _counts(rows[rows["split"] == part], asked, len(rows)) for part, asked in options.shares().items()
        },
        "shared": check_disjoint(manifest) if grouped else count_shared(manifest),
        "warnings": _warnings(rows, options, moved) + _unit_warnings(rows, sizes),
        "dataset_hash": dataset_hash(manifest),
    }


def _counts(part: pd.DataFrame, asked: float, total: int) -> dict[str, Any]:
    def tally(frame: pd.DataFrame, column: str) -> dict[str, int]:
        return {str(k): int(v) for k, v in frame[column].value_counts().sort_index().items()}

    by_class = part["label"].value_counts()
    return {
        "images": len(part),
        "asked": round(asked * total, 2),
        "share": round(len(part) / total, 4),
        "patients_known": int(patient_keys(part[part["patient_id"] != ""]).nunique()),
        "images_without_patient": int((part["patient_id"] == "").sum()),
        "by_class": {name: int(by_class.get(name, 0)) for name in CLASSES},
        "by_source": tally(part, "source"),
        "by_class_and_source": {
            name: tally(part[part["label"] == name], "source") for name in CLASSES if (part["label"] == name).any()
        },
    }


def _patients_in_words(unknown: int, total: int, grouped: bool) -> str:
    if not grouped:
        return f"patients were ignored ({unknown:,} of {total:,} images have no patient id)"
    if not unknown:
        return f"all {total:,} images have a patient id: the split is by patient and duplicate group"
    return (
        f"{unknown:,} of {total:,} images have no patient id: for those the split is by image and duplicate group only"
    )


def _unit_warnings(rows: pd.DataFrame, sizes: NDArray[np.int64]) -> list[str]:
    """A patient id such as ANONYMOUS would tie strangers together."""
    largest = int(sizes.max())
    if largest <= max(10, len(rows) // 10):
        return []
    keys = patient_keys(rows)
    common = str(keys[keys != ""].mode().iloc[0]) if (keys != "").any() else ""
    whose = f" (the most frequent patient id is '{common.split(chr(31))[-1]}')" if common else ""
    return [f"{largest:,} of {len(rows):,} images hang together and go to one part{whose}: check their patient ids"]


def _warnings(rows: pd.DataFrame, options: SplitOptions, moved: list[str]) -> list[str]:
    said = []
    for name in CLASSES:
        of_class = rows[rows["label"] == name]
        if of_class.empty:
            said.append(f"{name} has no image")
            continue
        if len(of_class) == 1:
            said.append(
                f"{name} has a single image, in {of_class['split'].iloc[0]}: it can be learnt or tested, not both"
            )
            continue
        if name in moved:
            said.append(f"{name} has few images: one unit was moved so that train has any")
        lacking = [p for p, share in options.shares().items() if share > 0 and not (of_class["split"] == p).any()]
        if lacking:
            said.append(f"{name} has {len(of_class)} images and none in {', '.join(lacking)}")
    return said
