"""Can the number be believed? Calibration, the gate, and the audit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from cxrlens.commands.options import Run, Seed, console, finish


def calibrate(
    run: Run,
    coverage: Annotated[float, typer.Option(help="of the prediction sets, for each class", min=0.5, max=0.99)] = 0.90,
    risk: Annotated[float, typer.Option(help="wrong answers tolerated among those given", min=0.01, max=0.5)] = 0.10,
    sensitivity: Annotated[float, typer.Option(help="of each class's fixed point", min=0.5, max=0.99)] = 0.90,
    resamples: Annotated[int, typer.Option(help="of the bootstrap by patient", min=100)] = 1000,
    seed: Seed = 0,
) -> None:
    """Calibrate: probabilities, prediction sets, when to say "not sure", operating points; measured on the test."""
    from cxrlens.chain.calibrating import calibrate_run
    from cxrlens.evaluation.calibration.options import CalibrationOptions

    finish(calibrate_run(run, CalibrationOptions(coverage, risk, sensitivity, resamples, seed), console()))


def gate(
    run: Run,
    negatives: Annotated[
        Optional[list[Path]], typer.Option(help="a folder of images that are no chest films, to measure against")
    ] = None,
    false_refusals: Annotated[
        float, typer.Option(help="share of the validation radiographs that may be refused", min=0, max=0.5)
    ] = 0.01,
    resamples: Annotated[int, typer.Option(help="of the bootstrap by patient", min=100)] = 1000,
    seed: Seed = 0,
) -> None:
    """Fit the gate of a run on its training images: what may the model judge? Measure it on held-out ones."""
    from cxrlens.chain import gating

    request = gating.GateRequest(tuple(negatives or ()), false_refusals, resamples, seed)
    finish(gating.gate_run(run, request, console()))


def check(
    images: Annotated[list[Path], typer.Argument(help="image files, or folders of them", show_default=False)],
    run: Annotated[Path, typer.Option(help="a run folder with a gate, as 'gate' fits it")],
) -> None:
    """Say of each image whether the model may judge it: passes, is repaired, or is refused with the reason."""
    from cxrlens.chain import gating

    finish(gating.check_images(run, images, console()))


def audit(
    run: Run,
    full: Annotated[
        bool, typer.Option("--full/--fast", help="retrain the run's own network, or a small one (the default)")
    ] = False,
    part: Annotated[Optional[list[str]], typer.Option(help="only this part, as in leave_one_out; repeatable")] = None,
    annotations: Annotated[
        Optional[Path], typer.Option(help="annotations.csv with lesion masks, for the explanations' scorecard")
    ] = None,
    resamples: Annotated[int, typer.Option(help="of the bootstrap by patient", min=100)] = 1000,
    seed: Seed = 0,
) -> None:
    """Audit a run: can the number be believed? Leakage, shortcuts, sources left out; an interrupted audit goes on."""
    from cxrlens.audit.case import AuditOptions
    from cxrlens.chain.auditing import audit_run

    options = AuditOptions(full=full, resamples=resamples, seed=seed, annotations=annotations)
    finish(audit_run(run, options, part or (), console()))


def register(app: typer.Typer) -> None:
    """Add these commands to the command line, in this order."""
    for command in (calibrate, gate, check, audit):
        app.command()(command)
