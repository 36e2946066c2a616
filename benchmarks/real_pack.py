"""The whole chain on the real radiographs, twice: honestly, and the way of the original document.

    python benchmarks/real_pack.py --data ../shared/data --out runs/real

runs the commands a user would type (each line is printed before it runs), times every step, and then prints the tables
of docs/results.md: the honest run (copies removed, split by patient and duplicate group, locked test), the notebook's
way (every image kept, 80/20 at random, validation only), and the inflation between the two with its interval. Nothing
is printed that is not read from the two run folders.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from cxrlens.evaluation.resampling import bootstrap_weights, clusters

ORIGINAL = {"train": 0.9780, "validation": 0.9494}
RESAMPLES = 2000


def step(words: list[str], times: dict[str, float], name: str) -> None:
    """Run one command of cxrlens as a user would, and note its wall time."""
    command = [str(Path(sys.executable).with_name("cxrlens")), *words]
    print(f"$ cxrlens {shlex.join(words)}", flush=True)
    start = time.perf_counter()
    done = subprocess.run(command, check=False)
    if done.returncode not in (0, 3):
        sys.exit(f"stopped: exit code {done.returncode}")
    times[name] = time.perf_counter() - start


def correct(run: Path, split: str) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """(n,) 1.0 where the prediction is right, the (n,) units of the bootstrap, and the rows."""
    table = pd.read_csv(run / "predictions.csv", dtype=str, keep_default_na=False)
    rows = table[table["split"] == split].reset_index(drop=True)
    return (rows["label"] == rows["predicted"]).to_numpy(float), clusters(rows), rows


def resampled_accuracy(right: np.ndarray, units: np.ndarray, seed: int) -> np.ndarray:
    """(R,) accuracy on resamples of patients."""
    rng = np.random.default_rng(seed)
    return np.concatenate([w @ right / w.sum(1) for w in bootstrap_weights(units, RESAMPLES, rng)])


def interval(values: np.ndarray) -> str:
    """95 % percentile interval."""
    low, high = np.percentile(values, [2.5, 97.5])
    return f"{low:+.3f} to {high:+.3f}" if low < 0 or high < 0 else f"{low:.3f} to {high:.3f}"


def compare(honest: Path, notebook: Path, notebook_dataset: Path) -> None:
    """Print the inflation: notebook's validation minus the honest validation and test."""
    draws = {}
    print("\n| figure | n | accuracy | 95 % interval |\n|---|---|---|---|")
    print(f"| original document, train | not stated | {ORIGINAL['train']:.4f} | not stated |")
    print(f"| original document, validation (random split) | not stated | {ORIGINAL['validation']:.4f} | not stated |")
    for name, run, split in (
        ("notebook's way, train", notebook, "train"),
        ("notebook's way, validation (random split, copies left in)", notebook, "validation"),
        ("honest, train", honest, "train"),
        ("honest, validation (chose the epoch)", honest, "validation"),
        ("honest, test (locked)", honest, "test"),
    ):
        right, units, _ = correct(run, split)
        draws[name] = resampled_accuracy(right, units, seed=len(draws))
        print(f"| {name} | {len(right)} | {right.mean():.4f} | {interval(draws[name])} |")
    inside = draws["notebook's way, validation (random split, copies left in)"]
    for name in ("honest, validation (chose the epoch)", "honest, test (locked)"):
        more = inside - draws[name]
        print(f"| **inflation** over '{name}' | | {more.mean():+.4f} | {interval(more)} |")
    known_in_train(notebook, notebook_dataset)


def known_in_train(notebook: Path, dataset: Path) -> None:
    """The notebook's validation images, apart: those whose patient or radiograph is in train, and the rest."""
    manifest = pd.read_csv(dataset / "manifest.csv", dtype=str, keep_default_na=False)
    train = manifest[(manifest["split"] == "train") & (manifest["excluded"] == "")]
    right, _, rows = correct(notebook, "validation")
    seen = np.zeros(len(rows), bool)
    for column in ("patient_id", "duplicate_group"):
        seen |= rows[column].isin(set(train[column]) - {""}).to_numpy()
    for name, mask in (("patient or copy is in train", seen), ("neither is known to be in train", ~seen)):
        if mask.any():
            part = resampled_accuracy(right[mask], clusters(rows[mask].reset_index(drop=True)), seed=9)
            print(f"| notebook's validation: {name} | {mask.sum()} | {right[mask].mean():.4f} | {interval(part)} |")


def main() -> None:
    """Run both chains and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/real"))
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["honest", "notebook", "tables"])
    arguments = parser.parse_args()
    collections = sorted(str(p) for p in (arguments.data / "collected").iterdir() if p.is_dir())
    honest, notebook = arguments.out / "honest", arguments.out / "notebook"
    common = ["--epochs", str(arguments.epochs), "--seed", str(arguments.seed)]
    times: dict[str, float] = {}
    if arguments.only in (None, "honest"):
        step(["curate", *collections, "--out", f"{honest}/dataset"], times, "curate")
        step(["split", f"{honest}/dataset", "--seed", str(arguments.seed)], times, "split")
        step(["train", f"{honest}/dataset", "--out", f"{honest}/run", *common], times, "train")
        step(["evaluate", f"{honest}/run"], times, "evaluate")
        masks = str(arguments.data / "annotations" / "annotations.csv")
        step(["explain", f"{honest}/run", "--annotations", masks], times, "explain")
        step(["report", f"{honest}/run"], times, "report")
        print(
            json.dumps(
                {"seconds": {k: round(v, 1) for k, v in times.items()}, "minutes": round(sum(times.values()) / 60, 1)}
            )
        )
    if arguments.only in (None, "notebook"):
        everything = [w for flag in ("duplicate", "conflict") for w in ("--keep", flag)]
        step(["curate", *collections, "--out", f"{notebook}/dataset", *everything], times, "curate")
        shares = ["--test", "0", "--calibration", "0", "--validation", "0.2", "--random", "--seed", str(arguments.seed)]
        step(["split", f"{notebook}/dataset", *shares], times, "split")
        step(["train", f"{notebook}/dataset", "--out", f"{notebook}/run", *common], times, "train")
        step(["evaluate", f"{notebook}/run"], times, "evaluate")
    if all((run / "predictions.csv").is_file() for run in (honest / "run", notebook / "run")):
        compare(honest / "run", notebook / "run", notebook / "dataset")


if __name__ == "__main__":
    main()
