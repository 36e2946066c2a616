"""How good the segmenter is: Dice on outlines and phantoms it never saw, with 95 % intervals by patient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cxrlens.evaluation.blocks import Bootstrap, mean_interval
from cxrlens.evaluation.resampling import clusters
from cxrlens.lungs.frames import to_masks
from cxrlens.lungs.plausible import lungs_found
from cxrlens.lungs.segmenting import segment_lungs
from lungs_material import LUNG, READER, UNKNOWN, Material, outlined, phantoms

SIZE = 128
HELD_OUT_PHANTOMS = range(1_000_000, 1_000_096)
RESAMPLES = 2000


def dice(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n,) 2 |A ∩ B| / (|A| + |B|) of masks (n, S, S) over the pixels whose truth is known."""
    a, b = found & (truth != UNKNOWN), truth == LUNG
    return 2 * (a & b).sum((1, 2)) / np.maximum(1, a.sum((1, 2)) + b.sum((1, 2)))


def judge(weights: Path, data: Path, seed: int, dataset: Path | None = None) -> dict[str, Any]:
    """Dice of every held-out part, of phantoms, and between the two readers; as ``lungs.json`` holds them."""
    bootstrap = Bootstrap(RESAMPLES, seed)
    real = outlined(data, SIZE, seed, dataset)
    real = real.where(real.about["whole"].to_numpy(bool))
    part, second = real.about["part"], real.about["reader"] == READER
    chosen = {
        "real, same sources": part == "same sources",
        "real, hospital left out": part == "hospital left out",
        "real, other reader": (part == "other reader") & second,
        "real, other reader: pneumonia": second & (real.about["label"] == "pneumonia"),
        "real, patients of the other reader, outlined by the first": (part == "other reader") & ~second,
    }
    figures = {name: figure(real.where(rows.to_numpy()), weights, bootstrap) for name, rows in chosen.items()}
    synthetic = phantoms(HELD_OUT_PHANTOMS, SIZE)
    figures["SYNTHETIC, held-out phantoms"] = figure(synthetic, weights, bootstrap)
    for hospital, rows in synthetic.about.groupby("source").indices.items():
        chosen_rows = np.isin(np.arange(len(synthetic)), rows)
        figures[f"SYNTHETIC, phantoms of {hospital}"] = figure(synthetic.where(chosen_rows), weights, bootstrap)
    return {"size": SIZE, "dice": figures, "between_readers": between_readers(real, bootstrap)}


def figure(material: Material, weights: Path, bootstrap: Bootstrap) -> dict[str, Any]:
    """Mean Dice with its interval, the tenth percentile, the worst, and how many masks look like two lungs."""
    found = to_masks(segment_lungs(material.frames, weights=weights))
    scores = dice(found, material.truth)
    units = clusters(material.about)
    return {
        "n": len(material),
        "patients": int(units.max()) + 1,
        "dice": mean_interval(scores, units, bootstrap).to_dict(),
        "tenth_percentile": round(float(np.percentile(scores, 10)), 4),
        "worst": round(float(scores.min()), 4),
        "plausible": int(sum(lungs_found(mask).ok for mask in found)),
    }


def between_readers(real: Material, bootstrap: Bootstrap) -> dict[str, Any]:
    """Dice between the two readers on the radiographs that both outlined: what a perfect segmenter could reach."""
    second = (real.about["reader"] == READER).to_numpy()
    first_row = {path: row for row, path in enumerate(real.about["path"]) if not second[row]}
    pairs = [(first_row[path], row) for row, path in enumerate(real.about["path"]) if second[row] and path in first_row]
    one, other = real.truth[[a for a, _ in pairs]] == LUNG, real.truth[[b for _, b in pairs]]
    units = clusters(real.about.iloc[[a for a, _ in pairs]].reset_index(drop=True))
    return {"n": len(pairs), "dice": mean_interval(dice(one, other), units, bootstrap).to_dict()}
