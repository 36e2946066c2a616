"""How the search grows: synthetic fingerprints, smooth noise with one altered copy in a hundred."""

from __future__ import annotations

import math
import time

import cv2
import numpy as np

from cxrlens.curation.duplicates import Fingerprint, find_duplicates
from cxrlens.curation.duplicates.fingerprint import SIDE


def synthetic_fingerprints(count: int, seed: int = 0) -> tuple[list[Fingerprint], int]:
    """``count`` fingerprints of smooth noise over a common shape; how many of them are copies of another one."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    common = np.exp(-((np.abs(x) - 0.45) ** 2 / 0.06 + y**2 / 0.4)).astype(np.float32)
    copies = count // 100
    prints = []
    for number in range(count - copies):
        noise = cv2.resize(
            rng.standard_normal((24, 24)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC
        )
        prints.append(_print(f"{number:06d}", 128 - 60 * common + 22 * noise))
    inner = slice(10, SIDE - 10)
    for number in range(copies):
        small = prints[number].thumbnail[inner, inner]
        prints.append(_print(f"copy-{number:06d}", cv2.resize(small, (SIDE, SIDE)).astype(np.float32)))
    return prints, copies


def _print(name: str, values: np.ndarray) -> Fingerprint:
    return Fingerprint(name, (512, 512), "", name, np.clip(values, 0, 255).astype(np.uint8))


def measure_growth(sizes: list[int]) -> None:
    """Print a table: seconds, seconds of processor, copies found, and the exponent since the size before."""
    print("\nGrowth on synthetic fingerprints (search and confirmation; 1 % are copies cropped by 8 %)")
    print(f"{'fingerprints':>12} {'wall s':>8} {'cpu s':>8} {'recall':>7} {'exponent (cpu)':>15}")
    last = None
    for size in sizes:
        prints, copies = synthetic_fingerprints(size)
        wall, cpu = time.perf_counter(), time.process_time()
        pairs = find_duplicates(prints)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        found = sum(b == f"copy-{a}" for a, b in zip(pairs["path_a"], pairs["path_b"], strict=True))
        exponent = math.log(cpu / last[1]) / math.log(size / last[0]) if last else float("nan")
        print(f"{size:>12,} {wall:>8.1f} {cpu:>8.1f} {found / max(copies, 1):>7.3f} {exponent:>15.2f}", flush=True)
        last = (size, cpu)
