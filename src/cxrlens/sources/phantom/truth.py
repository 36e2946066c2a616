"""The texts of a phantom: its README, its manifest, the tables of its truth, and those that its hospitals keep."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cxrlens.folders import write_atomically
from cxrlens.manifest import new_manifest, write_manifest
from cxrlens.sources.phantom.hospital import HOSPITALS

README = """SYNTHETIC chest radiographs. No patient is shown here.

Every picture was computed from equations by cxrlens (cxrlens.sources.phantom). They are for trying and testing
software, never for a statement about a disease, a hospital or a person. Research software, not a medical device.

collections/   as four invented hospitals would hand them out{faults}
manifest.csv   what is really in them, an image a row
truth/         annotations.csv and masks/ of lungs and lesions, known_duplicates.csv, faults.csv{plants}
               (all paths are relative to the folder of this file)
"""

_ANNOTATION = ("path", "kind", "finding", "mask", "x", "y", "w", "h", "annotator")


@dataclass(frozen=True, slots=True)
class Truth:
    """The rows of each table."""

    manifest: list[dict[str, object]]
    annotations: list[tuple[object, ...]]
    duplicates: list[tuple[object, ...]]
    faults: list[tuple[object, ...]]
    plants: list[tuple[object, ...]]


def write_truth(root: Path, truth: Truth, *, clean: bool, planted: bool) -> None:
    """All of them, in the phantom's folder ``root``; ``plants.csv`` only where somebody asked what is planted."""
    told = clean or planted
    readme = README.format(
        faults="" if clean else "; some files are faulty on purpose", plants=", plants.csv" if told else ""
    )
    write_atomically(root / "README.txt", readme.encode())
    _write_tables(root, truth.manifest, everywhere=clean)
    write_manifest(new_manifest(truth.manifest), root / "manifest.csv")
    folder = root / "truth"
    _write_csv(folder / "annotations.csv", _ANNOTATION, truth.annotations)
    _write_csv(
        folder / "known_duplicates.csv",
        ("group", "path", "alteration"),
        sorted(truth.duplicates, key=lambda d: int(str(d[0]))),
    )
    _write_csv(folder / "faults.csv", ("path", "fault"), truth.faults)
    if told:
        _write_csv(folder / "plants.csv", ("path", "plant", "detail", "split"), truth.plants)


def _write_tables(root: Path, rows: list[dict[str, object]], *, everywhere: bool) -> None:
    """metadata.csv of each hospital that keeps one, or of all; a copy from elsewhere came without a patient."""
    for h in HOSPITALS.values():
        if h.layout != "table" and not everywhere:
            continue
        lines = []
        for row in sorted((r for r in rows if r["collection"] == h.name), key=lambda r: str(r["path"])):
            own = row["source"] == h.name and row["collection"] == row["source"]
            known = [row.get(key, "") if own else "" for key in ("patient_id", "view", "sex", "age")]
            lines.append((PurePosixPath(str(row["path"])).name, h.spelling[str(row["label"])], *known))
        header = ("filename", "finding", "patientid", "view", "sex", "age")
        _write_csv(root / "collections" / h.name / "metadata.csv", header, lines)


def _write_csv(path: Path, header: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode("utf-8"))
