"""A toy dataset folder for tests: a bright spot in one of four corners names the class. Synthetic, no radiograph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from cxrlens.folders import DatasetFolder
from cxrlens.labels import CLASSES
from cxrlens.manifest import new_manifest, write_manifest

CORNERS = ((0.3, 0.3), (0.7, 0.3), (0.3, 0.7), (0.7, 0.7))


def write_toy_dataset(root: Path, per_class: int = 20, side: int = 64) -> DatasetFolder:
    """60 % train, 20 % validation, 20 % test; test images are named in the manifest and not on the disk."""
    rng = np.random.default_rng(0)
    images = root / "images"
    images.mkdir(parents=True)
    y, x = np.mgrid[:side, :side] / side
    rows = []
    for i in range(per_class * len(CLASSES)):
        label = i % len(CLASSES)
        cx, cy = CORNERS[label] + rng.normal(0, 0.05, 2)
        spot = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 0.02)
        pixels = np.clip(0.4 + 0.1 * rng.standard_normal((side, side)) + 0.5 * spot, 0, 1)
        part = i // len(CLASSES) / per_class
        split = "train" if part < 0.6 else "validation" if part < 0.8 else "test"
        path = images / f"{i}.png"
        if split != "test":
            Image.fromarray((pixels * 255).astype(np.uint8)).save(path)
        rows.append({"path": str(path), "label": CLASSES[label], "collection": "toy", "source": "toy", "split": split})
    write_manifest(new_manifest(rows), root / "manifest.csv")
    return DatasetFolder(root)
