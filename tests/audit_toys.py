"""Toy collections and runs for tests of the audit: what names the class is known, for it was planted. No radiograph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from cxrlens.audit.case import AuditOptions, Case
from cxrlens.augmentation import STRENGTHS
from cxrlens.evaluation import EvaluationOptions, evaluate
from cxrlens.folders import DatasetFolder, RunFolder
from cxrlens.labels import CLASSES
from cxrlens.manifest import new_manifest, write_manifest
from cxrlens.preprocessing import Preprocessing
from cxrlens.training import TrainingOptions, train

SIDE = 64
PLACES = ((0.36, 0.36), (0.64, 0.36), (0.36, 0.64), (0.64, 0.64))
CORNERS = ((0.05, 0.05), (0.95, 0.05), (0.05, 0.95), (0.95, 0.95))
PARTS = ("train", "train", "train", "validation", "test", "calibration")
SOURCES = ("north", "east", "west")


def picture(label: int, source: int, clue: str, rng: np.random.Generator) -> np.ndarray:
    """(SIDE, SIDE) uint8. The class shows in the middle (``inside``), in a corner (``border``), or ``source``: by a
    place that is another one in every source, so that what is learnt in one is wrong in the next."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    places = CORNERS if clue == "border" else PLACES
    cx, cy = places[(label + source) % 4 if clue == "source" else label]
    wide = 0.004 if clue == "border" else 0.012
    spot = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / wide)
    stripes = 0.05 * np.sin(2 * np.pi * (source + 1) * 2 * x)
    pixels = 0.35 + stripes + 0.04 * rng.standard_normal((SIDE, SIDE)) + 0.55 * spot
    return (np.clip(pixels, 0, 1) * 255).astype(np.uint8)


def write_dataset(root: Path, clue: str = "inside", *, per_cell: int = 12, sources: int = 3) -> DatasetFolder:
    """``per_cell`` images of each class in each source, cut into all four parts alike; every patient has two films."""
    rng = np.random.default_rng(0)
    images = root / "images"
    images.mkdir(parents=True)
    rows: list[dict[str, object]] = []
    for source in range(sources):
        for label in range(len(CLASSES)):
            for i in range(per_cell):
                path = images / f"{SOURCES[source]}-{label}-{i}.png"
                Image.fromarray(picture(label, source, clue, rng)).save(path)
                facts = {"path": str(path), "label": CLASSES[label], "collection": SOURCES[source]}
                facts |= {"source": SOURCES[source], "sha256": "", "split": PARTS[i // 2 % len(PARTS)]}
                rows.append({**facts, "patient_id": f"{SOURCES[source]}-{label}-{i // 2}"})
    from cxrlens.sources.hashing import file_sha256

    for row in rows:
        row["sha256"] = file_sha256(str(row["path"]))
    write_manifest(new_manifest(rows), root / "manifest.csv")
    return DatasetFolder(root)


def options(epochs: int = 6) -> TrainingOptions:
    """Small and quick, without random effects."""
    plain = Preprocessing(size=SIDE, trim_borders=False, tone="none")
    return TrainingOptions(
        model="compact", preprocessing=plain, augmentation=STRENGTHS["none"], epochs=epochs, device="cpu"
    )


def make_case(root: Path, clue: str = "inside", *, per_cell: int = 12, sources: int = 3, epochs: int = 6) -> Case:
    """A dataset, a run trained and evaluated on it, and an audit of that run which has not begun."""
    dataset = write_dataset(root / "dataset", clue, per_cell=per_cell, sources=sources)
    run = train(dataset, root / "run", options(epochs))
    evaluate(run, EvaluationOptions(resamples=100, figures=False))
    return Case(RunFolder(run.root), AuditOptions(epochs=epochs, resamples=200))
