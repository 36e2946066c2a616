"""Collections to begin with: synthetic ones, or public ones that are downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from cxrlens.chain.saying import shown
from cxrlens.progress import rich_progress
from cxrlens.sources.fetch import fetch
from cxrlens.sources.phantom import PhantomOptions, write_phantom


@dataclass(frozen=True, slots=True)
class PhantomRequest:
    """How many synthetic radiographs, of which side, from which seed, without faults or with, and which shortcuts."""

    images: int = 480
    size: int = 256
    seed: int = 0
    clean: bool = False
    plants: tuple[str, ...] = ()


def phantom(out: Path, request: PhantomRequest, console: Console) -> int:
    """Write synthetic collections; returns how many things were passed over (none)."""
    options = PhantomOptions(
        images=request.images, seed=request.seed, size=request.size, clean=request.clean, plants=request.plants
    )
    write_phantom(out, options, rich_progress)
    collections, truth = shown(out / "collections"), shown(out / "truth")
    console.print(f"{request.images} SYNTHETIC radiographs lie in {collections}, the truth about them in {truth}")
    for plant in options.plants:
        console.print(f"planted: {plant} (truth/plants.csv says where)")
    console.print(f"next: cxrlens curate {collections}/* --out DATASET")
    return 0


def fetch_set(name: str, out: Path, console: Console) -> int:
    """Download a public set; returns how many things were passed over (none: a fetch is done or it fails)."""
    folder = fetch(name, out, rich_progress)
    console.print(f"{name} lies in {shown(folder)}")
    console.print(f"next: cxrlens curate {shown(folder)} --out DATASET")
    return 0
