"""A whole synthetic data set on disk: collections as hospitals would hand them out, and the truth about them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from joblib import Parallel, delayed

from cxrlens import __version__
from cxrlens.cores import usable_cores
from cxrlens.errors import CollectionError, OptionError
from cxrlens.folders import write_atomically
from cxrlens.manifest import new_manifest, write_manifest
from cxrlens.progress import Progress, quiet
from cxrlens.sources.phantom.cohort import Record, plan_cohort
from cxrlens.sources.phantom.encode import decode, encode, encode_mask, to_samples
from cxrlens.sources.phantom.exposure import expose_patient
from cxrlens.sources.phantom.faults import LABEL_CONFLICT, Copy, Spoilt, alter, plan_copies, spoilt_files
from cxrlens.sources.phantom.hospital import HOSPITALS
from cxrlens.sources.phantom.patient import sample_patient

README = """SYNTHETIC chest radiographs. No patient is shown here.

Every picture was computed from equations by cxrlens (cxrlens.sources.phantom). They are for trying and testing
software, never for a statement about a disease, a hospital or a person. Research software, not a medical device.

collections/   as four invented hospitals would hand them out; some files are faulty on purpose
manifest.csv   what is really in them, an image a row
truth/         annotations.csv and masks/ of lungs and lesions, known_duplicates.csv, faults.csv
               (all paths are relative to the folder of this file)
"""

_Made = tuple[dict[str, object], list[tuple[object, ...]]]
"""Manifest row and annotations of one original."""

_POOL_FROM = 64  # images from which starting processes pays
_ANNOTATION = ("path", "kind", "finding", "mask", "x", "y", "w", "h", "annotator")


@dataclass(frozen=True, slots=True)
class PhantomOptions:
    """How much to make.

    Args:
        images: originals; planted copies (about 1 in 13) and four spoilt files come on top. At least 16, so that every
            class is in every hospital.
        seed: the same seed gives the same bytes.
        size: long side of a picture in pixels, before each hospital's own scale of 0.9 to 1.1.
        workers: processes; 0 = one a processor, at most 8. Changes the time, never a byte.
    """

    images: int = 480
    seed: int = 0
    size: int = 256
    workers: int = 0

    def __post_init__(self) -> None:
        for name, least in (("images", 16), ("seed", 0), ("size", 48), ("workers", 0)):
            if getattr(self, name) < least:
                raise OptionError(name, f"is {getattr(self, name)}", f"give {least} or more")


def write_phantom(out: Path, options: PhantomOptions = PhantomOptions(), progress: Progress = quiet) -> Path:
    """Make ``out``/collections and ``out``/truth; returns ``out``.

    A folder that already holds this very phantom is left as it is. All is made beside ``out`` and renamed at the end,
    so that a reader sees the whole phantom or none.

    Raises:
        CollectionError: ``out`` exists and holds something else.
        OptionError: from :class:`PhantomOptions`.
    """
    out = Path(out)
    recipe = {"cxrlens": __version__, **asdict(options)}
    del recipe["workers"]
    if out.exists() and _settled(out, recipe):
        return out
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = out.parent / f".{out.name}.part-{os.getpid()}"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        _write_all(scratch, options, progress)
        write_atomically(scratch / "truth" / "phantom.json", (json.dumps(recipe, indent=2) + "\n").encode())
        if out.exists():
            out.rmdir()  # empty, as _settled made sure
        scratch.rename(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return out


def _settled(out: Path, recipe: dict[str, object]) -> bool:
    """Whether ``out`` is this phantom already; an empty folder is free; anything else is refused."""
    remedy = "give another folder, or remove this one"
    if not out.is_dir():
        raise CollectionError(out, "is no folder", remedy)
    note = out / "truth" / "phantom.json"
    if note.is_file():
        try:
            found = json.loads(note.read_text(encoding="utf-8"))
        except ValueError:
            found = None
        if found == recipe:
            return True
        raise CollectionError(out, "holds a phantom made with other options", remedy)
    if any(out.iterdir()):
        raise CollectionError(out, "is not empty and holds no phantom", remedy)
    return False


def _write_all(root: Path, options: PhantomOptions, progress: Progress) -> None:
    root.mkdir()
    (root / "README.txt").write_text(README, encoding="utf-8")
    records = plan_cohort(options.images, options.seed)
    rows: list[dict[str, object]] = []
    annotations: list[tuple[object, ...]] = []
    done = _make_all(root, options, records)
    for row, marks in progress(done, len(records), "making synthetic radiographs"):
        rows.append(row)
        annotations.extend(marks)
    copies = plan_copies(records, options.seed)
    spoilt = spoilt_files(len(records) + len(copies), options.seed, options.size)
    by_path = {str(row["path"]): row for row in rows}
    groups: dict[str, int] = {}
    duplicates: list[tuple[object, ...]] = []
    faults: list[tuple[object, ...]] = []
    for copy in copies:
        source = by_path[copy.original.path]
        if copy.original.path not in groups:
            groups[copy.original.path] = len(groups) + 1
            source["duplicate_group"] = str(groups[copy.original.path])
            duplicates.append((groups[copy.original.path], copy.original.path, "original"))
        rows.append(_plant_copy(root, copy, source))
        duplicates.append((groups[copy.original.path], copy.path, copy.alteration))
        faults.append((copy.path, LABEL_CONFLICT if copy.label != copy.original.label else f"copy: {copy.alteration}"))
    for one in spoilt:
        rows.append(_plant_spoilt(root, one))
        faults.append((one.path, one.fault))
    _write_tables(root, rows)
    truth = root / "truth"
    write_manifest(new_manifest(rows), root / "manifest.csv")
    _write_csv(truth / "annotations.csv", _ANNOTATION, annotations)
    _write_csv(
        truth / "known_duplicates.csv",
        ("group", "path", "alteration"),
        sorted(duplicates, key=lambda d: int(str(d[0]))),
    )
    _write_csv(truth / "faults.csv", ("path", "fault"), faults)


def _make(root: Path, size: int, record: Record) -> _Made:
    """Compute and write one original with its masks; its manifest row and its annotations."""
    h = HOSPITALS[record.hospital]
    p = expose_patient(sample_patient(record.entropy), record.visit, record.label, h.name, round(size * h.scale))
    data = encode(to_samples(p.pixels, h.bits, h.tint), h.extension, h.quality)
    _write(root / record.path, data)
    annotations: list[tuple[object, ...]] = []
    name = f"{h.name}_{PurePosixPath(record.path).stem}".replace(" ", "_")
    for finding, mask in {"Lungs": p.lung_mask, **p.finding_masks}.items():
        path = f"truth/masks/{name}__{finding.lower().replace(' ', '_')}.png"
        _write(root / path, encode_mask(mask))
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        box = (columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)
        annotations.append((record.path, "mask", finding, path, *box, "phantom"))
    row: dict[str, object] = {
        "path": record.path,
        "label": record.label,
        "collection": h.name,
        "source": h.name,
        "patient_id": record.patient_id,
        "view": p.view,
        "sex": p.sex,
        "age": p.age,
        "sha256": hashlib.sha256(data).hexdigest(),
        "width": p.pixels.shape[1],
        "height": p.pixels.shape[0],
    }
    return row, annotations


def _plant_copy(root: Path, copy: Copy, source: dict[str, object]) -> dict[str, object]:
    data = alter((root / copy.original.path).read_bytes(), copy)
    _write(root / copy.path, data)
    shape = decode(data).shape
    changed = {
        "path": copy.path,
        "label": copy.label,
        "collection": copy.hospital,
        "width": shape[1],
        "height": shape[0],
    }
    return {**source, **changed, "sha256": hashlib.sha256(data).hexdigest()}


def _plant_spoilt(root: Path, spoilt: Spoilt) -> dict[str, object]:
    _write(root / spoilt.path, spoilt.data)
    width, height = spoilt.size
    row: dict[str, object] = {"path": spoilt.path, "label": spoilt.label, "patient_id": spoilt.patient_id}
    row |= {"collection": spoilt.hospital, "source": spoilt.hospital, "sha256": hashlib.sha256(spoilt.data).hexdigest()}
    if width:
        return {**row, "width": width, "height": height}
    return {**row, "excluded": spoilt.fault}


def _write_tables(root: Path, rows: list[dict[str, object]]) -> None:
    """metadata.csv of each hospital that keeps one; a copy from elsewhere came without a patient."""
    for h in HOSPITALS.values():
        if h.layout != "table":
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


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _make_all(root: Path, options: PhantomOptions, records: Sequence[Record]) -> Iterable[_Made]:
    """Make each record in turn, in as many processes as asked for; the order is kept."""
    workers = options.workers or min(usable_cores(), 8)
    if workers == 1 or options.images < _POOL_FROM:
        return (_make(root, options.size, record) for record in records)
    # joblib's processes start afresh, not forked (the caller may run threads that a fork would break), and need no
    # guarded main module, so that this works from a notebook or a prompt too.
    jobs = (delayed(_make_alone)(root, options.size, record) for record in records)
    made: Iterable[_Made] = Parallel(n_jobs=workers, return_as="generator", batch_size=8)(jobs)
    return made


def _make_alone(root: Path, size: int, record: Record) -> _Made:
    """As :func:`_make`, in a process of its own, whose OpenCV shall not start threads besides."""
    cv2.setNumThreads(1)
    return _make(root, size, record)
