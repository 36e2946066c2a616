"""What went in: counts by source, class and split, what is unknown, and how far the source gives the class away."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from cxrlens.labels import CLASSES
from cxrlens.manifest import SPLITS
from cxrlens.split import patient_keys

ADULT_AGE = 18.0


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One source: for every class the images in train, validation, test and calibration, and in none of them."""

    source: str
    collections: tuple[str, ...]
    cells: dict[str, dict[str, int]]
    total: int
    unknown_patients: int


@dataclass(frozen=True, slots=True)
class Known:
    """How often a column says something, and what it says most."""

    column: str
    known: int
    total: int
    values: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class DataFacts:
    """Everything the report says about the kept images.

    Args:
        splits: the splits that hold images, in order; empty before ``cxrlens split``.
        totals: images by class and split, over all sources.
        patients: different known patients (counted within their source, since ids are only unique there).
        unknown_patients: images whose patient is unknown.
        source_gives_class: share of kept images that have their own source's commonest class, in [0, 1]; 1 means that
            the hospital alone gives every label away.
        single_class_sources: sources that hold one class only.
        single_source_classes: classes that come from one source only, with that source.
        children: images whose age is known and below 18.
    """

    rows: tuple[SourceRow, ...]
    splits: tuple[str, ...]
    totals: dict[str, dict[str, int]]
    images: int
    excluded: int
    patients: int
    unknown_patients: int
    known: tuple[Known, ...]
    source_gives_class: float
    commonest_share: float
    single_class_sources: tuple[str, ...]
    single_source_classes: tuple[tuple[str, str], ...]
    children: int
    ages_known: int


def data_facts(manifest: pd.DataFrame) -> DataFacts:
    """Count. ``manifest`` has every row, excluded ones too; cells are str, blank = unknown."""
    kept = manifest[manifest["excluded"] == ""]
    splits = tuple(s for s in SPLITS if (kept["split"] == s).any())
    rows = [_source_row(str(name), part) for name, part in kept.groupby("source")]
    age = pd.to_numeric(kept["age"], errors="coerce").dropna()
    by_source = kept.groupby("source")["label"]
    sources_of = {label: sorted(set(kept.loc[kept["label"] == label, "source"])) for label in CLASSES}
    return DataFacts(
        rows=tuple(sorted(rows, key=lambda row: (-row.total, row.source))),
        splits=splits,
        totals={label: _by_split(kept[kept["label"] == label]) for label in CLASSES},
        images=len(kept),
        excluded=len(manifest) - len(kept),
        patients=int(patient_keys(kept[kept["patient_id"] != ""]).nunique()),
        unknown_patients=int((kept["patient_id"] == "").sum()),
        known=(_known(kept, "view"), _known(kept, "sex"), _known_ages(age, len(kept))),
        source_gives_class=float(by_source.agg(lambda s: s.value_counts().iloc[0]).sum() / max(len(kept), 1)),
        commonest_share=float(kept["label"].value_counts(normalize=True).iloc[0]) if len(kept) else 0.0,
        single_class_sources=tuple(sorted(str(s) for s, n in by_source.nunique().items() if n == 1)),
        single_source_classes=tuple((c, sources_of[c][0]) for c in CLASSES if len(sources_of[c]) == 1),
        children=int((age < ADULT_AGE).sum()),
        ages_known=len(age),
    )


def _source_row(name: str, part: pd.DataFrame) -> SourceRow:
    return SourceRow(
        source=name,
        collections=tuple(sorted(set(part["collection"]) - {""})),
        cells={label: _by_split(part[part["label"] == label]) for label in CLASSES},
        total=len(part),
        unknown_patients=int((part["patient_id"] == "").sum()),
    )


def _by_split(part: pd.DataFrame) -> dict[str, int]:
    counts = part["split"].value_counts()
    return {**{split: int(counts.get(split, 0)) for split in SPLITS}, "none": int(counts.get("", 0)), "all": len(part)}


def _known(kept: pd.DataFrame, column: str) -> Known:
    said = kept.loc[kept[column] != "", column].value_counts()
    return Known(column, int(said.sum()), len(kept), tuple((str(v), int(n)) for v, n in said.head(4).items()))


def _known_ages(age: pd.Series[float], total: int) -> Known:
    bands = (("under 18", age < ADULT_AGE), ("18 to 39", (age >= ADULT_AGE) & (age < 40)),
             ("40 to 64", (age >= 40) & (age < 65)), ("65 and over", age >= 65))  # fmt: skip
    return Known("age", len(age), total, tuple((name, int(inside.sum())) for name, inside in bands if inside.any()))
