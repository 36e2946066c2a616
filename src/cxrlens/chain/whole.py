"""The whole chain in a row: on one's own collections, or on synthetic ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from cxrlens.audit.case import AuditOptions
from cxrlens.chain.auditing import audit_run
from cxrlens.chain.collecting import PhantomRequest, phantom
from cxrlens.chain.dataset import CurateRequest, curate_collections, split_dataset
from cxrlens.chain.evaluating import evaluate_run
from cxrlens.chain.explaining import ExplainRequest, explain_run
from cxrlens.chain.reporting import write_report
from cxrlens.chain.saying import shown
from cxrlens.chain.training import TrainRequest, train_run
from cxrlens.folders import DatasetFolder, RunFolder
from cxrlens.split import SplitOptions

RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class WholeRequest:
    """Architecture, epochs and seed, and whether to audit the run too; everything else is the commands' default."""

    model: str = "plain"
    size: int = 128
    epochs: int = 30
    seed: int = 0
    audit: bool = True
    annotations: Path | None = None


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """How many synthetic radiographs, at most how many epochs, the seed, and whether to audit the run too."""

    images: int = 480
    epochs: int = 30
    seed: int = 0
    audit: bool = True


def run(collections: Sequence[Path], out: Path, request: WholeRequest, console: Console) -> int:
    """Curate, split, train, evaluate, explain, audit and report; a step that is done already is not done again.

    Returns:
        How many files were passed over, over all steps.
    """
    dataset, trained = DatasetFolder(out / "dataset"), RunFolder(out / "run")
    over = 0
    if not dataset.manifest_path.is_file():
        _heading("curate", console)
        over += curate_collections(collections, dataset.root, CurateRequest(), console)
    if not dataset.split_path.is_file():
        _heading("split", console)
        over += split_dataset(dataset.root, SplitOptions(seed=request.seed), console)
    if not trained.model_path.is_file():
        _heading("train", console)
        options = {"model": request.model, "epochs": request.epochs, "seed": request.seed}
        resume = trained.config_path.is_file()
        train_run(dataset.root, trained.root, TrainRequest(request.size, options, resume), console)
    _heading("evaluate", console)
    over += evaluate_run(trained.root, None, RESAMPLES, console)
    _heading("explain", console)
    over += explain_run(trained.root, ExplainRequest(annotations=request.annotations), console)
    if not request.audit:
        _heading("report", console)
        return over + write_report(trained.root, console)
    _heading("audit and report", console)
    asked = AuditOptions(seed=request.seed, resamples=RESAMPLES, annotations=request.annotations)
    return over + audit_run(trained.root, asked, (), console)


def demo(out: Path, request: DemoRequest, console: Console) -> int:
    """The whole chain on synthetic radiographs with planted faults, which curation passes over; so it returns 0."""
    made = out / "phantom"
    if not (made / "manifest.csv").is_file():
        _heading("phantom: SYNTHETIC radiographs", console)
        phantom(made, PhantomRequest(images=request.images, seed=request.seed), console)
    collections = sorted(p for p in (made / "collections").iterdir() if p.is_dir())
    truth = made / "truth" / "annotations.csv"
    whole = WholeRequest(epochs=request.epochs, seed=request.seed, audit=request.audit, annotations=truth)
    over = run(collections, out, whole, console)
    console.print(f"\n{over} faulty files were passed over: they are planted in the synthetic collections.")
    console.print(f"[bold]The report lies in {shown((out / 'run' / 'report.html').resolve())}[/]")
    return 0


def _heading(what: str, console: Console) -> None:
    console.rule(f"[bold]{what}", align="left")
