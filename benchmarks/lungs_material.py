"""Frames to train and judge the lung segmenter with: outlined by readers, phantoms, and without any outline."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cxrlens.evaluation.resampling import clusters
from cxrlens.labels import CLASSES
from cxrlens.lungs.margin import hulls
from cxrlens.preprocessing import Preprocessing
from cxrlens.radiograph import Radiograph
from cxrlens.sources import read_radiograph
from cxrlens.sources.annotations import Annotated, read_annotations
from cxrlens.sources.phantom import HOSPITALS, Phantom, make_phantom

OUT, LUNG, UNKNOWN = 0, 1, 2
"""Values of a truth: pixels of ``UNKNOWN`` count neither in the loss nor in the score."""

HANNOVER = re.compile(r"^[0-9a-f]{8}\.(jpg|png|jpeg)$")
"""File names that the collection took over from the repository of one German hospital (labels on the films: 'auf
Station', 'Bettaufnahme'); inferred, since its metadata names no source."""

READER = "radiologist"
"""The second reader, whose 69 outlines are all held out: other eyes, and pneumonia beside COVID-19."""


@dataclass(frozen=True)
class Material:
    """n frames with a truth each.

    Args:
        frames: (n, S, S) uint8.
        truth: (n, S, S) uint8 of ``OUT``, ``LUNG``, ``UNKNOWN``.
        about: n rows: ``path``, ``part``, ``source``, ``patient_id``, ``duplicate_group``, ``label``.
    """

    frames: np.ndarray
    truth: np.ndarray
    about: pd.DataFrame

    def __len__(self) -> int:
        return len(self.frames)

    def where(self, chosen: np.ndarray) -> Material:
        """The rows that (n,) ``chosen`` says."""
        return Material(self.frames[chosen], self.truth[chosen], self.about[chosen].reset_index(drop=True))


def outlined(data: Path, size: int, seed: int, dataset: Path | None = None) -> Material:
    """Every real outline, a row for each image and reader, with its ``part``.

    ``train``; ``same sources`` (a sixth of the units, drawn by ``seed``); ``hospital left out``; ``other reader``:
    every image that a radiologist outlined. A patient in a later part, with all images and all their copies, is in no
    earlier one. ``whole`` is false where one lung of two was outlined.
    """
    table = data / "annotations" / "annotations.csv"
    manifest = pd.read_csv(data / "manifest.csv", dtype=str, keep_default_na=False).set_index("path")
    groups = _groups(data, dataset)
    rows, frames, truths = [], [], []
    cut = Preprocessing(size=size)
    for image in read_annotations(table, data, of="lungs"):
        radiograph = read_radiograph(image.path)
        place = cut.placement(radiograph)
        relative = image.path.relative_to(data).as_posix()
        known = manifest.loc[relative]
        for reader, lungs in image.lungs.groupby("annotator"):
            mask = Annotated(image.path, lungs, lungs, data).lesion_mask(radiograph.pixels.shape)
            frames.append(cut(radiograph))
            truths.append(place.mask_to_frame(mask).astype(np.uint8))
            whole = reader != READER or len(lungs) == 2  # of one radiograph the radiologist outlined one lung only
            rows.append((relative, reader, known["patient_id"], groups.get(relative, ""), known["label"], whole))
    about = pd.DataFrame(rows, columns=["path", "reader", "patient_id", "duplicate_group", "label", "whole"])
    about.insert(0, "source", "cohen")
    about["part"] = _parts(about, seed)
    return Material(np.stack(frames), np.stack(truths), about)


def _groups(data: Path, dataset: Path | None) -> dict[str, str]:
    """Group of copies of each path: as the table of known copies says, or as a curated dataset of ``data`` found."""
    if dataset is not None:
        found = pd.read_csv(dataset / "manifest.csv", dtype=str, keep_default_na=False)
        return {
            Path(p).resolve().relative_to(data).as_posix(): g
            for p, g in zip(found["path"], found["duplicate_group"], strict=True)
        }
    known = pd.read_csv(data / "annotations" / "known_duplicates.csv", dtype=str, keep_default_na=False)
    return dict(zip(known["path"], known["group"], strict=True))


def _parts(about: pd.DataFrame, seed: int) -> np.ndarray:
    """Part of each row, decided for whole units of patients and copies."""
    units = clusters(about)
    part = np.full(len(about), "train", dtype=object)
    drawn = np.random.default_rng(seed).permutation(units.max() + 1)[: round((units.max() + 1) / 6)]
    part[np.isin(units, drawn)] = "same sources"
    for name, chosen in (
        ("hospital left out", about["path"].str.split("/").str[-1].str.match(HANNOVER)),
        ("other reader", about["reader"] == READER),
    ):
        part[np.isin(units, units[chosen.to_numpy()])] = name
    return part


def phantoms(seeds: Sequence[int], size: int) -> Material:
    """A phantom a seed, over all classes and hospitals in turn.

    A phantom's lungs end at the heart; readers of real films outline them to the spine. What lies inside the convex
    hull of each lung and is no lung is therefore ``UNKNOWN``.
    """
    frames, truths, rows = [], [], []
    kinds = [(label, hospital) for hospital in HOSPITALS for label in CLASSES]
    for seed in seeds:
        label, hospital = kinds[seed % len(kinds)]
        phantom = make_phantom(label, hospital=hospital, seed=seed, size=size)
        frame, truth = framed(phantom, size)
        frames.append(frame)
        truths.append(np.where(truth, LUNG, np.where(hulls(truth), UNKNOWN, OUT)).astype(np.uint8))
        rows.append((hospital, str(seed), "", f"phantom {seed}", label, "phantom"))
    columns = ["source", "patient_id", "duplicate_group", "path", "label", "part"]
    return Material(np.stack(frames), np.stack(truths), pd.DataFrame(rows, columns=columns))


def framed(phantom: Phantom, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Frame (size, size) uint8 and exact lungs (size, size) bool of a phantom."""
    radiograph = Radiograph(phantom.pixels)
    cut = Preprocessing(size=size)
    return cut(radiograph), cut.placement(radiograph).mask_to_frame(phantom.lung_mask)


def unlabelled(data: Path, collections: Sequence[str], each: int, size: int, seed: int) -> Material:
    """``each`` images of every collection, drawn by ``seed``, without any truth (all ``UNKNOWN``)."""
    manifest = pd.read_csv(data / "manifest.csv", dtype=str, keep_default_na=False)
    parts = [
        rows.sample(min(each, len(rows)), random_state=seed)
        for name, rows in manifest.groupby("collection", sort=True)
        if name in collections
    ]
    about = pd.concat(parts).reset_index(drop=True)
    about = about.assign(source=about["collection"], part="unlabelled", duplicate_group="")
    cut = Preprocessing(size=size)
    frames = np.stack([cut(read_radiograph(data / path)) for path in about["path"]])
    return Material(frames, np.full(frames.shape, UNKNOWN, np.uint8), about)
