"""Altered copies that the benchmark of duplicates plants: one alteration a function, named by what it does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class Planted:
    """A copy and the film it was made of."""

    alteration: str
    original: str
    copy: str


def crop(share: float) -> Callable[[Grey], Grey]:
    """Cut ``share`` of the side off each border."""

    def alter(grey: Grey) -> Grey:
        y, x = (round(side * share) for side in grey.shape)
        return grey[y : grey.shape[0] - y, x : grey.shape[1] - x]

    return alter


def corner(grey: Grey) -> Grey:
    """Cut 16 % off the left and the top, nothing elsewhere."""
    return grey[round(grey.shape[0] * 0.16) :, round(grey.shape[1] * 0.16) :]


def turned(grey: Grey) -> Grey:
    """Rotate by 3 degrees, shift by 2 % and 1.5 %; black comes in from outside."""
    height, width = grey.shape
    way = cv2.getRotationMatrix2D((width / 2, height / 2), 3, 1)
    way[:, 2] += (0.02 * width, 0.015 * height)
    return cv2.warpAffine(grey, way, (width, height))


def windowed(grey: Grey) -> Grey:
    """Another window and gamma: clips 4 % at either end."""
    low, high = np.quantile(grey, (0.04, 0.96))
    part = np.clip((grey.astype(np.float32) - low) / max(high - low, 1), 0, 1) ** 1.5
    return np.rint(part * 255).astype(np.uint8)


def resized(grey: Grey) -> Grey:
    """Half the size."""
    return cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def squeezed(grey: Grey) -> Grey:
    """To 224 x 224, whatever the aspect was."""
    return cv2.resize(grey, (224, 224), interpolation=cv2.INTER_AREA)


def marked(grey: Grey) -> Grey:
    """An arrow, a letter in a black box and a white box, as journals and redaction add them."""
    out = grey.copy()
    height, width = out.shape
    cv2.arrowedLine(out, (width // 5, height // 2), (width // 3, height // 2), 255, max(2, width // 100), tipLength=0.4)
    cv2.rectangle(out, (0, 0), (width // 8, height // 8), 0, -1)
    cv2.putText(out, "B", (4, height // 9), cv2.FONT_HERSHEY_SIMPLEX, width / 300, 255, 2)
    cv2.rectangle(out, (width // 2, height - height // 10), (width - width // 6, height), 255, -1)
    return out


ALTERATIONS: dict[str, tuple[Callable[[Grey], Grey], int]] = {
    "resized to half": (resized, 90),
    "squeezed to 224 px": (squeezed, 90),
    "recompressed, JPEG q30": (lambda grey: grey, 30),
    "re-windowed": (windowed, 90),
    "inverted": (lambda grey: 255 - grey, 90),
    "cropped by 8 %": (crop(0.08), 90),
    "cropped by 16 %": (crop(0.16), 90),
    "cropped at one corner": (corner, 90),
    "rotated 3 degrees + shift": (turned, 90),
    "arrow, letter and box": (marked, 90),
    "mirrored": (lambda grey: np.ascontiguousarray(grey[:, ::-1]), 90),
    "turned by 90 degrees": (lambda grey: np.ascontiguousarray(np.rot90(grey)), 90),
    "cropped by 8 % and inverted": (lambda grey: 255 - crop(0.08)(grey), 90),
}
"""Each with the JPEG quality it is saved with."""


def plant(paths: list[str], folder: Path, each: int, seed: int = 0) -> list[Planted]:
    """Write ``each`` copies an alteration into ``folder``; no film is used for two alterations."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    order = np.random.default_rng(seed).permutation(len(paths))
    planted = []
    for number, (name, (alter, quality)) in enumerate(ALTERATIONS.items()):
        for row in order[number * each : (number + 1) * each]:
            grey = cv2.imread(paths[row], cv2.IMREAD_GRAYSCALE)
            target = folder / f"{number:02d}-{row:05d}.jpg"
            cv2.imwrite(str(target), alter(grey), [cv2.IMWRITE_JPEG_QUALITY, quality])
            planted.append(Planted(name, paths[row], str(target)))
    return planted
