"""Dataset and run folders made by hand for the tests of the reports: small, with known figures and hostile names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.evaluation.evaluate import measure
from cxrlens.folders import DatasetFolder, RunFolder, write_json
from cxrlens.labels import CLASSES
from cxrlens.manifest import dataset_hash, new_manifest, write_manifest
from cxrlens.preprocessing import Preprocessing
from cxrlens.split import SplitOptions, split

HOSTILE = "<script>alert('x')</script> & \"q\".png".replace("/", "∕")
SECRET_PATIENT = "PATIENT-90210"
PROBABILITIES = ("p_normal", "p_covid19", "p_pneumonia", "p_tuberculosis")
PER_SOURCE = 40


def thorax(seed: int, side: int = 60) -> np.ndarray:
    """(side, side) uint8: two dark lungs on grey, with texture that differs by seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    body = 0.75 - 0.5 * sum(np.exp(-(((x - c) / 0.13) ** 2 + ((y - 0.45) / 0.27) ** 2)) for c in (0.3, 0.7))
    coarse = np.kron(rng.normal(0, 0.08, (12, 12)), np.ones((side // 12, side // 12)))
    return np.round(255 * np.clip(body + coarse + rng.normal(0, 0.01, (side, side)), 0, 1)).astype(np.uint8)


def make_dataset(root: Path, *, synthetic: bool = False, kind: str = "grouped") -> DatasetFolder:
    """Two hospitals, four classes, one known patient in each third image, pairs, flags and an excluded file."""
    pictures = root / "pictures"
    pictures.mkdir(parents=True)
    rows: list[dict[str, object]] = []
    for number in range(2 * PER_SOURCE):
        source = ("east", "west")[number % 2]
        name = HOSTILE if number == 0 else f"film {number:03d}.png"
        if number == 1:
            name = f"{SECRET_PATIENT}_000.png"
        Image.fromarray(thorax(number)).save(pictures / name)
        label = CLASSES[(number // 2) % 4] if source == "east" else CLASSES[(number // 2) % 8 // 7]
        patient = SECRET_PATIENT if number == 1 else f"P-{7000 + number}" if number % 3 == 0 else ""
        row = {"path": str(pictures / name), "label": label, "collection": source, "source": source}
        rows.append({**row, "patient_id": patient, "sha256": f"{number:064x}", "age": "9" if number == 4 else ""})
    rows[0]["flags"] = "rotated:0.93"
    rows[2]["duplicate_group"] = rows[3]["duplicate_group"] = "1"
    rows.append({"path": str(pictures / "gone.png"), "label": CLASSES[0], "collection": "east", "source": "east"})
    rows[-1]["excluded"] = f"copy of {SECRET_PATIENT}_000.png"
    dataset = DatasetFolder(root)
    result = split(new_manifest(rows), SplitOptions(kind=kind, test=0.3))
    write_manifest(result.manifest, dataset.manifest_path)
    write_json(dataset.split_path, result.report)
    write_json(dataset.curation_path, {"synthetic": synthetic})
    _write_pairs(dataset, result.manifest)
    return dataset


def make_run(root: Path, dataset: DatasetFolder, *, evaluated: bool = True, right: float = 0.7) -> RunFolder:
    """A run of which about ``right`` of the images are named rightly, the figures measured by the evaluation itself."""
    run = RunFolder(root)
    manifest = dataset.manifest()
    preprocessing = Preprocessing(size=32)
    facts = {"dataset_hash": dataset_hash(manifest), "preprocessing": preprocessing.to_dict()}
    settings = {
        "epochs": 3,
        "seed": 5,
        "augmentation": "standard",
        "weights": "/home/somebody/secret-place/w.safetensors",
    }
    write_json(
        run.config_path, {"format": 1, "dataset": str(dataset.root), "model": "plain", "options": settings, **facts}
    )
    model = {"format": 1, "name": "plain", "size": 32, "classes": list(CLASSES), "weights_sha256": "ab" * 32}
    write_json(run.model_path, {**model, "best_epoch": 2, "parameters": 1_012_340, **facts})
    history = {
        "epoch": [1, 2, 3],
        "clean_train_accuracy": [0.5, 0.93, 0.99],
        "validation_accuracy": [0.4, 0.75, 0.7],
        "validation_loss": [1.0, 0.6, 0.8],
        "images_per_s": [100.0, 120.0, 110.0],
        "seconds": [30.0, 30.0, 40.0],
    }
    pd.DataFrame(history).to_csv(run.history_path, index=False)
    if evaluated:
        predictions = _predictions(manifest, right)
        predictions.to_csv(run.predictions_path, index=False)
        write_json(run.metrics_path, {"format": 1, **measure(predictions, Bootstrap(200), _kind(dataset))})
        for name in ("confusion", "roc", "reliability"):
            run.figures.mkdir(exist_ok=True)
            Image.new("RGB", (320, 240), "white").save(run.figures / f"{name}.png")
        Image.new("RGB", (640, 480), "white").save(run.root / "curves.png")
    return run


def _predictions(manifest: pd.DataFrame, right: float) -> pd.DataFrame:
    rows = manifest[manifest["excluded"] == ""].reset_index(drop=True)
    rng = np.random.default_rng(3)
    said = [CLASSES.index(c) if rng.random() < right else int(rng.integers(4)) for c in rows["label"]]
    probabilities = np.full((len(rows), 4), 0.1)
    probabilities[np.arange(len(rows)), said] = 0.7
    rows["predicted"] = [CLASSES[k] for k in said]
    rows[list(PROBABILITIES)] = probabilities
    return rows


def _write_pairs(dataset: DatasetFolder, manifest: pd.DataFrame) -> None:
    folder = dataset.root / "pictures"
    source = Image.open(folder / "film 003.png")
    source.rotate(-3, resample=Image.Resampling.BICUBIC, fillcolor=0).save(folder / "film 002.png")
    first, second = (str(folder / f"film {n:03d}.png") for n in (3, 2))
    label = {path: manifest.loc[manifest["path"] == path, "label"].iloc[0] for path in (first, second)}
    moved = {"scale": 1.0, "rotation_deg": 3.0, "dx": 0.0, "dy": 0.0, "inverted": False, "mirrored": False}
    labels = {"label_a": label[first], "label_b": label[second]}
    twice = {"kind": "exact-bytes", "score": 1.0, "label_a": "Normal", "label_b": "Tuberculosis"}
    pairs = [
        {"path_a": first, "path_b": second, "kind": "near", "score": 0.97, **moved, **labels},
        {"path_a": first, "path_b": str(folder / "lost.png"), **moved, **twice},
    ]
    pd.DataFrame(pairs).to_csv(dataset.pairs_path, index=False)


def _kind(dataset: DatasetFolder) -> str:
    from cxrlens.folders import read_json

    return str(read_json(dataset.split_path)["kind"])
