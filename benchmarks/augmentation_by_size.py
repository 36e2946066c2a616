"""How many train images does strong augmentation need? Measured by leaving sources out, on parts of the train set.

    python benchmarks/augmentation_by_size.py RUN --out runs/by_size --sizes 300 600 1200 --epochs 30

For each size: the audit's small network, with the run's own tone, is trained without each of the largest sources on
that many of the remaining train images (each class by its share), once with ``standard`` and once with ``strong``
augmentation; the mean recall on the source left out and inside, and the paired difference with its interval (95 %,
patients resampled within each source, so it speaks of these sources). What is done is kept in ``--out``.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from cxrlens.audit.case import AuditOptions, Case
from cxrlens.audit.leave_one_out import LEFT_OUT, plan
from cxrlens.audit.recall import Recall, recall_of
from cxrlens.audit.retraining import Job, Pixels, recipe, retrain_all
from cxrlens.augmentation import STRENGTHS
from cxrlens.batches import pack
from cxrlens.folders import RunFolder
from cxrlens.progress import rich_progress

COMPARED = ("standard", "strong")


def fewer(train: pd.DataFrame, units: pd.Series, size: int, seed: int) -> pd.DataFrame:
    """About ``size`` rows of ``train``: whole units in a random order, the same for every augmentation."""
    order = np.random.default_rng(seed).permutation(units.unique())
    place = pd.Series(np.arange(len(order)), index=order)
    ranked = train.assign(_place=place[units.to_numpy()].to_numpy()).sort_values("_place", kind="stable")
    share = size / len(train)
    kept = [rows.head(max(8, round(len(rows) * share))) for _, rows in ranked.groupby("label", sort=True)]
    return pd.concat(kept).drop(columns="_place")


def main() -> None:
    """Train what is not there yet and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/by_size"))
    parser.add_argument("--sizes", nargs="+", type=int, default=[300, 600, 1200])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--sources", type=int, default=5, help="how many sources, the largest first")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    arguments = parser.parse_args()
    print("| train images | augmentation | left out: mean recall | strong minus standard (95 %) | inside |")
    print("|---|---|---|---|---|")
    for size in arguments.sizes:
        outside: dict[str, list[Recall]] = {name: [] for name in COMPARED}
        inside: dict[str, list[Recall]] = {name: [] for name in COMPARED}
        seen: list[int] = []
        for seed in arguments.seeds:
            case = Case(RunFolder(arguments.run), AuditOptions(seed=seed, resamples=1000), rich_progress)
            units = pd.Series(case.units, index=case.rows["path"])
            questions = plan(case)[0][: arguments.sources]
            for name in COMPARED:
                options = replace(recipe(case), augmentation=STRENGTHS[name], epochs=arguments.epochs)
                pack(case.manifest, options.preprocessing, case.dataset.packed_folder, rich_progress)
                jobs: list[Job] = []
                for q in questions:
                    train = fewer(q.job.train, units[q.job.train["path"]], size, seed)
                    jobs.append(replace(q.job, train=train, options=options))
                tables = retrain_all(
                    case, jobs, arguments.out / f"{size}-{name}-{seed}", Pixels(case.dataset.packed_folder)
                )
                seen += [len(job.train) for job in jobs]
                outside[name] += [recall_of(t[t["split"] == LEFT_OUT], case.bootstrap) for t in tables.values()]
                inside[name] += [recall_of(t[t["split"] == "test"], case.bootstrap) for t in tables.values()]
        pairs = zip(outside["strong"], outside["standard"], strict=True)
        low, high = np.nanpercentile(np.mean([a.drawn - b.drawn for a, b in pairs], axis=0), [2.5, 97.5])
        means = {name: float(np.mean([r.mean.value or 0 for r in outside[name]])) for name in COMPARED}
        for name in COMPARED:
            more = means["strong"] - means["standard"]
            said = f"{more:+.3f} ({low:+.3f} to {high:+.3f})" if name == "strong" else ""
            own = float(np.mean([r.mean.value or 0 for r in inside[name]]))
            print(f"| {min(seen)}–{max(seen)} | {name} | {means[name]:.3f} | {said} | {own:.3f} |", flush=True)


if __name__ == "__main__":
    main()
