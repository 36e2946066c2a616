"""Duplicates on real radiographs: recall, precision, recall by planted alteration, speed, growth, and the peers beside
it.

    python benchmarks/duplicates.py --data ../shared/data --out SHEETS --peers-python PYTHON
    python benchmarks/duplicates.py --growth

``--out`` takes the planted copies and the sheets for judging pairs by eye; it shows real radiographs, so keep it out
of the repository. The peers (imagehash, CleanVision, imagededup) live in an environment of their own, since imagededup
needs torchvision.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import itertools
import os
import resource
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import pandas as pd

import duplicates_growth
import duplicates_planting
import duplicates_sheets
from cxrlens.allocator import keep_freed_memory
from cxrlens.curation.duplicates import Fingerprint, find_duplicates, fingerprint, group_pairs
from cxrlens.sources import read_radiograph

Pair = tuple[str, str]


def fingerprint_file(path: str) -> Fingerprint:
    """Decode once, as curation does."""
    cv2.setNumThreads(1)
    sha256 = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return fingerprint(read_radiograph(Path(path)), sha256, path)


def fingerprint_all(paths: list[str]) -> list[Fingerprint]:
    """On all cores."""
    cores = len(os.sched_getaffinity(0))
    # Not forked: a fork after OpenMP has run (in the search before) hangs.
    with ProcessPoolExecutor(cores, get_context("spawn"), keep_freed_memory) as pool:  # as curation's reader does
        return list(pool.map(fingerprint_file, paths, chunksize=32))


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def known_pairs(data: Path) -> set[Pair]:
    """All pairs within a known group."""
    groups = defaultdict(list)
    with (data / "annotations/known_duplicates.csv").open() as table:
        for row in csv.DictReader(table):
            groups[row["group"]].append(str(data / row["path"]))
    return {pair for paths in groups.values() for pair in itertools.combinations(sorted(paths), 2)}


def closure(paths: list[str], pairs: pd.DataFrame) -> set[Pair]:
    """All pairs within the groups that the found pairs make."""
    members = defaultdict(list)
    for path, group in group_pairs(paths, zip(pairs["path_a"], pairs["path_b"], strict=True)).items():
        members[group].append(path)
    return {p for group in members.values() for p in itertools.combinations(sorted(group), 2)}


def scores(found: set[Pair], known: set[Pair]) -> tuple[float, float, int, int]:
    """Recall; precision among listed images (two of them in different known groups are a false pair); true; false."""
    listed = {path for pair in known for path in pair}
    inside = {pair for pair in found if pair[0] in listed and pair[1] in listed}
    true = len(inside & known)
    return true / len(known), true / max(len(inside), 1), true, len(inside) - true


def by_alteration(planted: list[duplicates_planting.Planted], found: set[Pair]) -> dict[str, float]:
    """Share of the planted copies that were paired with their film."""
    total, hit = Counter(), Counter()
    for p in planted:
        total[p.alteration] += 1
        hit[p.alteration] += (min(p.original, p.copy), max(p.original, p.copy)) in found
    return {name: hit[name] / total[name] for name in total}


def measure_own(paths: list[str], data: Path, out: Path, sample: int) -> dict[str, float]:
    """The pack itself: recall, precision, pairs beyond the list, speed."""
    known = known_pairs(data)
    clock = time.perf_counter()
    prints = fingerprint_all(paths)
    decoded, decoded_cpu = time.perf_counter() - clock, _children_cpu()
    clock, cpu = time.perf_counter(), time.process_time()
    pairs = find_duplicates(prints)
    searched, cpu = time.perf_counter() - clock, time.process_time() - cpu
    found = closure(paths, pairs)
    recall, precision, true, false = scores(found, known)
    print(f"\ncxrlens on {len(paths)} images: {pairs['kind'].value_counts().to_dict()}, {len(found)} pairs in groups")
    print(
        f"recall {recall:.4f} ({true} of {len(known)}), precision among listed images {precision:.4f} ({false} false)"
    )
    for a, b in sorted(known - found):
        print(f"  missed: {Path(a).relative_to(data)} | {Path(b).relative_to(data)}")
    beyond = [k for k, p in enumerate(zip(pairs["path_a"], pairs["path_b"], strict=True)) if p not in known]
    extra = pairs.iloc[beyond]
    extra = extra[extra["kind"] == "near"]
    where = Counter(
        tuple(sorted(Path(p).relative_to(data).parts[1] for p in pair))
        for pair in zip(extra["path_a"], extra["path_b"], strict=True)
    )
    print(f"near pairs that the list does not have: {len(extra)}; by collections:")
    for pair, count in where.most_common(12):
        print(f"  {count:5d}  {' + '.join(pair)}")
    drawn = extra.sample(min(sample, len(extra)), random_state=0)
    doubtful = extra[extra["score"] < 0.9].sort_values("score")
    listed = {path for pair in known for path in pair}
    across = extra[extra["path_a"].isin(listed) & extra["path_b"].isin(listed)]
    duplicates_sheets.write_sheets(across, out / "sheets", "across-groups")
    duplicates_sheets.write_sheets(drawn, out / "sheets", "sample")
    duplicates_sheets.write_sheets(doubtful, out / "sheets", "doubtful")
    print(
        f"sheets to judge: {len(drawn)} drawn at random, {len(doubtful)} below 0.90, "
        f"{len(across)} across known groups, in {out / 'sheets'}"
    )
    speed = len(paths) / (decoded + searched)
    cores = len(os.sched_getaffinity(0))
    print(f"decode + fingerprint {decoded:.1f} s (processor {decoded_cpu:.1f} s)")
    print(f"search + confirm {searched:.1f} s (processor {cpu:.1f} s)")
    print(
        f"end to end {speed:.0f} images/s on {cores} cores, load {os.getloadavg()[0]:.1f} "
        f"(a free machine: about {cores})"
    )
    return {"recall": recall, "precision": precision, "images_per_s": speed}


def main() -> None:
    """Run what was asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with collected/, manifest.csv, annotations/")
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "cxrlens-duplicates")
    parser.add_argument("--peers-python", type=Path, help="interpreter that has imagehash, cleanvision, imagededup")
    parser.add_argument("--quick", action="store_true", help="1,500 images, 30 copies an alteration")
    parser.add_argument("--growth", action="store_true", help="only: 1,000 to 100,000 synthetic fingerprints (minutes)")
    parser.add_argument("--sample", type=int, default=72, help="pairs beyond the list that are drawn for judging")
    options = parser.parse_args()
    if options.growth:
        duplicates_growth.measure_growth([1000, 3000, 10_000, 30_000, 100_000])
        return
    if options.data is None:
        parser.error("--data is needed for everything but --growth")
    data = options.data.resolve()
    with (data / "manifest.csv").open() as table:
        paths = sorted(str(data / row["path"]) for row in csv.DictReader(table))
    if options.quick:
        listed = {path for pair in known_pairs(data) for path in pair}
        paths = sorted(listed | set(paths[:: len(paths) // 900]))
    own = measure_own(paths, data, options.out, options.sample)
    planted = duplicates_planting.plant(paths, options.out / "planted", 30 if options.quick else 200)
    everything = paths + [p.copy for p in planted]
    table = {"cxrlens": own | by_alteration(planted, closure(everything, find_duplicates(fingerprint_all(everything))))}
    if options.peers_python:
        table |= run_peers(options.peers_python, paths, planted, data, options.out)
    print("\n" + pd.DataFrame(table).to_string(float_format=lambda v: f"{v:.3f}" if v < 5 else f"{v:.0f}", na_rep=""))
    for name, row in table.items():
        if name != "cxrlens":
            print(
                f"cxrlens / {name}: recall {own['recall'] / row['recall']:.2f}, "
                f"images/s {own['images_per_s'] / row['images_per_s']:.2f}"
            )


def run_peers(
    python: Path, paths: list[str], planted: list[duplicates_planting.Planted], data: Path, out: Path
) -> dict[str, dict[str, float]]:
    """Each peer on the pack (timed), then on the pack with the planted copies; pairs as the peer reports them."""
    known = known_pairs(data)
    script = Path(__file__).with_name("duplicates_peers.py")
    (out / "pack.txt").write_text("\n".join(paths))
    (out / "planted.txt").write_text("\n".join(paths + [p.copy for p in planted]))
    table = {}
    for peer in ("imagehash", "cleanvision", "imagededup"):
        found = []
        for name in ("pack", "planted"):
            target = out / f"{peer}-{name}.csv"
            command = [str(python), str(script), peer, str(out / f"{name}.txt"), str(target)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{peer}: not measured ({done.stderr.strip().splitlines()[-1:]})")
                break
            with target.open() as rows:
                found.append({(min(r), max(r)) for r in csv.reader(rows)})
            if name == "pack":
                seconds = float(done.stdout.strip().splitlines()[-1])
        if len(found) == 2:
            recall, precision, _, _ = scores(found[0], known)
            row = {"recall": recall, "precision": precision, "images_per_s": len(paths) / seconds}
            table[peer] = row | by_alteration(planted, found[1])
    return table


if __name__ == "__main__":
    main()
