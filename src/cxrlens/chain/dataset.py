"""From collections to a dataset folder: scan, curate, pack, split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from cxrlens.batches import pack
from cxrlens.chain.saying import passed_over, shown
from cxrlens.curation import CurationOptions, curate
from cxrlens.errors import CollectionError, DatasetError
from cxrlens.folders import DatasetFolder, check_writable, write_atomically, write_json
from cxrlens.manifest import kept, write_manifest
from cxrlens.preprocessing import DEFAULT_PREPROCESSING
from cxrlens.progress import rich_progress
from cxrlens.report import write_curation_report
from cxrlens.sources import ScanOptions, scan
from cxrlens.sources.synthetic import any_synthetic
from cxrlens.split import SplitOptions, split


@dataclass(frozen=True, slots=True)
class CurateRequest:
    """What the user decides.

    Args:
        keep: flags or patterns of paths that stay though curation would exclude them.
        drop: flags or patterns of paths that go though curation would keep them.
        columns: manifest's name → column of the metadata tables.
        labels: a set's own class name → one of the four classes.
    """

    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


def curate_collections(collections: Sequence[Path], out: Path, request: CurateRequest, console: Console) -> int:
    """Write a dataset folder; returns how many files or folders were passed over."""
    check_writable(out)
    found = scan(collections, ScanOptions(columns=request.columns, labels=request.labels))
    for note in found.notes:
        console.print(f"[dim]{shown(note)}[/]")
    if not len(found.manifest):
        first = str(found.problems[0]) if found.problems else "no image files"
        raise CollectionError(
            ", ".join(map(str, collections)), f"no images were found ({first})", "give folders that hold radiographs"
        )
    done = curate(found.manifest, CurationOptions(keep=request.keep, drop=request.drop), rich_progress)
    dataset = DatasetFolder(out)
    counts = {**done.counts, "synthetic": any_synthetic(done.manifest["path"])}
    write_atomically(dataset.pairs_path, done.pairs.to_csv(index=False).encode())
    write_json(dataset.curation_path, counts)
    dataset.split_path.unlink(missing_ok=True)  # of an earlier curation: it would describe other images
    write_manifest(done.manifest, dataset.manifest_path)
    if not len(kept(done.manifest)):
        common = done.manifest["excluded"].value_counts()
        reasons = f"{common.iloc[0]} because: {common.index[0]}"
        remedy = "see manifest.csv; classes are told by folder names, a metadata table, or --label NAME=CLASS"
        raise DatasetError(out, f"no image is left of {len(done.manifest)} ({reasons})", remedy)
    pack(done.manifest, DEFAULT_PREPROCESSING, dataset.packed_folder, rich_progress)
    report = write_curation_report(dataset)
    _say_counts(counts, len(done.manifest), len(kept(done.manifest)), console)
    console.print(f"dataset: {shown(out)}   report: {shown(report)}")
    console.print(f"next: cxrlens split {shown(out)}")
    return passed_over([*found.problems, *done.problems])


def split_dataset(root: Path, options: SplitOptions, console: Console) -> int:
    """Fill the manifest's split; returns how many things were passed over (none)."""
    check_writable(root)
    dataset = DatasetFolder(root)
    result = split(dataset.manifest(), options)
    write_manifest(result.manifest, dataset.manifest_path)
    write_json(dataset.split_path, result.report)
    write_curation_report(dataset)
    sizes = kept(result.manifest)["split"].value_counts()
    console.print(
        "split: " + ", ".join(f"{sizes.get(name, 0)} {name}" for name in ("train", "validation", "calibration", "test"))
    )
    for line in _sentences(result.report):
        console.print(line)
    console.print(f"next: cxrlens train {shown(root)} --out RUN")
    return 0


def _say_counts(counts: Mapping[str, Any], images: int, left: int, console: Console) -> None:
    console.print(f"{images} images found, {left} kept" + (" (SYNTHETIC radiographs)" if counts["synthetic"] else ""))
    for reason, number in counts["excluded_by_reason"].items():
        console.print(f"  {number:>6}  excluded: {reason}")


def _sentences(report: Mapping[str, Any]) -> list[str]:
    """What the split report says in words."""
    shared = {name: number for name, number in report["shared"].items() if name.startswith("shared_")}
    counted = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in shared.items())
    return [f"kind: {report['kind']}: {report['basis']}", counted, report["patients_in_words"], *report["warnings"]]
