"""Golden predictions: synthetic images that travel with a model, and what torch said of them where it was exported."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxrlens import SYNTHETIC_NOTE
from cxrlens.folders import write_atomically, write_json
from cxrlens.labels import CLASSES
from cxrlens.serving.folder import GOLDEN
from cxrlens.sources.phantom import make_phantom
from cxrlens.sources.phantom.encode import encode_png, to_samples

SIZE = 256
SEEDS: tuple[int, ...] = (11, 12)
"""One image of every class for each."""

TOLERANCE = 1e-4
"""Largest difference of a probability that passes."""


def write_images(root: Path) -> list[str]:
    """Synthetic radiographs of every class as PNG files below ``root``; their relative names."""
    names = []
    for seed in SEEDS:
        for label in CLASSES:
            name = f"golden/{label.lower()}-{seed}.png"
            pixels = make_phantom(label, seed=seed, size=SIZE).pixels
            write_atomically(root / name, encode_png(to_samples(pixels, 8)))
            names.append(name)
    return names


def write_golden(root: Path, names: Sequence[str], expected: Sequence[dict[str, Any]]) -> None:
    """Keep what is expected of each image; the keys are those of :func:`expectation` and ``gate``."""
    images = {name: dict(values) for name, values in zip(names, expected, strict=True)}
    write_json(root / GOLDEN, {"note": SYNTHETIC_NOTE, "tolerance": TOLERANCE, "images": images})


def expectation(
    frame: NDArray[np.uint8], probabilities: NDArray[np.float64], maps: NDArray[np.float32] | None
) -> dict[str, Any]:
    """What is expected of one image.

    Args:
        frame: (S, S) uint8, the image as the network sees it.
        probabilities: (K,) as the network gives them, before calibration.
        maps: (K, h, w) of the classes; their maximum and mean are kept.
    """
    values: dict[str, Any] = {
        "frame_sha256": frame_hash(frame),
        "probabilities": [float(p) for p in probabilities],
    }
    if maps is not None:
        values["maps"] = [[float(m.max()), float(m.mean())] for m in maps]
    return values


def frame_hash(frame: NDArray[np.uint8]) -> str:
    """Hex SHA-256 of the network's view of an image: equal where decoding and preprocessing are, to the bit."""
    return hashlib.sha256(np.ascontiguousarray(frame).tobytes()).hexdigest()
