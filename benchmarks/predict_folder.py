"""A folder through ``predict``: throughput against its slower half, and memory against the number of files.

    python benchmarks/predict_folder.py MODEL FOLDER [--files 300]

Decoding and judging overlap, so the whole can at best be as fast as the slower of the two done alone. Memory is that of
a process of its own for ``files`` files and for ten times as many (the same ones again, by links).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cxrlens
from cxrlens.radiograph import Radiograph
from cxrlens.serving.stream import AT_ONCE, predict_files
from cxrlens.sources import read_many
from cxrlens.sources.walk import find_images

PEAK = """
import os, resource, sys
from cxrlens.__main__ import main
os._exit = sys.exit  # to be asked for its memory at the end
try:
    main()
except SystemExit:
    pass
print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}", file=sys.stderr)
"""


def throughput(model: str, paths: list[Path], turns: int = 3) -> None:
    """Print images a second of decoding alone, judging alone, and both."""
    predictor, alone = cxrlens.load(model, threads=1), cxrlens.load(model)
    films = [r for _i, r in read_many(paths) if isinstance(r, Radiograph)]
    groups = [films[start : start + AT_ONCE] for start in range(0, len(films), AT_ONCE)]
    steps = {
        "decoding alone": lambda: [None for _ in read_many(paths)],
        "judging alone": lambda: [alone.judge(group) for group in groups],
        "the folder": lambda: [None for _ in predict_files(predictor, paths)],
    }
    best = dict.fromkeys(steps, 0.0)
    for _turn in range(turns):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            best[name] = max(best[name], len(paths) / (time.perf_counter() - start))
    for name, rate in best.items():
        print(f"  {name:<16}{rate:8.1f} images/s")
    slower = min(best["decoding alone"], best["judging alone"])
    cores = len(os.sched_getaffinity(0))
    serial = 1 / (1 / best["decoding alone"] + 1 / best["judging alone"])
    print(f"  the folder ÷ the slower half {best['the folder'] / slower:.2f}; ÷ one after the other "
          f"{best['the folder'] / serial:.2f} ({cores} cores, {len(paths)} files, best of {turns})")  # fmt: skip


def memory(model: str, paths: list[Path]) -> None:
    """Print the peak memory of the command for so many files and for ten times as many."""
    peaks = {}
    for times in (1, 10):
        with tempfile.TemporaryDirectory() as folder:
            for k in range(times):
                for i, path in enumerate(paths):
                    (Path(folder) / f"{k}-{i}{path.suffix}").symlink_to(path.resolve())
            words = ["predict", folder, "--model", model, "--format", "csv"]
            done = subprocess.run(
                [sys.executable, "-c", PEAK, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            peaks[times] = int(re.findall(r"peak (\d+)", done.stderr)[0]) / 1024
            print(f"  {times * len(paths):6} files: peak {peaks[times]:.0f} MiB")
    print(f"  ten times the files: {peaks[10] / peaks[1]:.2f} times the memory")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=300)
    arguments = parser.parse_args()
    found = find_images([arguments.folder])[0]
    chosen = found[:: max(1, len(found) // arguments.files)][: arguments.files]
    throughput(arguments.model, chosen)
    memory(arguments.model, chosen)
