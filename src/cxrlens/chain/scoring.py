"""``cxrlens explain RUN --scorecard``: can the heat-maps themselves be believed?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from cxrlens import RESEARCH_ONLY
from cxrlens.chain.saying import passed_over, shown
from cxrlens.errors import OptionError, RunError
from cxrlens.explanation import METHODS
from cxrlens.explanation.methods import find_method
from cxrlens.explanation.scorecard.card import FILE, score_explanations
from cxrlens.explanation.scorecard.sample import ScorecardOptions
from cxrlens.folders import RunFolder, check_writable
from cxrlens.progress import rich_progress

_COLOURS = {"pass": "green", "warn": "yellow", "fail": "red", "unanswered": "dim"}


@dataclass(frozen=True, slots=True)
class ScorecardRequest:
    """The method that stands first, lesion and lung masks, and the same network trained with another seed."""

    method: str = "grad-cam"
    annotations: Path | None = None
    other_run: Path | None = None
    images: tuple[Path, ...] = ()


def scorecard_of_run(root: Path, request: ScorecardRequest, console: Console) -> int:
    """Score the explanations and say what came of it; returns how many films were passed over.

    Raises:
        OptionError: images were named; the scorecard draws its own.
    """
    if request.images:
        raise OptionError("--scorecard", "draws held-out images itself", "leave the images out")
    check_writable(root)
    find_method(request.method)
    methods = (request.method, *(method for method in METHODS if method != request.method))
    options = ScorecardOptions(methods=methods, annotations=request.annotations, other_run=request.other_run)
    run = RunFolder(root)
    record = score_explanations(run, options, rich_progress)
    console.print(f"{record['meaning']}. {record['main_metric']}")
    for block in record["methods"].values():
        console.print(f"[bold]{block['title']}[/] ({block['layer']})")
        for judged in block["judgements"]:
            colour = _COLOURS[judged["status"]]
            console.print(f"  [{colour}]{judged['status']:<10}[/] {judged['question']} {judged['sentence']}")
    console.print(record["verdict"]["sentence"])
    console.print(record["flag"]["words"])
    console.print(f"written: {shown(run.explanations / FILE)}")
    console.print(f"95 % intervals, bootstrap by patient. {RESEARCH_ONLY}")
    console.print(f"next: cxrlens report {shown(root)}")
    return passed_over([RunError("explain", line, "the rest was done") for line in record["problems"]])
