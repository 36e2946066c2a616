"""Does the audit find what is planted, and does it leave a clean phantom alone? SYNTHETIC radiographs, all of them.

    python benchmarks/audit_plants.py --out runs/plants                          # every plant, every part
    python benchmarks/audit_plants.py --out runs/plants --cheap --seeds 0 1 2 3  # the parts that need no network
    python benchmarks/audit_plants.py --out runs/plants --parts places --variants clean corner-marker --seeds 0 1 2 3

For a clean phantom, for each plant in it, and for all plants together: make, curate, split (and spoil the split where
the plant asks for it), train a small network, evaluate, audit; then print which part says what. A phantom that breaks
its split is curated with ``--keep duplicate``, as by somebody who was told of the copies and kept them. ``places`` is
what the part ``shortcuts`` asks of single places, run alone and without a network. Everything that was said is in
``OUT/said.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from cxrlens import chain
from cxrlens.audit.audit import PARTS, SHOWN, audit
from cxrlens.audit.case import AuditOptions, Case
from cxrlens.audit.shortcuts_places import by_place
from cxrlens.audit.verdict import PartResult, gravest
from cxrlens.batches import pack
from cxrlens.folders import DatasetFolder, RunFolder, write_json
from cxrlens.manifest import write_manifest
from cxrlens.preprocessing import Preprocessing
from cxrlens.sources.phantom import PLANTS, PhantomOptions, plants, spoil_split, write_phantom
from cxrlens.sources.phantom.plants import CLASS_JPEG, COPIES_ACROSS, CORNER_MARKER, SOURCE_CONTRAST, SPLIT_PATIENT
from cxrlens.split import SplitOptions

CLEAN, ALL = "clean", "all"
VARIANTS: dict[str, tuple[str, ...]] = {CLEAN: (), **{plant: (plant,) for plant in PLANTS}, ALL: PLANTS}
PLACES = "places"
CHEAP = ("leakage", "association", PLACES)
"""Parts that look at files and splits alone, and the search by place, which trains nothing."""

EXPECTED = {
    CORNER_MARKER: ("shortcuts", PLACES),
    SOURCE_CONTRAST: ("association",),
    SPLIT_PATIENT: ("leakage",),
    CLASS_JPEG: ("association",),
    COPIES_ACROSS: ("leakage",),
    ALL: ("leakage", "association", "shortcuts", PLACES),
}
"""The parts whose business each plant is; others may say something too."""

MUST_PASS = ("leakage", "association", "shortcuts", PLACES)
"""On a clean phantom."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large everything is."""

    images: int
    pixels: int
    side: int
    epochs: int
    audit_epochs: int


def make(out: Path, plants: tuple[str, ...], seed: int, sizes: Sizes) -> DatasetFolder:
    """Phantom, curation and split, with the split spoilt where a plant asks for it."""
    options = PhantomOptions(images=sizes.images, seed=seed, size=sizes.pixels, workers=1, clean=True, plants=plants)
    dataset = DatasetFolder(out / "dataset")
    if dataset.split_path.is_file():
        return dataset
    phantom = write_phantom(out / "phantom", options)
    silent = Console(quiet=True)
    breaks = bool({SPLIT_PATIENT, COPIES_ACROSS} & set(plants))
    request = chain.CurateRequest(keep=("duplicate",) if breaks else ())
    chain.curate_collections(sorted((phantom / "collections").iterdir()), dataset.root, request, silent)
    chain.split_dataset(dataset.root, SplitOptions(seed=seed), silent)
    if breaks:
        write_manifest(spoil_split(dataset.manifest(), phantom), dataset.manifest_path)
    return dataset


def cheap(out: Path, dataset: DatasetFolder, seed: int, side: int, only: Sequence[str]) -> dict[str, PartResult]:
    """The parts that need no network, on a run folder that names its dataset and nothing else."""
    run = RunFolder(out / "no-network")
    write_json(run.config_path, {"format": 1, "dataset": str(dataset.root)})
    case = Case(run, AuditOptions(seed=seed))
    done = {part.name: part(case) for part in PARTS if part.name in only}
    if PLACES in only:
        packed = pack(case.manifest, Preprocessing(size=side, tone="equalise"), dataset.packed_folder)
        began = time.perf_counter()
        done[PLACES] = by_place(case, packed)
        print(
            f"    places: {time.perf_counter() - began:.1f} s, the lungs with it where they were not kept", flush=True
        )
        for verdict in done[PLACES].verdicts:
            print(f"    {verdict.status}: {verdict.sentence}", flush=True)
    return done


def whole(out: Path, dataset: DatasetFolder, seed: int, sizes: Sizes, only: Sequence[str]) -> dict[str, PartResult]:
    """Train, evaluate and audit."""
    run, silent = RunFolder(out / "run"), Console(quiet=True)
    if not run.model_path.is_file():
        named = {"model": "compact", "epochs": sizes.epochs, "seed": seed}
        chain.train_run(
            dataset.root, run.root, chain.TrainRequest(sizes.side, named, run.config_path.is_file()), silent
        )
    if not run.predictions_path.is_file():
        chain.evaluate_run(run.root, None, 1000, silent)
    options = AuditOptions(size=sizes.side, epochs=sizes.audit_epochs, seed=seed)
    done = audit(run, options, only=only, told=lambda line: print("   ", line, flush=True))
    for problem in done.problems:
        print("    problem:", problem, flush=True)
    return done.parts


def judged(name: str, parts: dict[str, PartResult]) -> str:
    """Whether the audit did on this variant what it is for."""
    status = {part: gravest(result.verdicts) for part, result in parts.items()}
    if name == CLEAN:
        wrong = [part for part in MUST_PASS if status.get(part, "pass") != "pass"]
        return "clean" if not wrong else f"FALSE ALARM ({', '.join(wrong)})"
    missed = [part for part in EXPECTED[name] if part in status and status[part] not in ("warn", "fail")]
    asked = [part for part in EXPECTED[name] if part in status]
    return "not asked" if not asked else "caught" if not missed else f"MISSED ({', '.join(missed)})"


def main() -> None:
    """Run the variants and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/plants"))
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--pixels", type=int, default=128, help="side of the radiographs")
    parser.add_argument("--side", type=int, default=64, help="side that the networks see")
    parser.add_argument("--epochs", type=int, default=20, help="of the network under audit")
    parser.add_argument("--audit-epochs", type=int, default=20, help="of the audit's own small networks")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--parts", nargs="+", choices=[*SHOWN, PLACES], default=[])
    parser.add_argument("--cheap", action="store_true", help="only the parts that need no network")
    parser.add_argument("--share", type=float, default=plants.MARKED_SHARE, help="of the class that has the marker")
    given = parser.parse_args()
    if given.cheap or PLACES in given.parts:
        given.cheap, shown = True, tuple(given.parts) or CHEAP
        if not set(shown) <= set(CHEAP):
            parser.error(f"only {', '.join(CHEAP)} need no network: ask for the other parts without 'places'")
    else:
        shown = tuple(given.parts) or SHOWN
    marked, plants.MARKED_SHARE = f"-{given.share:g}" if given.share != plants.MARKED_SHARE else "", given.share
    sizes = Sizes(given.images, given.pixels, given.side, given.epochs, given.audit_epochs)
    said: dict[str, dict[str, object]] = {}
    lines: list[str] = []
    began = time.perf_counter()
    for seed in given.seeds:
        for name in given.variants:
            out = given.out / f"{name}-{given.images}-{seed}{marked}"
            print(f"{name}, seed {seed} ({time.perf_counter() - began:.0f} s)", flush=True)
            dataset = make(out, VARIANTS[name], seed, sizes)
            if given.cheap:
                parts = cheap(out, dataset, seed, given.side, shown)
            else:
                parts = whole(out, dataset, seed, sizes, given.parts)
            cells = [gravest(parts[part].verdicts) if part in parts else "–" for part in shown]
            lines.append(f"| {name} | {seed} | {' | '.join(cells)} | {judged(name, parts)} |")
            said[f"{name}-{seed}"] = {part: result.to_dict() for part, result in parts.items()}
            (given.out / "said.json").write_text(json.dumps(said, indent=1) + "\n")
    print(f"\nSYNTHETIC radiographs, {given.images} a phantom; {time.perf_counter() - began:.0f} s\n")
    print(f"| planted | seed | {' | '.join(shown)} | |\n|{'---|' * (len(shown) + 3)}")
    print("\n".join(lines))
    sys.exit(any("MISSED" in line or "FALSE" in line for line in lines))


if __name__ == "__main__":
    main()
