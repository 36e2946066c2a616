"""The gate as a user meets it: fit and measure it for a run, and ask it about files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from cxrlens import RESEARCH_ONLY, SYNTHETIC_NOTE
from cxrlens.chain.saying import passed_over, shown, spoken
from cxrlens.errors import CxrlensError
from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.folders import RunFolder, check_writable, read_json
from cxrlens.gate import Answer, load_gate
from cxrlens.gate.figures import FEWEST
from cxrlens.gate.fit import FitOptions
from cxrlens.gate.learn import LearningOptions
from cxrlens.gate.make import make_gate
from cxrlens.gate.measure import MeasureOptions
from cxrlens.gate.saved import gate_path
from cxrlens.progress import rich_progress
from cxrlens.radiograph import Radiograph
from cxrlens.sources.many import read_many
from cxrlens.sources.walk import find_images

_COLOURS = {"pass": "green", "repaired": "yellow", "refused": "red"}
_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class GateRequest:
    """Folders of what is no chest film, the share of false refusals allowed, resamples, and the seed."""

    negatives: tuple[Path, ...] = ()
    false_refusals: float = 0.01
    resamples: int = 1000
    seed: int = 0


def gate_run(root: Path, request: GateRequest, console: Console) -> int:
    """Fit and measure the gate of a run; returns how many kinds of pictures could not be used (none is a fault)."""
    check_writable(root)
    run = RunFolder(root)
    fitting = FitOptions(false_refusals=request.false_refusals, learning=LearningOptions(seed=request.seed))
    measuring = MeasureOptions(request.negatives, bootstrap=Bootstrap(request.resamples), seed=request.seed)
    figures = make_gate(run, fitting, measuring, rich_progress)
    _say(figures, console)
    for line in figures["not_used"]:
        console.print(f"not used: {escape(line)}")
    unreadable = int(read_json(gate_path(run))["unreadable"])
    if unreadable:
        console.print(f"[yellow]passed over:[/] {unreadable} training or validation images cannot be read")
    console.print(f"gate: {shown(run.gate)}")
    console.print(f"95 % intervals, bootstrap by patient and by picture. {RESEARCH_ONLY}")
    console.print(f"next: cxrlens check IMAGES --run {shown(root)}")
    return unreadable


def check_images(root: Path, images: Sequence[Path], console: Console) -> int:
    """Say what the gate says of each image; returns how many were refused or cannot be read."""
    paths, problems = find_images(images)
    gate = load_gate(RunFolder(root))
    refused = 0
    waiting: list[tuple[Path, Radiograph]] = []
    for index, read in _then_end(read_many(paths, progress=rich_progress)):
        if isinstance(read, CxrlensError):
            problems.append(read)
        elif read is not None:
            waiting.append((paths[index], read))
        if waiting and (read is None or len(waiting) == _AT_ONCE):
            for (path, _radiograph), answer in zip(waiting, gate.judge_all([r for _p, r in waiting]), strict=True):
                _say_answer(path, answer, console)
                refused += answer.status == "refused"
            waiting = []
    console.print(f"{len(paths)} images: {refused} refused, {len(problems)} not readable. {RESEARCH_ONLY}")
    return refused + passed_over(problems)


def _then_end(
    items: Iterator[tuple[int, Radiograph | CxrlensError]],
) -> Iterator[tuple[int, Radiograph | CxrlensError | None]]:
    yield from items
    yield -1, None


def _say_answer(path: Path, answer: Answer, console: Console) -> None:
    worst = max(answer.scores, key=lambda name: answer.scores[name])
    colour = _COLOURS[answer.status]
    console.print(
        f"{shown(path)}: [{colour}]{answer.status}[/] (score {answer.score:.2f} of '{worst}', 1 is the limit)"
    )
    for phrase in answer.reasons:
        console.print(f"  the image {escape(phrase)}")
    for phrase in answer.warnings:
        console.print(f"  warning: the image {escape(phrase)}")


def _say(figures: dict[str, Any], console: Console) -> None:
    films = figures["radiographs"]
    if figures["synthetic"]:
        console.print(f"[bold]{SYNTHETIC_NOTE}[/]")
    console.print(f"[bold]held-out radiographs[/] (n = {films['n']}, test and calibration parts)")
    console.print(f"  refused {spoken(films['false_refusals'])}, repaired {spoken(films['false_repairs'])}")
    for word in ("per_class", "per_source"):
        for name, block in films[word].items():
            if block["n"] >= FEWEST:
                console.print(f"    {escape(name):<24} refused {spoken(block['refused'])}, n = {block['n']}")
    console.print("[bold]altered radiographs[/]")
    for kind, block in figures["altered"].items():
        told = {"repair": "repaired rightly", "warning": "warned of", "refusal": "refused"}[block["due"]]
        console.print(f"  {kind:<28} {told} {spoken(block['right'])}, AUROC {spoken(block['auroc'])}")
    console.print("[bold]no chest films[/], of kinds that the gate was not fitted on")
    for kind, block in figures["strangers"].items():
        counted = f"n = {block['n']} from {block['units']} pictures"
        console.print(f"  {escape(kind):<36} refused {spoken(block['refused'])}, {counted}")
    for name, method in figures["strangers"]["all kinds"]["methods"].items():
        used = " (used)" if method["default"] else ""
        console.print(
            f"    {name + used:<32} AUROC {spoken(method['auroc'])}, FPR at 95 % TPR {spoken(method['fpr95'])}"
        )
