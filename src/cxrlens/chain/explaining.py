"""Where a run looked: heat-maps of single images or the gallery, scored against lesion masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from cxrlens import RESEARCH_ONLY
from cxrlens.chain.saying import as_problems, passed_over, shown, spoken
from cxrlens.errors import CxrlensError
from cxrlens.explanation import ExplainOptions, GalleryOptions, explain, gallery, score_localisation
from cxrlens.folders import RunFolder, check_writable
from cxrlens.progress import rich_progress


@dataclass(frozen=True, slots=True)
class ExplainRequest:
    """Images (none: the gallery of the test part), method, class, folder, and lesion masks to score against."""

    images: tuple[Path, ...] = ()
    method: str = "grad-cam"
    target: str | None = None
    out: Path | None = None
    annotations: Path | None = None


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
        problems += as_problems("explain", drawn)
        console.print(f"gallery: {shown(run.explanations)}")
    if request.annotations is not None:
        scores = score_localisation(run, request.annotations, method=request.method, progress=rich_progress)
        _say_localisation(scores, console)
        problems += as_problems("explain", scores)
    console.print(RESEARCH_ONLY)
    console.print(f"next: cxrlens audit {shown(root)}, or cxrlens report {shown(root)}")
    return passed_over(problems)


def _say_localisation(scores: Mapping[str, Any], console: Console) -> None:
    console.print(f"{scores['n']} images with lesion masks ({scores['meaning']}); share of heat in the mask:")
    for kind, entries in (("map", scores["maps"]), ("prior", scores["priors"])):
        for name, entry in entries.items():
            console.print(f"  {kind} {name:<22} energy {spoken(entry['energy'])}, pointing {spoken(entry['pointing'])}")
