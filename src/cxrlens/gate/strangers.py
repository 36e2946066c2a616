"""Strangers: pictures that are no chest film, of kinds that the gate never saw while it was fitted. For measuring."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cxrlens.errors import CxrlensError
from cxrlens.gate.checks.small import LEAST
from cxrlens.radiograph import Radiograph
from cxrlens.sources import read_radiograph
from cxrlens.sources.walk import walk

OTHERS = "other body parts"
NOISE = "noise"

_SHIPPED: dict[str, tuple[tuple[str, str, str], ...]] = {
    "photographs": (
        (
            "skimage",
            "data",
            "astronaut camera chelsea coffee coins horse moon motorcycle_left rocket hubble_deep_field",
        ),
        ("sklearn", "datasets/images", "china flower"),
        ("matplotlib", "mpl-data/sample_data", "grace_hopper"),
    ),
    "textures": (("skimage", "data", "brick grass gravel"),),
    "pages and drawings": (
        ("skimage", "data", "page text logo chessboard_GRAY"),
        ("matplotlib", "mpl-data/sample_data", "logo2 Minduka_Present_Blue_Pack"),
    ),
    "other medical pictures": (
        ("skimage", "data", "cell ihc microaneurysms retina"),
        (
            "pydicom",
            "data/test_files",
            "693_J2KI J2K_pixelrep_mismatch MR_small_jp2klossless examples_jpeg2k examples_overlay JPEG2000",
        ),
    ),
}
"""Kind: package, its folder, names of files without their endings. Nothing is downloaded."""

_NOISE_SIDE, _NOISE_COUNT = 256, 64


@dataclass(frozen=True, slots=True)
class Stranger:
    """One picture.

    Args:
        kind: what it is, in words.
        unit: what it was cut from: pieces of one picture are no independent evidence.
        radiograph: the picture, as a radiograph would be read.
    """

    kind: str
    unit: str
    radiograph: Radiograph


@dataclass(frozen=True, slots=True)
class Strangers:
    """Pictures, and a line for each thing that could not be used."""

    pictures: tuple[Stranger, ...]
    missing: tuple[str, ...]


def strangers(folders: Sequence[Path] = (), seed: int = 0) -> Strangers:
    """Photographs, textures, pages, other medical pictures, noise, and the user's own.

    Each shipped picture is taken whole and in quarters, and a coloured one in grey besides: the measure must not rest
    on colour.

    Args:
        folders: of images that are no chest films (other body parts), whole; read at any depth.
        seed: of the noise.
    """
    found: list[Stranger] = []
    missing: list[str] = []
    for kind, sets in _SHIPPED.items():
        for package, folder, names in sets:
            root = _folder_of(package, folder)
            if root is None:
                missing.append(f"{kind} of the package {package}, which is not installed")
                continue
            for name in names.split():
                files = sorted(root.glob(f"{name}.*"))
                try:
                    found += _pieces(kind, f"{package}/{name}", read_radiograph(files[0]))
                except (CxrlensError, IndexError):
                    missing.append(f"{name} of the package {package}, which cannot be read here")
    for each in folders:
        own, faults = _own(each)
        found += own
        missing += faults
    return Strangers((*found, *noise(seed)), tuple(missing))


def noise(seed: int, count: int = _NOISE_COUNT) -> tuple[Stranger, ...]:
    """``count`` pictures of white noise: normal, uniform, salt and pepper, a few grey levels."""
    rng = np.random.default_rng([seed, 17])
    shape = (_NOISE_SIDE, _NOISE_SIDE)
    draws = (
        lambda: rng.normal(0.5, rng.uniform(0.05, 0.3), shape),
        lambda: rng.random(shape),
        lambda: np.where(rng.random(shape) < 0.1, rng.integers(0, 2, shape), 0.5),
        lambda: rng.integers(0, 4, shape) / 3,
    )
    pictures = [np.clip(draws[number % len(draws)](), 0, 1).astype(np.float32) for number in range(count)]
    return tuple(Stranger(NOISE, f"noise {n}", Radiograph(pixels)) for n, pixels in enumerate(pictures))


def _pieces(kind: str, unit: str, whole: Radiograph) -> list[Stranger]:
    """The whole and its quarters; of a coloured picture, all that in grey as another kind."""
    h, w = whole.height // 2, whole.width // 2
    cuts = [whole]
    if min(h, w) > LEAST:
        parts = [whole.pixels[y : y + h, x : x + w] for y in (0, h) for x in (0, w)]
        cuts += [replace(whole, pixels=np.ascontiguousarray(part)) for part in parts]
    if whole.tint < 0.02:
        return [Stranger(f"{kind}, grey", unit, cut) for cut in cuts]
    coloured = [Stranger(f"{kind}, in colour", unit, cut) for cut in cuts]
    return coloured + [Stranger(f"{kind}, grey", unit, replace(cut, tint=0.0)) for cut in cuts]


def _own(folder: Path) -> tuple[list[Stranger], list[str]]:
    """Images of one person, as the header says, are one unit."""
    found, faults = [], []
    files = walk(folder).images if folder.is_dir() else [folder]
    if not files:
        faults.append(f"the folder {folder.name}, which holds no image")
    for file in files:
        try:
            read = read_radiograph(file)
        except CxrlensError as error:
            faults.append(f"{file.name}, which {error.fault}")
        else:
            found.append(Stranger(OTHERS, read.metadata.get("patient_id") or str(file), read))
    return found, faults


def _folder_of(package: str, folder: str) -> Path | None:
    """Where a package keeps its pictures, without importing it."""
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec is not None else None
    root = Path(next(iter(places))) / folder if places else None
    return root if root is not None and root.is_dir() else None
