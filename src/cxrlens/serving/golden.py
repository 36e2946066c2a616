"""Golden predictions: synthetic images that travel with a model, and what torch said of them where it was exported."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxrlens import SYNTHETIC_NOTE
from cxrlens.folders import write_atomically, write_json
from cxrlens.labels import CLASSES
from cxrlens.lungs.plausible import lungs_found
from cxrlens.serving.folder import GOLDEN
from cxrlens.sources.phantom import make_phantom
from cxrlens.sources.phantom.encode import encode_png, to_samples

SIZE = 256
SEEDS: tuple[int, ...] = (11, 12)
"""One image of every class for each."""

TOLERANCE = 1e-4
"""Largest difference of a probability that passes."""

_MAPS_TOLERANCE = 1e-3  # of the highest value of any map of the layer
_FLIPS = 0.2  # share of images that may go beyond it


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
    frame: NDArray[np.uint8], probabilities: NDArray[np.float64], maps: Mapping[str, NDArray[np.float32]]
) -> dict[str, Any]:
    """What is expected of one image.

    Args:
        frame: (S, S) uint8, the image as the network sees it.
        probabilities: (K,) as the network gives them, before calibration.
        maps: by layer, the deepest first, (K, h, w) of the classes; their maximum and mean are kept.
    """
    values: dict[str, Any] = {
        "frame_sha256": frame_hash(frame),
        "probabilities": [float(p) for p in probabilities],
    }
    figures = {layer: figures_of(each[None])[0].tolist() for layer, each in maps.items()}
    if figures:
        values["maps"] = next(iter(figures.values()))
        values["layers"] = figures
    return values


def lungs_told(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """What is expected of the lungs (S, S) of an image: their share of the frame, and whether they are like two."""
    return {"area": float(mask.mean()), "found": lungs_found(mask).ok}


def figures_of(maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n, K, h, w) to (n, K, 2): maximum and mean of each map."""
    values = maps.astype(np.float64)
    return np.stack([values.max(axis=(2, 3)), values.mean(axis=(2, 3))], axis=2)


def apart_by_image(found: NDArray[np.floating], expected: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, …) twice to (n,): the largest difference, as a share of the highest value of all that is expected."""
    apart = np.abs(found.astype(np.float64) - expected).reshape(len(found), -1).max(axis=1)
    return np.asarray(apart / max(float(expected.max()), 1e-12))


def maps_agree(apart: NDArray[np.float64], *, deepest: bool = False) -> bool:
    """Whether maps are the same within rounding, from :func:`apart_by_image`; never where one is no number.

    Those of the deepest layer, which are shown unless another is asked for, must be so in every image.

    A gradient jumps where a ReLU stands at 0 or two places of a pooling window are equal, and rounding may push it
    to the other side in a few images: that moves a shallow map a little more than rounding itself does. A rule that is
    wrong moves nearly all.
    """
    if deepest:
        return float(apart.max()) < _MAPS_TOLERANCE
    few = float(np.quantile(apart, 1 - _FLIPS)) < _MAPS_TOLERANCE
    return few and float(apart.max()) < 50 * _MAPS_TOLERANCE


def frame_hash(frame: NDArray[np.uint8]) -> str:
    """Hex SHA-256 of the network's view of an image: equal where decoding and preprocessing are, to the bit."""
    return hashlib.sha256(np.ascontiguousarray(frame).tobytes()).hexdigest()
