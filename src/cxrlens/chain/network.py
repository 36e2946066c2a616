"""From a dataset folder to a run folder, and what can be asked of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from cxrlens import RESEARCH_ONLY
from cxrlens.chain.saying import passed_over, shown, spoken
from cxrlens.chain.settings import training_options
from cxrlens.errors import CxrlensError, RunError
from cxrlens.evaluation import EvaluationOptions, evaluate
from cxrlens.explanation import ExplainOptions, GalleryOptions, explain, gallery, score_localisation
from cxrlens.folders import DatasetFolder, RunFolder, check_writable
from cxrlens.progress import rich_progress
from cxrlens.report import write_checklists, write_curation_report, write_model_card, write_run_report
from cxrlens.training import train
from cxrlens.training.console import ConsoleObserver


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """Side in pixels, options by name (:func:`training_options`), and whether to go on with a killed run."""

    size: int = 128
    options: Mapping[str, Any] = field(default_factory=dict)
    resume: bool = False


@dataclass(frozen=True, slots=True)
class ExplainRequest:
    """Images (none: the gallery of the test part), method, class, folder, and lesion masks to score against."""

    images: tuple[Path, ...] = ()
    method: str = "grad-cam"
    target: str | None = None
    out: Path | None = None
    annotations: Path | None = None


def train_run(dataset: Path, out: Path, request: TrainRequest, console: Console) -> int:
    """Train; returns how many things were passed over (none)."""
    check_writable(out)
    options = training_options(request.size, request.options)
    train(
        DatasetFolder(dataset),
        out,
        options,
        observer=ConsoleObserver(),
        progress=rich_progress,
        resume=request.resume,
    )
    console.print(f"run: {shown(out)}   curves: {shown(out / 'curves.png')}")
    console.print(f"next: cxrlens evaluate {shown(out)}")
    return 0


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
    return passed_over(_problems("evaluate", metrics))


def explain_run(root: Path, request: ExplainRequest, console: Console) -> int:
    """Draw heat-maps; returns how many images were passed over."""
    run = RunFolder(root)
    check_writable(request.out or root)
    problems: list[CxrlensError] = []
    said = ""
    if request.images:
        options = ExplainOptions(method=request.method, target=request.target, out=request.out)
        for done in explain(run, request.images, options, rich_progress):
            if done.problem is not None:
                problems.append(done.problem)
                continue
            shares = ", ".join(f"{name} {p:.2f}" for name, p in done.probabilities.items())
            if done.measured != said:
                console.print(done.measured)
                said = done.measured
            console.print(f"{shown(done.path)}: {done.predicted} ({shares}) → {shown(done.figure or '')}")
    else:
        drawn = gallery(run, GalleryOptions(method=request.method), rich_progress)
        problems += _problems("explain", drawn)
        console.print(f"gallery: {shown(run.explanations)}")
    if request.annotations is not None:
        scores = score_localisation(run, request.annotations, method=request.method, progress=rich_progress)
        _say_localisation(scores, console)
        problems += _problems("explain", scores)
    console.print(RESEARCH_ONLY)
    console.print(f"next: cxrlens audit {shown(root)}, or cxrlens report {shown(root)}")
    return passed_over(problems)


def write_report(root: Path, console: Console) -> int:
    """Write the report of a run folder or of a dataset folder; returns how many things were passed over (none)."""
    check_writable(root)
    run, dataset = RunFolder(root), DatasetFolder(root)
    if run.config_path.is_file():
        console.print(f"report: {shown(write_run_report(run))}")
        console.print(f"model card: {shown(write_model_card(run))}")
        console.print(f"reporting checklists: {shown(write_checklists(run))}")
    elif dataset.manifest_path.is_file():
        console.print(f"report: {shown(write_curation_report(dataset))}")
    else:
        raise RunError(
            root, "is neither a run folder nor a dataset folder", "make one with 'cxrlens curate' or 'cxrlens train'"
        )
    return 0


def _say_localisation(scores: Mapping[str, Any], console: Console) -> None:
    console.print(f"{scores['n']} images with lesion masks ({scores['meaning']}); share of heat in the mask:")
    for kind, entries in (("map", scores["maps"]), ("prior", scores["priors"])):
        for name, entry in entries.items():
            console.print(f"  {kind} {name:<22} energy {spoken(entry['energy'])}, pointing {spoken(entry['pointing'])}")


def _problems(step: str, record: Mapping[str, Any]) -> list[CxrlensError]:
    return [RunError(step, str(line), "the rest was done") for line in record.get("problems", [])]
