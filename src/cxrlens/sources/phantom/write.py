"""A whole synthetic data set on disk: collections as hospitals would hand them out, and the truth about them."""

from __future__ import annotations

import hashlib
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
from cxrlens.folders import make_folder, write_atomically
from cxrlens.progress import Progress, quiet
from cxrlens.sources.phantom.cohort import Record, plan_cohort
from cxrlens.sources.phantom.encode import decode, encode, encode_mask, to_samples
from cxrlens.sources.phantom.exposure import expose_patient
from cxrlens.sources.phantom.faults import LABEL_CONFLICT, Copy, Spoilt, alter, plan_copies, spoilt_files
from cxrlens.sources.phantom.hospital import HOSPITALS
from cxrlens.sources.phantom.leaks import near_identical, plan_leaks
from cxrlens.sources.phantom.patient import sample_patient
from cxrlens.sources.phantom.plants import PLANTS, mix_of, treatment
from cxrlens.sources.phantom.truth import Truth, write_truth

_Made = tuple[dict[str, object], list[tuple[object, ...]], list[tuple[object, ...]]]
"""Manifest row, annotations and plants of one original."""

_POOL_FROM = 64  # images from which starting processes pays


@dataclass(frozen=True, slots=True)
class PhantomOptions:
    """How much to make.

    Args:
        images: originals; planted copies (about 1 in 13) and four spoilt files come on top. At least 16, so that every
            class is in every hospital.
        seed: the same seed gives the same bytes.
        size: long side of a picture in pixels, before each hospital's own scale of 0.9 to 1.1.
        workers: processes; 0 = one a processor, at most 8. Changes the time, never a byte.
        clean: no copies and no spoilt files; the classes have the same shares in every hospital, and every hospital
            tells its patients. Nothing but the lesions says what class an image is of, unless it is planted.
        plants: shortcuts to plant, of ``plants.PLANTS``; those that break a split need :func:`leaks.spoil_split` too.
    """

    images: int = 480
    seed: int = 0
    size: int = 256
    workers: int = 0
    clean: bool = False
    plants: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, least in (("images", 16), ("seed", 0), ("size", 48), ("workers", 0)):
            if getattr(self, name) < least:
                raise OptionError(name, f"is {getattr(self, name)}", f"give {least} or more")
        for plant in self.plants:
            if plant not in PLANTS:
                raise OptionError(f"plant '{plant}'", "is not known", f"use one of {', '.join(PLANTS)}")
        object.__setattr__(self, "plants", tuple(plant for plant in PLANTS if plant in self.plants))

    def recipe(self) -> dict[str, object]:
        """What decides the bytes, for ``truth/phantom.json``; what is as ever is not told."""
        recipe = {"cxrlens": __version__, **asdict(self), "plants": list(self.plants)}
        idle = {"workers", *(name for name in ("clean", "plants") if not getattr(self, name))}
        return {name: value for name, value in recipe.items() if name not in idle}


def write_phantom(out: Path, options: PhantomOptions = PhantomOptions(), progress: Progress = quiet) -> Path:
    """Make ``out``/collections and ``out``/truth; returns ``out``.

    A folder that already holds this very phantom is left as it is. All is made beside ``out`` and renamed at the end,
    so that a reader sees the whole phantom or none.

    Raises:
        CollectionError: ``out`` exists and holds something else.
        OptionError: from :class:`PhantomOptions`.
    """
    out = Path(out)
    recipe = options.recipe()
    if out.exists() and _settled(out, recipe):
        return out
    make_folder(out.parent)
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
    make_folder(root)
    records = plan_cohort(options.images, options.seed, mix_of(options.plants, clean=options.clean))
    copies = [] if options.clean else plan_copies(records, options.seed)
    first = len(records) + len(copies)
    spoilt = [] if options.clean else spoilt_files(first, options.seed, options.size)
    leaks = plan_leaks(records, first + len(spoilt), options.plants)
    rows: list[dict[str, object]] = []
    annotations: list[tuple[object, ...]] = []
    plants: list[tuple[object, ...]] = []
    done = _make_all(root, options, [*records, *leaks.visits])
    for row, marks, planted in progress(done, len(records) + len(leaks.visits), "making synthetic radiographs"):
        rows.append(row)
        annotations.extend(marks)
        plants.extend(planted)
    by_path = {str(row["path"]): row for row in rows}
    groups: dict[str, int] = {}
    duplicates: list[tuple[object, ...]] = []
    faults: list[tuple[object, ...]] = []

    def group_of(original: str) -> int:
        if original not in groups:
            groups[original] = len(groups) + 1
            by_path[original]["duplicate_group"] = str(groups[original])
            duplicates.append((groups[original], original, "original"))
        return groups[original]

    for copy in (*copies, *leaks.copies):
        source = by_path[copy.original.path]
        duplicates.append((group_of(copy.original.path), copy.path, copy.alteration))
        rows.append(_plant_copy(root, copy, source))
        faults.append((copy.path, LABEL_CONFLICT if copy.label != copy.original.label else f"copy: {copy.alteration}"))
    for original, twin in leaks.twins:
        duplicates.append((group_of(original.path), twin.path, "near-identical film"))
        rows.append(_plant_twin(root, original, twin, by_path[original.path], options.plants))
        faults.append((twin.path, "one person under two ids"))
    for one in spoilt:
        rows.append(_plant_spoilt(root, one))
        faults.append((one.path, one.fault))
    plants.extend((path, plant, detail, split) for path, plant, detail, split in leaks.where)
    truth = Truth(rows, annotations, duplicates, faults, plants)
    write_truth(root, truth, clean=options.clean, planted=bool(options.plants))


def _make(root: Path, size: int, record: Record, plants: tuple[str, ...]) -> _Made:
    """Compute and write one original with its masks; its manifest row, its annotations and what was planted in it."""
    h = HOSPITALS[record.hospital]
    planted = treatment(record, plants)
    p = expose_patient(sample_patient(record.entropy), record.visit, record.label, h.name, round(size * h.scale))
    samples = to_samples(planted.apply(p.pixels), h.bits, h.tint)
    data = encode(samples, h.extension, planted.quality or h.quality)
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
    said = planted.said(jpeg=h.extension != ".png")
    return row, annotations, [(record.path, plant, detail, "") for plant, detail in said]


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


def _plant_twin(
    root: Path, original: Record, twin: Record, source: dict[str, object], plants: tuple[str, ...]
) -> dict[str, object]:
    """One film again, under another patient's id."""
    h = HOSPITALS[twin.hospital]
    samples = near_identical(decode((root / original.path).read_bytes()), (*twin.entropy, twin.visit))
    data = encode(samples, h.extension, treatment(original, plants).quality or h.quality)
    _write(root / twin.path, data)
    changed = {"path": twin.path, "patient_id": twin.patient_id, "width": samples.shape[1], "height": samples.shape[0]}
    return {**source, **changed, "sha256": hashlib.sha256(data).hexdigest()}


def _plant_spoilt(root: Path, spoilt: Spoilt) -> dict[str, object]:
    _write(root / spoilt.path, spoilt.data)
    width, height = spoilt.size
    row: dict[str, object] = {"path": spoilt.path, "label": spoilt.label, "patient_id": spoilt.patient_id}
    row |= {"collection": spoilt.hospital, "source": spoilt.hospital, "sha256": hashlib.sha256(spoilt.data).hexdigest()}
    if width:
        return {**row, "width": width, "height": height}
    return {**row, "excluded": spoilt.fault}


def _write(path: Path, data: bytes) -> None:
    write_atomically(path, data)


def _make_all(root: Path, options: PhantomOptions, records: Sequence[Record]) -> Iterable[_Made]:
    """Make each record in turn, in as many processes as asked for; the order is kept."""
    workers = options.workers or min(usable_cores(), 8)
    if workers == 1 or options.images < _POOL_FROM:
        return (_make(root, options.size, record, options.plants) for record in records)
    # joblib's processes start afresh, not forked (the caller may run threads that a fork would break), and need no
    # guarded main module, so that this works from a notebook or a prompt too.
    jobs = (delayed(_make_alone)(root, options.size, record, options.plants) for record in records)
    made: Iterable[_Made] = Parallel(n_jobs=workers, return_as="generator", batch_size=8)(jobs)
    return made


def _make_alone(root: Path, size: int, record: Record, plants: tuple[str, ...]) -> _Made:
    """As :func:`_make`, in a process of its own, whose OpenCV shall not start threads besides."""
    cv2.setNumThreads(1)
    return _make(root, size, record, plants)
