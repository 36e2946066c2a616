"""Toys for the tests of the gate: films with a clear up and left, and a trained run made of them in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from cxrlens.folders import DatasetFolder, RunFolder, write_json
from cxrlens.labels import CLASSES
from cxrlens.manifest import new_manifest, write_manifest
from cxrlens.model import build_model, save_model
from cxrlens.preprocessing import Preprocessing

SIDE = 96


def film(seed: int, side: int = SIDE) -> np.ndarray:
    """(side, side) float32 in [0, 1]: two dark lungs, a bright heart on the right of the picture, a bright belly."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    shift = rng.normal(0, 0.015, 4)
    lungs = sum(np.exp(-(((x - c) / 0.14) ** 2 + ((y - 0.45 - shift[2]) / 0.25) ** 2)) for c in (0.3 + shift[0], 0.7))
    heart = np.exp(-(((x - 0.68 - shift[1]) / 0.18) ** 2 + ((y - 0.6) / 0.16) ** 2))
    belly = 1 / (1 + np.exp(-(y - 0.8 - shift[3]) / 0.03))
    ribs = 0.06 * np.sin(2 * np.pi * (9 + rng.normal(0, 0.4)) * (y + 0.25 * np.abs(x - 0.5)))
    body = 0.55 - 0.4 * lungs + 0.6 * heart + 0.25 * belly + ribs + rng.normal(0, 0.02, (side, side))
    return np.clip(body * rng.uniform(0.85, 1.1), 0.02, 0.98).astype(np.float32)


def gate_run(root: Path, images: int = 200) -> RunFolder:
    """A run with an untrained network on toy films of two hospitals: 60 % train, 20 % validation, 20 % held out."""
    folder = root / "films"
    folder.mkdir(parents=True)
    rows = []
    for number in range(images):
        part = number / images
        split = "train" if part < 0.6 else "validation" if part < 0.8 else ("test", "test", "calibration")[number % 3]
        path = folder / f"{number}.png"
        Image.fromarray(np.round(film(number) * 255).astype(np.uint8)).save(path)
        source = ("east", "west")[number % 2]
        row = {"path": str(path), "label": CLASSES[number % 4], "collection": source, "source": source, "split": split}
        rows.append({**row, "patient_id": f"P{number // 2}"})
    dataset = DatasetFolder(root / "dataset")
    dataset.root.mkdir()
    write_manifest(new_manifest(rows), dataset.manifest_path)
    run = RunFolder(root / "run")
    run.root.mkdir()
    write_json(run.config_path, {"format": 1, "dataset": str(dataset.root)})
    write_model(run, seed=0)
    return run


def write_model(run: RunFolder, seed: int) -> None:
    """An untrained network: its features still differ from picture to picture."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build_model("compact", size=64)
    weights = module.state_dict()
    preprocessing = Preprocessing(size=64)
    save_model(run, weights, name="compact", classes=CLASSES, preprocessing=preprocessing, facts={"dataset_hash": "0"})
