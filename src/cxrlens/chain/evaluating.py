"""What a trained run is worth, in the parts of its own dataset and in another one."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from cxrlens import RESEARCH_ONLY
from cxrlens.chain.saying import as_problems, passed_over, shown, spoken
from cxrlens.evaluation import EvaluationOptions, evaluate
from cxrlens.folders import DatasetFolder, RunFolder, check_writable
from cxrlens.progress import rich_progress


def evaluate_run(root: Path, dataset: Path | None, resamples: int, console: Console) -> int:
    """Measure; returns how many images were passed over."""
    check_writable(root)
    other = DatasetFolder(dataset) if dataset is not None else None
    metrics = evaluate(RunFolder(root), EvaluationOptions(dataset=other, resamples=resamples), rich_progress)
    for split in ("external", "test", "validation", "train"):
        block = metrics.get(split)
        if not block or not block.get("n"):
            continue
        console.print(f"[bold]{split}[/] (n = {block['n']}; {block['meaning']})")
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "macro_auroc", "ece"):
            console.print(f"  {name.replace('_', ' '):<18} {spoken(block[name])}")
        for source, figures in block["per_source"].items():
            console.print(f"    {shown(source):<24} accuracy {spoken(figures['accuracy'])}, n = {figures['n']}")
    console.print(f"95 % intervals, bootstrap by patient. {RESEARCH_ONLY}")
    console.print(f"next: cxrlens explain {shown(root)}")
    return passed_over(as_problems("evaluate", metrics))
