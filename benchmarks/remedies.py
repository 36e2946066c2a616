"""Remedies against learning the source, each measured by leaving one source out at a time, never by internal accuracy.

    python benchmarks/remedies.py RUN --out runs/remedies --seeds 0 1

trains the audit's small network without each source, once without any remedy (``standard`` augmentation, stretched
tone, the defaults of version 0.1, whatever the run had) and once with each remedy, and prints the table of
docs/remedies.md: mean recall on the sources left out, its paired difference to "as it is" (95 %, patients resampled
within each source, so it speaks of these sources), the worst source, and the figure inside. What is done is kept in
``--out`` and not done again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from cxrlens.audit.case import AuditOptions, Case
from cxrlens.audit.leave_one_out import LEFT_OUT, plan
from cxrlens.audit.lungs_of_dataset import lungs_of_dataset
from cxrlens.audit.recall import recall_of
from cxrlens.audit.retraining import Pixels, recipe, retrain_all
from cxrlens.augmentation import STRENGTHS
from cxrlens.batches import pack
from cxrlens.folders import RunFolder
from cxrlens.progress import rich_progress
from cxrlens.training import TrainingOptions

NOTHING = "as it is"
Change = Callable[[TrainingOptions], TrainingOptions]


def tone(name: str) -> Change:
    """Another tone of the preprocessing."""
    return lambda o: replace(o, preprocessing=replace(o.preprocessing, tone=name))


def bare(options: TrainingOptions) -> TrainingOptions:
    """The same training without any remedy."""
    plain = replace(options, augmentation=STRENGTHS["standard"], balance="class", objective="mean", doubtful=None)
    return tone("stretch")(plain)


def remedies(suspects: Path) -> dict[str, tuple[Change, str]]:
    """Name → what changes, and the alteration of the pixels."""
    found: dict[str, tuple[Change, str]] = {
        NOTHING: (lambda o: o, "none"),
        "source-root balance": (lambda o: replace(o, balance="source-root"), "none"),
        "source balance": (lambda o: replace(o, balance="source"), "none"),
        "strong augmentation": (lambda o: replace(o, augmentation=STRENGTHS["strong"]), "none"),
        "signature augmentation": (lambda o: replace(o, augmentation=STRENGTHS["signature"]), "none"),
        "light augmentation": (lambda o: replace(o, augmentation=STRENGTHS["light"]), "none"),
        "equalised tone": (tone("equalise"), "none"),
        "local contrast": (tone("local"), "none"),
        "group-robust": (lambda o: replace(o, objective="group-dro"), "none"),
        "adversary": (lambda o: replace(o, objective="adversary"), "none"),
        "lungs only": (lambda o: o, "only-lungs"),
        "strong + source-root": (
            lambda o: replace(o, augmentation=STRENGTHS["strong"], balance="source-root"),
            "none",
        ),
        "strong + lungs only": (lambda o: replace(o, augmentation=STRENGTHS["strong"]), "only-lungs"),
        "strong + equalised": (
            lambda o: replace(tone("equalise")(o), augmentation=STRENGTHS["strong"]),
            "none",
        ),
    }
    if suspects.is_file():
        found["suspects down-weighted"] = (lambda o: replace(o, doubtful=suspects), "none")
        found["strong + equalised + suspects"] = (
            lambda o: replace(tone("equalise")(o), augmentation=STRENGTHS["strong"], doubtful=suspects),
            "none",
        )
    return found


def main() -> None:
    """Train what is not there yet and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/remedies"))
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--against", default=NOTHING, help="the remedy that the others are compared with")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    arguments = parser.parse_args()
    known = remedies((arguments.run / "audit" / "suspects.csv").resolve())
    drawn: dict[tuple[str, int], list[np.ndarray]] = {}
    rows: dict[tuple[str, int], dict[str, float]] = {}
    for seed in arguments.seeds:
        case = Case(RunFolder(arguments.run), AuditOptions(seed=seed, resamples=1000), rich_progress)
        questions, _ = plan(case)
        for name in arguments.only or known:
            change, alteration = known[name]
            options = change(bare(recipe(case)))
            packed = pack(case.manifest, options.preprocessing, case.dataset.packed_folder, rich_progress)
            pixels = Pixels(case.dataset.packed_folder)
            if alteration != "none":
                lungs = lungs_of_dataset(case, packed)
                pixels = Pixels(case.dataset.packed_folder, lungs.file, lungs.mask_hash)
            jobs = [replace(q.job, options=options, alteration=alteration) for q in questions]
            tables = retrain_all(case, jobs, arguments.out / f"{name.replace(' ', '_')}-{seed}", pixels)
            outside = [recall_of(t[t["split"] == LEFT_OUT], case.bootstrap) for t in tables.values()]
            inside = [recall_of(t[t["split"] == "test"], case.bootstrap) for t in tables.values()]
            means = {q.source: float(o.mean.value or 0) for q, o in zip(questions, outside, strict=True)}
            worst = min(means, key=lambda s: means[s])
            drawn[name, seed] = [o.drawn for o in outside]
            rows[name, seed] = {
                "mean": float(np.mean(list(means.values()))),
                "inside": float(np.mean([i.mean.value or 0 for i in inside])),
                "worst": means[worst],
            }
            said = {"remedy": name, "seed": seed, **rows[name, seed], "worst source": worst, **means}
            print(json.dumps(said), flush=True)
    print_table(rows, drawn, arguments.against)


def print_table(
    rows: Mapping[tuple[str, int], Mapping[str, float]], drawn: Mapping[tuple[str, int], list[np.ndarray]], against: str
) -> None:
    """A line a remedy and seed, and a line over all seeds where there are several."""
    print(f"\n| remedy | seed | left out: mean recall | minus '{against}' (95 %) | worst source | inside |")
    print("|---|---|---|---|---|---|")
    for name in dict.fromkeys(name for name, _ in rows):
        seeds = [seed for of_name, seed in rows if of_name == name]
        for some in [[seed] for seed in seeds] + ([seeds] if len(seeds) > 1 else []):
            mean, worst, inside = (np.mean([rows[name, s][k] for s in some]) for k in ("mean", "worst", "inside"))
            said = ""
            if name != against and all((against, seed) in drawn for seed in some):
                # The same resamples of patients in every source and seed, so that differences are paired.
                pairs = [p for s in some for p in zip(drawn[name, s], drawn[against, s], strict=True)]
                low, high = np.nanpercentile(np.mean([a - b for a, b in pairs], axis=0), [2.5, 97.5])
                more = mean - np.mean([rows[against, s]["mean"] for s in some])
                said = f"{more:+.3f} ({low:+.3f} to {high:+.3f})"
            shown = ", ".join(map(str, some))
            print(f"| {name} | {shown} | {mean:.3f} | {said} | {worst:.3f} | {inside:.3f} |")


if __name__ == "__main__":
    main()
