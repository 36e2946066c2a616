"""What a margin around the lungs keeps: the share of each lesion inside, and the share of the frame it costs.

    python benchmarks/measure_lungs.py --data ../shared/data --dataset runs/real/honest/dataset --out src/cxrlens/lungs

Lesions are those a radiologist outlined (ground glass, consolidation: all on radiographs held out from training) and,
apart, those of held-out phantoms. Also: how often the mask looks like two lungs in every collection, and the speed.
The check is also shown what is no upright pair of lungs. Adds ``margin``, ``plausible``, ``wrong`` and ``speed``.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_sample_images

from cxrlens.evaluation.blocks import Bootstrap, accuracy_of, mean_interval
from cxrlens.evaluation.resampling import clusters
from cxrlens.folders import write_json
from cxrlens.labels import CLASSES
from cxrlens.lungs import dilate, lung_masks, lungs_found, segment_lungs
from cxrlens.preprocessing import Preprocessing
from cxrlens.radiograph import Radiograph
from cxrlens.sources import read_radiograph
from cxrlens.sources.annotations import read_annotations
from cxrlens.sources.phantom import HOSPITALS, make_phantom
from lungs_figures import HELD_OUT_PHANTOMS, RESAMPLES, SIZE
from lungs_material import unlabelled

MARGINS = ((0.0, False), (0.0, True), (0.015, False), (0.015, True), (0.03, False), (0.03, True), (0.05, True))
"""(share of the side, convex hull of each lung)."""

OTHERS = ("covid-cxnet", "kaggle-covid19-image", "nih-sample", "radiography")
"""Collections that the segmenter did not learn from; some of their films repeat outlined ones."""

FINDINGS = ("Ground Glass Opacities", "Consolidation")


def main() -> None:
    """Measure and add to ``lungs.json``."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--dataset", type=Path, help="curated dataset of it, for patients and copies")
    parser.add_argument("--out", type=Path, required=True, help="folder with lungs.json")
    parser.add_argument("--each", type=int, default=150, help="radiographs of each collection")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    bootstrap, data = Bootstrap(RESAMPLES, options.seed), options.data.resolve()
    frames, lesions, about = real_lesions(data)
    margin = {"real": kept_by_margin(frames, lesions, about, bootstrap)}
    for finding in FINDINGS:
        rows = (about["finding"] == finding).to_numpy()
        margin[f"real, {finding}"] = kept_by_margin(frames[rows], lesions[rows], about[rows], bootstrap)
    margin["SYNTHETIC, phantoms"] = kept_by_margin(*phantom_lesions(), bootstrap)
    told = json.loads((options.out / "lungs.json").read_text())
    found = {
        "margin": margin,
        "plausible": plausible(data, options),
        "wrong": wrong(data, options),
        "speed": speed(frames),
    }
    write_json(options.out / "lungs.json", told | found)
    print(json.dumps(found, indent=1))


def real_lesions(data: Path) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Frames (n, S, S), lesions (n, S, S), a row each: one for every radiograph and finding that was outlined."""
    cut, manifest = Preprocessing(size=SIZE), pd.read_csv(data / "manifest.csv", dtype=str, keep_default_na=False)
    patients = dict(zip(manifest["path"], manifest["patient_id"], strict=True))
    frames, lesions, rows = [], [], []
    for image in read_annotations(data / "annotations" / "annotations.csv", data):
        radiograph, place = read_radiograph(image.path), None
        name = image.path.relative_to(data).as_posix()
        for finding in sorted(set(image.findings) & set(FINDINGS)):
            place = place or cut.placement(radiograph)
            only = image.lesions[image.lesions["finding"] == finding]
            mask = type(image)(image.path, only, image.lungs, image.root).lesion_mask(radiograph.pixels.shape)
            frames.append(cut(radiograph))
            lesions.append(place.mask_to_frame(mask))
            rows.append(("cohen", patients[name], "", finding))
    return (
        np.stack(frames),
        np.stack(lesions),
        pd.DataFrame(rows, columns=["source", "patient_id", "duplicate_group", "finding"]),
    )


def phantom_lesions() -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """The same of held-out phantoms with disease."""
    cut, frames, lesions, rows = Preprocessing(size=SIZE), [], [], []
    kinds = [(label, hospital) for hospital in HOSPITALS for label in CLASSES]
    for seed in HELD_OUT_PHANTOMS:
        label, hospital = kinds[seed % len(kinds)]
        phantom = make_phantom(label, hospital=hospital, seed=seed, size=256)
        radiograph = Radiograph(phantom.pixels)
        mask = cut.placement(radiograph).mask_to_frame(phantom.lesion_mask)
        if mask.any():
            frames.append(cut(radiograph))
            lesions.append(mask)
            rows.append((hospital, str(seed), "", label))
    return (
        np.stack(frames),
        np.stack(lesions),
        pd.DataFrame(rows, columns=["source", "patient_id", "duplicate_group", "finding"]),
    )


def kept_by_margin(
    frames: np.ndarray, lesions: np.ndarray, about: pd.DataFrame, bootstrap: Bootstrap
) -> dict[str, Any]:
    """For every margin: mean share of a lesion inside, lesions that lose a tenth, share of the frame taken."""
    tight, units = lung_masks(frames), clusters(about.reset_index(drop=True))
    result: dict[str, Any] = {}
    for share, hull in MARGINS:
        wide = dilate(tight, share, hull=hull)
        inside = (lesions & wide).sum((1, 2)) / lesions.sum((1, 2))
        result[f"{share:g}{' + hull' if hull else ''}"] = {
            "n": len(frames),
            "lesion_inside": mean_interval(inside, units, bootstrap, share=True).to_dict(),
            "lesions_losing_a_tenth": accuracy_of(inside < 0.9, units, bootstrap).to_dict(),
            "frame": round(float(wide.mean()), 4),
        }
    return result


def plausible(data: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Share of each collection's radiographs whose mask looks like two lungs, and what is said of the others."""
    manifest = pd.read_csv(data / "manifest.csv", dtype=str, keep_default_na=False)
    result: dict[str, Any] = {}
    for collection in sorted(set(manifest["collection"])):
        sample = unlabelled(data, (collection,), options.each, SIZE, options.seed)
        verdicts = [lungs_found(mask) for mask in lung_masks(sample.frames)]
        ok = np.array([v.ok for v in verdicts])
        units = clusters(sample.about)
        result[collection] = {
            "n": len(ok),
            "two_lungs": accuracy_of(ok, units, Bootstrap(RESAMPLES, options.seed)).to_dict(),
            "others": sorted({v.reason for v in verdicts if not v.ok})[:5],
        }
    return result


def wrong(data: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Share of what is no upright pair of lungs that the check passes all the same; each altered film is a unit."""
    rng = np.random.default_rng(options.seed)
    films = unlabelled(data, OTHERS, options.each // 5, SIZE, options.seed).frames
    tiles = films.reshape(-1, 8, 16, 8, 16).transpose(0, 1, 3, 2, 4).reshape(-1, 64, 16, 16)
    mixed = np.stack([film[rng.permutation(64)] for film in tiles]).reshape(-1, 8, 8, 16, 16).transpose(0, 1, 3, 2, 4)
    halved = films.copy()
    halved[:, :, SIZE // 2 :] = 0
    cut = Preprocessing(size=SIZE)
    photographs = [Radiograph((p.mean(2) / 255).astype(np.float32)) for p in load_sample_images().images]
    others = [read_radiograph(path) for path in sorted((data / "dicom" / "not_chest").iterdir())]
    pictures = {
        "turned by 90°": np.rot90(films, 1, (1, 2)).copy(),
        "upside down": np.rot90(films, 2, (1, 2)).copy(),
        "inverted": 255 - films,
        "tiles of 16 px shuffled": mixed.reshape(-1, SIZE, SIZE),
        "right half of the picture black": halved,
        "noise": rng.integers(0, 256, films.shape).astype(np.uint8),
        "photographs (scikit-learn), a leg, teeth": np.stack([cut(r) for r in [*photographs, *others]]),
    }
    result: dict[str, Any] = {}
    for name, frames in pictures.items():
        passed = np.array([lungs_found(mask).ok for mask in lung_masks(frames)])
        interval = accuracy_of(passed, np.arange(len(passed)), Bootstrap(RESAMPLES, options.seed))
        result[name] = {"n": len(passed), "passed": interval.to_dict()}
    return result


def speed(frames: np.ndarray) -> dict[str, float]:
    """Frames a second of one thread, by its processor time, best of three."""
    many = np.concatenate([frames] * 6)[:256]
    times = []
    for _ in range(3):
        start = time.thread_time()
        segment_lungs(many)
        times.append(time.thread_time() - start)
    return {"frames": len(many), "size": SIZE, "frames_a_second_one_thread": round(len(many) / min(times), 1)}


if __name__ == "__main__":
    main()
